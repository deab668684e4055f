#!/usr/bin/env python3
"""Writes quark/gluon jets as jets of your own, for a network that sees the beams.

    scripts/quark_gluon_with_beams.py data/large/qg/datasets/QG_jets*.npz --outdir data/qg-with-beams
    scripts/quark_gluon_with_beams.py data/qg-fresh/QG_jets.npz --outdir data/qg-fresh-with-beams --test

The published quark/gluon network sees the particles of a jet alone; top_tagging puts the two beams before them. The files,
read in the order given, hold X [N, M, 4] (pT [GeV], rapidity, phi, PDG id) and y [N]. Written are train.npz, val.npz and
test.npz: the splits of qg_tagging, or with --test all jets as test.npz. They have the four-momenta that qg_tagging computes, and
its scalars, one a species. Takes 1.8 GB of memory for 100,000 jets. Needs numpy (scripts/setup.sh --plots).
"""

import argparse
import sys
import zipfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
import prepared  # noqa: E402

prepared.need("numpy")

import numpy as np  # noqa: E402
from plots.files import make_folder, write_npz  # noqa: E402

# [GeV], by |PDG id|, in the order of the scalars: EnergyFlow's, as in the published training.
MASSES = {11: 0.000511, 13: 0.10566, 22: 0.0, 130: 0.49761, 211: 0.13957, 321: 0.49368, 2112: 0.93957, 2212: 0.93827}


class JetError(Exception):
    """Unusable input."""


def read_jets(file: Path) -> tuple[np.ndarray, np.ndarray]:
    """X f8 [N, M, 4] and y [N]."""
    with open(file, "rb") as stream:
        if not zipfile.is_zipfile(stream):
            raise JetError("is not a .npz file")
    with np.load(file) as arrays:
        X, y = arrays["X"].astype("f8"), arrays["y"]
    if X.ndim != 3 or X.shape[2] != 4 or y.shape != X.shape[:1]:
        raise JetError(f"X and y have the shapes {X.shape} and {y.shape}, expected [N, M, 4] and [N]")
    known = np.isin(np.abs(X[..., 3]), list(MASSES)) & (X[..., 0] > 0) | ~X.any(axis=2)  # or an empty row
    if not known.all():
        jet, column = np.argwhere(~known)[0]
        pt, _, _, pdg_id = X[jet, column]
        raise JetError(f"jet {jet}: pT {pt:g} GeV, PDG id {pdg_id:g} in column {column} is none of the eight species of a jet")
    if not np.isin(y, (0, 1)).all():
        raise JetError("y is not 0 or 1 everywhere")
    return X, y


def joined(parts: list[tuple[np.ndarray, np.ndarray]]) -> tuple[np.ndarray, np.ndarray]:
    """The jets of all files, as wide as the widest."""
    width = max(X.shape[1] for X, _ in parts)
    wide = [np.pad(X, ((0, 0), (0, width - X.shape[1]), (0, 0))) for X, _ in parts]
    return np.concatenate(wide), np.concatenate([y for _, y in parts]).astype("i8")


def own_jets(X: np.ndarray, y: np.ndarray) -> dict[str, np.ndarray]:
    """The arrays of docs/data-files.md: four-momenta (E, px, py, pz) [GeV], one-hot species, labels."""
    pt, rapidity, phi, pdg_id = np.moveaxis(X, 2, 0)
    scalars = np.stack([np.abs(pdg_id) == species for species in MASSES], axis=2)
    transverse = np.hypot(pt, scalars @ np.array(list(MASSES.values())))
    p4 = np.stack([transverse * np.cosh(rapidity), pt * np.cos(phi), pt * np.sin(phi), transverse * np.sinh(rapidity)], axis=2)
    return {"X": p4, "scalars": scalars, "y": y}


def splits_of(num_jets: int) -> dict[str, slice]:
    """Those of qg_tagging: the first eight tenths to train with, the last to validate, the jets after the first to test."""
    train, tenth = num_jets * 8 // 10, num_jets // 10
    return {"train": slice(0, train), "val": slice(num_jets - tenth, num_jets), "test": slice(train, train + tenth)}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, allow_abbrev=False,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)  # fmt: skip
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE", help="QG_jets*.npz")
    parser.add_argument("--outdir", type=Path, required=True, metavar="DIR", help="folder for the files")
    parser.add_argument("--test", action="store_true", help="write all jets as test.npz")
    args = parser.parse_args()
    parts = []
    for file in args.files:
        try:
            parts.append(read_jets(file))
        except (OSError, ValueError, KeyError, zipfile.BadZipFile, JetError) as error:
            print(f"error: {file}: {error}", file=sys.stderr)
            return 2
    X, y = joined(parts)
    splits = {"test": slice(len(X))} if args.test else splits_of(len(X))
    try:
        make_folder(args.outdir)
        for name, split in splits.items():
            file = args.outdir / f"{name}.npz"
            write_npz(file, own_jets(X[split], y[split]))
            print(f"{file}: {len(y[split])} jets")
    except OSError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
