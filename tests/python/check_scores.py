"""The scores of a test and their figures: score.npz beside score.npy, weighted jets, more than two classes, against
scikit-learn's sample_weight and multi_class="ovr".
"""

import re
import sys

import numpy as np
from sklearn.metrics import accuracy_score, log_loss, roc_auc_score, roc_curve
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

import figures
import forked
import harness

SCRIPTS = harness.PROJECT / "scripts"
sys.path.insert(0, str(SCRIPTS))
import prepared  # noqa: E402

prepared.need("numpy", "matplotlib", "mplhep")

from plots import report  # noqa: E402, F401  for report.py in forks of this process

torch = harness.load_torch()


def softmax(logits: np.ndarray) -> np.ndarray:
    """In double."""
    exponentials = np.exp(logits.astype(np.float64) - logits.max(axis=1, keepdims=True))
    return exponentials / exponentials.sum(axis=1, keepdims=True)


def own_jets(split: str, seed: int, zero: int | None = None) -> dict[str, np.ndarray]:
    """Jets of the top sample with weights of both classes that differ, a few of them 0; all 0 in class `zero`."""
    arrays = harness.top_arrays(split)
    y = arrays["is_signal"].astype(np.int64)
    weight = np.random.default_rng(seed).uniform(0.1, 5, len(y)) * np.where(y == 1, 0.01, 1)
    weight[3::7] = 0
    weight[y == zero] = 0
    return {"X": arrays["Pmu"], "y": y, "weight": weight}


