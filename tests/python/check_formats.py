"""score.npy is the same, bit for bit, for top jets from pandas tables with Blosc and from the converted
layout, and for quark/gluon arrays in every form that numpy writes.
"""

import zipfile

import h5py
import numpy as np
import tables

import harness


def write_table(file, arrays, complib="blosc", complevel=9, rows_in_chunk=None, byteorder="little"):
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
        out.create_table(group, "table", obj=values, filters=filters, expectedrows=rows_in_chunk or jets,
                         byteorder=byteorder)  # fmt: skip


class FormatsTest(harness.ScoreTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.top_data = harness.write_top(cls.folder / "top")
        harness.train("top", cls.logs, cls.top_data, "top")
        harness.train("qg", cls.logs, harness.write_qg(cls.folder / "qg"), "qg")
        cls.top_scores = cls.bytes_of("top", cls.top_data / "test.h5")
        cls.qg_scores = cls.bytes_of("qg", cls.write_npz("plain", np.savez))

    @classmethod
    def bytes_of(cls, task, *words, **options):
        return cls.score(task, task, *words, **options).read_bytes()

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
                self.assertEqual(self.bytes_of("top", file), self.top_scores)
        write_table(self.folder / "raw.h5", arrays)
        parts = []
        for first, count in ((0, 7), (7, 13)):
            parts.append(self.folder / f"part{first}.h5")
            write_table(parts[-1], harness.top_arrays("test", first, count))
        self.assertEqual(self.bytes_of("top", *parts), self.top_scores)

    def test_plugin_path_of_another_program(self):
        """HDF5 then searches only there; conda environments set this variable."""
        write_table(self.folder / "raw.h5", harness.top_arrays("test"))
        elsewhere = self.folder / "plugins"
        elsewhere.mkdir(exist_ok=True)
        environment = {"HDF5_PLUGIN_PATH": str(elsewhere)}
        self.assertEqual(self.bytes_of("top", self.folder / "raw.h5", env=environment), self.top_scores)

    def test_training_on_tables(self):
        """The same training from tables, with two files per split."""
        raw = self.folder / "raw"
        raw.mkdir()
        for split, jets in harness.TOP_SPLITS.items():
            for part, (first, count) in enumerate(((0, 5), (5, jets - 5))):
                write_table(raw / f"{split}-{part}.h5", harness.top_arrays(split, first, count))
        run = harness.train("top", self.logs, raw, "raw")
        weights = harness.weights_in(self.logs / "top" / "best-val-model.pt")
        self.assertEqual(harness.weights_in(run / "best-val-model.pt"), weights)

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
                    self.assertEqual(self.bytes_of("qg", self.write_npz(name, save, change)), self.qg_scores)

    def test_zip64(self):
        file = self.folder / "zip64.npz"
        with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as out:
            for name, values in harness.qg_arrays().items():
                with out.open(f"{name}.npy", "w", force_zip64=True) as entry:
                    np.lib.format.write_array(entry, values)
        self.assertEqual(self.bytes_of("qg", file), self.qg_scores)

    def test_big_endian(self):
        """The byte order of another machine, in every container."""
        def swapped(arrays):
            return {name: values.astype(values.dtype.newbyteorder(">")) for name, values in arrays.items()}

        file = self.write_npz("big", np.savez, swapped)
        self.assertEqual(np.load(file)["X"].dtype, np.dtype(">f8"))
        self.assertEqual(self.bytes_of("qg", file), self.qg_scores)
        arrays = harness.top_arrays("test")
        file = harness.write_h5(self.folder / "big.h5", swapped(arrays))
        self.assertEqual(self.bytes_of("top", file), self.top_scores)
        table = self.folder / "big-table.h5"
        write_table(table, arrays, byteorder="big")
        with h5py.File(table) as stored:
            self.assertEqual(stored["table/table"].dtype["values_block_0"].base, np.dtype(">f4"))
        self.assertEqual(self.bytes_of("top", table), self.top_scores)
        for kinds in ("f8 i8", "f4 i4", "f8 i2", "f8 u8", "f8 u4", "f8 u2", "f4 f4"):
            with self.subTest(kinds):
                x, y = (f">{kind}" for kind in kinds.split())
                own = {"X": arrays["Pmu"].astype(x), "y": arrays["is_signal"].astype(y)}
                np.savez(self.folder / "big-own.npz", **own)
                self.assertEqual(self.bytes_of("top", self.folder / "big-own.npz"), self.top_scores)
                file = harness.write_h5(self.folder / "big-own.h5", own)
                self.assertEqual(self.bytes_of("top", file), self.top_scores)

    def test_booleans(self):
        """h5py writes them as an enumeration."""
        arrays = harness.top_arrays("test")
        is_signal = arrays["is_signal"].astype(bool)
        converted = arrays | {"is_signal": is_signal, "label": arrays["label"].astype(bool)}
        own = {"X": arrays["Pmu"], "y": is_signal}
        for name, values in (("converted", converted), ("own", own)):
            with self.subTest(name):
                file = harness.write_h5(self.folder / f"bool-{name}.h5", values)
                self.assertEqual(self.bytes_of("top", file), self.top_scores)
        np.savez(self.folder / "bool.npz", **own)
        self.assertEqual(self.bytes_of("top", self.folder / "bool.npz"), self.top_scores)
        with h5py.File(self.folder / "colours.h5", "w") as out:
            out["X"] = arrays["Pmu"]
            out.create_dataset("y", data=is_signal, dtype=h5py.enum_dtype({"RED": 0, "GREEN": 1}, "i1"))
        self.assert_refused(self.run_test("top", "top", self.folder / "colours.h5"), "colours.h5", "'y'", "numbers")

    def test_zero_rows(self):
        """Rows of zeros between and before the particles count for nothing, in every layout."""
        rng = np.random.default_rng(3)

        def scattered(values, wider):
            """The rows [jets, M, ...] at rising random places of `wider` columns more."""
            jets, width = values.shape[:2]
            out = np.zeros((jets, width + wider, *values.shape[2:]), values.dtype)
            for jet in range(jets):
                out[jet, np.sort(rng.choice(width + wider, width, replace=False))] = values[jet]
            return out

        qg = harness.qg_arrays()
        np.savez(self.folder / "zeros-qg.npz", X=scattered(qg["X"], 30), y=qg["y"])
        self.assertEqual(self.bytes_of("qg", self.folder / "zeros-qg.npz"), self.qg_scores)
        arrays = harness.top_arrays("test")
        most = int((arrays["label"] != 0).sum(axis=1).max())
        both = np.concatenate([arrays["Pmu"], arrays["label"][..., None]], axis=-1)[:, :most]
        spread = scattered(both, 200 - most)
        p4, label = spread[..., :4], spread[..., 4].astype(np.int16)
        self.assertTrue(((label[:, 1:] != 0) & (label[:, :-1] == 0)).any(axis=1).all())
        file = harness.write_h5(self.folder / "zeros.h5", arrays | {"Pmu": p4, "label": label})
        self.assertEqual(self.bytes_of("top", file), self.top_scores)
        write_table(self.folder / "zeros-table.h5", arrays | {"Pmu": p4})
        self.assertEqual(self.bytes_of("top", self.folder / "zeros-table.h5"), self.top_scores)
        np.savez(self.folder / "zeros.npz", X=p4, y=arrays["is_signal"])
        self.assertEqual(self.bytes_of("top", self.folder / "zeros.npz"), self.top_scores)

    def test_files_are_named(self):
        """A line names every file of a split, with its jets; paths in full if the folders differ."""
        parts = []
        for folder, first, count in (("a", 0, 7), ("a", 7, 3), ("b", 10, 10)):
            (self.folder / folder).mkdir(exist_ok=True)
            parts.append(harness.write_h5(self.folder / folder / f"part{first}.h5",
                                          harness.top_arrays("test", first, count)))  # fmt: skip
        result = self.run_test("top", "top", *parts[:2])
        self.assertIn(f"\nFiles of test: part0.h5 (7 jets), part7.h5 (3 jets) in {self.folder / 'a'}\n", result.stdout)
        result = self.run_test("top", "top", *parts)
        self.assertIn(f"\nFiles of test: {parts[0]} (7 jets), {parts[1]} (3 jets), {parts[2]} (10 jets)\n",
                      result.stdout)  # fmt: skip

    def test_quark_gluon_jets_without_labels(self):
        X = harness.qg_arrays()["X"]
        np.savez(self.folder / "bare.npz", X=X)
        result = self.run_test("qg", "qg", self.folder / "bare.npz")
        self.assert_finished(result)
        self.assertIn("without labels", result.stdout)
        self.addCleanup(self.bytes_of, "qg", self.folder / "plain.npz")
        score = np.load(self.logs / "qg" / "score.npy")
        labelled = np.load(self.score("qg", "qg", self.folder / "plain.npz"))
        harness.assert_close(score[:, 1:], labelled[:, 1:])
        harness.assert_close(score[:, 0], -1)
        np.savez(self.folder / "misspelt.npz", X=X, Y=np.zeros(len(X)))
        self.assert_refused(self.run_test("qg", "qg", self.folder / "misspelt.npz"), "no array 'y'", "'Y'")
        for flag in ("--boost=.5", "--report"):
            result = self.run_test("qg", "qg", self.folder / "plain.npz", self.folder / "bare.npz", flag)
            self.assert_refused(result, "bare.npz: jet 0 ", flag[:7])
        data = self.folder / "unlabelled"
        harness.write_qg(data, {"X": X})
        result = harness.run("qg", *harness.SMALL, "--datadir", data, "--logdir", self.logs, "--exp_name=unlabelled")
        self.assert_refused(result, "QG_jets.npz", "has no label")


if __name__ == "__main__":
    harness.main()
