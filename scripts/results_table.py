#!/usr/bin/env python3
"""Prints a table of the tests in experiment folders: results_table.py LOGDIR/EXP_NAME...

Reads test-result.json and, for the number of jets, score.npy (float32 [N,3]: label, p0, p1).
Needs nothing but Python.
"""

import ast
import array
import json
import math
import pathlib
import sys

COLUMNS = ("task", "model", "jets", "accuracy", "AUC", "1/eB(0.5)", "1/eB(0.3)")
TASKS = {"top": "top", "qg": "quark/gluon"}


def count_jets(path):
    """The numbers of all jets and of background jets (label 0) in a score.npy."""
    with open(path, "rb") as file:
        magic = file.read(8)
        if magic[:6] != b"\x93NUMPY":
            raise ValueError(f"{path}: not a npy file")
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
    """1/eB, or the bound that the number of background jets sets when none of them is left."""
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
        rows = [COLUMNS] + [row(pathlib.Path(name).resolve()) for name in sys.argv[1:]]
    except (OSError, ValueError, KeyError) as error:
        sys.exit(f"error: can't read the results: {error}")
    widths = [max(map(len, column)) for column in zip(*rows)]
    rows.insert(1, ["-" * width for width in widths])
    for cells in rows:
        left = [cell.ljust(width) for cell, width in zip(cells[:2], widths)]
        right = [cell.rjust(width) for cell, width in zip(cells[2:], widths[2:])]
        print("  ".join(left + right).rstrip())


if __name__ == "__main__":
    main()
