"""Users' own jets: the same scores as from top files; several classes, weights, scalars, ids, missing
labels, bad jets; loss and AUC against torch and scikit-learn; `jets info`; conversion from ROOT and from
quark/gluon jets.
"""

import json
import shutil
import subprocess
import sys

import numpy as np
from sklearn.metrics import accuracy_score, log_loss, roc_auc_score

import harness

torch = harness.load_torch()


def own_of_top(split, **more):
    """The arrays of an own-jets file with jets of the top sample."""
    arrays = harness.top_arrays(split)
    return {"X": arrays["Pmu"], "y": arrays["is_signal"]} | more


def three_classes(first, count, seed):
    """Top jets, QCD jets, and QCD jets without soft particles as class 2, with scalars, weights and ids."""
    arrays = harness.top_arrays("train", first, count)
    X, y = arrays["Pmu"].copy(), arrays["is_signal"].astype(np.int64)
    narrow = (y == 0) & (np.arange(count) % 4 < 2)
    X[narrow, 20:] = 0
    y[narrow] = 2
    rng = np.random.default_rng(seed)
    mass2 = X[..., 0] ** 2 - (X[..., 1:] ** 2).sum(axis=-1)
    scalars = np.stack([np.log1p(np.sqrt(np.abs(mass2))), np.log1p(X[..., 0])], axis=-1)
    return {"X": X, "y": y, "scalars": scalars, "weight": rng.uniform(0.1, 5, count),
            "id": (1 << 60) + rng.permutation(count)}  # fmt: skip


