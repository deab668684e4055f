#!/usr/bin/env python3
"""Trains networks on the first N jets of a data set, for several N and seeds, and shows how good they become.

    scripts/learning_curve.py --task top --jets 1500 6000 12000 --seeds 1 2 3 --datadir data/large/top \\
        --test_data data/top-fresh/test.h5 --out build/few-jets --jobs 2 --epochs 35 --pooling jet

All networks are tested on the jets of --test_data. Flags that are not listed below go to each training, as --epochs and
--pooling here. OUT gets table.md, learning-curve.png and .pdf, and study.json with all numbers.

Interrupt it at any time, even by killing it: the same command goes on, a training under way with --resume. Finished
trainings and tests are not repeated.

Of top jets, N counts those in the first training file in alphabetical order; where it has fewer, in the first files, as
far as --num_train can say that. Of quark/gluon jets 1.25 N of --datadir are used, of which N are for training, as
`qg_tagging --num_data` does.
"""

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
import prepared  # noqa: E402

prepared.need("numpy")

import numpy as np  # noqa: E402

from plots.errors import PlotError  # noqa: E402
from studies import study, tables  # noqa: E402

SUFFIXES = (".h5", ".hdf5", ".npz")


def options() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, allow_abbrev=False,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)  # fmt: skip
    parser.add_argument("--jets", nargs="+", type=study.positive, required=True, metavar="N", help="numbers of jets")
    study.add_training_options(parser)
    study.add_options(parser)
    return parser


def files_of(split: str, datadir: Path) -> list[Path]:
    return sorted(file for file in datadir.iterdir() if split in file.name and file.suffix in SUFFIXES)


def first_files(sizes: list[int], jets: int) -> tuple[int, int] | None:
    """How many files, and the --num_train, which takes the first jets of each, that give the first `jets` jets."""
    before = 0
    for number, size in enumerate(sizes):
        rest = jets - before
        if rest <= size:
            return (number + 1, rest) if rest >= max(sizes[:number], default=0) else None
        before += size
    return None


def link_top_jets(of_study: study.Study, datadir: Path, jets: int) -> tuple[Path, tuple[str, ...]]:
    """A folder with links to as many training files as are needed, and the flag."""
    files = files_of("train", datadir)
    sizes = [of_study.count_jets(file) for file in files]
    found = first_files(sizes, jets)
    if found is None:
        raise PlotError(f"--jets {jets}: {datadir} has training files of {', '.join(map(str, sizes)) or 'no'} jets; N must "
                        "be at most the first, or end in a file after at least as many jets as each file before "
                        "it has")  # fmt: skip
    count, each = found
    folder = of_study.out / "data" / str(jets)
    folder.mkdir(parents=True, exist_ok=True)
    for file in [*files[:count], *files_of("val", datadir), *files_of("test", datadir)]:
        link = folder / file.name
        link.unlink(missing_ok=True)
        link.symlink_to(file.resolve())
    return folder, ("--num_train", str(each))


def quark_gluon_flags(jets: int) -> tuple[str, ...]:
    """Eight tenths of --num_data are for training."""
    if jets % 4:
        raise PlotError(f"--jets {jets}: for quark/gluon jets it must be a multiple of 4: 1.25 N jets are used")
    return ("--num_data", str(jets * 5 // 4))


def trainings_of(of_study: study.Study, args: argparse.Namespace, flags: tuple[str, ...]) -> dict[int, list[study.Training]]:
    found = {}
    for jets in sorted(set(args.jets)):
        if of_study.task == "top":
            datadir, own = link_top_jets(of_study, args.datadir, jets)
        else:
            datadir, own = args.datadir, quark_gluon_flags(jets)
        found[jets] = [study.Training(f"{jets}-jets-seed-{seed}", datadir, (*own, "--seed", str(seed), *flags), jets)
                       for seed in dict.fromkeys(args.seeds)]  # fmt: skip
    return found


def draw(figures: dict[int, np.ndarray], task: str, out: Path) -> list[Path]:
    """OUT/learning-curve.png and .pdf. figures: N -> [runs, figures]; error bars are standard deviations over the runs."""
    study.need_matplotlib()
    from matplotlib.ticker import NullFormatter

    from plots import style

    style.use()
    picture, all_axes = style.figure(14, nrows=3, sharex=True)
    jets = np.array(list(figures))
    for axes, columns in zip(all_axes, (((0, "Accuracy"),), ((1, "AUC"),), ((2, "at eS = .5"), (3, "at eS = .3")))):
        for number, (column, label) in enumerate(columns):
            # No point where no background passes the cut of a run.
            values = [np.where(np.isfinite(runs[:, column]), runs[:, column], np.nan) for runs in figures.values()]
            means = np.array([run.mean() for run in values])
            deviations = np.array([run.std(ddof=1) if len(run) > 1 else np.nan for run in values])
            axes.errorbar(jets, means, deviations, marker="os"[number], capsize=4, label=label, **style.line(number))
        axes.set_ylabel(columns[0][1] if len(columns) == 1 else "Rejection 1/eB")
        axes.yaxis.set_label_coords(-0.12, 1)
        axes.grid(color="0.88", linewidth=0.8)
    all_axes[2].set_yscale("log")
    all_axes[2].legend(loc="best")
    all_axes[2].set(xscale="log", xlabel="Training jets")
    all_axes[2].set_xticks(jets, [f"{number:,}" for number in jets])
    all_axes[2].xaxis.set_minor_formatter(NullFormatter())
    style.title(all_axes[0], {"top": "Top against QCD jets", "qg": "Quark against gluon jets"}[task])
    return style.save(picture, out, "learning-curve")


def main() -> int:
    args, flags = study.parse(options(), "num_train", "num_data")
    of_study = study.Study(args)
    trainings = trainings_of(of_study, args, flags)
    every = [training for some in trainings.values() for training in some]
    failures = of_study.train(every)
    if not failures:
        failures = of_study.test([of_study.trained(training) for training in every])
    if failures:
        print("\n".join(["error: not all is done, the same command goes on:", *failures]), file=sys.stderr)
        return 1
    found = {jets: [of_study.scores(of_study.trained(training)) for training in some]
             for jets, some in trainings.items()}  # fmt: skip
    rows = [["training jets", "runs", *study.scores.FIGURES]]
    rows += [[f"{jets:,}", str(len(runs)), *tables.figure_cells(runs)] for jets, runs in found.items()]
    notes = [f"Tested on {len(next(iter(found.values()))[0]):,} fresh jets; seeds {', '.join(map(str, args.seeds))}. "
             "Several runs: mean and standard deviation; one: 68 % of a bootstrap over the test jets."]  # fmt: skip
    tables.write(of_study.out, rows, notes)
    runs = [study.run_summary(of_study, of_study.trained(training)) | {"jets": jets, "seed": seed}
            for jets, some in trainings.items()
            for training, seed in zip(some, dict.fromkeys(args.seeds), strict=True)]  # fmt: skip
    of_study.record(flags=flags, runs=runs)
    draw({jets: np.array([run.figures() for run in some]) for jets, some in found.items()}, args.task, of_study.out)
    return 0


if __name__ == "__main__":
    sys.exit(study.run(main))
