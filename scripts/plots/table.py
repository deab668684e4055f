"""The table of figures with uncertainties."""

import numpy as np

from . import aligned
from .scores import FIGURES, ClassScores, Scores

COLUMNS = ("model", "jets", *FIGURES)


def digits_of(uncertainty: float, most: int) -> int:
    """Decimals that show two digits of the uncertainty."""
    if not 0 < uncertainty < np.inf:
        return most
    return int(np.clip(1 - np.floor(np.log10(uncertainty)), 0, most))


def plus_minus(value: float, uncertainty: float, most: int) -> str:
    digits = digits_of(uncertainty, most)
    return f"{value:.{digits}f} ± {uncertainty:.{digits}f}"


def of_interval(value: float, low: float, high: float, most: int, background: int) -> str:
    """One uncertainty if the interval is nearly symmetric, else both sides of it."""
    if np.isinf(value):
        return f"> {background}"
    if np.isfinite(high) and abs((high - value) - (value - low)) <= 0.25 * (high - low):
        return plus_minus(value, (high - low) / 2, most)
    digits = digits_of(value - low, most)
    above = f"{high - value:.{digits}f}" if np.isfinite(high) else "∞"
    return f"{value:.{digits}f} +{above} −{max(value - low, 0):.{digits}f}"


def cells_of_one(scores: Scores) -> list[str]:
    """Values with the central 68 % of the bootstrap."""
    return [of_interval(value, low, high, 5 if k < 2 else 1, scores.rejection_bound)
            for k, (value, (low, high)) in enumerate(zip(scores.figures(), scores.intervals))]  # fmt: skip


def cells_of_runs(runs: list[Scores]) -> list[str]:
    """Mean and standard deviation over the runs."""
    values = np.array([scores.figures() for scores in runs])
    with np.errstate(invalid="ignore"):
        means, deviations = values.mean(axis=0), values.std(axis=0, ddof=1)
    return [plus_minus(mean, deviation, 5 if k < 2 else 1) if np.isfinite(mean)
            else f"> {values[:, k].min():.0f}" for k, (mean, deviation) in enumerate(zip(means, deviations))]  # fmt: skip


def jets_of(runs: list[Scores | ClassScores]) -> str:
    return " / ".join(sorted({f"{len(run):,}" + (" (weighted)" if run.weight is not None else "") for run in runs}))


def rows_of_classes(label: str, runs: list[ClassScores]) -> list[list[str]]:
    """A row of accuracy and mean AUC, then one for each class against all others."""
    name = label if len(runs) == 1 else f"{label} ({len(runs)} runs)"

    def cells(k):
        values = np.array([run.figures()[k] for run in runs])
        if np.isnan(values).any():
            return "none"
        if len(runs) > 1:
            return plus_minus(values.mean(), values.std(ddof=1), 5)
        return of_interval(values[0], *runs[0].intervals[k], 5, 0)

    result = [[f"{name}, all classes", jets_of(runs), cells(0), cells(1), "", ""]]
    for k in range(len(runs[0].of_class)):
        of_class = [run.of_class[k] for run in runs]
        if not all(of_class):
            result.append([f"{name}, class {k}", "", "", "none", "none", "none"])
            continue
        own = cells_of_one(of_class[0]) if len(runs) == 1 else cells_of_runs(of_class)
        result.append([f"{name}, class {k}", "", "", *own[1:]])
    return result


def rows(taggers: dict[str, list[Scores | ClassScores]]) -> list[list[str]]:
    """COLUMNS of each tagger."""
    result = []
    for label, runs in taggers.items():
        if isinstance(runs[0], ClassScores):
            result.extend(rows_of_classes(label, runs))
            continue
        cells = cells_of_one(runs[0]) if len(runs) == 1 else cells_of_runs(runs)
        result.append([label if len(runs) == 1 else f"{label} ({len(runs)} runs)", jets_of(runs), *cells])
    return result


def text(all_rows: list[list[str]]) -> str:
    return aligned.text([COLUMNS, *all_rows])
