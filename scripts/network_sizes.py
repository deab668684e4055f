#!/usr/bin/env python3
"""Trains networks of several sizes on the same jets, and compares how good and how fast they are.

    scripts/network_sizes.py --task top --sizes 16x3 24x3 32x4 48x6 72x6 --datadir data/large/top \\
        --test_data data/top-fresh/test.h5 --out build/sizes-top --jobs 2 --epochs 12 --pooling jet

A size is WIDTHxLAYERS: --n_hidden and --n_layers. Flags that are not listed below go to each training. Networks that are
trained already are added by --experiment LABEL=FOLDER. OUT gets table.md, sizes.png and .pdf (rejection against time for
a jet), and study.json with all numbers.

Interrupt it at any time, even by killing it: the same command goes on, a training under way with --resume. Times are of
test mode with one thread on the CPU, the best of --rounds tests; let nothing else run while they are measured, at the end.
"""

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
import prepared  # noqa: E402

prepared.need("numpy")

import numpy as np  # noqa: E402

from plots import experiments  # noqa: E402
from plots.errors import PlotError  # noqa: E402
from studies import study, tables, timing  # noqa: E402

REJECTIONS = ((2, ".5"), (3, ".3"))  # their place among the figures, and eS


def size(text: str) -> tuple[int, int]:
    parts = text.split("x")
    if len(parts) != 2 or not all(part.isdecimal() and int(part) > 0 for part in parts):
        raise argparse.ArgumentTypeError(f"{text!r} is not WIDTHxLAYERS, such as 72x6")
    return int(parts[0]), int(parts[1])


def options() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, allow_abbrev=False,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)  # fmt: skip
    parser.add_argument("--sizes", nargs="+", type=size, required=True, metavar="WIDTHxLAYERS")
    parser.add_argument("--experiment", action="append", default=[], metavar="LABEL=FOLDER",
                        help="a trained network to compare with")  # fmt: skip
    study.add_training_options(parser)
    parser.add_argument("--timing_data", type=Path, metavar="FILE", help="jets to time (default: the shipped sample)")
    parser.add_argument("--rounds", type=study.positive, default=5, help="tests to time each network (default: 5)")
    study.add_options(parser)
    return parser


def labels_of(networks: list[dict]) -> list[tuple[str, float]]:
    """A label for each time; networks whose labels would cover each other share one."""
    found = []
    for each in sorted(networks, key=lambda each: each["microseconds"]):
        label, time = each["label"], each["microseconds"]
        if found and time < 1.04 * found[-1][1]:
            label, time = f"{found[-1][0]}, {label}", found.pop()[1]
        found.append((label, time))
    return found


def draw(networks: list[dict], task: str, out: Path) -> list[Path]:
    """networks: label, microseconds, and figures [runs, figures] with the ends [figures, 2] of their uncertainty."""
    study.need_matplotlib()
    from plots import style

    style.use()
    picture, axes = style.figure(8)
    for number, (column, efficiency) in enumerate(REJECTIONS):
        values = np.array([each["figures"][:, column].mean() for each in networks])
        ends = np.array([each["ends"][column] for each in networks])
        known = np.isfinite(values)
        bars = np.nan_to_num(np.abs(ends[known].T - values[known]), nan=0, posinf=0)
        times = np.array([each["microseconds"] for each in networks])
        axes.errorbar(times[known], values[known], bars, marker="os"[number], linestyle="none", capsize=4, markersize=9,
                      color=style.COLOURS[number], label=f"at eS = {efficiency}")  # fmt: skip
    axes.set(xscale="log", yscale="log", xlabel="Microseconds for a jet on one core", ylabel="Rejection 1/eB")
    axes.margins(x=0.15, y=0.4)
    for label, time in labels_of(networks):
        axes.annotate(label, (time, 0), xycoords=axes.get_xaxis_transform(), xytext=(0, 8),
                      textcoords="offset points", rotation=90, ha="center", va="bottom", fontsize=14)  # fmt: skip
    axes.grid(color="0.88", linewidth=0.8, which="both")
    axes.legend(loc="best")
    style.title(axes, {"top": "Top against QCD jets", "qg": "Quark against gluon jets"}[task])
    return style.save(picture, out, "sizes")


def ends_of(runs: list) -> np.ndarray:
    """[figures, 2] of one run's bootstrap, or mean plus and minus standard deviation."""
    if len(runs) == 1:
        return runs[0].intervals
    values = np.array([run.figures() for run in runs])
    with np.errstate(invalid="ignore"):
        means, deviations = values.mean(axis=0), values.std(axis=0, ddof=1)
    return np.array([means - deviations, means + deviations]).T


def networks_of(of_study: study.Study, args: argparse.Namespace, flags: tuple[str, ...]):
    """{label: networks}, and the trainings."""
    trainings = {}
    for hidden, layers in dict.fromkeys(args.sizes):
        label = f"{hidden}x{layers}"
        trainings[label] = [
            study.Training(f"{label}-seed-{seed}", args.datadir, ("--n_hidden", str(hidden), "--n_layers", str(layers),
                                                                  "--seed", str(seed), *flags))
            for seed in dict.fromkeys(args.seeds)]  # fmt: skip
    networks = {label: list(map(of_study.trained, some)) for label, some in trainings.items()}
    for text in args.experiment:
        label, folder = experiments.label_and_path(text)
        if label in networks or "/" in label:
            raise PlotError(f"--experiment {text}: the label {label} is taken, or not a name")
        networks[label] = [study.Network(label, folder.resolve())]
    return networks, [training for some in trainings.values() for training in some]


def main() -> int:
    args, flags = study.parse(options())
    of_study = study.Study(args)
    networks, trainings = networks_of(of_study, args, flags)
    failures = of_study.train(trainings)
    if not failures:
        failures = of_study.test([network for some in networks.values() for network in some])
    if failures:
        print("\n".join(["error: not all is done, the same command goes on:", *failures]), file=sys.stderr)
        return 1
    timed = args.timing_data or timing.SAMPLES[args.task]
    found = []
    for label, some in networks.items():
        runs = [of_study.scores(network) for network in some]
        found.append({"label": label, "parameters": of_study.parameters(some[0]), "runs": runs, "ends": ends_of(runs),
                      "microseconds": timing.microseconds(of_study, some[0], timed, args.rounds),
                      "figures": np.array([run.figures() for run in runs])})  # fmt: skip
    rows = [["network", "parameters", *study.scores.FIGURES, "µs/jet"]]
    rows += [[each["label"], f"{each['parameters']:,}", *tables.figure_cells(each["runs"]), f"{each['microseconds']:.0f}"]
             for each in found]  # fmt: skip
    notes = [f"Tested on {len(found[0]['runs'][0]):,} fresh jets; networks that were trained here: seeds "
             f"{', '.join(map(str, args.seeds))}. One run: 68 % of a bootstrap over the test jets; several: mean and standard "
             f"deviation. Time: one core, {timed.name}."]  # fmt: skip
    tables.write(of_study.out, rows, notes)
    of_study.record(flags=flags, timing_data=str(timed), networks=[
        {"label": each["label"], "parameters": each["parameters"], "microseconds": each["microseconds"],
         "runs": [study.run_summary(of_study, network) for network in networks[each["label"]]]} for each in found])  # fmt: skip
    draw(found, args.task, of_study.out)
    return 0


if __name__ == "__main__":
    sys.exit(study.run(main))
