"""Compares lorentznet's ROC curve, AUC and background rejections with scikit-learn's.

    python check_metrics.py METRICS_TOOL

METRICS_TOOL is the program of tests/tools/metrics_tool.cpp. Both compute the figures of random scores
with many sizes, class balances and densities of ties. Exits with status 1 at the first difference.
"""

import json
import subprocess
import sys
import warnings

import numpy as np
from sklearn.metrics import roc_auc_score, roc_curve

from figures import rejection

NAMES = ("background_efficiency", "signal_efficiency", "threshold")


def random_cases(rng):
    """Yields (label [N] int, score [N] float32, weight [N] or None) with both classes in each."""
    for largest in (2, 3, 4, 5, 7, 10, 30, 100, 1000, 20000):
        for signal_fraction in (0.5, 0.1, 0.9, 0.01):
            size = largest if signal_fraction == 0.1 else min(largest, 4000)
            for levels in (1, 2, 3, 10, 100, None):  # number of different scores; None: hardly any ties
                for separation in (0.0, 1.0, 10.0):
                    num_signal = min(max(round(size * signal_fraction), 1), size - 1)
                    label = rng.permutation(np.arange(size) < num_signal).astype(int)
                    score = 1 / (1 + np.exp(-rng.normal(size=size) - separation * (label - 0.5)))
                    if levels is not None:
                        score = np.floor(score * levels) / levels
                    yield label, score.astype(np.float32), None
                    # Of the many jets a tenth has no weight, and all of class 1 little.
                    weight = rng.uniform(0, 3, size) * (1e-3 ** label) * (rng.uniform(size=size) > 0.1 * (size > 10))
                    if all(weight[label == k].sum() > 0 for k in (0, 1)):
                        yield label, score.astype(np.float32), weight


def our_figures(tool, cases):
    """The figures of all cases from one run of the tool."""
    lines = []
    for label, score, weight in cases:
        lines.append(f"{len(label)} {int(weight is not None)}")
        weights = [""] * len(label) if weight is None else [f" {w:.17g}" for w in weight]
        lines.extend(f"{y} {s:.9g}{w}" for y, s, w in zip(label, score, weights))
    run = subprocess.run([tool], input="\n".join(lines), text=True, capture_output=True)
    if run.returncode != 0:
        sys.exit(f"{tool}: status {run.returncode}: {run.stderr.strip()}")
    results = [json.loads(line) for line in run.stdout.splitlines()]
    if len(results) != len(cases):
        sys.exit(f"{tool}: {len(results)} answers to {len(cases)} cases")
    return results


def difference(label, score, weight, ours):
    """The first difference between our figures and scikit-learn's, or None."""
    curve = roc_curve(label, score, sample_weight=weight, drop_intermediate=True)
    for name, theirs in zip(NAMES, curve):
        mine = np.array(ours[name], dtype=float)
        if len(mine) != len(theirs):
            return f"{name}: {len(mine)} points, scikit-learn {len(theirs)}"
        # The first threshold is infinite in both. NaN counts as a difference.
        same = np.append(mine[0] == theirs[0], np.abs(mine[1:] - theirs[1:]) <= 1e-15)
        if not same.all():
            where = int(np.argmin(same))
            return f"{name}[{where}]: {mine[where]!r}, scikit-learn {theirs[where]!r}"
    auc = roc_auc_score(label, score, sample_weight=weight)
    if not abs(ours["auc"] - auc) <= 1e-12:
        return f"auc: {ours['auc']!r}, scikit-learn {auc!r}"
    for name, efficiency in (("rejection_at_30", 0.3), ("rejection_at_50", 0.5)):
        theirs = rejection(curve[0], curve[1], efficiency)
        if ours[name] != theirs:
            return f"{name}: {ours[name]!r}, from scikit-learn's curve {theirs!r}"
    return None


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    warnings.simplefilter("error")  # scikit-learn only warns if a figure is undefined
    cases = list(random_cases(np.random.default_rng(99)))
    for number, ((label, score, weight), ours) in enumerate(zip(cases, our_figures(sys.argv[1], cases))):
        found = difference(label, score, weight, ours)
        if found:
            sys.exit(f"case {number} ({len(label)} jets, {label.sum()} signal, "
                     f"{'no ' if weight is None else ''}weights): {found}")
    print(f"{len(cases)} cases agree with scikit-learn")


if __name__ == "__main__":
    main()
