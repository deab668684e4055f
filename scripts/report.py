#!/usr/bin/env python3
"""Writes report.html into an experiment's folder: arguments, data, results and pictures in one file.

    scripts/report.py logs/top/mine

The option --report of the programs does this after the test.
"""

import argparse
from pathlib import Path
import sys

sys.path.insert(0, str(Path(__file__).resolve().parent))
import prepared  # noqa: E402


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, allow_abbrev=False,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)  # fmt: skip
    parser.add_argument("folder", type=Path, nargs="?", help="LOGDIR/EXP_NAME of an experiment")
    parser.add_argument("--experiment", type=Path, metavar="DIR",
                        help="the folder of the training, if the results are in another one (--out)")  # fmt: skip
    parser.add_argument("--check", action="store_true", help="only check that the needed packages are installed")
    args = parser.parse_args()
    prepared.need("numpy", "matplotlib", "mplhep")
    if args.check:
        return 0
    if args.folder is None:
        parser.error("the folder of an experiment is needed")
    from plots import report
    from plots.errors import PlotError

    try:
        print(report.write(args.folder, args.experiment))
    except (PlotError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
