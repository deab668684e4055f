#!/usr/bin/env python3
"""Prints a table of test results: results_table.py LOGDIR/EXP_NAME...

Reads test-result.json and, for the number of jets, score.npy (float32 [N,3]: label, p0, p1).
Needs nothing but Python.
"""

import ast
import array
import json
import math
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from plots import aligned  # noqa: E402

COLUMNS = ("task", "model", "jets", "accuracy", "AUC", "1/eB(0.5)", "1/eB(0.3)")
TASKS = {"top": "top", "qg": "quark/gluon"}


def count_jets(path):
    """The number of jets in a score.npy, and how many of them are background (label 0)."""
    with open(path, "rb") as file:
        magic = file.read(8)
        if magic[:6] != b"\x93NUMPY":
            raise ValueError(f"{path}: not an npy file")
        length = int.from_bytes(file.read(2 if magic[6] == 1 else 4), "little")
        header = ast.literal_eval(file.read(length).decode("latin1"))
        if header["descr"] != "<f4" or header["fortran_order"] or len(header["shape"]) != 2:
            raise ValueError(f"{path}: expected float32 [N,3], found {header}")
        values = array.array("f", file.read())
    if sys.byteorder == "big":
        values.byteswap()
    if len(values) != math.prod(header["shape"]):
        raise ValueError(f"{path}: truncated")
    labels = values[:: header["shape"][1]]
    return len(labels), sum(label == 0 for label in labels)


def rejection(value, background):
    """1/eB, or its lower bound, the number of background jets, if none of them passes."""
    if value is None or not math.isfinite(value):
        return f"> {background}"
    return f"{value:.1f}"


def row(folder):
    result = json.loads((folder / "test-result.json").read_text())
    jets, background = count_jets(folder / "score.npy")
    return (
        TASKS.get(folder.parent.name, folder.parent.name),
        folder.name,
        str(jets),
        f"{result['test_acc']:.4f}",
        f"{result['test_auc']:.4f}",
        rejection(result["test_1/eB_0.5"], background),
        rejection(result["test_1/eB_0.3"], background),
    )


def main():
    try:
        rows = [row(pathlib.Path(name).resolve()) for name in sys.argv[1:]]
    except (OSError, ValueError, KeyError) as error:
        sys.exit(f"error: cannot read the results: {error}")
    print(aligned.text([COLUMNS, *rows], left=2), end="")


if __name__ == "__main__":
    main()
