"""Finds matplotlib and mplhep."""

import importlib.util
from pathlib import Path
import sys

INSTALLED = Path(__file__).resolve().parents[2] / ".deps" / "python-plots"
NEEDED = ("numpy", "matplotlib", "mplhep")


def find():
    """Uses what `scripts/setup.sh --plots` installed, else the packages of this Python."""
    if INSTALLED.is_dir():
        sys.path.insert(1, str(INSTALLED))
    missing = [name for name in NEEDED if importlib.util.find_spec(name) is None]
    if missing:
        sys.exit(f"error: Python has no {missing[0]}; `scripts/setup.sh --plots` installs it")
