"""Shared by the tests of the programs: running them, small data sets, the files of a folder.

A test script takes --bin DIR, the folder of the programs, and for torch --libtorch and --stubs (see
torch_without_cuda.import_torch); other arguments go to unittest. It exits as main() says.
"""

import argparse
import functools
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import unittest
import zipfile
from pathlib import Path

import h5py
import numpy as np

import served

PROJECT = Path(__file__).resolve().parents[2]
QG_SAMPLE = PROJECT / "data" / "qg" / "datasets" / "QG_jets.npz"
TOP_SAMPLE = PROJECT / "data" / "top"
TOP_SPLITS = {"train": 48, "val": 16, "test": 20}
SMALL = (
    "--n_hidden=4", "--n_layers=2", "--epochs=2", "--batch_size=8", "--device=cpu",
    "--num_workers=0",
)  # fmt: skip


def _parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Tests of the programs.", allow_abbrev=False)
    parser.add_argument("--bin", type=Path, default=PROJECT / "build" / "release" / "bin")
    parser.add_argument("--server", type=Path, help="the program_server; default: each run starts the program")
    parser.add_argument("--libtorch", type=Path, default=PROJECT / ".deps" / "python")
    parser.add_argument("--stubs", type=Path, default=Path(tempfile.gettempdir()) / f"lorentznet-stubs-{os.getuid()}",
                        help="folder for stand-in libraries")  # fmt: skip
    options, sys.argv[1:] = parser.parse_known_args()
    options.bin = options.bin.resolve()
    return options


OPTIONS = _parse_options()
# A shell has processes in the background ignore it, and theirs would do, too; tests send it.
signal.signal(signal.SIGINT, signal.default_int_handler)
HANG = 1500  # seconds after which a program counts as hanging, however slow or busy the machine
SKIPPED = 4  # exit status for ctest (SKIP_RETURN_CODE), as of the C++ tests


def assert_close(found, expected, rtol: float = 0, atol: float = 0):
    """|found - expected| <= atol + rtol * |expected|. Fails for NaN, even in both, unlike numpy's own functions."""
    np.testing.assert_allclose(found, expected, rtol=rtol, atol=atol, equal_nan=False)


def load_torch():
    """Torch with one thread, because other tests run at the same time."""
    from torch_without_cuda import import_torch

    torch = import_torch(OPTIONS.libtorch.resolve(), OPTIONS.stubs)
    torch.set_num_threads(1)
    return torch


def command(task: str, *words) -> list[str]:
    return [str(OPTIONS.bin / f"{task}_tagging"), *map(str, words)]


def environment(threads: int = 1, **more: str) -> dict[str, str]:
    """This process's without the variables of a launcher; waiting threads do not occupy a core."""
    kept = {k: v for k, v in os.environ.items() if k not in ("RANK", "WORLD_SIZE", "LOCAL_RANK")}
    # No test downloads the published data by mistake.
    return kept | {"OMP_NUM_THREADS": str(threads), "OMP_WAIT_POLICY": "PASSIVE",
                   "LORENTZNET_PUBLISHED_FILES": str(Path(__file__).with_name("no_published_files.tsv"))} | more


@functools.cache
def _compiler_cache() -> dict[str, str]:
    """Where it is, whatever HOME is; empty if there is none."""
    if shutil.which("ccache") is None:
        return {}
    folder = subprocess.run(["ccache", "--get-config", "cache_dir"], capture_output=True, text=True, check=True).stdout
    return {"CCACHE_DIR": folder.strip(), "CCACHE_NOHASHDIR": "1", "CMAKE_CXX_COMPILER_LAUNCHER": "ccache"}


def build_environment(base: Path) -> dict[str, str]:
    """Variables for builds below `base`: the compiler's cache finds what was compiled in another folder of the same
    shape by the same names, so that the tests compile the tagger once."""
    return _compiler_cache() | {"CCACHE_BASEDIR": str(base.resolve()), "CMAKE_GENERATOR": "Ninja",
                                "CXX": os.environ.get("CXX", "c++")}  # fmt: skip


def _server(command: list[str], env: dict[str, str]) -> served.ProgramServer | None:
    """Its libraries have seen the variables that this program's would see."""
    if not OPTIONS.server or command[0] not in {str(OPTIONS.bin / f"{task}_tagging") for task in ("top", "qg")}:
        return None
    seen = served.seen_by_libraries(env)
    if seen != served.seen_by_libraries(environment(int(env.get("OMP_NUM_THREADS", 1)))):
        return None
    return served.program_server(OPTIONS.server.resolve(), tuple(sorted(seen.items())))


