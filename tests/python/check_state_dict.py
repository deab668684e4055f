"""Compares a checkpoint with another one, through Python's own torch.load(weights_only=True).

    python3 check_state_dict.py OURS.pt EXPECTED.pt [--libtorch FOLDER] [--stubs FOLDER]

Keys (without "module."), their order, types, shapes and values (bit for bit) must be equal, and
OURS.pt must load as CPU tensors in an OrderedDict with "module." in front of every key. Exits with
status 1 and names the first difference.
"""

import argparse
import sys
import tempfile
from collections import OrderedDict
from pathlib import Path

from torch_without_cuda import import_torch

DEPS = Path(__file__).resolve().parents[2] / ".deps" / "python"
PREFIX = "module."


def strip(state: dict) -> list:
    return [(key.removeprefix(PREFIX), tensor) for key, tensor in state.items()]


def form_difference(ours) -> str | None:
    """What keeps `ours` from being a checkpoint of a training run."""
    if type(ours) is not OrderedDict:
        return f"is of type {type(ours).__name__}, expected OrderedDict"
    for key, tensor in ours.items():
        if not key.startswith(PREFIX):
            return f"{key}: begins without '{PREFIX}'"
        if tensor.device.type != "cpu" or not tensor.is_contiguous():
            return f"{key}: on {tensor.device}, strides {tensor.stride()}, expected contiguous on cpu"
    return None


def difference(torch, ours: dict, expected: dict) -> str | None:
    """The first difference in content."""
    if len(ours) != len(expected):
        return f"has {len(ours)} keys, expected {len(expected)}"
    for (key, found), (wanted_key, wanted) in zip(strip(ours), strip(expected)):
        if key != wanted_key:
            return f"has the key {key}, expected {wanted_key}"
        for what in ("dtype", "shape"):
            if getattr(found, what) != getattr(wanted, what):
                return f"{key}: {what} {getattr(found, what)}, expected {getattr(wanted, what)}"
        if not torch.equal(found, wanted):
            return f"{key}: differs by up to {(found - wanted).abs().max().item()}, expected 0"
    return None


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("ours", type=Path)
    parser.add_argument("expected", type=Path)
    parser.add_argument("--libtorch", type=Path, default=DEPS, help="folder that torch/ lies in")
    parser.add_argument("--stubs", type=Path, help="folder to keep stand-in libraries in")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        torch = import_torch(args.libtorch, args.stubs or Path(scratch))
        ours = torch.load(args.ours, weights_only=True)
        expected = torch.load(args.expected, weights_only=True, map_location="cpu")
    problem = form_difference(ours) or difference(torch, ours, expected)
    if problem:
        print(f"{args.ours}: {problem}", file=sys.stderr)
        return 1
    print(f"{args.ours}: {len(ours)} tensors equal those of {args.expected}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