class OwnJetsTest(harness.ScoreTest):
    """With a top experiment `top` and an experiment `three` with three classes, scalars and weights, without beams."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.top_data = harness.write_top(cls.folder / "top")
        harness.train("top", cls.logs, cls.top_data, "top")
        cls.three_data = cls.folder / "three"
        cls.three_data.mkdir()
        for seed, (split, first, count) in enumerate((("train", 0, 120), ("val", 120, 40), ("test", 160, 60))):
            np.savez(cls.three_data / f"{split}.npz", **three_classes(first, count, seed))
        harness.train("top", cls.logs, cls.three_data, "three", "--no_beams", "--n_hidden=8")

    def own(self, name, **arrays):
        np.savez_compressed(self.folder / f"{name}.npz", **arrays)
        return self.folder / f"{name}.npz"

    def scores(self, name, *files):
        return np.load(self.score("top", name, *files))

    def test_same_scores_as_from_top_files(self):
        expected = self.scores("top", self.top_data / "test.h5")
        arrays = own_of_top("test")
        own = self.own("same", **arrays)
        harness.assert_close(self.scores("top", own), expected)
        file = harness.write_h5(self.folder / "same.hdf5", arrays)
        harness.assert_close(self.scores("top", file), expected)
        fortran = self.own("fortran", X=np.asfortranarray(arrays["X"]), y=arrays["y"])
        harness.assert_close(self.scores("top", fortran), expected)
        single = self.own("single", X=arrays["X"].astype(np.float32), y=arrays["y"])
        harness.assert_close(self.scores("top", single), expected)  # the precision of the sample

    def test_mass_as_scalar_is_the_default(self):
        arrays = own_of_top("test")
        p = arrays["X"]
        total = (p[..., 0] ** 2 + p[..., 1] ** 2) + p[..., 2] ** 2 + p[..., 3] ** 2
        psi = np.log1p(np.sqrt(np.abs(2 * (p[..., 0] ** 2) - total)))
        given = self.own("psi", scalars=psi[..., None], **arrays)
        plain = self.own("plain", **arrays)
        harness.assert_close(self.scores("top", given), self.scores("top", plain), atol=1e-6)

    def test_without_labels(self):
        arrays = own_of_top("test", id=np.arange(20, dtype=np.int32)[::-1])
        labelled = self.scores("top", self.own("labelled", **arrays))
        run = self.logs / "top"
        self.assertTrue((run / "test-result.json").exists())
        ids = np.load(run / "score.npz")
        harness.assert_close(ids["id"], arrays["id"])
        harness.assert_close(ids["label"], arrays["y"])
        harness.assert_close(ids["probability"], labelled[:, 1:], rtol=1e-6)  # in double
        del arrays["y"]
        before = harness.results(run)
        figures = (run / "test-result.json").read_bytes()
        for flag in ("--boost=.5", "--report"):
            self.assert_refused(self.run_test("top", "top", self.own("bare", **arrays), flag), "bare.npz", flag[:7])
        self.assertEqual(harness.results(run), before)
        result = self.run_test("top", "top", self.own("bare", **arrays))
        self.assert_finished(result)
        self.assertIn("without labels", result.stdout)
        self.assertNotIn("nan", result.stdout)
        bare = np.load(run / "score.npy")
        harness.assert_close(bare[:, 1:], labelled[:, 1:])
        harness.assert_close(bare[:, 0], -1)
        harness.assert_close(np.load(run / "score.npz")["id"], arrays["id"])
        self.assertEqual((run / "test-result.json").read_bytes(), figures)  # of the labelled jets
        # A test on jets without ids removes the ids of the previous one.
        self.scores("top", self.top_data / "test.h5")
        self.assertNotIn("id", np.load(run / "score.npz"))

    def test_training_needs_labels(self):
        data = self.folder / "unlabelled"
        data.mkdir()
        for split in harness.TOP_SPLITS:
            np.savez(data / f"{split}.npz", X=own_of_top(split)["X"])
        result = harness.run("top", *harness.SMALL, "--datadir", data, "--logdir", self.logs,
                             "--exp_name=unlabelled")  # fmt: skip
        self.assert_refused(result, "train.npz", "has no label")

    def test_three_classes(self):
        run = self.logs / "three"
        args = harness.read_json(run / "args.json")
        self.assertEqual((args["n_class"], args["n_scalar"], args["no_beams"]), (3, 2, True))
        state = torch.load(run / "best-val-model.pt", weights_only=True)
        self.assertEqual(tuple(state["module.embedding.weight"].shape), (8, 2))
        self.assertEqual(tuple(state["module.graph_dec.3.weight"].shape), (3, 8))
        test = np.load(self.three_data / "test.npz")
        score = np.load(run / "score.npy")
        self.assertEqual(score.shape, (60, 4))
        harness.assert_close(score[:, 0], test["y"])
        result = harness.read_json(run / "test-result.json")
        y, w, p = test["y"], test["weight"], score[:, 1:].astype(np.float64)
        p /= p.sum(axis=1, keepdims=True)
        self.assertAlmostEqual(result["test_loss"], log_loss(y, p, sample_weight=w), delta=1e-6)
        of_jet = torch.nn.functional.nll_loss(torch.log(torch.tensor(p)), torch.tensor(y),
                                              reduction="none").numpy()  # fmt: skip
        self.assertAlmostEqual(result["test_loss"], (w * of_jet).sum() / w.sum(), delta=1e-6)
        accuracy = accuracy_score(y, p.argmax(axis=1), sample_weight=w)
        self.assertAlmostEqual(result["test_acc"], accuracy, delta=1e-9)
        self.assertNotAlmostEqual(accuracy, accuracy_score(y, p.argmax(axis=1)), delta=1e-6)
        # In single precision, so that scikit-learn finds the same ties.
        of_class = [roc_auc_score(y == k, score[:, 1 + k], sample_weight=w) for k in range(3)]
        harness.assert_close(result["test_auc_of_class"], of_class, atol=1e-12)
        macro = roc_auc_score(y, p, multi_class="ovr", sample_weight=w)
        self.assertAlmostEqual(result["test_auc"], macro, delta=1e-9)
        harness.assert_close(np.load(run / "score.npz")["id"], test["id"])
        before = harness.results(run)
        self.assert_finished(harness.test_mode("top", run, "--batch_size=8", "--datadir", self.three_data))
        self.assertEqual(harness.results(run), before)

    def test_weights_count_in_training(self):
        """A common factor in all weights does not change a training; other weights do."""
        losses = []
        for name, scale in (("unit", 1.0), ("pico", 2.0**-40), ("flat", None)):
            data = self.folder / name
            data.mkdir()
            for split in harness.TOP_SPLITS:
                arrays = dict(np.load(self.three_data / f"{split}.npz"))
                arrays["weight"] = np.ones(len(arrays["y"])) if scale is None else scale * arrays["weight"]
                np.savez(data / f"{split}.npz", **arrays)
            run = harness.train("top", self.logs, data, name, "--epochs=1", "--dropout=0")
            losses.append(harness.read_json(run / "train-result.json")["train_loss"][0])
        self.assertEqual(losses[0], losses[1])
        self.assertNotEqual(losses[0], losses[2])

    def test_what_does_not_fit_is_refused(self):
        arrays = three_classes(0, 10, 5)
        bare = {name: arrays[name] for name in ("X", "y")}
        self.assert_refused(self.run_test("top", "three", self.own("no-scalars", **bare)), "no-scalars.npz",
                            "1 scalars", "the network takes 2")  # fmt: skip
        self.assert_refused(self.run_test("top", "top", self.own("classes", **bare)), "classes.npz", "class 2",
                            "classes 0 to 1")  # fmt: skip
        self.assert_refused(self.run_test("top", "top", harness.QG_SAMPLE), "QG_jets.npz", "jet 0", "more momentum")
        mixed = [self.own("weighted", **own_of_top("test", weight=np.ones(20))),
                 self.own("unweighted", **own_of_top("test"))]  # fmt: skip
        self.assert_refused(self.run_test("top", "top", *mixed), "weighted.npz", "unweighted.npz", "weights")

    def test_the_right_file_of_several_is_named(self):
        first = self.own("first", **own_of_top("test"))
        second = self.own("second", **{name: three_classes(0, 10, 5)[name] for name in ("X", "y")})
        jet = int((np.load(second)["y"] == 2).argmax())
        self.assert_refused(self.run_test("top", "top", first, second), f"second.npz: jet {jet} ", "class 2")
        bare = self.own("without", X=own_of_top("test")["X"])
        self.assert_refused(self.run_test("top", "top", first, bare, "--boost=.5"), "without.npz: jet 0 ", "label")

    def test_odd_labels(self):
        """A training on one class, or with gaps in the numbers of the classes, is what nobody wants: one line."""
        arrays = {split: own_of_top(split) for split in harness.TOP_SPLITS}
        for name, change, expected in (
            ("usual", lambda y: y, None),
            ("one", lambda y: 0 * y, "all jets have label 0"),
            ("gaps", lambda y: 100 * y, "labels up to 100 make 101 classes, but no jet has label 1, 2, 3"),
        ):  # fmt: skip
            with self.subTest(name):
                data = self.folder / f"labels-{name}"
                data.mkdir()
                for split, values in arrays.items():
                    np.savez(data / f"{split}.npz", **values | {"y": change(values["y"])})
                result = harness.run("top", *harness.SMALL, "--epochs=1", "--datadir", data, "--logdir", self.logs,
                                     f"--exp_name=labels-{name}")  # fmt: skip
                self.assert_finished(result)
                lines = [line for line in result.stdout.splitlines() if line.startswith("Warning: ")]
                self.assertEqual(len(lines), 0 if expected is None else 1, result.stdout)
                if expected:
                    self.assertIn(f"Warning: {data}/train.npz: {expected}", lines[0])

    def test_bad_jets(self):
        arrays = {name: np.concatenate([values] * 60) for name, values in own_of_top("test").items()}
        arrays["X"][700, 0, 0] = np.nan
        file = self.own("bad", **arrays)
        self.assert_refused(self.run_test("top", "top", file), "jet 700 (counted from 0)", "not finite")
        result = self.run_test("top", "top", file, "--on_bad_jet=skip")
        self.assert_finished(result)
        self.assertRegex(result.stdout, r"(?m)^Skipped: .*bad\.npz: jet 700 \(counted from 0\): .*not finite")
        self.assertIn("\nSkipped jets: 1\n", result.stdout)
        self.assertEqual(len(np.load(self.logs / "top" / "score.npy")), 1199)
        arrays["X"][701, 0, 0] = -5
        result = self.run_test("top", "top", self.own("worse", **arrays), "--on_bad_jet=skip")
        self.assert_refused(result, "2 bad jets", "0.1 %", "jet 701")

    def info(self, *words):
        result = subprocess.run([harness.OPTIONS.bin / "jets", "info", *map(str, words)],
                                capture_output=True, text=True, timeout=harness.HANG)  # fmt: skip
        return result

    def test_info(self):
        arrays = three_classes(0, 50, 1)
        arrays["X"][7, 0, 0] = -1
        file = self.own("info", **arrays)
        result = self.info("--json", file, self.top_data / "test.h5", harness.QG_SAMPLE)
        self.assertEqual((result.returncode, result.stderr), (0, ""))
        own, top, qg = json.loads(result.stdout)
        kept = np.arange(50) != 7
        X = arrays["X"][kept]
        self.assertEqual((own["jets"], own["bad_jets"], own["layout"]), (50, 1, "own jets"))
        self.assertIn("jet 7 (counted from 0): energy -1", own["reasons"][0])
        self.assertEqual(own["classes"], {str(k): int((arrays["y"][kept] == k).sum()) for k in range(3)})
        n = (X[..., 0] != 0).sum(axis=1)
        self.assertEqual((own["constituents"]["min"], own["constituents"]["max"]), (n.min(), n.max()))
        jet = X.sum(axis=1)
        pt, mass = np.hypot(jet[:, 1], jet[:, 2]), np.sqrt(jet[:, 0] ** 2 - (jet[:, 1:] ** 2).sum(axis=1))
        harness.assert_close([own["jet_pt"][k] for k in ("min", "mean", "max")], [pt.min(), pt.mean(), pt.max()], rtol=1e-7)
        harness.assert_close([own["jet_mass"][k] for k in ("min", "mean", "max")], [mass.min(), mass.mean(), mass.max()], rtol=1e-7)
        self.assertAlmostEqual(own["weight"]["mean"], arrays["weight"][kept].mean())
        self.assertEqual((top["layout"], top["jets"], top["bad_jets"]), ("top jets, converted", 20, 0))
        self.assertEqual((qg["layout"], qg["jets"]), ("quark/gluon jets (EnergyFlow)", 5000))
        for line in (harness.PROJECT / "data" / "SHA256SUMS").read_text().splitlines():
            digest, name = line.split()
            if name.endswith("QG_jets.npz"):
                self.assertEqual(qg["sha256"], digest)
        table = self.info(file)
        self.assertIn("jet 7 (counted from 0): energy -1", table.stdout)
        self.assertIn("deflated", table.stdout)
        missing = self.info(self.folder / "missing.npz")
        self.assertEqual(missing.returncode, 2)
        self.assertRegex(missing.stderr, r"\Ajets: .*missing\.npz: no such file\n\Z")

    def test_from_root(self):
        import awkward as ak
        import uproot

        arrays = own_of_top("test")
        X = arrays["X"]
        lists = [ak.drop_none(ak.mask(ak.Array(X[..., k]), X[..., 0] != 0)) for k in range(4)]
        pt = np.hypot(lists[1], lists[2])
        branches = {"E": lists[0], "px": lists[1], "py": lists[2], "pz": lists[3], "pt": pt,
                    "eta": np.arcsinh(lists[3] / pt), "phi": np.arctan2(lists[2], lists[1]),
                    "m": 0 * pt, "top": arrays["y"].astype(np.int32), "event": np.arange(20)}  # fmt: skip
        with uproot.recreate(self.folder / "jets.root") as file:
            file.mktree("tree", {name: values.type.content if isinstance(values, ak.Array) else values.dtype
                                 for name, values in branches.items()})  # fmt: skip
            file["tree"].extend(branches)
        script = harness.PROJECT / "scripts" / "root_to_jets.py"
        common = [sys.executable, script, self.folder / "jets.root", "--tree=tree", "--label-branch=top",
                  "--id-branch=event"]  # fmt: skip
        for name, words in (("p4", ["E", "px", "py", "pz"]), ("particles", ["pt", "eta", "phi", "m"])):
            out = self.folder / f"root-{name}.npz"
            subprocess.run([*common, f"--{name}", *words, "--out", out], check=True, capture_output=True)
            made = np.load(out)
            order = np.argsort(-(X[..., 1] ** 2 + X[..., 2] ** 2), axis=1, kind="stable")
            expected = np.take_along_axis(X, order[..., None], axis=1)[:, : made["X"].shape[1]]
            harness.assert_close(made["X"], expected, rtol=1e-6, atol=1e-3)
            harness.assert_close(made["y"], arrays["y"])
            harness.assert_close(made["id"], np.arange(20))
            self.assertEqual(self.scores("top", out).shape, (20, 3))

    def test_from_quark_gluon_jets(self):
        """The nodes that qg_tagging makes: without beams, its network has the same scores."""
        file = harness.write_qg(self.folder / "qg") / "datasets" / "QG_jets.npz"
        run = harness.train("qg", self.logs, self.folder / "qg", "qg", "--pooling=jet")
        self.assert_finished(harness.quark_gluon_with_beams(file, "--outdir", self.folder / "beams", "--test"))
        own = shutil.copytree(run, self.logs / "qg-as-own")
        harness.without_description(own / "best-val-model.pt")
        args = harness.read_json(own / "args.json") | {"no_beams": True}
        (own / "args.json").write_text(json.dumps(args))
        expected = np.load(self.score("qg", "qg", file))
        harness.assert_close(self.scores("qg-as-own", self.folder / "beams" / "test.npz"), expected, atol=1e-6)

    def test_splits_of_quark_gluon_jets(self):
        """In the order of the files, as wide as the wider, those of qg_tagging."""
        arrays = harness.qg_arrays()
        files = [self.own(f"QG_jets_{k}", X=arrays["X"][part][:, :width], y=arrays["y"][part])
                 for k, (part, width) in enumerate(((slice(0, 60), 139), (slice(60, 100), 90)))]  # fmt: skip
        self.assert_finished(harness.quark_gluon_with_beams(*files, "--outdir", self.folder / "splits"))
        for split, first, count in (("train", 0, 80), ("test", 80, 10), ("val", 90, 10)):
            made = np.load(self.folder / "splits" / f"{split}.npz")
            harness.assert_close(made["y"], arrays["y"][first : first + count])
            harness.assert_close(np.hypot(made["X"][:, 0, 1], made["X"][:, 0, 2]), arrays["X"][first : first + count, 0, 0],
                                 rtol=1e-12)  # fmt: skip

    def test_unusable_quark_gluon_jets(self):
        arrays = harness.qg_arrays(count=3)
        pion, negative = arrays["X"].copy(), arrays["X"].copy()
        pion[2, 1, 3] = 111  # neutral: it decays
        negative[1, 0, 0] *= -1
        out = self.folder / "refused"
        for file, expected in ((self.own("pion", X=pion, y=arrays["y"]), "jet 2: pT .* PDG id 111 in column 1"),
                               (self.own("negative", X=negative, y=arrays["y"]), "jet 1: pT -.* in column 0"),
                               (self.own("label", X=arrays["X"], y=[0, 1, 0.5]), "y is not 0 or 1"),
                               (self.own("no-labels", X=arrays["X"]), "y is not a file"),
                               (self.own("shapes", X=arrays["X"], y=[0, 1]), "shapes"),
                               (self.three_data / "none.npz", "No such file")):  # fmt: skip
            result = harness.quark_gluon_with_beams(file, "--outdir", out)
            self.assertEqual(result.returncode, 2)
            self.assertRegex(result.stderr, rf"\Aerror: {file}: [^\n]*{expected}[^\n]*\n\Z")
        self.assertFalse(out.exists())
        result = harness.quark_gluon_with_beams(self.own("good", **arrays), "--outdir", self.folder / "good.npz" / "below")
        self.assertEqual(result.returncode, 1)
        self.assertRegex(result.stderr, r"\Aerror: [^\n]*good\.npz[^\n]*\n\Z")


if __name__ == "__main__":
    harness.main()
