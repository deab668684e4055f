"""Unusable data: one line with file, jet and reason, status 2, and no file changes."""

import fcntl
import sys

import h5py
import numpy as np

import harness

JET = 7  # the bad jet
NAN, INF = float("nan"), float("inf")


def edited(arrays, name, place, value):
    arrays[name] = arrays[name].copy()
    arrays[name][place] = value
    return arrays


def particle(column, field):
    """Index of a field of a particle of the bad jet."""
    return (JET, column, field)


# name: (array, place, value, part of the reason)
QG_VALUES = {
    "pt-nan": ("X", particle(1, 0), NAN, "finite"),
    "pt-inf": ("X", particle(0, 0), INF, "finite"),
    "rapidity-nan": ("X", particle(2, 1), NAN, "finite"),
    "rapidity-huge": ("X", particle(2, 1), 5e3, "finite"),
    "phi-inf": ("X", particle(0, 2), -INF, "finite"),
    "pt-negative": ("X", particle(1, 0), -3.0, "-3"),
    "pt-zero": ("X", particle(1, 0), 0.0, "positive"),
    "id-unknown": ("X", particle(1, 3), 7654321, "7654321"),
    "id-zero": ("X", particle(1, 3), 0, "PDG"),
    "id-fraction": ("X", particle(1, 3), 211.5, "211.5"),
    "id-nan": ("X", particle(1, 3), NAN, "PDG"),
    "id-huge": ("X", particle(1, 3), 1e300, "PDG"),
    "no-particles": ("X", JET, 0.0, "no particles"),
    "label-2": ("y", JET, 2, "label 2"),
    "label-negative": ("y", JET, -1, "label -1"),
    "label-half": ("y", JET, 0.5, "label 0.5"),
    "label-nan": ("y", JET, NAN, "label"),
}
TOP_VALUES = {
    "momentum-nan": ("Pmu", particle(3, 1), NAN, "finite"),
    "momentum-inf": ("Pmu", particle(3, 3), INF, "finite"),
    "energy-nan": ("Pmu", particle(0, 0), NAN, "finite"),
    "energy-negative": ("Pmu", particle(2, 0), -5.0, "-5"),
    "energy-zero": ("Pmu", particle(1, 0), 0.0, "energy"),
    "label-without-particle": ("label", (JET, 1), 0, "label"),
    "no-particles": (("Pmu", "label"), JET, 0, "no particles"),
    "is_signal-2": ("is_signal", JET, 2, "label 2"),
    "is_signal-negative": ("is_signal", JET, -1, "label -1"),
}
# name: change of the good arrays
QG_FORMS = {
    "three-values": lambda a: a | {"X": a["X"][:, :, :3]},
    "flat": lambda a: a | {"X": a["X"][:, 0]},
    "integers": lambda a: a | {"X": a["X"].astype(int)},
    "strings": lambda a: a | {"X": a["X"].astype(str)},
    "objects": lambda a: a | {"X": a["X"].astype(object)},
    "complex": lambda a: a | {"X": a["X"].astype(complex)},
    "labels-few": lambda a: a | {"y": a["y"][1:]},
    "labels-column": lambda a: a | {"y": a["y"][:, None]},
    "labels-strings": lambda a: a | {"y": a["y"].astype(str)},
    "labels-misspelt": lambda a: {"X": a["X"], "Y": a["y"]},
    "no-momenta": lambda a: {"y": a["y"]},
    "no-jets": lambda a: {"X": a["X"][:0], "y": a["y"][:0]},
}
TOP_FORMS = {
    "three-values": lambda a: a | {"Pmu": a["Pmu"][:, :, :3]},
    "flat": lambda a: a | {"Pmu": a["Pmu"].reshape(20, -1)},
    "integers": lambda a: a | {"Pmu": a["Pmu"].astype(int)},
    "float-labels": lambda a: a | {"label": a["label"].astype(float)},
    "labels-narrow": lambda a: a | {"label": a["label"][:, :100]},
    "classes-few": lambda a: a | {"is_signal": a["is_signal"][1:]},
    "counts-few": lambda a: a | {"Nobj": a["Nobj"][1:]},
    "scalar": lambda a: a | {"Pmu": np.float64(1)},
    "no-momenta": lambda a: {k: v for k, v in a.items() if k != "Pmu"},
    "no-classes": lambda a: {k: v for k, v in a.items() if k != "is_signal"},
    "no-jets": lambda a: {k: v[:0] for k, v in a.items()},
    "nothing": lambda a: {},
}


