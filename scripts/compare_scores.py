#!/usr/bin/env python3
"""Compares the scores of two networks for the same jets.

    scripts/compare_scores.py FIRST/score.npy SECOND/score.npy

Both files come from test mode on the same jets: rows (label, p0, p1), or the score.npz beside them.
Prints accuracy, AUC and background rejection of each network and their differences, with uncertainties
from a bootstrap in which every replica draws the same jets for both networks. Jets that have weights, in
score.npz, count by them. Needs numpy (scripts/setup.sh --plots).
"""

import argparse
from pathlib import Path
import sys

sys.path.insert(0, str(Path(__file__).resolve().parent))
import prepared  # noqa: E402

prepared.need("numpy")

import numpy as np  # noqa: E402

from plots.errors import PlotError  # noqa: E402
from plots.scores import Scores, draw_copies, read_scores  # noqa: E402


def compare(both, draws, seed):
    """Figures [3, names] of the first, the second and their difference, and the uncertainties."""

    def all_figures(copies):
        of_first, of_second = (np.array(scores.figures(copies)) for scores in both)
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


def check_same_jets(args, first, second):
    same_weights = (first.weight is None) == (second.weight is None) and (
        first.weight is None or np.array_equal(first.weight, second.weight))  # fmt: skip
    if not np.array_equal(first.label, second.label) or first.names != second.names:
        raise PlotError(f"{args.first} and {args.second} are not for the same jets: "
                        f"{len(first)} and {len(second)} jets, or different labels")  # fmt: skip
    if not same_weights:
        raise PlotError(f"{args.first} and {args.second} have different weights of the jets")


def describe(scores):
    weighted = ", weighted" if scores.weight is not None else ""
    if isinstance(scores, Scores):
        return f"{len(scores)} jets, {len(scores) - scores.num_background} of them signal{weighted}"
    return f"{len(scores)} jets of {len(scores.of_class)} classes{weighted}"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("first", type=Path, help="score.npy of one network")
    parser.add_argument("second", type=Path, help="score.npy of the other, for the same jets in the same order")
    parser.add_argument("--draws", type=int, default=500, help="replicas of the bootstrap (default: 500)")
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    try:
        both = read_scores(args.first), read_scores(args.second)
        check_same_jets(args, *both)
    except PlotError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    values, uncertainties = compare(both, args.draws, args.seed)
    print(f"{describe(both[0])}; largest difference between two probabilities "
          f"{np.abs(both[0].probability - both[1].probability).max():.2g}")  # fmt: skip
    print(f"{'':14} {'first':>20} {'second':>20} {'second - first':>20}")
    bound = getattr(both[0], "rejection_bound", 0)
    for k, name in enumerate(both[0].names):
        cells = [cell(value, uncertainty, 1 if "eB" in name else 5, bound)
                 for value, uncertainty in zip(values[:, k], uncertainties[:, k])]  # fmt: skip
        print(f"{name:14} {cells[0]:>20} {cells[1]:>20} {cells[2]:>20}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
