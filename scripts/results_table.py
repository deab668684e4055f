#!/usr/bin/env python3
"""Prints a table of test results: results_table.py LOGDIR/EXP_NAME...

Reads test-result.json and, for the number of jets, score.npy (float32 [N,1+K]: label, p0, p1, ...), and score.npz:
whether the jets have weights, by which all figures then count them. Needs nothing but Python.
"""

import ast
import array
import json
import math
import pathlib
import sys
import zipfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from plots import aligned  # noqa: E402

COLUMNS = ("task", "model", "jets", "accuracy", "AUC", "1/eB(0.5)", "1/eB(0.3)")
TYPES = {"<f4": "f", "<f8": "d"}
TASKS = {"top": "top", "qg": "quark/gluon"}


def read_npy(file, name):
    """The shape of an npy file and its values, row by row."""
    magic = file.read(8)
    if magic[:6] != b"\x93NUMPY":
        raise ValueError(f"{name}: not an npy file")
    length = int.from_bytes(file.read(2 if magic[6] == 1 else 4), "little")
    header = ast.literal_eval(file.read(length).decode("latin1"))
    if header["descr"] not in TYPES or header["fortran_order"]:
        raise ValueError(f"{name}: expected float32 [N,3], found {header}")
    values = array.array(TYPES[header["descr"]], file.read())
    if sys.byteorder == "big":
        values.byteswap()
    if len(values) != math.prod(header["shape"]):
        raise ValueError(f"{name}: truncated")
    return header["shape"], values


def read_labels(path):
    """The labels in a score.npy."""
    with open(path, "rb") as file:
        shape, values = read_npy(file, path)
    if len(shape) != 2:
        raise ValueError(f"{path}: expected float32 [N,3], found shape {shape}")
    return values[:: shape[1]]


def read_weights(path):
    """The weights in a score.npz; None if the jets have none."""
    if not path.exists():
        return None
    with zipfile.ZipFile(path) as archive:
        if "weight.npy" not in archive.namelist():
            return None
        with archive.open("weight.npy") as file:
            return read_npy(file, path)[1]


def bound_of(labels, weights):
    """Background jets of equal weight that would count as well as these."""
    weights = [1] * len(labels) if weights is None else weights
    weights = [weight for label, weight in zip(labels, weights, strict=True) if label == 0]
    return round(sum(weights) ** 2 / sum(weight**2 for weight in weights)) if any(weights) else 0


def figure(value):
    return "none" if value is None else f"{value:.4f}"


def rejection(result, wanted, bound):
    """1/eB, or its lower bound, the number of background jets, if none of them passes."""
    value = result[f"test_1/eB_{wanted}"]
    if value is not None and math.isfinite(value):
        return f"{value:.1f}"
    # Without a ROC curve, or with more than two, there is none.
    return "none" if result["test_auc"] is None or "test_auc_of_class" in result else f"> {bound}"


def read_result(file):
    try:
        return json.loads(file.read_text())
    except json.JSONDecodeError as error:
        raise ValueError(f"{file}:{error.lineno}:{error.colno}: {error.msg}") from error


def row(folder):
    result = read_result(folder / "test-result.json")
    labels, weights = read_labels(folder / "score.npy"), read_weights(folder / "score.npz")
    bound = bound_of(labels, weights)
    return (
        TASKS.get(folder.parent.name, folder.parent.name),
        folder.name,
        f"{len(labels)}" if weights is None else f"{len(labels)} (weighted)",
        figure(result["test_acc"]),
        figure(result["test_auc"]),
        rejection(result, 0.5, bound),
        rejection(result, 0.3, bound),
    )


def main():
    try:
        rows = [row(pathlib.Path(name).resolve()) for name in sys.argv[1:]]
    except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
        sys.exit(f"error: cannot read the results: {error}")
    print(aligned.text([COLUMNS, *rows], left=2), end="")


if __name__ == "__main__":
    main()