def start(command: list[str], env: dict[str, str], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
          cwd: Path | None = None, **options) -> subprocess.Popen | served.Program:  # fmt: skip
    """Starts a program whose streams are text; by a ProgramServer if there is one, unless `options` of a
    subprocess.Popen are given or a library could see the difference when it is loaded."""
    server = None if options else _server(command, env)
    if server is None:
        return subprocess.Popen(command, env=env, stdin=subprocess.DEVNULL, stdout=stdout, stderr=stderr, cwd=cwd,
                                text=True, errors="replace", **options)  # fmt: skip
    return server.start(command, env, stdout, stderr, cwd or Path.cwd(), HANG)


def finish(program: subprocess.Popen | served.Program, timeout: int = HANG) -> subprocess.CompletedProcess:
    """Waits for its end, and kills it after the timeout."""
    with program:
        try:
            out, err = program.communicate(timeout=timeout)
        finally:
            program.kill()  # if it has not ended
    return subprocess.CompletedProcess(program.args, program.returncode, out, err)


def run(task: str, *words, threads: int = 1, env=None, **options) -> subprocess.CompletedProcess:
    """Runs a program to its end, whatever its exit status."""
    return finish(start(command(task, *words), environment(threads, **(env or {})), **options))


def test_mode(task: str, run_folder: Path, *words, **options) -> subprocess.CompletedProcess:
    """Tests the network of an experiment on the CPU."""
    return run(task, "--test_mode", "--device=cpu", "--logdir", run_folder.parent, "--exp_name", run_folder.name,
               *words, **options)  # fmt: skip


def without_description(checkpoint: Path):
    """Makes it one that does not say what its network computes, as the Python program's."""
    entries = weights_in(checkpoint)
    with zipfile.ZipFile(checkpoint, "w") as archive:
        for name, content in entries.items():
            archive.writestr(name, content)


def weights_in(checkpoint: Path) -> dict[str, bytes]:
    """All of its entries but what it says of its network."""
    with zipfile.ZipFile(checkpoint) as archive:
        return {name: archive.read(name) for name in archive.namelist() if not name.endswith("/lorentznet.json")}


def read_json(file: Path) -> dict:
    return json.loads(file.read_text())


def snapshot(folder: Path) -> dict[str, bytes]:
    """Contents of all files below `folder` by relative name."""
    files = (file for file in sorted(folder.rglob("*")) if file.is_file())
    return {str(file.relative_to(folder)): file.read_bytes() for file in files}


def is_record_of_time(name: str) -> bool:
    """Whether a file of an experiment contains times, so that it differs in each run."""
    return name in ("run.log", "train-provenance.json") or name.startswith("events.out.tfevents.")


def without_command(content: bytes) -> bytes:
    """A test-result.json without the command and the path of the checkpoint, which differ from run to run."""
    result = json.loads(content)
    if "provenance" in result:
        del result["provenance"]["command"], result["provenance"]["checkpoint"]["file"]
    return json.dumps(result).encode()


def results(folder: Path) -> dict[str, bytes]:
    """The snapshot of an experiment without its records of time and command."""
    return {name: without_command(content) if name == "test-result.json" else content
            for name, content in snapshot(folder).items() if not is_record_of_time(name)}  # fmt: skip


def restore(folder: Path, contents: dict[str, bytes]):
    """Restores `folder` to its snapshot `contents`."""
    shutil.rmtree(folder, ignore_errors=True)
    for name, content in contents.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)


def qg_arrays(first: int = 0, count: int = 100) -> dict[str, np.ndarray]:
    """Rows of the quark/gluon sample."""
    with np.load(QG_SAMPLE) as sample:
        return {name: sample[name][first : first + count].copy() for name in ("X", "y")}


def write_qg(datadir: Path, arrays=None) -> Path:
    """A quark/gluon data folder of one file."""
    (datadir / "datasets").mkdir(parents=True, exist_ok=True)
    np.savez(datadir / "datasets" / "QG_jets.npz", **(arrays or qg_arrays()))
    return datadir


def quark_gluon_with_beams(*words) -> subprocess.CompletedProcess:
    """Runs the script that writes quark/gluon jets as jets for top_tagging."""
    script = PROJECT / "scripts" / "quark_gluon_with_beams.py"
    return subprocess.run([sys.executable, script, *words], capture_output=True, text=True)


def top_arrays(split: str, first: int = 0, count: int | None = None) -> dict[str, np.ndarray]:
    """Rows of a file of the top sample."""
    count = TOP_SPLITS[split] if count is None else count
    with h5py.File(TOP_SAMPLE / f"{split}.h5") as sample:
        return {name: values[first : first + count] for name, values in sample.items()}


