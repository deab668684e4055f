"""Shared by the two commands: arguments, the record of a run, one-line errors."""

import argparse
import importlib.util
import json
import os
import platform
import shlex
import signal
import sys
from importlib.metadata import version
from pathlib import Path

from .errors import SimulationError

PACKAGES = ("pythia8mc", "fastjet", "awkward", "numpy")  # their versions affect the jets
WITHOUT_EFFECT = ("--jobs", "--overwrite")  # on the jets


def count(text):
    try:
        value = int(text)
    except ValueError:
        value = -1
    if value < 0:
        raise argparse.ArgumentTypeError(f"'{text}' is not a whole number of at least 0")
    return value


def positive(text):
    value = count(text)
    if value == 0:
        raise argparse.ArgumentTypeError("must be at least 1")
    return value


def fraction(text):
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0.0 <= value <= 1.0:
        raise argparse.ArgumentTypeError(f"'{text}' is not a number from 0 to 1")
    return value


def parser(description, outdir):
    result = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    result.add_argument("--outdir", type=Path, default=Path(outdir), help="default: %(default)s")
    return result


def add_run_arguments(parser):
    cores = len(os.sched_getaffinity(0))
    parser.add_argument("--seed", type=count, default=1, help="another seed gives other jets (default: %(default)s)")
    text = "number of processes; does not change the jets (default: all cores, %(default)s)"
    parser.add_argument("--jobs", type=positive, default=cores, help=text)
    parser.add_argument("--overwrite", action="store_true", help="replace the files of an earlier run")


def split_by_class(n_jets, signal_fraction):
    """(signal, background) jets."""
    n_signal = round(n_jets * signal_fraction)
    return n_signal, n_jets - n_signal


def refuse_existing(paths, overwrite):
    there = [path for path in paths if path.exists()]
    if there and not overwrite:
        raise SimulationError(f"{there[0]} exists already; --overwrite replaces it")


def shuffled(n_signal, n_background, seed, stream):
    """Labels [N] and the order that mixes the classes; the same for the same seed and stream."""
    import numpy as np

    labels = np.concatenate([np.ones(n_signal, dtype=np.int16), np.zeros(n_background, dtype=np.int16)])
    return labels, np.random.Generator(np.random.PCG64([seed, stream])).permutation(len(labels))


def versions():
    return {name: version(name) for name in PACKAGES}


def command_line():
    """The command without options that do not change the jets."""
    words, skip = [], False
    for word in sys.argv[1:]:
        if not skip and word.split("=")[0] not in WITHOUT_EFFECT:
            words.append(word)
        skip = word == "--jobs"
    return shlex.join(["python3", f"scripts/{Path(sys.argv[0]).name}", *words])


def write_text(path: Path, text: str):
    """Writes the file completely or not at all."""
    partial = path.with_name(path.name + ".partial")
    partial.write_text(text)
    partial.replace(path)


def write_record(path, **facts):
    record = {"command": command_line(), **facts, "versions": {"python": platform.python_version(), **versions()}}
    write_text(path, json.dumps(record, indent=2) + "\n")


def _check_packages(names):
    missing = [name for name in names if importlib.util.find_spec(name) is None]
    if missing:
        raise SimulationError(f"needs {', '.join(missing)}: pip install -r scripts/requirements-simulation.txt")


def main(parse, run, packages=()):
    """Runs a command; errors that the user can fix are printed as one line, with exit status 2."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        arguments = parse()
        _check_packages((*PACKAGES, "tqdm", *packages))
        run(arguments)
    except (SimulationError, OSError) as error:
        sys.exit(_say(error, 2))
    except KeyboardInterrupt:
        sys.exit(_say("interrupted; the same command continues from here", 130))


def _say(message, status):
    print(f"{Path(sys.argv[0]).name}: {message}", file=sys.stderr)
    return status
