#!/usr/bin/env python3
"""Shows in one table how boosts of all jets change the scores of several networks.

    scripts/boost_table.py shipped=logs/top/pretrained fast=logs/top/fast --task top --boost 0.5 0.9 0.99 \\
        --equivariance 200 --test_data data/top/test.h5 --out build/boosts-top

Accuracy and AUC at rest and in each frame, and the largest change of a jet's probability. With --equivariance N, also the
fraction of translations of N jets that reach the clamp, and the largest change if there were no clamp (all in double):
what is left is rounding. OUT gets table.md and study.json. Flags that are not listed below go to each test. An
interrupted call goes on when it is repeated.
"""

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
import prepared  # noqa: E402

prepared.need("numpy")

from plots import experiments  # noqa: E402
from plots.errors import PlotError  # noqa: E402
from studies import study, tables  # noqa: E402


def velocity(text: str) -> float:
    beta = float(text)
    if not -1 < beta < 1:
        raise argparse.ArgumentTypeError(f"{text} is not a velocity between -1 and 1")
    return beta


def options() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, allow_abbrev=False,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)  # fmt: skip
    parser.add_argument("networks", nargs="+", metavar="[LABEL=]FOLDER", help="LOGDIR/EXP_NAME of an experiment")
    parser.add_argument("--boost", nargs="+", type=velocity, default=[0.5, 0.9, 0.99], metavar="BETA",
                        help="default: 0.5 0.9 0.99")  # fmt: skip
    parser.add_argument("--axis", choices=("x", "y", "z", "random"), default="x", help="of the boosts; default: x")
    parser.add_argument("--equivariance", type=study.positive, metavar="N", help="jets for the study of the clamp (slow)")
    study.add_options(parser)
    return parser


def networks_of(texts: list[str]) -> list[study.Network]:
    found: dict[str, study.Network] = {}
    for text in texts:
        label, folder = experiments.label_and_path(text)
        if label in found or "/" in label:
            raise PlotError(f"{text}: the label {label} is given twice, or not a name")
        found[label] = study.Network(label, folder.resolve())
    return list(found.values())


def frames_of(network: study.Network, result: experiments.Experiment, betas: list[float]) -> list[dict]:
    """Accuracy, AUC and largest change at rest and with each boost; what the study of the clamp has."""
    if result.test is None:
        raise PlotError(f"{result.folder}: no test-result.json")
    frames = [{"beta": 0.0, "accuracy": result.test["test_acc"], "AUC": result.test["test_auc"], "change": 0.0}]
    boosts = {boost["beta"]: boost for boost in result.boosts}
    for beta in betas:
        if beta not in boosts:
            raise PlotError(f"{result.folder}: no boost-{beta}.json")
        boost = boosts[beta]
        frames.append({"beta": beta, "accuracy": boost["acc"], "AUC": boost["auc"], "change": boost["max_change"]})
    for frame in frames if result.equivariance else []:
        (studied,) = [each for each in result.equivariance["frames"] if each["beta"] == frame["beta"]]
        frame["clamped"] = studied["variants"]["double, clamp"]["clamped"]
        frame["change_without_clamp"] = studied["variants"]["double, no clamp"]["max_shift"]
    return frames


def row(label: str, frame: dict) -> list[str]:
    area = "none" if frame["AUC"] is None else f"{frame['AUC']:.5f}"
    cells = [label, f"{frame['beta']:g}", f"{frame['accuracy']:.5f}", area, f"{frame['change']:.1e}"]
    if "clamped" in frame:
        cells += [f"{100 * frame['clamped']:.2g} %", f"{frame['change_without_clamp']:.1e}"]
    return cells


def main() -> int:
    args, flags = study.parse(options())
    of_study = study.Study(args)
    networks = networks_of(args.networks)
    betas = [beta for beta in dict.fromkeys(args.boost) if beta != 0]
    words = ("--boost", ",".join(map(repr, betas)), "--boost_axis", args.axis, *flags)
    if args.equivariance:
        words += ("--equivariance", str(args.equivariance))
    failures = of_study.test(networks, words)
    if failures:
        print("\n".join(["error: not all is done, the same command goes on:", *failures]), file=sys.stderr)
        return 1
    found = {network.name: frames_of(network, of_study.result(network), betas) for network in networks}
    rows = [["network", "beta", "accuracy", "AUC", "largest change"]]
    if args.equivariance:
        rows[0] += ["clamped", "without clamp"]
    rows += [row(label if k == 0 else "", frame) for label, frames in found.items() for k, frame in enumerate(frames)]
    axis = "random axes" if args.axis == "random" else args.axis
    notes = [f"Boosts along {axis} of {', '.join(file.name for file in args.test_data)}; change: of a jet's probability "
             "against that at rest."]  # fmt: skip
    tables.write(of_study.out, rows, notes)
    of_study.record(flags=flags, axis=args.axis, networks=found)
    return 0


if __name__ == "__main__":
    sys.exit(study.run(main))