class BadDataTest(harness.ProgramTest):
    """Bad files are tested with a good experiment, whose files must not change."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.kept, cls.before = {}, {}
        for task in ("top", "qg"):
            data = harness.write_data(task, cls.folder / "data" / task)
            cls.kept[task] = harness.train(task, cls.folder / "logs" / task, data, "kept",
                                           "--epochs=1")  # fmt: skip
            cls.before[task] = harness.snapshot(cls.kept[task])

    def run_kept(self, task, words, **options):
        return harness.run(task, "--logdir", self.kept[task].parent, "--exp_name=kept",
                           "--device=cpu", *words, **options)  # fmt: skip

    def refused(self, task, words, expected, **options):
        result = self.run_kept(task, words, **options)
        self.assert_harmless(result, self.kept[task], self.before[task], *expected)

    def refused_test(self, task, file, *expected):
        with self.subTest(file=file.name):
            self.refused(task, ["--test_mode", "--test_data", file], [file, *expected])

    def refused_training(self, task, datadir, *expected):
        """With --overwrite, which may replace files only once there are new ones."""
        with self.subTest(datadir=datadir.name):
            words = [*harness.SMALL, "--overwrite", "--datadir", datadir]
            self.refused(task, words, expected)

    def test_qg_values(self):
        for name, (array, place, value, reason) in QG_VALUES.items():
            file = self.folder / f"qg-{name}.npz"
            np.savez(file, **edited(harness.qg_arrays(count=20), array, place, value))
            self.refused_test("qg", file, f"jet {JET}", reason)

    def test_top_values(self):
        for name, (arrays, place, value, reason) in TOP_VALUES.items():
            data = harness.top_arrays("test")
            for array in [arrays] if isinstance(arrays, str) else arrays:
                data = edited(data, array, place, value)
            file = harness.write_h5(self.folder / f"top-{name}.h5", data)
            self.refused_test("top", file, f"jet {JET}", reason)

    def test_raw_values(self):
        """The layout of the published files."""
        row = np.dtype([("index", "i8"), ("values_block_0", "f4", (804,)),
                        ("values_block_1", "i8", (2,))])  # fmt: skip
        table = np.zeros(10, row)
        table["values_block_0"][:, :3] = (5, 3, 4)
        for name, field, place, value, reason in (
            ("nan", "values_block_0", (JET, 2), NAN, "finite"),
            ("negative", "values_block_0", (JET, 0), -5, "-5"),
            ("no-particles", "values_block_0", JET, 0, "no particles"),
            ("class", "values_block_1", (JET, 1), 2, "label 2"),
        ):
            bad = table.copy()
            bad[field][place] = value
            file = self.folder / f"raw-{name}.h5"
            with h5py.File(file, "w") as out:
                out["table/table"] = bad
            self.refused_test("top", file, f"jet {JET}", reason)

    def test_forms(self):
        for name, form in QG_FORMS.items():
            file = self.folder / f"qg-form-{name}.npz"
            np.savez(file, **form(harness.qg_arrays(count=20)))
            self.refused_test("qg", file)
        for name, form in TOP_FORMS.items():
            arrays = form(harness.top_arrays("test"))
            self.refused_test("top", harness.write_h5(self.folder / f"top-form-{name}.h5", arrays))

    def test_damaged_files(self):
        whole = {
            "qg": self.folder / "data" / "qg" / "datasets" / "QG_jets.npz",
            "top": self.folder / "data" / "top" / "test.h5",
        }
        for task, source in whole.items():
            content = source.read_bytes()
            size = len(content)
            for name, damaged in {
                "empty": b"", "text": b"no data at all\n" * 20, "head": content[:100],
                "half": content[: size // 2], "cut": content[: size - 30],
            }.items():  # fmt: skip
                file = self.folder / f"{name}{source.suffix}"
                file.write_bytes(damaged)
                self.refused_test(task, file)
            self.refused_test(task, self.folder / f"missing{source.suffix}")
            self.refused_test(task, self.folder)

    def test_locked_file(self):
        """HDF5 refuses a file that it cannot lock; the remedy named in the message works."""
        file = self.folder / "data" / "top" / "test.h5"
        words = ["--test_mode", "--test_data", file]
        with file.open() as other:
            fcntl.flock(other, fcntl.LOCK_EX)
            self.refused("top", words, [file, "lock", "HDF5_USE_FILE_LOCKING=FALSE"],
                         env={"HDF5_USE_FILE_LOCKING": "TRUE"})  # fmt: skip
            self.addCleanup(harness.restore, self.kept["top"], self.before["top"])
            result = self.run_kept("top", words, env={"HDF5_USE_FILE_LOCKING": "FALSE"})
            self.assert_finished(result)

    def test_flipped_bytes(self):
        """The checksum of an archive finds errors that no check of values can."""
        source = self.folder / "data" / "qg" / "datasets" / "QG_jets.npz"
        content = bytearray(source.read_bytes())
        content[len(content) // 2] ^= 1
        (self.folder / "flipped.npz").write_bytes(content)
        self.refused_test("qg", self.folder / "flipped.npz")

    def test_training_data(self):
        """Bad jets in any split stop a training before it changes the folder."""
        for split in harness.TOP_SPLITS:
            arrays = edited(harness.top_arrays(split), "is_signal", JET, 3)
            datadir = harness.write_top(self.folder / f"bad-{split}", **{split: arrays})
            self.refused_training("top", datadir, datadir / f"{split}.h5", f"jet {JET}", "label 3")
            empty = {name: values[:0] for name, values in arrays.items()}
            datadir = harness.write_top(self.folder / f"empty-{split}", **{split: empty})
            self.refused_training("top", datadir, datadir / f"{split}.h5", "no jets")
            datadir = harness.write_top(self.folder / f"no-{split}")
            (datadir / f"{split}.h5").unlink()
            self.refused_training("top", datadir, datadir, split)

    def test_quark_gluon_folder(self):
        datadir = harness.write_qg(self.folder / "second")
        second = datadir / "datasets" / "QG_jets_1.npz"
        np.savez(second, **edited(harness.qg_arrays(100, 20), "y", 3, 7))
        self.refused_training("qg", datadir, second, "jet 3", "label 7")
        second.write_bytes(b"PK")
        self.refused_training("qg", datadir, second)
        (self.folder / "none" / "datasets").mkdir(parents=True)
        self.refused_training("qg", self.folder / "none", "none://the-tests-download-nothing")

    def test_too_few_jets(self):
        """Splits that are empty or smaller than a batch are refused before any file is replaced."""
        few = harness.write_qg(self.folder / "few", harness.qg_arrays(count=9))
        self.refused_training("qg", few, few, "test", "jets")
        small = harness.write_qg(self.folder / "small", harness.qg_arrays(count=10))
        with self.subTest("less than a batch"):
            self.refused("qg", [*harness.SMALL, "--overwrite", "--datadir", small,
                                "--batch_size=9"], ["training split", "8 jets"])  # fmt: skip
        with self.subTest("no training jets"):
            self.refused("top", [*harness.SMALL, "--overwrite", "--num_train=0", "--datadir",
                                 self.folder / "data" / "top"], ["training split"])  # fmt: skip

    def test_jet_too_wide(self):
        datadir = harness.write_qg(self.folder / "wide", harness.qg_arrays(count=20))
        self.refused("qg", [*harness.SMALL, "--overwrite", "--n_nodes=3", "--datadir", datadir],
                     [datadir / "datasets" / "QG_jets.npz", "jet ", "nodes", "3"])  # fmt: skip


if __name__ == "__main__":
    sys.exit(harness.main())
