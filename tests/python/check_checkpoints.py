"""What a checkpoint says of its network: the entry lorentznet.json, --init_from, and masses unlike those seen."""

import json
import shutil
import sys
import zipfile

import harness
import numpy as np

torch = harness.load_torch()

QG = ("--n_hidden=4", "--n_layers=2", "--pooling=jet", "--c_weight=0.003")
TOP = ("--n_hidden=3", "--n_layers=1", "--n_nodes=205", "--no_beams", "--coordinates=float")
ONE_EPOCH = ("--epochs=1", "--batch_size=8", "--device=cpu", "--num_workers=0")
STANDING = ("--lr=1e-12", "--weight_decay=0")  # weights stay as they are
NETWORK = ("n_scalar", "n_class", "n_hidden", "n_layers", "pooling", "n_nodes", "c_weight", "coordinates")


def entry_of(checkpoint):
    with zipfile.ZipFile(checkpoint) as archive:
        return json.loads(archive.read("archive/lorentznet.json"))


def rewrite(checkpoint, text):
    """Replaces the entry; without a text there is none."""
    with zipfile.ZipFile(checkpoint) as archive:
        entries = {name: archive.read(name) for name in archive.namelist()}
    entries.pop("archive/lorentznet.json", None)
    if text is not None:
        entries["archive/lorentznet.json"] = text
    with zipfile.ZipFile(checkpoint, "w") as archive:
        for name, content in entries.items():
            archive.writestr(name, content)


