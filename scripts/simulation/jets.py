"""Jets of different lengths in flat arrays, as stored in chunk files and read by the writers."""

import os
import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from .errors import SimulationError


@dataclass
class Jets:
    """J jets with P constituents in total; the sample defines the four columns."""

    constituents: np.ndarray  # [P, 4]
    counts: np.ndarray  # [J] number of constituents
    truth: np.ndarray  # [J, 4] (E, px, py, pz) [GeV] of the jet's parton; zero without one

    @classmethod
    def from_list(cls, jets, dtype):
        """jets: a list of (constituents [n, 4], truth [4])."""
        return cls(
            np.concatenate([constituents for constituents, _ in jets]).astype(dtype),
            np.array([len(constituents) for constituents, _ in jets], dtype=np.int64),
            np.stack([truth for _, truth in jets]).astype(dtype),
        )

    @classmethod
    def load(cls, path):
        try:
            with np.load(path, allow_pickle=False) as arrays:
                return cls(arrays["constituents"], arrays["counts"], arrays["truth"])
        except (ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
            raise SimulationError(f"{path} is damaged ({error}): delete it and run the same command again") from error

    @classmethod
    def concatenate(cls, parts):
        return cls(
            np.concatenate([part.constituents for part in parts]),
            np.concatenate([part.counts for part in parts]),
            np.concatenate([part.truth for part in parts]),
        )

    def __len__(self):
        return len(self.counts)

    def save(self, path: Path):
        """Writes the file completely or not at all: it gets its name once all bytes are on disk."""
        partial = path.with_name(path.name + ".partial")
        with open(partial, "wb") as file:
            np.savez(file, constituents=self.constituents, counts=self.counts, truth=self.truth)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)

    def take(self, part):
        """The jets with the indices `part`, in that order."""
        rows = np.repeat((np.cumsum(self.counts) - self.counts)[part], self.counts[part])
        counts = self.counts[part]
        rows += np.arange(len(rows)) - np.repeat(np.cumsum(counts) - counts, counts)
        return Jets(self.constituents[rows], counts, self.truth[part])

    def padded(self, order, width):
        """The jets with the indices `order` as [len(order), width, 4], with zeros after the constituents."""
        counts = self.counts[order]
        present = np.arange(width) < counts[:, None]
        first = (np.cumsum(self.counts) - self.counts)[order]
        rows = (first[:, None] + np.arange(width))[present]
        dense = np.zeros((len(order), width, 4), dtype=self.constituents.dtype)
        dense[present] = self.constituents[rows]
        return dense
