#!/usr/bin/env python3
"""Compares the scores that two networks give the same jets.

    scripts/compare_scores.py FIRST/score.npy SECOND/score.npy

Both files are what test mode writes of one file of jets: rows (label, p0, p1). Prints accuracy,
AUC and background rejection of each and their differences, with uncertainties by bootstrap: jets
are drawn again and again, the same ones for both networks. Needs numpy.
"""

import argparse
import sys

import numpy as np

from plots.scores import of_rows

FIGURES = ("accuracy", "AUC", "1/eB at eS=.5", "1/eB at eS=.3")


def compare(first, second, draws, seed):
    """Figures [3, 4] of the first, the second and their difference, and the uncertainties."""
    both = of_rows(first, "the first file"), of_rows(second, "the second file")

    def all_figures(weight):
        of_first, of_second = (np.array(scores.figures(weight[scores.order])) for scores in both)
        with np.errstate(invalid="ignore"):  # inf - inf
            return np.array([of_first, of_second, of_second - of_first])

    count = len(first)
    random = np.random.default_rng(seed)
    drawn = [all_figures(np.bincount(random.integers(count, size=count), minlength=count))
             for _ in range(draws)]  # fmt: skip
    with np.errstate(invalid="ignore"):
        return all_figures(np.ones(count, dtype=int)), np.std(drawn, axis=0, ddof=1)


def read_scores(file):
    rows = np.load(file)
    if rows.ndim != 2 or rows.shape[1] != 3 or not np.isin(rows[:, 0], (0, 1)).all():
        raise ValueError(f"{file}: not rows (label, p0, p1) of two classes, shape {rows.shape}")
    if not 0 < rows[:, 0].sum() < len(rows):
        raise ValueError(f"{file}: jets of one class only")
    return rows


def cell(value, uncertainty, digits, background):
    """Without an uncertainty where no background passed in some of the draws."""
    if np.isnan(value):
        return "unknown"
    if np.isinf(value):
        return f"> {background}"
    text = f"{value:.{digits}f}"
    return f"{text} +- {uncertainty:.{digits}f}" if np.isfinite(uncertainty) else f"{text} +- ?"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("first", help="score.npy of one network")
    parser.add_argument("second", help="score.npy of the other, of the same jets in the same order")
    parser.add_argument("--draws", type=int, default=500, help="of the bootstrap (default: 500)")
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    try:
        first, second = read_scores(args.first), read_scores(args.second)
        if not np.array_equal(first[:, 0], second[:, 0]):
            raise ValueError(f"{args.first} and {args.second} are not of the same jets: "
                             f"{len(first)} and {len(second)}, or other labels")  # fmt: skip
    except (OSError, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    values, uncertainties = compare(first, second, args.draws, args.seed)
    signal = int(first[:, 0].sum())
    print(f"{len(first)} jets, {signal} of them signal; "
          f"largest difference of a probability {np.abs(first - second).max():.2g}")  # fmt: skip
    print(f"{'':14} {'first':>20} {'second':>20} {'second - first':>20}")
    for k, name in enumerate(FIGURES):
        cells = [cell(value, uncertainty, 5 if k < 2 else 1, len(first) - signal)
                 for value, uncertainty in zip(values[:, k], uncertainties[:, k])]  # fmt: skip
        print(f"{name:14} {cells[0]:>20} {cells[1]:>20} {cells[2]:>20}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
