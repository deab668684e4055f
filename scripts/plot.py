#!/usr/bin/env python3
"""Draws the results of experiments, each picture as png and pdf, and prints a table of them.

    scripts/plot.py logs/top/mine
    scripts/plot.py LorentzNet=logs/top/run1 LorentzNet=logs/top/run2 small=logs/top/small \\
        --tagger ParticleNet=ParticleNet.npy --labels labels.npy --out plots

Folders with the same LABEL are runs of one model: the curve is their mean, the band their standard deviation.
Pictures: training curves, ROC curves, score distributions, and accuracy against boost velocity.
"""

import argparse
from pathlib import Path
import sys

sys.path.insert(0, str(Path(__file__).resolve().parent))
import prepared  # noqa: E402

prepared.need("numpy", "matplotlib", "mplhep")

from plots import experiments, pictures, scores, table  # noqa: E402
from plots.errors import PlotError  # noqa: E402


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, allow_abbrev=False,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)  # fmt: skip
    parser.add_argument("experiments", nargs="+", metavar="[LABEL=]FOLDER", help="LOGDIR/EXP_NAME of an experiment")
    parser.add_argument("--tagger", action="append", default=[], metavar="[LABEL=]FILE",
                        help="scores of another tagger: rows (label, p0, p1) as in score.npy, or an npz with "
                             "'label', 'score' and, if jets have weights, 'weight', or an npy of scores with "
                             "--labels")  # fmt: skip
    parser.add_argument("--labels", type=Path, metavar="FILE",
                        help="npy of labels (1: signal) for --tagger files without labels")  # fmt: skip
    parser.add_argument("--out", type=Path, metavar="DIR", help="default: plots/ in the first experiment's folder")
    return parser.parse_args()


def read_taggers(args: argparse.Namespace) -> dict[str, scores.Scores]:
    taggers = {}
    for text in args.tagger:
        label, file = experiments.label_and_path(text)
        label = file.stem if "=" not in text else label
        if label in taggers:
            raise PlotError(f"--tagger {label}: this label is given twice")
        taggers[label] = scores.read_scores(file, args.labels)
    return taggers


def main() -> int:
    args = parse()
    try:
        runs = [experiments.read_experiment(*experiments.label_and_path(text)) for text in args.experiments]
        folder = args.out or runs[0].folder / "plots"
        made = pictures.draw_all(runs, read_taggers(args), folder)
    except (PlotError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    for line in experiments.warnings(runs):
        print(f"warning: {line}", file=sys.stderr)
    if made.rows:
        print(table.text(made.rows))
        print("Uncertainties: central 68 % of a bootstrap over the jets; for several runs, their standard deviation.")
    print(f"{', '.join(made.files)}: {folder}/*.png, *.pdf")
    return 0


if __name__ == "__main__":
    sys.exit(main())
