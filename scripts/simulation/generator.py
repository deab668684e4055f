"""Events from Pythia and the leading jet of each event, for all processes."""

import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Callable

import awkward as ak
import fastjet
import numpy as np
import pythia8mc

from .errors import SimulationError
from .jets import Jets

EVENTS_PER_BATCH = 100  # another value gives other jets for the same seed
NEUTRINOS = (12, 14, 16)
COMMON_SETTINGS = (
    "Print:quiet = on",
    "Beams:idA = 2212",
    "Beams:idB = 2212",
    "Beams:eCM = 14000.",  # [GeV]
)


@dataclass(frozen=True)
class Process:
    """One class of jets: how its events are generated and which of their leading jets are kept."""

    label: int  # 1 signal (quark, top), 0 background (gluon, QCD)
    settings: tuple[str, ...]  # of Pythia, in addition to COMMON_SETTINGS
    radius: float  # of the anti-kT algorithm
    pt_range: tuple[float, float]  # of the leading jet [GeV]
    select: Callable  # (events, process) -> list of (constituents [n, 4], truth [4])
    dtype: str  # of the stored constituents

    def record(self):
        return {
            "label": self.label,
            "pythia_settings": list(COMMON_SETTINGS + self.settings),
            "anti_kt_radius": self.radius,
            "leading_jet_pt_GeV": list(self.pt_range),
        }


def find_pythia_data():
    """The wheel has Pythia's tables in share/, which `pip --target` puts beside the module."""
    roots = (Path(pythia8mc.__file__).parent, Path(sys.prefix))
    tables = [root / "share" / "Pythia8" / "xmldoc" for root in roots]
    for folder in tables:
        if "PYTHIA8DATA" not in os.environ and (folder / "Index.xml").is_file():
            os.environ["PYTHIA8DATA"] = str(folder)


def start_pythia(process, seed):
    find_pythia_data()
    pythia = pythia8mc.Pythia("", False)  # no banner
    seeding = ("Random:setSeed = on", f"Random:seed = {seed}")
    for setting in COMMON_SETTINGS + process.settings + seeding:
        if not pythia.readString(setting):
            raise SimulationError(f"Pythia does not know the setting '{setting}'")
    if not pythia.init():
        raise SimulationError("Pythia could not be initialised")
    return pythia


def simulate(process, n_jets, seed):
    """The first n_jets jets for this seed."""
    pythia = start_pythia(process, seed)
    jets = []
    while len(jets) < n_jets:
        events = pythia.nextBatch(EVENTS_PER_BATCH, "skip")  # failed events are replaced
        jets += process.select(Events(events.prt), process)
    return Jets.from_list(jets[:n_jets], process.dtype)


class Events:
    """A batch of event records as flat arrays: slicing out an event is free (0.3 ms with Awkward)."""

    def __init__(self, particles):
        self.counts = ak.to_numpy(ak.num(particles.id))  # [events]
        self.first = np.cumsum(self.counts) - self.counts
        self.id = flat(particles.id)
        self.status = flat(particles.status)
        self.m = flat(particles.m)
        self.p4 = np.column_stack([flat(particles.p[name]) for name in ("e", "px", "py", "pz")])  # [particles, 4]
        self.daughters = np.column_stack([flat(particles.daughter1), flat(particles.daughter2)])

    def record(self, event):
        return slice(self.first[event], self.first[event] + self.counts[event])

    def visible(self):
        """Final-state particles without neutrinos: their indices, and their number in each event."""
        seen = (self.status > 0) & ~np.isin(np.abs(self.id), NEUTRINOS)
        return np.flatnonzero(seen), np.add.reduceat(seen, self.first, dtype=np.int64)


def flat(values):
    return ak.to_numpy(ak.flatten(values, axis=None))


def leading_jets(p4, counts, process):
    """Clusters each event (p4 [n, 4] flat, counts [events]). Yields the leading jet of each event with its pT in range:
    (event, four-momentum [4], members as indices into p4)."""
    columns = {name: p4[:, i] for i, name in enumerate(("E", "px", "py", "pz"))}
    particles = ak.unflatten(ak.zip(columns), counts)
    algorithm = fastjet.JetDefinition(fastjet.antikt_algorithm, process.radius)
    clusters = fastjet.ClusterSequence(particles, algorithm)
    low, high = process.pt_range
    jets = clusters.inclusive_jets(min_pt=low)
    members = clusters.constituent_index(min_pt=low)
    jet_p4 = np.column_stack([flat(jets[name]) for name in ("E", "px", "py", "pz")])
    pt = np.hypot(jet_p4[:, 1], jet_p4[:, 2])
    last = np.cumsum(ak.to_numpy(ak.num(jets.px)))
    first_particle = np.cumsum(counts) - counts
    for event, (begin, end) in enumerate(zip([0, *last[:-1]], last)):
        if begin == end:
            continue
        leading = begin + int(np.argmax(pt[begin:end]))
        if pt[leading] < high:
            yield event, jet_p4[leading], first_particle[event] + ak.to_numpy(members[event, leading - begin])
