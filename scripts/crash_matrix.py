#!/usr/bin/env python3
"""Kills the saves of the programs before and after each of their system calls, and lets each of these calls fail.

    scripts/crash_matrix.py [--bin DIR] [--every K | --short] [SAVE ...]

SAVE: by default all of them. A save runs undisturbed first, which gives its system calls that name a file of its
folder, or a descriptor of one. Then, for each call, it runs again on the same files and is killed before the call,
killed after it, or the call fails: with EIO or, where that exists, ENOSPC, once or from then on, ENOMEM or ENOLCK.
EINTR, and writing or reading half of the bytes, is to be survived. Of reads of a file in a row,
the first and the last are disturbed. --every K takes every K-th of these points; --short, a test, every 7th of the
library's saves and every 79th of the programs', which take a fifth of a second each.

Afterwards each file is as before the save or as an undisturbed one writes it, bit for bit; nothing else has changed, but
for temporary files after a kill; a failure is one line on stderr that names a file of the folder, with status 2; and
the same command, or --resume, comes to the undisturbed end. In the undisturbed run a file's bytes are on disk
(fsync) before it gets its name, and the folder afterwards. Exits with status 1 if that is not so, and with 3 where
ptrace is not allowed, which a test reports as a failure.
"""

import argparse
import os
import shutil
import signal
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0], allow_abbrev=False)
    parser.add_argument("saves", nargs="*", metavar="SAVE", help="default: all")
    parser.add_argument("--every", type=int, default=1, metavar="K", help="only every K-th point")
    parser.add_argument("--short", action="store_true", help="only so many points as a test has time for")
    parser.add_argument("--bin", type=Path, help="the folder of the programs (default: build/release/bin)")
    return parser.parse_args()


def print_row(name: str, matrices: list):
    calls, points, kills, wrong = (sum(numbers) for numbers in zip(
        *((len(each.calls), each.points, each.kills, len(each.problems)) for each in matrices)))  # fmt: skip
    verdict = f"{wrong} wrong" if wrong else "old or new"
    print(f"{name:24s} {calls:6,d} {points:7,d} {kills:6,d} {points - kills:9,d}  {verdict}", flush=True)


def main():
    arguments = parse()
    # The test's packages, which the tests' own environment names too.
    sys.path[:0] = [str(ROOT / "tests" / "python"), str(ROOT / ".deps" / "python-test")]
    import crash_points as points
    import crash_saves
    import file_server

    memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None  # where fsync costs nothing
    scratch = Path(tempfile.mkdtemp(prefix="lorentznet-", dir=memory)).resolve()
    files = file_server.Server()
    saves = {save.name: save for save in crash_saves.all_saves(scratch, files)}
    unknown = set(arguments.saves) - saves.keys()
    if unknown:
        sys.exit(f"error: {unknown.pop()!r} is not one of: {', '.join(saves)}")
    servers, matrices = {}, []
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("error: stopped"))
    try:
        print(f"{'save':24s} {'calls':>6s} {'points':>7s} {'kills':>6s} {'failures':>9s}  verdict")
        for name in arguments.saves or saves:
            save = saves[name]
            if save.server not in servers:
                servers[save.server] = points.Server(save.server, scratch)
            matrix = points.Matrix(save, servers[save.server])
            every = save.rare if arguments.short else arguments.every
            for call, action in matrix.all_points()[::every]:
                matrix.disturb(call, action)
            print_row(name, [matrix])
            matrices.append(matrix)
        print_row("all", matrices)
    finally:
        for server in servers.values():
            server.close()
        files.shutdown()
        shutil.rmtree(scratch)
    for matrix in matrices:
        print(*matrix.problems, sep="\n", end="\n" if matrix.problems else "")
    sys.exit(1 if any(matrix.problems for matrix in matrices) else 0)


if __name__ == "__main__":
    main()
