#!/usr/bin/env python3
"""Moves a network's translations away from their clamp, without training.

    scripts/scale_translations.py logs/top/pretrained logs/top/free

A layer moves node i by c_weight times the mean over j of (x_i - x_j) phi_x(m_ij), each component of which is limited to 100 GeV
before c_weight. The limit breaks the symmetry under boosts. This divides the last weights of each phi_x by F (--factor) and
multiplies c_weight by F: in exact arithmetic the same network, but with the limit at F times 100 GeV; since F is a power of two,
it has the same bits as before wherever no translation reached the limit. Where one did, scores change: test the result
(scripts/boost_table.py), because a network that has learned to use the clamp may be worse without it.

Writes best-val-model.pt and args.json into the new folder. Needs numpy (scripts/setup.sh --plots).
"""

import argparse
import io
import json
import pickle
import sys
import tempfile
import zipfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
import prepared  # noqa: E402

prepared.need("numpy")

import numpy as np  # noqa: E402

CHECKPOINT, ARGS, DESCRIPTION = "best-val-model.pt", "args.json", "lorentznet.json"
ENDING = "phi_x.2.weight"
TYPES = {"FloatStorage": "<f4", "DoubleStorage": "<f8"}


class ScaleError(Exception):
    """Unusable input."""


class StateDict(dict):
    """torch gives attributes to it."""


class StateReader(pickle.Unpickler):
    """The data.pkl of a state dict. A tensor is (type, key of its storage, elements of the storage, offset, shape)."""

    def find_class(self, module, name):
        if (module, name) == ("collections", "OrderedDict"):
            return StateDict
        if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
            return lambda storage, offset, shape, *_: (*storage, offset, tuple(shape))
        if module == "torch":
            return name
        raise ScaleError(f"its pickle has {module}.{name}, which no state dict needs")

    def persistent_load(self, pid):
        _, kind, key, _, elements = pid
        return kind, key, elements


def scaled_storages(pickled: bytes, factor: float, read) -> dict[str, bytes]:
    """Contents of the storages of the last weights of each phi_x, divided by `factor`, by key. read(key): the contents."""
    contents = {}
    for name, tensor in StateReader(io.BytesIO(pickled)).load().items():
        if not name.endswith(ENDING):
            continue
        kind, key, elements, offset, shape = tensor
        if kind not in TYPES or offset != 0 or elements != np.prod(shape):
            raise ScaleError(f"{name} is not float or double, or shares its storage with another array")
        values = np.frombuffer(read(key), TYPES[kind])
        scaled = values / values.dtype.type(factor)
        if not np.array_equal(scaled * values.dtype.type(factor), values):
            raise ScaleError(f"{name} divided by {factor:g} is not exact")
        contents[key] = scaled.tobytes()
    if not contents:
        raise ScaleError(f"has no arrays NAME.{ENDING}")
    return contents


def scale_description(text: bytes, factor: float) -> bytes:
    """What the checkpoint says of itself. Its test jets had the scores of the network before."""
    description = json.loads(text)
    description["c_weight"] *= factor
    description.pop("tests", None)
    return json.dumps(description).encode()


def scale_checkpoint(source: Path, target: Path, factor: float) -> None:
    with zipfile.ZipFile(source) as archive:
        names = archive.namelist()
        (pickled,) = [name for name in names if name.endswith("/data.pkl")]
        root = pickled.removesuffix("data.pkl")
        scaled = scaled_storages(archive.read(pickled), factor, lambda key: archive.read(f"{root}data/{key}"))
        entries = {name: archive.read(name) for name in names}
    entries |= {f"{root}data/{key}": content for key, content in scaled.items()}
    if root + DESCRIPTION in entries:
        entries[root + DESCRIPTION] = scale_description(entries[root + DESCRIPTION], factor)
    with zipfile.ZipFile(target, "w") as archive:
        for name, content in entries.items():
            archive.writestr(name, content)


def power_of_two(text: str) -> float:
    number = int(text)
    if number < 2 or number & (number - 1):
        raise argparse.ArgumentTypeError(f"{text} is not 2, 4, 8, ...")
    return float(number)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, allow_abbrev=False,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)  # fmt: skip
    parser.add_argument("folder", type=Path, help="LOGDIR/EXP_NAME of a trained network")
    parser.add_argument("new", type=Path, help="folder to make")
    parser.add_argument("--factor", type=power_of_two, default=1024.0, metavar="F", help="a power of 2; default: 1024")
    args = parser.parse_args()
    try:
        saved = json.loads((args.folder / ARGS).read_text())
        saved["c_weight"] *= args.factor
        saved["exp_name"] = args.new.name
        if args.new.exists():
            raise FileExistsError(f"{args.new} exists")
        args.new.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=args.new.parent) as scratch:  # all of it or nothing
            made = Path(scratch) / args.new.name
            made.mkdir()
            scale_checkpoint(args.folder / CHECKPOINT, made / CHECKPOINT, args.factor)
            (made / ARGS).write_text(json.dumps(saved, indent=4))
            made.rename(args.new)
    except ScaleError as error:
        print(f"error: {args.folder / CHECKPOINT}: {error}", file=sys.stderr)
        return 2
    except (OSError, ValueError, KeyError, pickle.UnpicklingError, zipfile.BadZipFile) as error:
        print(f"error: {args.folder}: {type(error).__name__}: {error}", file=sys.stderr)
        return 2
    print(f"{args.new / CHECKPOINT}: c_weight {saved['c_weight']:g}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
