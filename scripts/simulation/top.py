"""Top and QCD jets modelled on the published top-tagging data: massless constituents (E, px, py, pz) [GeV]."""

import numpy as np

from .generator import Process, leading_jets
from .top_layouts import N_PARTICLES

MAX_ETA = 2.0
MATCH_RADIUS = 0.8
TOP, W_BOSON = 6, 24

COMMON = (
    "PartonLevel:MPI = off",
    # Wider than the window of the jets, because showers change the pT.
    "PhaseSpace:pTHatMin = 450.",  # [GeV]
    "PhaseSpace:pTHatMax = 800.",
)


def direction(p):
    """(eta, phi) of four-momenta (E, px, py, pz)."""
    p = np.asarray(p)
    pt = np.hypot(p[..., 1], p[..., 2])
    return np.arcsinh(p[..., 3] / pt), np.arctan2(p[..., 2], p[..., 1])


def distance(p, q):
    """Delta R."""
    (eta_p, phi_p), (eta_q, phi_q) = direction(p), direction(q)
    dphi = np.mod(phi_p - phi_q + np.pi, 2 * np.pi) - np.pi
    return np.hypot(eta_p - eta_q, dphi)


class Record:
    """The decays in the record of one event."""

    def __init__(self, events, event):
        record = events.record(event)
        self.id = events.id[record]
        self.daughters = events.daughters[record]
        self.p4 = events.p4[record]

    def last_copy(self, i):
        """Pythia copies a particle whenever it recoils; the last copy is the one that decays."""
        while True:
            same = [d for d in self.daughters[i] if d > 0 and self.id[d] == self.id[i]]
            if not same:
                return i
            i = same[0]

    def tops(self):
        """For each top quark its index and those of its three quarks (b, q, qbar)."""
        for first in {self.last_copy(i) for i in np.flatnonzero(np.abs(self.id) == TOP)}:
            quarks = []
            for daughter in self.daughters[first]:
                is_w = abs(self.id[daughter]) == W_BOSON
                quarks += list(self.daughters[self.last_copy(daughter)]) if is_w else [daughter]
            yield first, quarks


def matched_top(record, jet):
    """The four-momentum of a top that is in the jet with its three quarks, else None."""
    for top, quarks in sorted(record.tops()):
        if np.all(distance(record.p4[[top, *quarks]], jet) < MATCH_RADIUS):
            return record.p4[top]
    return None


def constituents_of(towers):
    """The hardest N_PARTICLES by falling pT, rounded to four-byte floats, as in the published files."""
    towers = towers.astype("f4")
    pt = np.hypot(towers[:, 1].astype("f8"), towers[:, 2].astype("f8"))
    return towers[np.argsort(-pt, kind="stable")[:N_PARTICLES]]


def select(events, process):
    particles, counts = events.visible()
    towers = events.p4[particles]
    towers[:, 0] = np.linalg.norm(towers[:, 1:], axis=1)  # massless, like calorimeter towers
    jets = []
    for event, jet, members in leading_jets(towers, counts, process):
        if abs(direction(jet)[0]) >= MAX_ETA:
            continue
        truth = matched_top(Record(events, event), jet) if process.label else np.zeros(4)
        if truth is not None:
            jets.append((constituents_of(towers[members]), truth))
    return jets


def _process(label, *settings):
    return Process(label, (*settings, *COMMON), 0.8, (550.0, 650.0), select, "f4")


PROCESSES = {
    "top": _process(
        1, "Top:gg2ttbar = on", "Top:qqbar2ttbar = on", "24:onMode = off", "24:onIfAny = 1 2 3 4 5"  # W -> quarks
    ),
    "qcd": _process(0, "HardQCD:all = on"),
}