class CheckpointTest(harness.ProgramTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.data = {task: harness.write_data(task, cls.folder / f"data-{task}") for task in ("top", "qg")}
        cls.source = {task: harness.train(task, cls.folder / task, cls.data[task], "source", *words, "--epochs=1")
                      for task, words in (("top", TOP), ("qg", QG))}  # fmt: skip

    def alone(self, task, name, without_entry=False):
        """A copy of the source's checkpoint in a folder of its own."""
        folder = self.folder / "alone" / name
        folder.mkdir(parents=True)
        file = folder / "weights.pt"
        shutil.copy(self.source[task] / "best-val-model.pt", file)
        if without_entry:
            torch.save(torch.load(file, weights_only=True), file)
        return file

    def start(self, task, name, file, *words):
        return harness.run(task, *ONE_EPOCH, *STANDING, "--datadir", self.data[task], "--logdir", self.folder / task,
                           "--exp_name", name, "--init_from", file, *words)  # fmt: skip

    def args(self, task, name):
        return harness.read_json(self.folder / task / name / "args.json")

    def test_entry(self):
        for task in ("top", "qg"):
            args = self.args(task, "source")
            for name in ("best-val-model.pt", "checkpoint-epoch-0.pt"):
                file = self.source[task] / name
                entry = entry_of(file)
                self.assertEqual({k: entry[k] for k in NETWORK}, {k: args[k] for k in NETWORK})
                self.assertEqual((entry["format"], entry["task"], entry["beams"]), (1, task, False))
                self.assertRegex(entry["program"], r"^lorentznet \d+\.\d+\.\d+$")
                self.assertEqual(list(torch.load(file, weights_only=True))[0], "module.embedding.weight")
        self.assertIsNone(entry_of(self.source["qg"] / "best-val-model.pt")["masses"])
        lower, median, upper = entry_of(self.source["top"] / "best-val-model.pt")["masses"]
        self.assertTrue(1e-4 < lower < median < upper < 4e-4)  # float's rounding of massless momenta

    def test_starts_as_the_same_network(self):
        """From the entry alone, from args.json alone, and from both."""
        for task in ("top", "qg"):
            with_args = self.alone(task, f"{task}-args", without_entry=True)
            shutil.copy(self.source[task] / "args.json", with_args.parent)
            for name, file in (("entry", self.alone(task, f"{task}-entry")), ("args", with_args),
                               ("both", self.source[task] / "best-val-model.pt")):  # fmt: skip
                with self.subTest(task=task, known_from=name):
                    self.assert_finished(self.start(task, f"from-{name}", file))
                    found, expected = self.args(task, f"from-{name}"), self.args(task, "source")
                    names = (*NETWORK, "no_beams") if task == "top" else NETWORK
                    self.assertEqual({k: found[k] for k in names}, {k: expected[k] for k in names})

    def test_contradictions(self):
        for task, words in (("qg", ("--pooling=constant", "--n_nodes=200", "--c_weight=0.001", "--n_hidden=5",
                                    "--n_layers=3", "--coordinates=float")),
                            ("top", ("--pooling=batch", "--n_nodes=202", "--c_weight=0.001"))):  # fmt: skip
            file = self.alone(task, f"{task}-contradicted")
            args = self.args(task, "source")
            for word in words:
                flag, value = word.removeprefix("--").split("=")
                with self.subTest(task=task, flag=flag):
                    result = self.start(task, "contradicted", file, word)
                    self.assert_refused(result, f"--{flag}", value, args[flag], file)
                    self.assertFalse((self.folder / task / "contradicted").exists())
            self.assert_finished(self.start(task, f"agreeing-{task}", file, f"--c_weight={args['c_weight']}"))

    def test_published(self):
        """Neither an entry nor args.json: as the published network, which a line says; flags have priority."""
        file = self.alone("qg", "published", without_entry=True)
        result = self.start("qg", "published", file)
        self.assert_finished(result)
        self.assertRegex(result.stdout, rf"(?m)^{file} .*: pooling constant, n_nodes 139, c_weight 0\.001$")
        args = self.args("qg", "published")
        self.assertEqual([args[k] for k in ("pooling", "n_nodes", "c_weight", "n_hidden")], ["constant", 139, 0.001, 4])
        result = self.start("qg", "corrected", file, "--pooling=jet", "--c_weight=0.003")
        self.assert_finished(result)
        self.assertNotIn("published", result.stdout.replace(str(file), ""))
        args = self.args("qg", "corrected")
        self.assertEqual([args[k] for k in ("pooling", "n_nodes", "c_weight")], ["jet", 0, 0.003])
        result = self.start("qg", "wrong-width", file, "--n_hidden=5")
        self.assert_refused(result, "--n_hidden", 5, 4, file)

    def test_other_classes(self):
        data = {}
        for classes in (2, 3):
            data[classes] = self.folder / f"classes-{classes}"
            data[classes].mkdir()
            for split in ("train", "val", "test"):
                arrays = harness.top_arrays(split, count=16)
                np.savez(data[classes] / f"{split}.npz", X=arrays["Pmu"], y=np.arange(16) % classes)
        logs = self.folder / "classes"
        words = ("--n_hidden=4", "--n_layers=1", *ONE_EPOCH, *STANDING, "--logdir", logs)
        for name, classes, more in (("three", 3, ()), ("fresh", 2, ("--seed=7",)),
                                    ("two", 2, ("--seed=7", "--init_from", logs / "three" / "best-val-model.pt"))):  # fmt: skip
            result = harness.run("top", *words, "--datadir", data[classes], "--exp_name", name, *more)
            self.assert_finished(result)
        self.assertIn("three/best-val-model.pt has 3 classes, the jets have 2: the last layer starts anew\n", result.stdout)
        three, fresh, two = (torch.load(logs / name / "best-val-model.pt", weights_only=True)
                             for name in ("three", "fresh", "two"))  # fmt: skip
        for name, found in two.items():
            if "running" in name or "tracked" in name:
                continue
            expected = fresh if name.startswith("module.graph_dec.3.") else three
            harness.assert_close(found, expected[name], atol=1e-8)

    def test_disagreement(self):
        """args.json is of another network than the checkpoint beside it: both are named."""
        folder = self.folder / "qg" / "disagreeing"
        shutil.copytree(self.source["qg"], folder)
        args = self.args("qg", "source")
        for name, value in (("pooling", "constant"), ("c_weight", 0.001), ("n_layers", 3), ("n_class", 3)):
            (folder / "args.json").write_text(json.dumps(args | {name: value}))
            before = harness.snapshot(folder)
            for result in (harness.test_mode("qg", folder, "--datadir", self.data["qg"]),
                           self.start("qg", "new", folder / "best-val-model.pt")):  # fmt: skip
                with self.subTest(name=name):
                    self.assert_harmless(result, folder, before, folder / "args.json", name,
                                         folder / "best-val-model.pt")  # fmt: skip
        self.assertFalse((self.folder / "qg" / "new").exists())

    def test_test_mode_without_args(self):
        """The checkpoint itself says what args.json would."""
        for task in ("top", "qg"):
            folder = self.folder / task / "bare"
            folder.mkdir()
            shutil.copy(self.source[task] / "best-val-model.pt", folder)
            self.assert_finished(harness.test_mode(task, folder, "--datadir", self.data[task], "--batch_size=8"))
            self.assertEqual((folder / "score.npy").read_bytes(), (self.source[task] / "score.npy").read_bytes())

    def test_bad_entries(self):
        folder = self.folder / "qg" / "bad-entries"
        shutil.copytree(self.source["qg"], folder)
        file = folder / "best-val-model.pt"
        good = entry_of(file)
        bad = {name: json.dumps(good | change) for name, change in {
            "format": {"format": 2}, "task": {"task": "tau"}, "pooling": {"pooling": 1}, "n_nodes": {"n_nodes": -1},
            "n_layers": {"n_layers": 1e300}, "c_weight": {"c_weight": "1"}, "beams": {"beams": 0},
            "coordinates": {"coordinates": "half"}, "masses": {"masses": [1, 2]}}.items()}  # fmt: skip
        bad["no n_hidden"] = json.dumps({k: v for k, v in good.items() if k != "n_hidden"})
        bad |= {"at most": b" " * (2 << 20), "deep": "[" * 100000 + "]" * 100000}
        unreadable = [("lorentznet.json", text) for text in ("{", "[]", "[" * 50, b"\xff", b"")]
        for reason, text in [*bad.items(), *unreadable]:
            with self.subTest(reason=reason):
                rewrite(file, text)
                before = harness.snapshot(folder)
                result = harness.test_mode("qg", folder, "--datadir", self.data["qg"])
                self.assert_harmless(result, folder, before, file, reason)
        for text in (json.dumps(good | {"more": {"of": "later versions"}}), None):
            rewrite(file, text)
            self.assert_finished(harness.test_mode("qg", folder, "--datadir", self.data["qg"]))


class MassTest(harness.ProgramTest):
    """Warnings of masses unlike those of the training jets."""

    WARNING = "Warning: the masses of the constituents"

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.data = harness.write_top(cls.folder / "data")
        cls.run_folder = harness.train("top", cls.folder, cls.data, "trained", "--epochs=1")
        momenta = harness.top_arrays("test")["Pmu"]
        massless = momenta.copy()
        massless[..., 0] = np.sqrt((momenta[..., 1:] ** 2).sum(-1))
        pions = momenta.copy()
        pions[..., 0] = np.where(momenta[..., 0] > 0, np.sqrt((momenta[..., 1:] ** 2).sum(-1) + 0.1396**2), 0)
        cls.jets = {}
        for name, array in {"same": momenta, "float": massless.astype("f4"), "double": massless, "pions": pions}.items():
            cls.jets[name] = cls.folder / f"{name}.npz"
            np.savez(cls.jets[name], X=array)

    def warnings(self, result):
        self.assert_finished(result)
        return result.stdout.count(self.WARNING)

    def test_test_mode(self):
        published = self.folder / "published"
        shutil.copytree(self.run_folder, published)
        rewrite(published / "best-val-model.pt", None)
        for folder in (self.run_folder, published):
            for name, expected in (("same", 0), ("float", 0), ("double", 1), ("pions", 1)):
                with self.subTest(folder=folder.name, jets=name):
                    result = harness.test_mode("top", folder, "--test_data", self.jets[name])
                    self.assertEqual(self.warnings(result), expected, result.stdout)

    def train_on_double(self, name, *words):
        data = self.folder / f"data-{name}"
        data.mkdir()
        for split in ("train", "val", "test"):
            arrays = harness.top_arrays(split)
            arrays["Pmu"][..., 0] = np.sqrt((arrays["Pmu"][..., 1:] ** 2).sum(-1))
            harness.write_h5(data / f"{split}.h5", arrays)
        return harness.run("top", *harness.SMALL, "--epochs=1", "--datadir", data, "--logdir", self.folder,
                           "--exp_name", name, *words)  # fmt: skip

    def test_training(self):
        """A network that was trained on such jets knows them, and does not know others."""
        self.assertEqual(self.warnings(self.train_on_double("double")), 0)
        for name, expected in (("same", 1), ("double", 0), ("pions", 1)):
            result = harness.test_mode("top", self.folder / "double", "--test_data", self.jets[name])
            self.assertEqual(self.warnings(result), expected, name)
        result = harness.run("top", *harness.SMALL, "--epochs=1", "--datadir", self.data, "--logdir", self.folder,
                             "--exp_name=tested-on-others", "--test_data", self.jets["double"])  # fmt: skip
        self.assertEqual(self.warnings(result), 1)

    def test_init_from(self):
        result = self.train_on_double("started", "--init_from", self.run_folder / "best-val-model.pt")
        self.assertEqual(self.warnings(result), 1)

    def test_own_scalars(self):
        """A network that does not see the masses."""
        data = self.folder / "scalars"
        data.mkdir()
        for split in ("train", "val", "test"):
            arrays = harness.top_arrays(split)
            momenta = arrays["Pmu"]
            np.savez(data / f"{split}.npz", X=momenta, y=arrays["is_signal"], scalars=np.log1p(momenta[..., :1]))
        result = harness.run("top", *harness.SMALL, "--epochs=1", "--datadir", data, "--logdir", self.folder,
                             "--exp_name=own-scalars")  # fmt: skip
        self.assertEqual(self.warnings(result), 0)
        self.assertIsNone(entry_of(self.folder / "own-scalars" / "best-val-model.pt")["masses"])


if __name__ == "__main__":
    sys.exit(harness.main())
