"""Quark and gluon jets from Z(-> neutrinos)+jet, in EnergyFlow's columns (pT [GeV], rapidity, phi, PDG id)."""

from pathlib import Path

import numpy as np

from .errors import SimulationError
from .generator import Process, leading_jets

MAX_RAPIDITY = 1.7
# Visible particles that live long enough to be detected, by |PDG id|: e, mu, photon, K_L, pi, K, n, p.
# The reader of the programs has a mass for each.
KNOWN_SPECIES = (11, 13, 22, 130, 211, 321, 2112, 2212)

HARD_PROCESS = (
    "WeakZ0:gmZmode = 2",  # Z alone, no photon interference
    "23:onMode = off",
    "23:onIfAny = 12 14 16",
    # Wider than the window of the jets, because showers change the pT. About a tenth of the leading jets
    # in the window would come from below 450 GeV, most of them radiated rather than the hard parton.
    "PhaseSpace:pTHatMin = 450.",  # [GeV]
    "PhaseSpace:pTHatMax = 800.",
)


def light_or_gluon(events, event):
    """Whether the outgoing hard parton is u, d, s or a gluon (c and b are excluded)."""
    record = events.record(event)
    partons = np.abs(events.id[record][events.status[record] == -23])  # outgoing of the hard process; the Z has -22
    return bool(np.any((partons <= 3) | (partons == 21)))


def relative_phi(phi, axis):
    """phi within pi of the jet axis, so that no jet is split where phi wraps around."""
    return axis + np.mod(phi - axis + np.pi, 2 * np.pi) - np.pi


def constituents_of(p4, mass, pid, jet):
    """[n, 4] (pT, y, phi, PDG id) by falling pT; phi within pi of the phi of the jet, which is in [0, 2 pi)."""
    unknown = set(np.abs(pid)) - set(KNOWN_SPECIES)
    if unknown:
        raise SimulationError(f"Pythia left a particle with PDG id {min(unknown)}, which the reader does not know")
    pt = np.hypot(p4[:, 1], p4[:, 2])
    # asinh(pz / mT) rather than log((E+pz)/(E-pz)), which loses digits by cancellation
    rapidity = np.arcsinh(p4[:, 3] / np.hypot(pt, mass))
    axis = np.mod(np.arctan2(jet[2], jet[1]), 2 * np.pi)
    rows = np.column_stack([pt, rapidity, relative_phi(np.arctan2(p4[:, 2], p4[:, 1]), axis), pid])
    return rows[np.argsort(-pt, kind="stable")]


def select(events, process):
    particles, counts = events.visible()
    jets = []
    for event, jet, members in leading_jets(events.p4[particles], counts, process):
        rapidity = np.arctanh(jet[3] / jet[0])
        if abs(rapidity) < MAX_RAPIDITY and light_or_gluon(events, event):
            kept = particles[members]
            rows = constituents_of(events.p4[kept], events.m[kept], events.id[kept], jet)
            jets.append((rows, np.zeros(4)))
    return jets


def _process(label, channel):
    return Process(label, (f"{channel} = on", *HARD_PROCESS), 0.4, (500.0, 550.0), select, "f8")


PROCESSES = {
    "quark": _process(1, "WeakBosonAndParton:qg2gmZq"),
    "gluon": _process(0, "WeakBosonAndParton:qqbar2gmZg"),
}


def write_npz(path: Path, jets, order, labels, single_precision):
    """EnergyFlow's layout: X f8 [N, M, 4] with the widest jet of M particles; y f8 [N], quark 1, gluon 0."""
    X = jets.padded(order, int(jets.counts[order].max()))
    if single_precision:
        X = X.astype("f4").astype("f8")
    with open(path, "wb") as file:
        np.savez_compressed(file, X=X, y=labels[order].astype("f8"))
