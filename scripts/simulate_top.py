#!/usr/bin/env python3
"""Simulates top and QCD jets in the layouts of the public top-tagging data: train.h5, val.h5, test.h5.

Hadronic top pairs and dijets at 14 TeV without multiple interactions (Pythia), anti-kT R=0.8 (FastJet), leading jet
550 < pT < 650 GeV, |eta| < 2; the top and its three quarks lie within 0.8 of a top jet.
An interrupted run continues when the same command is given again."""

from pathlib import Path
import sys

sys.path.insert(0, str(Path(__file__).resolve().parent))
from simulation import command  # noqa: E402

SPLITS = ("train", "val", "test")


def jets_of_split(text):
    """'N', or 'SIGNAL:BACKGROUND' as a pair."""
    if ":" not in text:
        return command.count(text)
    n_signal, _, n_background = text.partition(":")
    return command.count(n_signal), command.count(n_background)


def parse():
    parser = command.parser(__doc__, outdir="data/top")
    for split in SPLITS:
        text = f"jets in {split}.h5: N, or TOP:QCD per class (20000:200000); 0 writes no file (default: 0)"
        parser.add_argument(f"--{split}", type=jets_of_split, default=0, metavar="JETS", help=text)
    parser.add_argument(
        "--signal-fraction", type=command.fraction, default=0.5, help="fraction of top jets in N jets (default: %(default)s)"
    )
    parser.add_argument(
        "--layout",
        choices=("converted", "raw"),
        default="converted",
        help="converted: Nobj, Pmu, label, is_signal, ...; raw: the published pandas table (default: %(default)s)",
    )
    command.add_run_arguments(parser)
    arguments = parser.parse_args()
    arguments.splits = splits_of(arguments)
    if not arguments.splits:
        parser.error("--train, --val or --test must give a number of jets")
    return arguments


def splits_of(arguments):
    """{split: (top jets, QCD jets)} for the files to write."""
    splits = {}
    for split in SPLITS:
        jets = getattr(arguments, split)
        pair = jets if isinstance(jets, tuple) else command.split_by_class(jets, arguments.signal_fraction)
        if sum(pair) > 0:
            splits[split] = pair
    return splits


def write(arguments, folder, chunks, targets):
    """Each split takes the next jets of each class. Writes all files under temporary names, then renames them."""
    from simulation.jets import Jets
    from simulation.top_layouts import WRITERS

    totals = [sum(pair[i] for pair in arguments.splits.values()) for i in (0, 1)]
    jets = Jets.concatenate([folder.load(chunks, name) for name, n in zip(("top", "qcd"), totals) if n])
    next_top, next_qcd = 0, totals[0]
    for split, (n_top, n_qcd) in arguments.splits.items():
        part = [*range(next_top, next_top + n_top), *range(next_qcd, next_qcd + n_qcd)]
        next_top, next_qcd = next_top + n_top, next_qcd + n_qcd
        labels, order = command.shuffled(n_top, n_qcd, arguments.seed, stream=SPLITS.index(split))
        WRITERS[arguments.layout](folder.path / f"{split}.h5", jets.take(part), order, labels, split)
    for split, target in targets.items():
        (folder.path / f"{split}.h5").replace(target)


def run(arguments):
    # Imported late, so that --help works without these packages and main() can name a missing one.
    from simulation.chunks import CHUNK_JETS, WorkFolder, make_missing, plan
    from simulation.top import MATCH_RADIUS, MAX_ETA, N_PARTICLES, PROCESSES

    targets = {split: arguments.outdir / f"{split}.h5" for split in arguments.splits}
    command.refuse_existing(targets.values(), arguments.overwrite)
    wanted = {name: sum(pair[i] for pair in arguments.splits.values()) for i, name in enumerate(("top", "qcd"))}
    physics = {name: process.record() for name, process in PROCESSES.items()}
    facts = {"jets": wanted, "seed": arguments.seed, "chunk_jets": CHUNK_JETS, "processes": physics}
    folder = WorkFolder(arguments.outdir / "top.work", {**facts, "versions": command.versions()})
    chunks = plan(wanted, arguments.seed)
    make_missing(PROCESSES, chunks, folder, arguments.jobs)
    write(arguments, folder, chunks, targets)
    command.write_record(
        arguments.outdir / "top.json",
        **facts,
        max_abs_eta=MAX_ETA,
        match_radius=MATCH_RADIUS,
        max_constituents=N_PARTICLES,
        layout=arguments.layout,
        files={f"{split}.h5": {"top": pair[0], "qcd": pair[1]} for split, pair in arguments.splits.items()},
    )
    folder.remove()


if __name__ == "__main__":
    command.main(parse, run, ("h5py", "tables"))
