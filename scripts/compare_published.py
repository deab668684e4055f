#!/usr/bin/env python3
"""Compares this program's scores of the published quark/gluon test jets with those that the Python program published.

    build/release/bin/qg_tagging --test_mode --exp_name published --download
    scripts/compare_published.py logs/qg/published/score.npy build/published-score.npy --download

The first command scores the 200,000 test jets with the published network; it downloads network and jets (2 million, all of
whose files it needs to know which ones are for testing). --download fetches the published score.npy (2.4 MB, of
https://github.com/sdogsq/LorentzNet-release, licence GPL-3.0) if the second file is not there. Rows are compared one by one:
label and p1. This script has only been tried on made-up files of the same form.
"""

import argparse
import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
import package_sources  # noqa: E402
import prepared  # noqa: E402

prepared.need("numpy")

import numpy as np  # noqa: E402

from plots.errors import PlotError  # noqa: E402
from plots.scores import Scores, load, of_rows  # noqa: E402

PROJECT = Path(__file__).resolve().parents[1]
SET = "qg-scores"
QUANTILES = (0.5, 0.9, 0.99, 0.999, 1)
LARGE = 1e-4
MOST_SHOWN = 10


def download(file: Path) -> None:
    """By the Python package's code, which needs no more than Python."""
    published = package_sources.load("published")
    os.environ.setdefault("LORENTZNET_PUBLISHED_FILES", str(PROJECT / "data" / "published_files.tsv"))
    (source,) = published.published_files(SET)
    print(f"Downloading {file}; it is of {published.SOURCE}, licence {published.LICENCE}")
    published.download([source], str(file.parent), {source.name: file.name})


def read_rows(file: Path) -> np.ndarray:
    """[N, 3] label, p0, p1"""
    rows = load(file)
    if not isinstance(rows, np.ndarray) or rows.ndim != 2 or rows.shape[1] != 3 or rows.dtype.kind != "f":
        raise PlotError(f"{file}: expected an array [N, 3] of rows (label, p0, p1)")
    return rows.astype(np.float64)


def check_rows(ours: np.ndarray, published: np.ndarray, files: tuple[Path, Path]) -> None:
    """Each of both files holds the same jets in the same order, as far as labels tell."""
    if len(ours) != len(published):
        raise PlotError(f"{files[0]} has {len(ours)} jets, {files[1]} {len(published)}")
    other = np.flatnonzero(ours[:, 0] != published[:, 0])
    if len(other):
        raise PlotError(f"{files[0]} and {files[1]} are not for the same jets in the same order: {len(other)} labels differ, "
                        f"the first in row {other[0]} (counted from 0)")  # fmt: skip


def describe_differences(ours: np.ndarray, published: np.ndarray) -> list[str]:
    difference = np.abs(ours[:, 2] - published[:, 2])
    lines = [f"{len(ours)} jets, label and p1 row by row; |difference of p1|:"]
    for quantile, value in zip(QUANTILES, np.quantile(difference, QUANTILES)):
        lines.append(f"  {'largest' if quantile == 1 else f'{100 * quantile:g} % below':15} {value:.2e}")
    large = np.flatnonzero(difference > LARGE)
    lines.append(f"  above {LARGE:g}     {len(large)} rows ({100 * len(large) / len(ours):.3g} %)")
    worst = large[np.argsort(-difference[large], kind="stable")][:MOST_SHOWN]
    lines += [f"    row {row}: label {ours[row, 0]:.0f}, p1 {ours[row, 2]:.6f}, published {published[row, 2]:.6f}"
              for row in worst]  # fmt: skip
    decisions = ((ours[:, 2] > ours[:, 1]) != (published[:, 2] > published[:, 1])).sum()
    lines.append(f"  tagged as another class: {decisions} rows")
    return lines


def describe_figures(both: list[Scores]) -> list[str]:
    lines = [f"{'':12}{'ours':>12}{'published':>12}{'difference':>14}"]
    figures = [scores.figures() for scores in both]
    for k, name in enumerate(both[0].names):
        one, two = figures[0][k], figures[1][k]
        digits = 2 if "eB" in name else 6
        lines.append(f"{name:12}{one:>12.{digits}f}{two:>12.{digits}f}{one - two:>14.{digits}f}")
    return lines


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, allow_abbrev=False,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)  # fmt: skip
    parser.add_argument("ours", type=Path, help="score.npy of this program")
    parser.add_argument("published", type=Path, help="the published score.npy")
    parser.add_argument("--download", action="store_true", help="fetch the published one if it is not there")
    args = parser.parse_args()
    try:
        if args.download and not args.published.exists():
            download(args.published)
        files = (args.ours, args.published)
        ours, published = map(read_rows, files)
        check_rows(ours, published, files)
        both = [of_rows(rows, file) for rows, file in zip((ours, published), files)]
    except (PlotError, OSError, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print("\n".join([*describe_differences(ours, published), *describe_figures(both)]))
    return 0


if __name__ == "__main__":
    sys.exit(main())
