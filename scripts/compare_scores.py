#!/usr/bin/env python3
"""Compares the scores of two networks for the same jets.

    scripts/compare_scores.py FIRST/score.npy SECOND/score.npy

Both files come from test mode on the same jets: rows (label, p0, p1). Prints accuracy, AUC and
background rejection of each network and their differences, with uncertainties from a bootstrap in
which every replica draws the same jets for both networks. Needs numpy (scripts/setup.sh --plots).
"""

import argparse
from pathlib import Path
import sys

sys.path.insert(0, str(Path(__file__).resolve().parent))
import prepared  # noqa: E402

prepared.need("numpy")

import numpy as np  # noqa: E402

from plots.errors import PlotError  # noqa: E402
from plots.scores import FIGURES, draw_copies, load, of_rows  # noqa: E402


def compare(both, draws, seed):
    """Figures [3, 4] of the first, the second and their difference, and the uncertainties."""

    def all_figures(copies):
        of_first, of_second = (np.array(scores.figures(copies[scores.order])) for scores in both)
        with np.errstate(invalid="ignore"):  # inf - inf
            return np.array([of_first, of_second, of_second - of_first])

    count = len(both[0])
    random = np.random.default_rng(seed)
    drawn = [all_figures(draw_copies(random, count)) for _ in range(draws)]
    with np.errstate(invalid="ignore"):
        return all_figures(np.ones(count, dtype=int)), np.std(drawn, axis=0, ddof=1)


def cell(value, uncertainty, digits, background):
    """The uncertainty is "?" if no background passes in some of the draws."""
    if np.isnan(value):
        return "unknown"
    if np.isinf(value):
        return f"> {background}"
    text = f"{value:.{digits}f}"
    return f"{text} +- {uncertainty:.{digits}f}" if np.isfinite(uncertainty) else f"{text} +- ?"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("first", help="score.npy of one network")
    parser.add_argument("second", help="score.npy of the other, for the same jets in the same order")
    parser.add_argument("--draws", type=int, default=500, help="replicas of the bootstrap (default: 500)")
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    try:
        first, second = load(args.first), load(args.second)
        both = of_rows(first, args.first), of_rows(second, args.second)
        if not np.array_equal(both[0].label, both[1].label):
            raise PlotError(f"{args.first} and {args.second} are not for the same jets: "
                            f"{len(first)} and {len(second)} jets, or different labels")  # fmt: skip
    except PlotError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    values, uncertainties = compare(both, args.draws, args.seed)
    background = both[0].num_background
    print(f"{len(first)} jets, {len(first) - background} of them signal; "
          f"largest difference between two probabilities {np.abs(first - second).max():.2g}")  # fmt: skip
    print(f"{'':14} {'first':>20} {'second':>20} {'second - first':>20}")
    for k, name in enumerate(FIGURES):
        cells = [cell(value, uncertainty, 5 if k < 2 else 1, background)
                 for value, uncertainty in zip(values[:, k], uncertainties[:, k])]  # fmt: skip
        print(f"{name:14} {cells[0]:>20} {cells[1]:>20} {cells[2]:>20}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
