"""Modules of the Python package lorentznet from its sources, without what needs its module of C++ to be built."""

import importlib
import sys
import types
from pathlib import Path

FOLDER = Path(__file__).resolve().parents[1] / "python" / "lorentznet"


def load(name: str) -> types.ModuleType:
    """lorentznet.NAME. The package itself, which imports the Tagger, is not run."""
    if "lorentznet" not in sys.modules:
        package = sys.modules["lorentznet"] = types.ModuleType("lorentznet")
        package.__path__ = [str(FOLDER)]
    return importlib.import_module(f"lorentznet.{name}")
