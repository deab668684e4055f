"""score.npy is the same, bit for bit, for top jets from pandas tables with Blosc and from the converted
layout, and for quark/gluon arrays in every form that numpy writes.
"""

import zipfile

import numpy as np
import tables

import harness


def write_table(file, arrays, complib="blosc", complevel=9, rows_in_chunk=None):
    """As pandas wrote the published files, with DataFrame.to_hdf(..., format="table")."""
    jets = len(arrays["is_signal"])
    row = np.dtype([("index", "<i8"), ("values_block_0", "<f4", (804,)), ("values_block_1", "<i8", (2,))])
    values = np.zeros(jets, row)
    values["index"] = np.arange(jets)
    values["values_block_0"][:, :800] = arrays["Pmu"].reshape(jets, 800)
    values["values_block_0"][:, 800:] = arrays["truth_Pmu"]
    values["values_block_1"][:, 1] = arrays["is_signal"]
    filters = tables.Filters(complib=complib, complevel=complevel)
    with tables.open_file(str(file), "w") as out:
        group = out.create_group("/", "table")
        group._v_attrs.pandas_type = "frame_table"
        out.create_table(group, "table", obj=values, filters=filters, expectedrows=rows_in_chunk or jets)


class FormatsTest(harness.ProgramTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.logs = cls.folder / "logs"
        cls.top_data = harness.write_top(cls.folder / "top")
        harness.train("top", cls.logs, cls.top_data, "top")
        harness.train("qg", cls.logs, harness.write_qg(cls.folder / "qg"), "qg")
        cls.top_scores = cls.score("top", cls.top_data / "test.h5")
        cls.qg_scores = cls.score("qg", cls.write_npz("plain", np.savez))

    @classmethod
    def run_test(cls, task, *files, **options):
        return harness.test_mode(task, cls.logs / task, "--batch_size=8", "--test_data", *files, **options)

    @classmethod
    def score(cls, task, *files, **options):
        result = cls.run_test(task, *files, **options)
        if result.returncode != 0:
            raise AssertionError(result.stderr)
        return (cls.logs / task / "score.npy").read_bytes()

    @classmethod
    def write_npz(cls, name, save, change=lambda arrays: arrays):
        save(cls.folder / f"{name}.npz", **change(harness.qg_arrays()))
        return cls.folder / f"{name}.npz"

    def test_tables(self):
        arrays = harness.top_arrays("test")
        for complib in ("blosc", "blosc:lz4", "blosc:zstd", "zlib", None):
            with self.subTest(complib=complib):
                file = self.folder / "raw.h5"
                write_table(file, arrays, complib or "zlib", 9 if complib else 0)
                self.assertEqual(self.score("top", file), self.top_scores)
        write_table(self.folder / "raw.h5", arrays)
        parts = []
        for first, count in ((0, 7), (7, 13)):
            parts.append(self.folder / f"part{first}.h5")
            write_table(parts[-1], harness.top_arrays("test", first, count))
        self.assertEqual(self.score("top", *parts), self.top_scores)

    def test_plugin_path_of_another_program(self):
        """HDF5 then searches only there; conda environments set this variable."""
        write_table(self.folder / "raw.h5", harness.top_arrays("test"))
        elsewhere = self.folder / "plugins"
        elsewhere.mkdir(exist_ok=True)
        environment = {"HDF5_PLUGIN_PATH": str(elsewhere)}
        self.assertEqual(self.score("top", self.folder / "raw.h5", env=environment), self.top_scores)

    def test_training_on_tables(self):
        """The same training from tables, with two files per split."""
        raw = self.folder / "raw"
        raw.mkdir()
        for split, jets in harness.TOP_SPLITS.items():
            for part, (first, count) in enumerate(((0, 5), (5, jets - 5))):
                write_table(raw / f"{split}-{part}.h5", harness.top_arrays(split, first, count))
        run = harness.train("top", self.logs, raw, "raw")
        state = (self.logs / "top" / "best-val-model.pt").read_bytes()
        self.assertEqual((run / "best-val-model.pt").read_bytes(), state)

    def test_arrays(self):
        def fortran(arrays):
            return {"X": np.asfortranarray(arrays["X"]), "y": arrays["y"]}

        def wider(arrays):
            return {"X": np.pad(arrays["X"], ((0, 0), (0, 61), (0, 0))), "y": arrays["y"].astype(np.int64)}

        def single(arrays):
            return {"X": arrays["X"].astype(np.float32), "y": arrays["y"].astype(np.float32)}

        for name, change in (("deflated", dict), ("fortran", fortran), ("wider", wider), ("single", single)):
            for save in (np.savez, np.savez_compressed):
                with self.subTest(name, save=save.__name__):
                    self.assertEqual(self.score("qg", self.write_npz(name, save, change)), self.qg_scores)

    def test_zip64(self):
        file = self.folder / "zip64.npz"
        with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as out:
            for name, values in harness.qg_arrays().items():
                with out.open(f"{name}.npy", "w", force_zip64=True) as entry:
                    np.lib.format.write_array(entry, values)
        self.assertEqual(self.score("qg", file), self.qg_scores)

    def test_big_endian_is_refused(self):
        file = self.write_npz("big", np.savez, lambda a: {"X": a["X"].astype(">f8"), "y": a["y"]})
        self.assert_refused(self.run_test("qg", file), "big.npz", ">f8")


if __name__ == "__main__":
    harness.main()
