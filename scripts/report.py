#!/usr/bin/env python3
"""Writes report.html into an experiment's folder: arguments, data, results and pictures in one file.

    scripts/report.py logs/top/mine

The programs' --report does this behind a test.
"""

import argparse
from pathlib import Path
import sys

from plots import packages


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, allow_abbrev=False,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)  # fmt: skip
    parser.add_argument("folder", type=Path, nargs="?", help="LOGDIR/EXP_NAME")
    parser.add_argument("--check", action="store_true", help="only see whether all that is needed is there")
    args = parser.parse_args()
    packages.find()
    if args.check:
        return 0
    if args.folder is None:
        parser.error("which experiment?")
    from plots import report
    from plots.errors import PlotError

    try:
        print(report.write(args.folder))
    except (PlotError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
