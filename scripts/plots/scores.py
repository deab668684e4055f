"""The scores of a tagger, its ROC curve, and its figures with bootstrap uncertainties.

Needs only numpy. The definitions are those of the programs: ties as in scikit-learn, and 1/eB at the
first point of roc_curve(drop_intermediate=True) whose signal efficiency is nearest.
"""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
import os
from pathlib import Path

import numpy as np

from .errors import PlotError

FIGURES = ("accuracy", "AUC", "1/eB(0.5)", "1/eB(0.3)")
UNCERTAINTY_KEYS = ("test_acc", "test_auc", "test_1/eB_0.5", "test_1/eB_0.3")  # of FIGURES
REPLICAS = 200


@dataclass
class Roc:
    """Points in order of falling score, from (0, 0) to (1, 1)."""

    signal_efficiency: np.ndarray
    background_efficiency: np.ndarray

    def rejection(self, wanted: float) -> float:
        """1/eB at the point with the nearest signal efficiency; inf if no background passes there."""
        background = self.background_efficiency[np.abs(self.signal_efficiency - wanted).argmin()]
        return 1 / background if background > 0 else np.inf

    def auc(self) -> float:
        return np.trapezoid(self.signal_efficiency, self.background_efficiency)


class Scores:
    """N jets, sorted once for all figures and replicas."""

    def __init__(self, label: np.ndarray, score: np.ndarray, correct: np.ndarray | None = None):
        """correct: [N] whether each jet is tagged correctly; by default with score > 0.5 as signal."""
        self.order = np.argsort(-score, kind="stable")
        self.label, self.score = label.astype(bool), score
        correct = (score > 0.5) == self.label if correct is None else correct
        self._signal = self.label[self.order].astype(np.int64)
        self._correct = correct[self.order].astype(np.int64)
        falling = score[self.order]
        self._last_of_tie = np.append(np.flatnonzero(falling[1:] != falling[:-1]), len(label) - 1)

    def __len__(self):
        return len(self.label)

    @property
    def num_background(self) -> int:
        return len(self) - int(self._signal.sum())

    def roc(self, copies: np.ndarray | None = None) -> Roc:
        """Of a sample that contains the jet of rank k in falling score copies[k] times."""
        copies = np.ones(len(self), dtype=np.int64) if copies is None else copies
        every = copies.cumsum()[self._last_of_tie]
        signal = (copies * self._signal).cumsum()[self._last_of_tie]
        there = np.diff(every, prepend=0) > 0  # scores that occur in the sample
        signal, background = signal[there], (every - signal)[there]
        if len(signal) > 2:  # as scikit-learn drops points, before the start is added
            turns = np.diff(signal, 2).astype(bool) | np.diff(background, 2).astype(bool)
            kept = np.concatenate(([True], turns, [True]))
            signal, background = signal[kept], background[kept]
        return Roc(np.append(0, signal) / signal[-1], np.append(0, background) / background[-1])

    def figures(self, copies: np.ndarray | None = None) -> list[float]:
        """FIGURES; of a sample if `copies` is given, as in roc()."""
        copies = np.ones(len(self), dtype=np.int64) if copies is None else copies
        curve = self.roc(copies)
        return [copies @ self._correct / copies.sum(), curve.auc(), curve.rejection(0.5),
                curve.rejection(0.3)]  # fmt: skip

    def draw(self, seed) -> list[float]:
        """FIGURES of one bootstrap replica with both classes."""
        random, jets = np.random.default_rng(seed), len(self)
        while True:
            copies = draw_copies(random, jets)
            if 0 < copies @ self._signal < jets:
                return self.figures(copies)

    @cached_property
    def intervals(self) -> np.ndarray:
        """[4, 2] the central 68 % of each of FIGURES over the replicas of a bootstrap."""
        with ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
            drawn = np.array(list(pool.map(self.draw, range(REPLICAS))))
        with np.errstate(invalid="ignore"):
            between = np.percentile(drawn, (16, 84), axis=0)
        # Infinity cannot be interpolated.
        above = np.percentile(drawn, (16, 84), axis=0, method="higher")
        return np.where(np.isfinite(above), between, above).T


def draw_copies(random: np.random.Generator, jets: int) -> np.ndarray:
    """[jets] how often each jet is in a sample of this size, drawn with replacement."""
    return np.bincount(random.integers(jets, size=jets), minlength=jets)


def of_rows(rows: np.ndarray, file) -> Scores:
    """rows: [N, 3] (label, p0, p1), the layout of score.npy"""
    if rows.ndim != 2 or rows.shape[1] != 3:
        raise PlotError(f"{file}: expected rows (label, p0, p1), found shape {rows.shape}")
    label = checked_labels(rows[:, 0], file)
    checked_scores(rows[:, 1], file)  # else a jet without p0 would count as background
    return Scores(label, checked_scores(rows[:, 2], file), (rows[:, 2] > rows[:, 1]) == label)


def intervals_of(uncertainty: dict, file) -> np.ndarray:
    """Scores.intervals from a test-uncertainty.json, where null stands for infinity."""
    try:
        pairs = [uncertainty[key] for key in UNCERTAINTY_KEYS]
        return np.array([[np.inf if end is None else float(end) for end in pair] for pair in pairs]).reshape(4, 2)
    except (KeyError, TypeError, ValueError) as error:
        raise PlotError(f"{file}: expected [low, high] for each of {', '.join(UNCERTAINTY_KEYS)}") from error


def checked_labels(label: np.ndarray, file) -> np.ndarray:
    if label.ndim != 1 or not np.isin(label, (0, 1)).all():
        raise PlotError(f"{file}: labels must be a list of 0 (background) and 1 (signal)")
    if not 0 < label.sum() < len(label):
        raise PlotError(f"{file}: jets of only one class have no ROC curve")
    return label.astype(bool)


def checked_scores(score: np.ndarray, file) -> np.ndarray:
    if score.ndim != 1 or not np.isfinite(score).all():
        raise PlotError(f"{file}: scores must be a list of finite numbers")
    return score


def load(file):
    try:
        return np.load(file)
    except (OSError, ValueError, EOFError) as error:
        reason = getattr(error, "strerror", None) or str(error) or "cannot be read"
        raise PlotError(f"{file}: {reason}") from error


def read_scores(file: Path, labels: Path | None = None) -> Scores:
    """A tagger's scores: a score.npy; an npy [N] or [N, 2] with labels from the file `labels`; or an npz
    with the arrays `label` and `score`."""
    data = load(file)
    if not isinstance(data, np.ndarray):
        missing = [name for name in ("label", "score") if name not in data]
        if missing:
            raise PlotError(f"{file}: no array '{missing[0]}' (found: {', '.join(data.files)})")
        label, score = data["label"], data["score"]
    elif labels is None:
        return of_rows(data, f"{file} (without --labels)")
    else:
        label, score = load(labels), data
    score = score[:, 1] if score.ndim == 2 and score.shape[1] == 2 else score
    if len(label) != len(score):
        raise PlotError(f"{file}: {len(score)} scores, but {len(label)} labels"
                        + (f" in {labels}" if labels else ""))  # fmt: skip
    return Scores(checked_labels(label, labels or file), checked_scores(score, file))
