"""The scores of a tagger, its ROC curve, and its figures with bootstrap uncertainties.

Needs only numpy. The definitions are those of the programs: ties as in scikit-learn, jets counted by their weights, if
they have weights, and 1/eB at the first point of roc_curve(drop_intermediate=True) whose signal efficiency is nearest.
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


class Sampled:
    """N jets with figures (self.figures) and their bootstrap."""

    def __init__(self, label: np.ndarray, weight: np.ndarray | None):
        self.label, self.weight = label, weight

    def __len__(self):
        return len(self.label)

    def units(self, copies: np.ndarray | None) -> np.ndarray:
        """[N] what each jet counts in a sample that contains it `copies` times; by default once."""
        if copies is None:
            return np.ones(len(self), dtype=np.int64) if self.weight is None else self.weight
        return copies if self.weight is None else copies * self.weight

    def draw(self, seed) -> list[float]:
        """The figures of one bootstrap replica with jets of all classes."""
        random = np.random.default_rng(seed)
        while True:
            copies = draw_copies(random, len(self))
            if self.has_classes(copies):
                return self.figures(copies)

    @cached_property
    def intervals(self) -> np.ndarray:
        """[figures, 2] the central 68 % of each figure over the replicas of a bootstrap."""
        with ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
            drawn = np.array(list(pool.map(self.draw, range(REPLICAS))))
        with np.errstate(invalid="ignore"):
            between = np.percentile(drawn, (16, 84), axis=0)
        # Infinity cannot be interpolated.
        above = np.percentile(drawn, (16, 84), axis=0, method="higher")
        return np.where(np.isfinite(above), between, above).T


class Scores(Sampled):
    """Jets of two classes, sorted once for all figures and replicas."""

    def __init__(self, label: np.ndarray, score: np.ndarray, correct: np.ndarray | None = None,
                 weight: np.ndarray | None = None):  # fmt: skip
        """correct: [N] whether each jet is tagged correctly; by default with score > 0.5 as signal."""
        super().__init__(label.astype(bool), weight)
        self.order, self.score = np.argsort(-score, kind="stable"), score
        self.probability = score[:, None]
        self.correct = (score > 0.5) == self.label if correct is None else correct
        self._signal = self.label[self.order]
        falling = score[self.order]
        self._last_of_tie = np.append(np.flatnonzero(falling[1:] != falling[:-1]), len(label) - 1)

    @property
    def num_background(self) -> int:
        return int((~self.label).sum())

    @property
    def rejection_bound(self) -> int:
        """Background jets of equal weight that would count as well as these: a bound of 1/eB if none passes."""
        weight = self.units(None)[~self.label]
        return round(weight.sum() ** 2 / (weight**2).sum())

    def has_classes(self, copies: np.ndarray) -> bool:
        units = self.units(copies)
        return units[self.label].sum() > 0 and units[~self.label].sum() > 0

    def roc(self, copies: np.ndarray | None = None) -> Roc:
        """Of a sample that contains jet k copies[k] times."""
        units = self.units(copies)[self.order]
        signal, background = ((units * of_class).cumsum()[self._last_of_tie]
                              for of_class in (self._signal, ~self._signal))  # fmt: skip
        there = np.diff((units > 0).cumsum()[self._last_of_tie], prepend=0) > 0  # scores that occur in the sample
        signal, background = signal[there], background[there]
        if len(signal) > 2:  # as scikit-learn drops points, before the start is added
            turns = np.diff(signal, 2).astype(bool) | np.diff(background, 2).astype(bool)
            kept = np.concatenate(([True], turns, [True]))
            signal, background = signal[kept], background[kept]
        return Roc(np.append(0, signal) / signal[-1], np.append(0, background) / background[-1])

    names = FIGURES

    def figures(self, copies: np.ndarray | None = None) -> list[float]:
        """FIGURES; of a sample if `copies` is given, as in roc()."""
        curve = self.roc(copies)
        return [np.average(self.correct, weights=self.units(copies)), curve.auc(), curve.rejection(0.5),
                curve.rejection(0.3)]  # fmt: skip


class ClassScores(Sampled):
    """Jets of K > 2 classes, each against all others."""

    def __init__(self, label: np.ndarray, probability: np.ndarray, weight: np.ndarray | None = None):
        """probability: [N, K]"""
        super().__init__(label, weight)
        self.probability = probability
        self.correct = probability.argmax(axis=1) == label
        units = self.units(None)
        present = [units[label == k].sum() > 0 and units[label != k].sum() > 0 for k in range(probability.shape[1])]
        self.of_class = [Scores(label == k, probability[:, k], weight=weight) if there else None
                         for k, there in enumerate(present)]  # fmt: skip

    @property
    def names(self) -> tuple[str, ...]:
        return ("accuracy", "mean AUC", *(f"AUC, class {k}" for k in range(len(self.of_class))))

    def has_classes(self, copies: np.ndarray) -> bool:
        return all(scores.has_classes(copies) for scores in self.of_class if scores)

    def figures(self, copies: np.ndarray | None = None) -> list[float]:
        """names; NaN for a class without jets, and then for the mean."""
        areas = [scores.roc(copies).auc() if scores else np.nan for scores in self.of_class]
        return [np.average(self.correct, weights=self.units(copies)), np.mean(areas), *areas]


def draw_copies(random: np.random.Generator, jets: int) -> np.ndarray:
    """[jets] how often each jet is in a sample of this size, drawn with replacement."""
    return np.bincount(random.integers(jets, size=jets), minlength=jets)


def of_rows(rows: np.ndarray, file, weight: np.ndarray | None = None) -> Scores | ClassScores:
    """rows: [N, 1 + K] (label, p0, p1, ...), the layout of score.npy"""
    if rows.ndim != 2 or rows.shape[1] < 3:
        raise PlotError(f"{file}: expected rows (label, p0, p1), found shape {rows.shape}")
    checked_scores(rows[:, 1:].ravel(), file)  # a jet without p0 would count as background
    if rows.shape[1] > 3:
        return of_classes(rows[:, 0], rows[:, 1:], file, weight)
    label = checked_labels(rows[:, 0], file, weight)
    return Scores(label, rows[:, 2], (rows[:, 2] > rows[:, 1]) == label, weight)


def of_classes(label: np.ndarray, probability: np.ndarray, file, weight: np.ndarray | None) -> ClassScores:
    if not np.isin(label, range(probability.shape[1])).all():
        raise PlotError(f"{file}: labels must be from 0 to {probability.shape[1] - 1}")
    found = ClassScores(label.astype(int), probability, weight)
    if not any(found.of_class):
        raise PlotError(f"{file}: jets of only one class have no ROC curve")
    return found


def interval_of(pair) -> tuple[float, float]:
    """[low, high] of a test-uncertainty.json, where null stands for infinity."""
    low, high = (np.inf if end is None else float(end) for end in pair)
    return low, high


def set_intervals(scores: Scores | ClassScores, uncertainty: dict, file):
    """Uses the intervals of a test-uncertainty.json instead of a bootstrap of our own."""
    unknown = (np.nan, np.nan)
    try:
        if isinstance(scores, Scores):
            scores.intervals = np.array([interval_of(uncertainty[key]) for key in UNCERTAINTY_KEYS])
            return
        lists = [uncertainty[f"{key}_of_class"] for key in UNCERTAINTY_KEYS[1:]]
        for k, of_class in enumerate(scores.of_class):
            if of_class:
                of_class.intervals = np.array([unknown, *(interval_of(pairs[k]) for pairs in lists)])
        mean = interval_of(uncertainty["test_auc"]) if all(scores.of_class) else unknown
        areas = [of_class.intervals[1] if of_class else unknown for of_class in scores.of_class]
        scores.intervals = np.array([interval_of(uncertainty["test_acc"]), mean, *areas])
    except (KeyError, TypeError, ValueError, IndexError) as error:
        keys = UNCERTAINTY_KEYS if isinstance(scores, Scores) else [f"{key}_of_class" for key in UNCERTAINTY_KEYS[1:]]
        raise PlotError(f"{file}: expected [low, high] for each of {', '.join(keys)}") from error


def checked_labels(label: np.ndarray, file, weight: np.ndarray | None = None) -> np.ndarray:
    if label.ndim != 1 or not np.isin(label, (0, 1)).all():
        raise PlotError(f"{file}: labels must be a list of 0 (background) and 1 (signal)")
    if not 0 < label.sum() < len(label):
        raise PlotError(f"{file}: jets of only one class have no ROC curve")
    if weight is not None and not (weight[label == 0].sum() > 0 and weight[label == 1].sum() > 0):
        raise PlotError(f"{file}: all weights of a class are zero: there is no ROC curve")
    return label.astype(bool)


def checked_scores(score: np.ndarray, file) -> np.ndarray:
    if score.ndim != 1 or not np.isfinite(score).all():
        raise PlotError(f"{file}: scores must be a list of finite numbers")
    return score


def checked_weights(weight: np.ndarray, jets: int, file) -> np.ndarray:
    if weight.shape != (jets,) or not (np.isfinite(weight) & (weight >= 0)).all():
        raise PlotError(f"{file}: weights must be a list of {jets} numbers of at least 0")
    return weight.astype(np.float64)


def load(file):
    try:
        return np.load(file)
    except (OSError, ValueError, EOFError) as error:
        reason = getattr(error, "strerror", None) or str(error) or "cannot be read"
        raise PlotError(f"{file}: {reason}") from error


def weights_beside(file: Path, rows: np.ndarray) -> np.ndarray | None:
    """The weights in the score.npz that every test writes beside its score.npy; None if the jets have none."""
    archive = Path(file).with_suffix(".npz")
    if not archive.exists():
        return None
    data = load(archive)
    if "weight" not in data:
        return None
    if "label" not in data or not np.array_equal(data["label"], rows[:, 0]):
        raise PlotError(f"{archive}: not of the same jets as {file}")
    return checked_weights(data["weight"], len(rows), archive)


def of_archive(data, file: Path) -> Scores | ClassScores:
    """An npz with `label`, `score` [N] or `probability` [N, K], and, for jets with weights, `weight`."""
    name = "probability" if "score" not in data and "probability" in data else "score"
    missing = [name for name in ("label", name) if name not in data]
    if missing:
        raise PlotError(f"{file}: no array '{missing[0]}' (found: {', '.join(data.files)})")
    label, score = data["label"], data[name]
    weight = checked_weights(data["weight"], len(label), file) if "weight" in data else None
    if score.ndim == 2 and len(score) == len(label) and score.shape[1] > 2:
        return of_classes(label, score, file, weight)
    return of_lists(label, score, file, file, weight)


def of_lists(label: np.ndarray, score: np.ndarray, file, labels, weight: np.ndarray | None) -> Scores:
    score = score[:, 1] if score.ndim == 2 and score.shape[1] == 2 else score
    if len(label) != len(score):
        raise PlotError(f"{file}: {len(score)} scores, but {len(label)} labels"
                        + (f" in {labels}" if labels != file else ""))  # fmt: skip
    return Scores(checked_labels(label, labels, weight), checked_scores(score, file), weight=weight)


def read_scores(file: Path, labels: Path | None = None) -> Scores | ClassScores:
    """A tagger's scores: a score.npy; an npy [N] or [N, 2] with labels from the file `labels`; or an npz as of_archive
    reads it, a score.npz for example."""
    data = load(file)
    if not isinstance(data, np.ndarray):
        return of_archive(data, file)
    if labels is not None:
        return of_lists(load(labels), data, file, labels, None)
    weight = weights_beside(file, data) if data.ndim == 2 else None
    return of_rows(data, f"{file} (without --labels)", weight)
