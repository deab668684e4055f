"""The command `lorentznet` of the Python package: what it writes and prints, and what it refuses."""

import contextlib
import os
import pty
import subprocess

import numpy as np

import harness
import python_package
from package_test import CHECKPOINT, PackageTest, command, with_test_packages

import lorentznet


class CommandTest(PackageTest):
    def score(self, *words, **options):
        return command("score", *words, "--out", self.folder / "scores.npz", **options)

    def assert_command_refused(self, result, *expected):
        self.assertEqual(result.returncode, 2, (result.args, result.stderr))
        self.assertRegex(result.stderr, r"\Alorentznet: [^\n]+\n\Z")
        for text in expected:
            self.assertIn(str(text), result.stderr)
        self.assertEqual([file.name for file in self.folder.iterdir() if ".partial" in file.name], [])

    def write(self, name, **arrays):
        np.savez(self.folder / name, **arrays)
        return self.folder / name

    def test_top_files(self):
        arrays = harness.top_arrays("test")
        converted = harness.write_h5(self.folder / "converted.h5", arrays)
        expected = self.expected("top", converted)
        own = self.write("own.npz", X=arrays["Pmu"].astype("f4"), y=arrays["is_signal"], id=np.arange(20) + 7,
                         weight=np.full(20, 0.5))  # fmt: skip
        own_h5 = harness.write_h5(self.folder / "own.h5", {"X": arrays["Pmu"], "y": arrays["is_signal"].astype(bool)})
        row = np.dtype([("index", "i8"), ("values_block_0", "f4", 804), ("values_block_1", "i8", 2)])
        table = np.zeros(20, row)
        table["values_block_0"][:, :800] = arrays["Pmu"].reshape(20, 800)
        table["values_block_1"][:, 1] = arrays["is_signal"]
        table = harness.write_h5(self.folder / "table.h5", {"table/table": table})
        for file in (converted, own, own_h5, table):
            result = self.score(file, "--model", CHECKPOINT["top"], "--threads=2", env=with_test_packages())
            self.assert_finished(result)
            self.assertRegex(result.stdout, r"\A.*scores.npz: 20 jets \(\d+ jets/s\)\n\Z")
            with np.load(self.folder / "scores.npz") as scores:
                self.assert_same(scores["probability"], expected)
                harness.assert_close(scores["label"], arrays["is_signal"])
                self.assertEqual("id" in scores, file == own)
        self.assert_finished(self.score(own, own, "--model", CHECKPOINT["top"]))
        with np.load(self.folder / "scores.npz") as scores:
            self.assert_same(scores["probability"], np.concatenate([expected, expected]))
            harness.assert_close(scores["id"], np.tile(np.arange(20) + 7, 2))
            harness.assert_close(scores["weight"], np.full(40, 0.5))

    def test_quark_gluon_files(self):
        arrays = harness.qg_arrays(count=30)
        labelled, bare = self.write("labelled.npz", **arrays), self.write("bare.npz", X=arrays["X"])
        expected = self.expected("qg", labelled)
        self.assert_finished(self.score(labelled, bare, "--model", CHECKPOINT["qg"]))
        with np.load(self.folder / "scores.npz") as scores:
            self.assert_same(scores["probability"], np.concatenate([expected, expected]))
            harness.assert_close(scores["label"], np.concatenate([arrays["y"], np.full(30, -1)]))

    def test_bad_files(self):
        top, qg = ("--model", CHECKPOINT["top"]), ("--model", CHECKPOINT["qg"])
        p4 = self.p4[:5].copy()
        p4[3, 0, 0] = np.nan
        rows = harness.qg_arrays(count=5)
        rows["X"][2, 1, 3] = 12345
        (self.folder / "scores.npz").write_bytes(b"before")
        text = self.folder / "text.npz"
        text.write_text("no jets")
        cut = self.folder / "cut.npz"
        cut.write_bytes(self.write("whole.npz", X=self.p4).read_bytes()[:5000])
        for file, model, *expected in (
            (self.write("nan.npz", X=p4), top, "nan.npz: jet 3 (counted from 0): ", "finite"),
            (self.write("unknown.npz", **rows), qg, "unknown.npz: jet 2 (counted from 0): ", "12345"),
            (self.write("label.npz", X=self.p4, y=np.full(40, 0.5)), top, "jet 0 (counted from 0): 'y' is 0.5"),
            (self.write("weight.npz", X=self.p4, weight=np.full(40, -1.0)), top, "'weight' is -1.0"),
            (self.write("misspelt.npz", X=self.p4, labels=np.zeros(40)), top, "'labels' is not one of X, y"),
            (self.write("scalars.npz", X=self.p4, scalars=self.p4), top, "the network takes no scalars"),
            (self.write("flat.npz", X=self.p4[0]), top, "'X' has shape [200, 4] instead of"),
            (self.write("whole_numbers.npz", X=self.p4.astype(int)), top, "elements of type int64"),
            (self.write("none.npz", X=self.p4[:0]), top, "no jets"),
            (self.write("no_x.npz", Y=self.p4), top, "no array 'X'; the file holds 'Y'"),
            (self.write("pickle.npz", X=np.array([[[{}] * 4]])), top, "pickle.npz: "),
            (text, top, "neither an .npz nor an HDF5 file"),
            (cut, top, "cut.npz: "),
            (self.folder / "missing.npz", top, "missing.npz: there is no such file"),
            (self.folder, top, f"{self.folder}: "),
            (self.write("good.npz", X=self.p4), qg, "good.npz: jet 0 (counted from 0): PDG id", "is not an integer"),
            (self.write("good.npz", X=self.p4), ("--model", text), "text.npz: "),
        ):  # fmt: skip
            with self.subTest(file=file):
                self.assert_command_refused(self.score(file, *model), *expected)
                self.assertEqual((self.folder / "scores.npz").read_bytes(), b"before")

    def test_bad_hdf5_files(self):
        model = ("--model", CHECKPOINT["top"])
        good = harness.top_arrays("test", count=3)
        row = np.dtype([("values_block_0", "f4", 803), ("values_block_1", "i8", 2)])
        good_row = np.dtype([("values_block_0", "f4", 804), ("values_block_1", "i8", 2)])
        gone = good["label"].copy()
        gone[1, 0] = 0
        whole = harness.write_h5(self.folder / "whole.h5", good).read_bytes()
        (self.folder / "cut.h5").write_bytes(whole[: len(whole) // 2])
        for arrays, *expected in (
            (good | {"label": gone}, "jet 1 (counted from 0): column 0 has label 0 but energy"),
            ({"X/inside": good["Pmu"]}, "'X' is a group"),
            ({"Pmu": good["Pmu"]}, "neither Nobj, Pmu, label and is_signal, nor X", "'Pmu'"),
            (good | {"label": gone[:2]}, "'label' has shape [2, 200] instead of [3, 200]"),
            ({"table/table": np.zeros(3, row)}, "the table has rows", "[4 M + 4]"),
            ({"table/table": np.zeros(3)}, "the table has rows float64"),
            ({"table/table": np.zeros(0, good_row)}, "no jets"),
            ({"X": good["Pmu"], "id": np.full(3, 0.5)}, "'id' has elements of type float64"),
            (None, "cut.h5: "),
        ):
            with self.subTest(expected=expected):
                file = self.folder / "cut.h5" if arrays is None else harness.write_h5(self.folder / "bad.h5", arrays)
                result = self.score(file, *model, env=with_test_packages())
                self.assert_command_refused(result, file, *expected)
        result = self.score(self.folder / "whole.h5", "--model", CHECKPOINT["qg"], env=with_test_packages())
        self.assert_command_refused(result, "quark/gluon jets are read from .npz files")

    def test_any_name_of_a_file(self):
        odd = os.fsdecode(os.fsencode(self.folder) + b"/n\xffme.npz")
        self.write(odd, X=self.p4[:2])
        out = os.fsdecode(os.fsencode(self.folder) + b"/o\xfft.npz")
        words = [python_package.venv() / "bin" / "lorentznet", "score", odd, "--model", CHECKPOINT["top"], "--out", out]
        result = subprocess.run(words, env=python_package.clean_environment(), capture_output=True)
        self.assertEqual((result.returncode, result.stderr), (0, b""))
        self.assertIn(b"/o\xfft.npz: 2 jets", result.stdout)
        with np.load(out) as scores:
            self.assert_same(scores["probability"], self.top(self.p4[:2]))
        self.write(odd, X=self.p4[:2, 0])
        result = self.score(odd, "--model", CHECKPOINT["top"])
        self.assert_command_refused(result, "n\\udcffme.npz: array 'X' has shape")

    def test_without_h5py(self):
        file = harness.write_h5(self.folder / "x.h5", harness.top_arrays("test", count=2))
        self.assert_command_refused(self.score(file, "--model", CHECKPOINT["top"]), "x.h5: ", "h5py")

    def test_bad_words(self):
        good = self.write("good.npz", X=self.p4[:2])
        model = ("--model", CHECKPOINT["top"])
        for words, *expected in (
            ((), "COMMAND"),
            (("nonsense",), "nonsense"),
            (("score", good, *model), "--out"),
            (("score", good, *model, "--out", "x.npz", "--threads", "0"), "--threads", "'0' is not a positive integer"),
            (("score", good, *model, "--out", self.folder / "none" / "x.npz"), "there is no folder"),
            (("score", good, *model, "--out", self.folder), "is a folder"),
            (("score", good, "--mode", "x", "--out", "x.npz"), "--mode"),
            (("score", good, *model, "--out", good), "would replace the file", "which is read"),
            (("export-onnx", CHECKPOINT["top"], CHECKPOINT["top"]), "would replace the file"),
            (("info",), "CHECKPOINT"),
            (("info", self.folder / "missing.pt"), "missing.pt: there is no such file"),
            (("export-onnx", CHECKPOINT["top"], self.folder / "model.onnx"), "the package onnx"),
        ):
            with self.subTest(words=words):
                self.assert_command_refused(command(*words), *expected)

    def test_info(self):
        result = command("info", CHECKPOINT["qg"])
        self.assert_finished(result)
        for text in (CHECKPOINT["qg"], "qg", "four-momenta and PDG ids", self.qg.fingerprint, self.qg.instruction_set,
                     "test jets           4", "c_weight            0.001"):  # fmt: skip
            self.assertIn(str(text), result.stdout)
        self.assertEqual(command("--version").stdout, f"{lorentznet.__version__}\n")

    def test_bar_on_a_terminal(self):
        file = self.write("many.npz", X=np.repeat(self.p4, 10, axis=0))
        terminal, end = pty.openpty()
        words = ("score", file, "--model", CHECKPOINT["top"], "--out", self.folder / "scores.npz")
        with subprocess.Popen([python_package.venv() / "bin" / "lorentznet", *words], stderr=end,
                              env=python_package.clean_environment(), stdout=subprocess.PIPE) as process:  # fmt: skip
            os.close(end)
            shown = b""
            with contextlib.suppress(OSError):  # at its end
                while part := os.read(terminal, 1000):
                    shown += part
            process.communicate(timeout=harness.HANG)
        os.close(terminal)
        self.assertEqual(process.returncode, 0)
        self.assertRegex(shown.decode(), r"\[=*> *\] +\d+ %  \d+ jets/s  0:\d\d left")
        self.assertTrue(shown.endswith(b"\r\033[K"))
        self.assertEqual(self.score(file, "--model", CHECKPOINT["top"]).stderr, "")


if __name__ == "__main__":
    harness.main()