def write_h5(file: Path, arrays: dict[str, np.ndarray]) -> Path:
    with h5py.File(file, "w") as out:
        for name, values in arrays.items():
            out.create_dataset(name, data=values)
    return file


def write_top(datadir: Path, **replaced) -> Path:
    """A top data folder; `replaced` has the arrays of splits that differ from the sample."""
    datadir.mkdir(parents=True, exist_ok=True)
    for split in TOP_SPLITS:
        write_h5(datadir / f"{split}.h5", replaced.get(split) or top_arrays(split))
    return datadir


def write_data(task: str, datadir: Path) -> Path:
    return write_top(datadir) if task == "top" else write_qg(datadir)


class ProgramTest(unittest.TestCase):
    """A test class whose tests share a temporary folder, `self.folder`."""

    @classmethod
    def setUpClass(cls):
        scratch = tempfile.TemporaryDirectory(prefix="lorentznet-")
        cls.addClassCleanup(scratch.cleanup)
        cls.folder = Path(scratch.name)

    def assert_finished(self, result: subprocess.CompletedProcess):
        """Status 0 and nothing on stderr."""
        self.assertEqual((result.returncode, result.stderr), (0, ""), result.args)

    def assert_refused(self, result: subprocess.CompletedProcess, *expected: str):
        """Status 2 and one line on stderr that contains each of `expected`."""
        self.assertEqual(result.returncode, 2, (result.args, result.stderr))
        self.assertRegex(result.stderr, r"\A(top|qg)_tagging: [^\n]+\n\Z", result.args)
        for text in expected:
            self.assertIn(str(text), result.stderr, result.args)

    def assert_harmless(self, result, folder: Path, before: dict[str, bytes], *expected):
        """Refused without changing the files in `folder` from `before`, byte for byte, except for run.log, which
        records the refusal. Restores them if they were changed."""
        after = snapshot(folder)
        changed = [name for name in sorted({*before, *after})
                   if before.get(name) != after.get(name) and not name.endswith("run.log")]  # fmt: skip
        if changed:
            restore(folder, before)
        self.assert_refused(result, *expected)
        self.assertEqual(changed, [], f"changed files in {folder}")


def train(task: str, logdir: Path, datadir: Path, name: str, *words, **options):
    """Trains a small network, which must succeed. Returns the folder of the experiment."""
    result = run(task, *SMALL, "--datadir", datadir, "--logdir", logdir, "--exp_name", name,
                 *words, **options)  # fmt: skip
    if result.returncode != 0:
        raise RuntimeError(f"{result.args}: status {result.returncode}: {result.stderr}")
    return logdir / name


class ScoreTest(ProgramTest):
    """A test class that scores files with the experiments in `self.logs`."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.logs = cls.folder / "logs"

    @classmethod
    def run_test(cls, task: str, name: str, *words, **options) -> subprocess.CompletedProcess:
        """Tests experiment `name` on files, which `words` begins with."""
        return test_mode(task, cls.logs / name, "--batch_size=8", "--test_data", *words, **options)

    @classmethod
    def score(cls, task: str, name: str, *words, **options) -> Path:
        """The score.npy of such a test, which must succeed."""
        result = cls.run_test(task, name, *words, **options)
        if (result.returncode, result.stderr) != (0, ""):
            raise AssertionError(f"{result.args}: status {result.returncode}: {result.stderr}")
        return cls.logs / name / "score.npy"


class TrainedTest(ProgramTest):
    """A test class with a quark/gluon experiment `self.kept`, trained on `self.data` for one epoch; `self.good` are
    its files."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.data = write_qg(cls.folder / "data", qg_arrays(count=40))
        cls.kept = train("qg", cls.folder, cls.data, "kept", "--epochs=1")
        cls.good = snapshot(cls.kept)


class Result(unittest.TextTestResult):
    """Counts the tests that ran to the end, without those that were skipped."""

    passed = 0

    def addSuccess(self, test):
        super().addSuccess(test)
        self.passed += 1


def main():
    """Runs the tests of the script and exits: 0 if all passed, 1 if one failed or there was none, SKIPPED if nothing
    failed and all were skipped."""
    runner = unittest.TextTestRunner(verbosity=2, resultclass=Result)
    result = unittest.main(module="__main__", testRunner=runner, exit=False).result
    if not result.wasSuccessful() or not (result.passed or result.skipped):
        sys.exit(1)
    sys.exit(0 if result.passed else SKIPPED)