class ScoresTest(harness.ProgramTest):
    """With experiments `weighted`, of two classes, and `three`, of three, whose jets have weights."""

    scripts = forked.Scripts()

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.logs = cls.folder / "logs"
        cls.data = cls.write("weighted", {split: own_jets(split, k) for k, split in enumerate(harness.TOP_SPLITS)})
        cls.weighted = harness.train("top", cls.logs, cls.data, "weighted")
        jets = {split: cls.three_classes(own_jets(split, k)) for k, split in enumerate(harness.TOP_SPLITS)}
        cls.three = harness.train("top", cls.logs, cls.write("three", jets), "three")

    @classmethod
    def write(cls, name, splits):
        (cls.folder / name).mkdir()
        for split, arrays in splits.items():
            np.savez(cls.folder / name / f"{split}.npz", **arrays)
        return cls.folder / name

    @staticmethod
    def three_classes(arrays):
        """Every third jet becomes class 2."""
        return arrays | {"y": np.where(np.arange(len(arrays["y"])) % 3 == 2, 2, arrays["y"])}

    def score(self, run, *words, **arrays):
        """Tests `run` on these jets. Returns score.npy, score.npz and test-result.json."""
        np.savez(self.folder / "test.npz", **arrays)
        result = harness.test_mode("top", run, "--batch_size=8", "--test_data", self.folder / "test.npz", *words)
        self.assert_finished(result)
        self.assertNotIn("nan", result.stdout)
        found = run / "test-result.json"
        figures_ = harness.read_json(found) if found.exists() else {}
        return np.load(run / "score.npy"), np.load(run / "score.npz"), figures_

    def test_archive(self):
        """Logits, and probabilities in double; labels, weights and ids where the jets have them."""
        arrays = harness.top_arrays("test")
        jets = {"X": arrays["Pmu"], "y": arrays["is_signal"]}
        more = {"weight": np.linspace(0, 2, 20), "id": np.arange(20)[::-1]}
        for given in (jets, jets | more, {"X": jets["X"]}, {"X": jets["X"]} | more):
            rows, archive, _ = self.score(self.weighted, **given)
            expected = {"logits", "probability", *(["label"] if "y" in given else []), *more.keys() & given}
            self.assertEqual(set(archive.files), expected)
            self.assertEqual((archive["logits"].dtype, archive["logits"].shape), (np.float32, (20, 2)))
            self.assertEqual(archive["probability"].dtype, np.float64)
            harness.assert_close(archive["probability"], softmax(archive["logits"]), rtol=1e-15)
            harness.assert_close(rows[:, 1:], archive["probability"], rtol=1e-6)
            for name in more.keys() & given:
                harness.assert_close(archive[name], given[name])
            if "y" in given:
                harness.assert_close(archive["label"], given["y"])

    def test_probabilities_below_float(self):
        """Where p1 in float is 0, the archive still tells the jets apart."""
        run, jets = self.logs / "sure", own_jets("test", 1)
        harness.restore(run, {name: (self.weighted / name).read_bytes() for name in ("args.json", "best-val-model.pt")})
        difference = np.diff(self.score(run, **jets)[1]["logits"].astype(np.float64))
        scale = 400 / np.ptp(difference)  # the differences of the logits become -550 to -150
        state = torch.load(run / "best-val-model.pt", weights_only=True)
        for name in ("weight", "bias"):
            state[f"module.graph_dec.3.{name}"] *= scale
        state["module.graph_dec.3.bias"][0] += scale * difference.max() + 150
        torch.save(state, run / "best-val-model.pt")
        rows, archive, _ = self.score(run, **jets)
        harness.assert_close(rows[:, 2], 0)
        difference = np.diff(archive["logits"].astype(np.float64))[:, 0]
        self.assertEqual(len(np.unique(archive["probability"][:, 1])), len(np.unique(difference)))
        self.assertGreater(len(np.unique(difference)), 15)
        harness.assert_close(np.log(archive["probability"][:, 1]), difference, rtol=1e-12)

    def test_weighted_figures(self):
        jets = own_jets("test", 7)
        y, w = jets["y"], jets["weight"]
        rows, archive, result = self.score(self.weighted, "--boost=0", **jets)
        harness.assert_close(archive["weight"], w)  # as in the file
        p = rows[:, 1:]
        self.assertAlmostEqual(result["test_acc"], accuracy_score(y, p[:, 1] > p[:, 0], sample_weight=w), delta=1e-12)
        self.assertAlmostEqual(result["test_loss"], log_loss(y, archive["probability"], sample_weight=w), delta=1e-6)
        self.assertAlmostEqual(result["test_auc"], roc_auc_score(y, p[:, 1], sample_weight=w), delta=1e-12)
        background, signal, _ = roc_curve(y, p[:, 1], sample_weight=w, drop_intermediate=True)
        for key, wanted in (("test_1/eB_0.3", 0.3), ("test_1/eB_0.5", 0.5)):
            expected = figures.rejection(background, signal, wanted)
            self.assertEqual(result[key] is None, expected is None)
            self.assertAlmostEqual(result[key] or 0, expected or 0, delta=1e-9)
        boosted = harness.read_json(self.weighted / "boost-0.json")
        self.assertAlmostEqual(boosted["acc"], result["test_acc"], delta=1e-12)
        # The unit of the weights is of no importance.
        again = self.score(self.weighted, **jets | {"weight": w * 2.0**-40})[2]
        self.assertEqual(again["test_auc"], result["test_auc"])

    def test_weighted_uncertainties(self):
        """Against a bootstrap with numpy's random numbers."""
        arrays = [own_jets(split, 3) for split in ("train", "val", "test")] * 4
        jets = {name: np.concatenate([each[name] for each in arrays]) for name in ("X", "y", "weight")}
        jets["weight"] = np.random.default_rng(5).uniform(0, 3, len(jets["y"]))
        rows, _, result = self.score(self.weighted, **jets)
        found = harness.read_json(self.weighted / "test-uncertainty.json")
        y, w, p = jets["y"], jets["weight"], rows[:, 2]
        random, right = np.random.default_rng(1), (rows[:, 2] > rows[:, 1]) == y
        drawn = [random.integers(len(y), size=len(y)) for _ in range(400)]
        for key, figure in (("test_acc", lambda r: np.average(right[r], weights=w[r])),
                            ("test_auc", lambda r: roc_auc_score(y[r], p[r], sample_weight=w[r]))):  # fmt: skip
            low, high = np.percentile([figure(r) for r in drawn], (16, 84))
            harness.assert_close(found[key], (low, high), atol=0.25 * (high - low))
            self.assertLess(found[key][0], result[key])

    def test_weights_of_a_class_all_zero(self):
        """Its figures are null, in a test and in a training's validation."""
        for zero in (0, 1):
            rows, archive, result = self.score(self.weighted, **own_jets("test", 2, zero))
            self.assertEqual((len(rows), len(archive["weight"])), (20, 20))
            self.assertEqual([result[key] for key in ("test_auc", "test_1/eB_0.3", "test_1/eB_0.5")], [None] * 3)
            self.assertIsInstance(result["test_acc"], float)
            self.assertFalse((self.weighted / "test-uncertainty.json").exists())
        splits = {split: own_jets(split, k) for k, split in enumerate(harness.TOP_SPLITS)}
        splits["val"] = own_jets("val", 1, zero=1)
        run = harness.train("top", self.logs, self.write("zero", splits), "zero")
        self.assertEqual(harness.read_json(run / "train-result.json")["epochs"], [0, 1])
        self.assertIsNotNone(harness.read_json(run / "test-result.json")["test_auc"])

    def test_weights_all_zero(self):
        """The scores are kept; no figure has a value. Nothing can be learned from such jets."""
        jets = own_jets("test", 2)
        zeros = np.zeros(len(jets["y"]))
        rows, archive, result = self.score(self.weighted, **jets | {"weight": zeros})
        self.assertEqual(len(rows), 20)
        harness.assert_close(archive["weight"], zeros)
        self.assertEqual({result[key] for key in ("test_loss", "test_acc", "test_auc", "test_1/eB_0.5")}, {None})
        for split in ("train", "val"):
            splits = {name: own_jets(name, 1) for name in harness.TOP_SPLITS}
            splits[split] = splits[split] | {"weight": np.zeros(len(splits[split]["y"]))}
            data = self.write(f"none-{split}", splits)
            refused = harness.run("top", *harness.SMALL, "--datadir", data, "--logdir", self.logs, "--exp_name=none")
            self.assert_refused(refused, f"{split}.npz", "all weights are zero")

    def test_curves_of_the_validation(self):
        """TensorBoard's AUC is weighted: that of the best epoch's network for the validation jets."""
        record = harness.read_json(self.weighted / "train-result.json")
        jets = dict(np.load(self.data / "val.npz"))
        rows = self.score(self.weighted, **jets)[0]
        accumulator = EventAccumulator(str(self.weighted), size_guidance={"scalars": 0})
        accumulator.Reload()
        found = [event.value for event in accumulator.Scalars("epoch/val_auc")][record["best_epoch"]]
        expected = roc_auc_score(jets["y"], rows[:, 2], sample_weight=jets["weight"])
        self.assertAlmostEqual(found, expected, places=6)
        self.assertNotAlmostEqual(found, roc_auc_score(jets["y"], rows[:, 2]), places=3)

    def test_boosted_jets_are_weighted(self):
        jets = own_jets("test", 4)
        jets["weight"][:10] *= 50
        _, _, result = self.score(self.weighted, "--boost=0,0.5", "--equivariance=20", **jets)
        at_rest = harness.read_json(self.weighted / "equivariance.json")["frames"][0]["variants"]["float, clamp"]
        self.assertAlmostEqual(at_rest["acc"], result["test_acc"], delta=1e-9)
        self.assertAlmostEqual(at_rest["loss"], result["test_loss"], delta=1e-5)

    def test_three_classes(self):
        """Each class against all others, with uncertainties."""
        arrays = [self.three_classes(own_jets(split, 3)) for split in ("train", "val", "test")] * 4
        jets = {name: np.concatenate([each[name] for each in arrays]) for name in ("X", "y", "weight")}
        for weighted in (True, False):
            given = jets if weighted else {name: jets[name] for name in ("X", "y")}
            rows, archive, result = self.score(self.three, **given)
            y, p = jets["y"], rows[:, 1:]
            w = jets["weight"] if weighted else np.ones(len(y))
            for k in range(3):
                auc = roc_auc_score(y == k, p[:, k], sample_weight=w)
                self.assertAlmostEqual(result["test_auc_of_class"][k], auc, delta=1e-12)
                background, signal, _ = roc_curve(y == k, p[:, k], sample_weight=w)
                for key, wanted in (("test_1/eB_0.3_of_class", 0.3), ("test_1/eB_0.5_of_class", 0.5)):
                    expected = figures.rejection(background, signal, wanted)
                    self.assertAlmostEqual(result[key][k] or 0, expected or 0, delta=1e-6 * (expected or 0))
            macro = roc_auc_score(y, archive["probability"], multi_class="ovr", sample_weight=w)
            self.assertAlmostEqual(result["test_auc"], macro, delta=1e-6)
            self.check_uncertainties(y, w, p)

    def check_uncertainties(self, y, w, p):
        found = harness.read_json(self.three / "test-uncertainty.json")
        random = np.random.default_rng(1)
        drawn = [random.integers(len(y), size=len(y)) for _ in range(400)]
        aucs = np.array([[roc_auc_score(y[r] == k, p[r, k], sample_weight=w[r]) for k in range(3)] for r in drawn])
        accuracies = [np.average(p[r].argmax(axis=1) == y[r], weights=w[r]) for r in drawn]
        pairs = [(found["test_acc"], accuracies), (found["test_auc"], aucs.mean(axis=1)),
                 *zip(found["test_auc_of_class"], aucs.T)]  # fmt: skip
        for pair, values in pairs:
            low, high = np.percentile(values, (16, 84))
            harness.assert_close(pair, (low, high), atol=0.3 * (high - low))
        self.assertEqual([len(found[f"test_1/eB_{wanted}_of_class"]) for wanted in (0.3, 0.5)], [3, 3])

    def test_a_class_without_jets(self):
        """Three classes, of which the test has two: no mean, and the others are kept."""
        jets = self.three_classes(own_jets("test", 6))
        kept = jets["y"] != 1
        _, _, result = self.score(self.three, **{name: values[kept] for name, values in jets.items()})
        self.assertEqual([auc is None for auc in result["test_auc_of_class"]], [False, True, False])
        self.assertIsNone(result["test_auc"])
        found = harness.read_json(self.three / "test-uncertainty.json")
        self.assertEqual([pair is None for pair in found["test_auc_of_class"]], [False, True, False])
        self.assertIsNone(found["test_auc"])

    def report(self, run):
        """report.html of `run` and its cells by their ids."""
        result = self.scripts.run(SCRIPTS / "report.py", run, env=harness.environment())
        self.assertEqual(result.returncode, 0, result.stderr)
        text = (run / "report.html").read_text()
        return text, dict(re.findall(r"<(?:td|span)[^>]* id=\"([a-z0-9-]+)\"[^>]*>([^<]*)<", text))

    def test_report(self):
        """Its figures are those of test-result.json: weighted, and of each class."""
        result = self.score(self.weighted, **own_jets("test", 7))[2]
        text, cells = self.report(self.weighted)
        self.assertEqual(cells["jets"], "20 (weighted)")
        self.assertIn("count the test jets by their weights", text)
        for cell, key in (("accuracy", "test_acc"), ("auc", "test_auc")):
            self.assertAlmostEqual(float(cells[cell].split()[0]), result[key], delta=0.006)
        result = self.score(self.three, **self.three_classes(own_jets("test", 7)))[2]
        text, cells = self.report(self.three)
        self.assertAlmostEqual(float(cells["auc"].split()[0]), result["test_auc"], delta=0.06)
        for k, auc in enumerate(result["test_auc_of_class"]):
            row = re.search(rf"<td>class {k} against all others</td>(.*?)</tr>", text)[1]
            self.assertAlmostEqual(float(re.findall(r">([\d.]+) [±+]", row)[0]), auc, delta=0.06)
            self.assertIn(f'id="scores-class-{k}"', text)
        self.assertIn(" of class 2", text)


if __name__ == "__main__":
    sys.exit(harness.main())
