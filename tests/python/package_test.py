"""Shared by the tests of the Python package: the shipped networks in taggers, test mode's probabilities, the command."""

import os
import subprocess

import numpy as np

import harness
import python_package

python_package.make_importable()
import lorentznet  # noqa: E402

PRETRAINED = {task: harness.PROJECT / "logs" / task / "pretrained" for task in ("top", "qg")}
CHECKPOINT = {task: folder / "best-val-model.pt" for task, folder in PRETRAINED.items()}


def command(*words, env=None, **options):
    """Runs `lorentznet`; `env`: more variables than in a clean environment."""
    return subprocess.run([python_package.venv() / "bin" / "lorentznet", *map(str, words)], capture_output=True,
                          env=python_package.clean_environment(**env or {}), text=True, timeout=harness.HANG,
                          **options)  # fmt: skip


def with_test_packages():
    """h5py, awkward and onnx."""
    return {"PYTHONPATH": os.environ["PYTHONPATH"]}


class PackageTest(harness.ProgramTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.top = lorentznet.Tagger(CHECKPOINT["top"])
        cls.qg = lorentznet.Tagger(CHECKPOINT["qg"])
        cls.p4 = harness.top_arrays("test", count=40)["Pmu"]

    def expected(self, task, file, run=None):
        """The probabilities in the score.npy of test mode, which pools over each jet."""
        out = self.folder / "expected"
        words = ("--test_data", file, "--out", out, *(("--pooling=jet",) if task == "top" else ()))
        self.assert_finished(harness.test_mode(task, run or PRETRAINED[task], *words))
        return np.load(out / "score.npy")[:, 1:]

    def assert_same(self, found, expected):
        self.assertEqual(found.dtype, np.float32)
        self.assertEqual(found.shape, expected.shape)
        self.assertEqual(found.tobytes(), np.ascontiguousarray(expected).tobytes())
