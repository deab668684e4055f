"""An independent LorentzNet in Python, written from the formulas, with which the programs are compared.

It shares nothing with the C++ code and is slow: one jet at a time, with all ordered pairs of its particles
as rows [h_i, h_j, s_ij, t_ij]. Call harness.load_torch() before importing it.
"""

from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np
import torch
from torch import nn

# [GeV], by |PDG id|, in the order of the one-hot scalars.
MASSES = {11: 0.000511, 13: 0.10566, 22: 0.0, 130: 0.49761, 211: 0.13957, 321: 0.49368,
          2112: 0.93957, 2212: 0.93827}  # fmt: skip
BEAMS = np.array([[np.sqrt(2), 0, 0, 1], [np.sqrt(2), 0, 0, -1]])


@dataclass
class Jet:
    p4: np.ndarray  # [n, 4] (E, px, py, pz) [GeV]
    scalars: np.ndarray  # [n, S]
    label: int
    columns: np.ndarray  # columns of the file that contain particles


def psi(value):
    return value.sign() * value.abs().log1p()


def product(p, q):
    """Minkowski product of four-momenta, metric (+,-,-,-), [..., 1]."""
    return (p[..., :1] * q[..., :1]) - (p[..., 1:] * q[..., 1:]).sum(-1, keepdim=True)


class LGEB(nn.Module):
    def __init__(self, n_scalar: int, n_hidden: int, c_weight: float, last: bool):
        super().__init__()
        H = n_hidden
        self.c_weight = c_weight
        self.phi_e = nn.Sequential(nn.Linear(2 * H + 2, H, bias=False), nn.BatchNorm1d(H),
                                   nn.ReLU(), nn.Linear(H, H), nn.ReLU())  # fmt: skip
        self.phi_h = nn.Sequential(nn.Linear(2 * H + n_scalar, H), nn.BatchNorm1d(H),
                                   nn.ReLU(), nn.Linear(H, H))  # fmt: skip
        if not last:
            self.phi_x = nn.Sequential(nn.Linear(H, H), nn.ReLU(), nn.Linear(H, 1, bias=False))
        self.phi_m = nn.Sequential(nn.Linear(H, 1), nn.Sigmoid())

    def forward(self, h, x, scalars):
        n = len(h)
        i, j = (~torch.eye(n, dtype=torch.bool)).nonzero(as_tuple=True)
        difference = x[i] - x[j]
        s, t = psi(product(difference, difference)), psi(product(x[i], x[j]))
        e = self.phi_e(torch.cat([h[i], h[j], s, t], 1))
        m = e * self.phi_m(e)
        if hasattr(self, "phi_x"):
            shift = (difference * self.phi_x(m)).clamp(-100, 100)
            x = x + self.c_weight / max(1, n - 1) * torch.zeros_like(x).index_add(0, i, shift)
        message = torch.zeros_like(h).index_add(0, i, m)
        return h + self.phi_h(torch.cat([h, message, scalars], 1)), x


class LorentzNet(nn.Module):
    def __init__(self, n_scalar: int, n_hidden: int, n_layers: int, c_weight: float, n_class: int = 2):
        super().__init__()
        self.embedding = nn.Linear(n_scalar, n_hidden)
        self.LGEBs = nn.ModuleList(
            LGEB(n_scalar, n_hidden, c_weight, last=layer == n_layers - 1)
            for layer in range(n_layers)
        )
        self.graph_dec = nn.Sequential(nn.Linear(n_hidden, n_hidden), nn.ReLU(), nn.Dropout(0.2),
                                       nn.Linear(n_hidden, n_class))  # fmt: skip

    def forward(self, jet: Jet, n_nodes: int):
        """Logits [K] of one jet."""
        x, scalars = torch.from_numpy(jet.p4), torch.from_numpy(jet.scalars)
        h = self.embedding(scalars)
        for layer in self.LGEBs:
            h, x = layer(h, x, scalars)
        return self.graph_dec(h.sum(0) / n_nodes)


def load(checkpoint: Path, args: dict, n_scalar: int) -> LorentzNet:
    """A network in double precision and evaluation mode with all tensors of a checkpoint."""
    state = torch.load(checkpoint, weights_only=True, map_location="cpu")
    if not all(name.startswith("module.") for name in state):
        raise ValueError(f"{checkpoint}: a name does not start with 'module.'")
    network = LorentzNet(n_scalar, args["n_hidden"], args["n_layers"], args["c_weight"])
    network.load_state_dict({k.removeprefix("module."): v for k, v in state.items()}, strict=True)
    return network.double().eval()


@torch.no_grad()
def logits(network: LorentzNet, jets: list[Jet], n_nodes: list[int]) -> np.ndarray:
    return np.stack([network(jet, n).numpy() for jet, n in zip(jets, n_nodes, strict=True)])


def read_top(file: Path) -> list[Jet]:
    """Jets of a file in the converted layout."""
    with h5py.File(file) as data:
        arrays = zip(data["Pmu"][:], data["label"][:], data["is_signal"][:], strict=True)
        return [_top_jet(p4, present, label) for p4, present, label in arrays]


def _top_jet(p4, present, label) -> Jet:
    towers = p4[p4[:, 0] != 0]
    # Towers are massless up to rounding, so their mass depends on the order of operations.
    mass = np.sqrt(np.abs(2 * towers[:, 0] ** 2 - _sum_in_order(towers**2)))
    scalars = np.zeros((len(towers) + 2, 2))
    scalars[2:, 0] = np.log1p(mass)
    scalars[:2, 1] = np.log1p(1.0)
    return Jet(np.concatenate([BEAMS, towers]), scalars, int(label), np.flatnonzero(present))


def _sum_in_order(rows):
    return ((rows[:, 0] + rows[:, 1]) + rows[:, 2]) + rows[:, 3]


def boost_along_x(jet: Jet, beta: float) -> Jet:
    """The jet and its beams boosted along x; the scalars are unchanged."""
    gamma = 1 / np.sqrt(1 - beta**2)
    transform = np.eye(4)
    transform[:2, :2] = [[gamma, gamma * beta], [gamma * beta, gamma]]
    return Jet(jet.p4 @ transform, jet.scalars, jet.label, jet.columns)


def batch_n_nodes(jets: list[Jet], batch_size: int) -> list[int]:
    """n_nodes of each top jet: 2 beams plus the columns that any jet of its batch uses."""
    widths = []
    for first in range(0, len(jets), batch_size):
        batch = jets[first : first + batch_size]
        widths += [2 + len(set().union(*(jet.columns for jet in batch)))] * len(batch)
    return widths


def read_qg(X: np.ndarray, y: np.ndarray) -> list[Jet]:
    """Jets of the arrays of a QG_jets file."""
    return [_qg_jet(rows, label) for rows, label in zip(X, y, strict=True)]


def _qg_jet(rows, label) -> Jet:
    columns = np.flatnonzero(rows[:, 0] > 0)
    pt, y, phi, pdg_id = rows[columns].T
    species = [list(MASSES).index(abs(int(number))) for number in pdg_id]
    mass = np.array(list(MASSES.values()))[species]
    et = np.sqrt(pt**2 + mass**2)
    p4 = np.stack([et * np.cosh(y), pt * np.cos(phi), pt * np.sin(phi), et * np.sinh(y)], 1)
    return Jet(p4, np.eye(len(MASSES))[species], int(label), columns)
