"""The library as a user gets it, from `cmake --install`, and jets for the programs in examples/ with test mode's scores."""

import dataclasses
import functools
import math
import shutil
import subprocess
import tempfile
from pathlib import Path

import numpy as np

import harness

EXAMPLES = harness.PROJECT / "examples"
# [GeV], of EnergyFlow's particle table: the species of the sample.
MASSES = {11: 0.000511, 13: 0.10566, 22: 0.0, 130: 0.49761, 211: 0.13957, 321: 0.49368, 2112: 0.93957, 2212: 0.93827}
SIZES = (1, 2, 3, 17, 50, 128, 200)  # constituents of jets that are put together from those of the sample


@dataclasses.dataclass
class Jets:
    """Jets of a task: what a user passes, and what test mode reads."""

    task: str
    p4: list[np.ndarray]  # [n, 4] each
    pdg_id: list[np.ndarray] | None  # [n] each
    rows: np.ndarray  # X of an .npz file

    def columns(self, jet: int) -> list[list]:
        """The numbers of each constituent."""
        ids = [[int(pdg_id)] for pdg_id in self.pdg_id[jet]] if self.pdg_id else [[]] * len(self.p4[jet])
        return [list(map(float, p)) + pdg_id for p, pdg_id in zip(self.p4[jet], ids)]

    def text(self) -> list[str]:
        """Each jet as examples/ read it; Python prints the digits of a double that make it again."""
        texts = []
        for jet in range(len(self.p4)):
            columns = self.columns(jet)
            texts.append("".join(f"{line}\n" for line in (len(columns), *(" ".join(map(str, c)) for c in columns))))
        return texts


def resized(rows: np.ndarray) -> np.ndarray:
    """[N, M, 4] of the sample, then jets of SIZES constituents cut from the row of all, [N + len(SIZES), 200, 4]."""
    every = rows[(rows != 0).any(axis=2)]
    out = np.zeros((len(rows) + len(SIZES), 200, 4))
    out[: len(rows), : rows.shape[1]] = rows
    first = 0
    for jet, size in enumerate(SIZES, len(rows)):
        out[jet, :size] = every[first : first + size]
        first += size
    return out


def quark_gluon_p4(row: np.ndarray) -> list[float]:
    """(E, px, py, pz) of (pT, y, phi, PDG id): bit for bit as the programs', by the same functions of libm."""
    pt, rapidity, phi, pdg_id = map(float, row)
    mass = MASSES[abs(int(pdg_id))]
    transverse = math.sqrt(pt * pt + mass * mass)
    return [transverse * math.cosh(rapidity), pt * math.cos(phi), pt * math.sin(phi), transverse * math.sinh(rapidity)]


def sample_jets(task: str, count: int = 20) -> Jets:
    """The first jets of the shipped test jets, and others of SIZES constituents."""
    rows = harness.top_arrays("test", count=count)["Pmu"] if task == "top" else harness.qg_arrays(count=count)["X"]
    rows = resized(rows)
    particles = [row[(row != 0).any(axis=1)] for row in rows]
    if task == "top":
        return Jets(task, particles, None, rows)
    p4 = [np.array([quark_gluon_p4(row) for row in jet]) for jet in particles]
    return Jets(task, p4, [jet[:, 3].astype(np.int32) for jet in particles], rows)


def checkpoint(task: str) -> Path:
    return harness.PROJECT / "logs" / task / "pretrained" / "best-val-model.pt"


def scores_of_test_mode(jets: Jets, folder: Path) -> np.ndarray:
    """p0, p1 [N, 2] of the shipped network, from score.npy."""
    np.savez(folder / "jets.npz", X=jets.rows)
    result = harness.test_mode(jets.task, checkpoint(jets.task).parent, "--test_data", folder / "jets.npz",
                               "--out", folder / "scores")  # fmt: skip
    if (result.returncode, result.stderr) != (0, ""):
        raise RuntimeError(f"{result.args}: status {result.returncode}: {result.stderr}")
    return np.load(folder / "scores" / "score.npy")[:, 1:].astype(np.float32)


def checked(words: list, **options) -> subprocess.CompletedProcess:
    """Runs a command that must succeed."""
    result = subprocess.run(list(map(str, words)), capture_output=True, text=True, timeout=harness.HANG, **options)
    if result.returncode != 0:
        raise RuntimeError(f"{result.args}: status {result.returncode}: {result.stdout}{result.stderr}")
    return result


class InstalledTest(harness.ProgramTest):
    """A test class with the library installed in `self.prefix` and copies of examples/ in `self.examples`."""

    components = ("tagger", "torch")

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.prefix = cls.folder / "prefix"
        for component in cls.components:
            checked(["cmake", "--install", harness.OPTIONS.bin.parent, "--prefix", cls.prefix, "--component", component])
        cls.examples = Path(shutil.copytree(EXAMPLES, cls.folder / "examples"))

    @classmethod
    def environment(cls) -> dict[str, str]:
        """A user's, who tells pkg-config where the library is."""
        (packages,) = cls.prefix.rglob("lorentznet.pc")
        return harness.environment(PKG_CONFIG_PATH=str(packages.parent))


@functools.cache
def sample_scores(task: str) -> tuple[Jets, np.ndarray]:
    """Sample jets, and the probabilities that test mode gives them."""
    jets = sample_jets(task)
    with tempfile.TemporaryDirectory(prefix="lorentznet-") as folder:
        return jets, scores_of_test_mode(jets, Path(folder))


def probabilities_in(text: str) -> np.ndarray:
    """Those that a program printed, a line a jet."""
    return np.array([line.split() for line in text.splitlines()], dtype=np.float32)
