#!/usr/bin/env python3
"""Simulates quark and gluon jets in EnergyFlow's layout: QG_jets.npz, QG_jets_1.npz, ...

Z(-> neutrinos)+jet at 14 TeV (Pythia), anti-kT R=0.4 (FastJet), leading jet 500 < pT < 550 GeV, |y| < 1.7.
An interrupted run continues when the same command is given again."""

from pathlib import Path
import sys

sys.path.insert(0, str(Path(__file__).resolve().parent))
from simulation import command  # noqa: E402


def parse():
    parser = command.parser(__doc__, outdir="data/qg/datasets")
    parser.add_argument("--jets", type=command.positive, help="number of jets (default: 10000)")
    parser.add_argument("--quark-fraction", type=command.fraction, help="fraction of quark jets in --jets (default: 0.5)")
    parser.add_argument("--quark", type=command.count, help="number of quark jets, instead of --jets")
    parser.add_argument("--gluon", type=command.count, help="number of gluon jets, instead of --jets")
    parser.add_argument(
        "--split-into", type=command.positive, metavar="K", help="number of files (default: one per 100000 jets)"
    )
    parser.add_argument(
        "--single-precision", action="store_true", help="round pT, y, phi to four-byte floats: files become a third smaller"
    )
    command.add_run_arguments(parser)
    arguments = parser.parse_args()
    set_counts(parser, arguments)
    return arguments


def set_counts(parser, arguments):
    by_class = arguments.quark is not None or arguments.gluon is not None
    if by_class and (arguments.jets is not None or arguments.quark_fraction is not None):
        parser.error("--quark and --gluon cannot be combined with --jets or --quark-fraction")
    if by_class:
        arguments.quark, arguments.gluon = arguments.quark or 0, arguments.gluon or 0
    else:
        half = 0.5 if arguments.quark_fraction is None else arguments.quark_fraction
        arguments.quark, arguments.gluon = command.split_by_class(arguments.jets or 10_000, half)
    total = arguments.quark + arguments.gluon
    arguments.split_into = arguments.split_into or max(1, -(-total // 100_000))
    if total < arguments.split_into:
        parser.error(f"{total} jets are too few for {arguments.split_into} file(s)")


def write(arguments, folder, chunks, targets):
    """Writes all files under temporary names, then renames them."""
    import numpy as np

    from simulation.jets import Jets
    from simulation.quark_gluon import write_npz

    wanted = {"quark": arguments.quark, "gluon": arguments.gluon}
    jets = Jets.concatenate([folder.load(chunks, name) for name, n in wanted.items() if n])
    labels, order = command.shuffled(arguments.quark, arguments.gluon, arguments.seed, stream=0)
    parts = np.array_split(order, len(targets))
    for target, part in zip(targets, parts):
        write_npz(folder.path / target.name, jets, part, labels, arguments.single_precision)
    for target in targets:
        (folder.path / target.name).replace(target)
    return [{"name": t.name, "jets": len(p), "quark": int(labels[p].sum())} for t, p in zip(targets, parts)]


def run(arguments):
    # Imported late, so that --help works without these packages and main() can name a missing one.
    from simulation.chunks import CHUNK_JETS, WorkFolder, make_missing, plan
    from simulation.quark_gluon import MAX_RAPIDITY, PROCESSES

    numbers = ["", *(f"_{i}" for i in range(1, arguments.split_into))]
    targets = [arguments.outdir / f"QG_jets{number}.npz" for number in numbers]
    command.refuse_existing(targets, arguments.overwrite)
    wanted = {"quark": arguments.quark, "gluon": arguments.gluon}
    physics = {name: process.record() for name, process in PROCESSES.items()}
    facts = {"jets": wanted, "seed": arguments.seed, "chunk_jets": CHUNK_JETS, "processes": physics}
    folder = WorkFolder(arguments.outdir / "QG_jets.work", {**facts, "versions": command.versions()})
    chunks = plan(wanted, arguments.seed)
    make_missing(PROCESSES, chunks, folder, arguments.jobs)
    files = write(arguments, folder, chunks, targets)
    command.write_record(
        arguments.outdir / "QG_jets.json",
        **facts,
        max_abs_rapidity=MAX_RAPIDITY,
        single_precision=arguments.single_precision,
        files=files,
    )
    folder.remove()


if __name__ == "__main__":
    command.main(parse, run)
