#!/usr/bin/env python3
"""Converts ROOT trees to a file of your own jets for top_tagging (with uproot and awkward).

Each entry of the tree is a jet whose branches are lists of its particles; if the branches are lists
of lists, each inner list is a jet. Name the branches of (E, px, py, pz) or of (pt, eta, phi, mass),
in GeV (--scale .001 for MeV):

    python3 scripts/root_to_jets.py top.root qcd.root --tree Events --label 1 0 \\
        --particles part_pt part_eta part_phi part_mass --out train.npz
    python3 scripts/root_to_jets.py jets.root --tree tree --label-branch is_top \\
        --p4 part_energy part_px part_py part_pz --scalars part_charge part_d0 \\
        --weight-branch w --id-branch event --out test.npz

Particles are sorted by falling transverse momentum and the first --max-particles are kept; the
command prints how many were dropped. Needs: pip install uproot awkward numpy
"""

import argparse
import os
import sys
from pathlib import Path

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import prepared  # noqa: E402

prepared.need("uproot", "awkward", "numpy", from_setup=False, install="pip install uproot awkward numpy")

import awkward as ak  # noqa: E402
import numpy as np  # noqa: E402
import uproot  # noqa: E402
from plots.files import write_npz  # noqa: E402


def parse_arguments(words=None):
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("files", nargs="+", help="ROOT files")
    parser.add_argument("--tree", required=True)
    particles = parser.add_mutually_exclusive_group(required=True)
    particles.add_argument("--p4", nargs=4, metavar=("E", "PX", "PY", "PZ"))
    particles.add_argument("--particles", nargs=4, metavar=("PT", "ETA", "PHI", "MASS"))
    label = parser.add_mutually_exclusive_group()
    label.add_argument("--label", nargs="+", type=int, help="class of the jets in each file")
    label.add_argument("--label-branch")
    parser.add_argument("--scalars", nargs="+", default=[], metavar="BRANCH")
    parser.add_argument("--weight-branch")
    parser.add_argument("--id-branch")
    parser.add_argument("--max-particles", type=int, default=200)
    parser.add_argument("--scale", type=float, default=1.0, help="factor that converts energies to GeV")
    parser.add_argument("--out", required=True, help=".npz file to write")
    arguments = parser.parse_args(words)
    if arguments.label and len(arguments.label) != len(arguments.files):
        parser.error(f"{len(arguments.label)} labels for {len(arguments.files)} files")
    return arguments


def four_momenta(columns, is_p4, scale):
    """(E, px, py, pz) [GeV] from the four branches, each a list of particles per jet."""
    if is_p4:
        return [scale * column for column in columns]
    pt, eta, phi, mass = columns
    pt, mass = scale * pt, scale * mass
    px, py, pz = pt * np.cos(phi), pt * np.sin(phi), pt * np.sinh(eta)
    return [np.sqrt(px**2 + py**2 + pz**2 + mass**2), px, py, pz]


def padded(values, width, order):
    """[jets, width] in double, zero after the last particle."""
    chosen = ak.pad_none(values[order], width, clip=True)
    return ak.to_numpy(ak.fill_none(chosen, 0.0)).astype(np.float64)


def of_particles(tree, branch, file):
    values = tree[branch].array()
    if values.ndim == 3:  # jets in events
        values = ak.flatten(values, axis=1)
    if values.ndim != 2:
        sys.exit(f"{file}: branch {branch} is not a list of particles per jet")
    return ak.values_astype(values, np.float64)


def of_jets(tree, branch, jets, file):
    values = tree[branch].array()
    values = ak.to_numpy(ak.flatten(values, axis=None))
    if len(values) != jets:
        sys.exit(f"{file}: branch {branch} has {len(values)} values for {jets} jets")
    return values


def read_jets(file, label, arguments):
    """The arrays of one file, and how many particles were dropped."""
    with uproot.open(file) as root:
        tree = root[arguments.tree]
        branches = arguments.p4 or arguments.particles
        columns = [of_particles(tree, branch, file) for branch in branches]
        p4 = four_momenta(columns, arguments.p4 is not None, arguments.scale)
        order = ak.argsort(p4[1] ** 2 + p4[2] ** 2, axis=1, ascending=False, stable=True)
        width = arguments.max_particles
        jets = len(order)
        arrays = {"X": np.stack([padded(column, width, order) for column in p4], axis=2)}
        if arguments.scalars:
            columns = [of_particles(tree, branch, file) for branch in arguments.scalars]
            arrays["scalars"] = np.stack([padded(c, width, order) for c in columns], axis=2)
        if label is not None:
            arrays["y"] = np.full(jets, label, dtype=np.int64)
        for name, branch in (("y", arguments.label_branch), ("weight", arguments.weight_branch),
                             ("id", arguments.id_branch)):  # fmt: skip
            if branch:
                arrays[name] = of_jets(tree, branch, jets, file)
        cut = int(ak.sum(np.maximum(ak.num(order, axis=1) - width, 0)))
    return arrays, cut


def main():
    arguments = parse_arguments()
    labels = arguments.label or [None] * len(arguments.files)
    parts, cut = [], 0
    for file, label in zip(arguments.files, labels):
        try:
            arrays, cut_here = read_jets(file, label, arguments)
        except (OSError, KeyError) as error:
            sys.exit(f"{file}: {str(error).splitlines()[0]}")
        parts.append(arrays)
        cut += cut_here
    arrays = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    # As wide as the widest jet.
    width = max(int((arrays["X"][:, :, 0] != 0).sum(axis=1).max()), 1)
    for name in ("X", "scalars"):
        if name in arrays:
            arrays[name] = arrays[name][:, :width]
    write_npz(Path(arguments.out), arrays)
    print(f"{arguments.out}: {len(arrays['X'])} jets of up to {width} particles, "
          f"{', '.join(arrays)}; {cut} particles beyond --max-particles were dropped")  # fmt: skip


if __name__ == "__main__":
    main()
