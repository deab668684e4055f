"""Files of jets for the command: those that top_tagging and qg_tagging read, as far as numpy and h5py can."""

import contextlib
import zipfile
import zlib
from collections.abc import Callable, Collection
from typing import Any

import numpy as np

from lorentznet import _tagger
from lorentznet.jets import LARGEST_ID, PDG_IDS, SCALARS, Array, JetError, Jets, PaddedJets
from lorentznet.tagger import Inputs

OWN_ARRAYS = ("X", "y", "scalars", "weight", "id")
CONVERTED_ARRAYS = ("Nobj", "Pmu", "label", "is_signal")
TABLE = "table/table"
BLOCKS = ("values_block_0", "values_block_1")
TRUTH_VALUES = 4  # of the generated top quark, after the particles of a row of the table
MOST_LABELS = 127
DAMAGED = (OSError, ValueError, KeyError, EOFError, MemoryError, NotImplementedError, zipfile.BadZipFile, zlib.error)


def one_line(error: BaseException) -> str:
    return " ".join(str(error).split()) or type(error).__name__


class JetFile:
    """A file of jets, and what it says of each of them: arrays [N] or None."""

    def __init__(self, path: str, read: Callable[[int, int], Jets], count: int, columns: dict[str, Array]):
        self.path = path
        self.read = read  #: jets begin to end - 1; JetError counts from begin
        self.count = count
        self.label = columns.get("y")
        self.weight = columns.get("weight")
        self.id = columns.get("id")

    def fail(self, error: Exception, begin: int) -> ValueError:
        """What was found in jets from `begin` on, as an error of the file."""
        if isinstance(error, JetError):
            return _fail(self.path, f"jet {begin + error.jet} (counted from 0): {error.reason}")
        return _fail(self.path, one_line(error).removeprefix(f"{self.path}: "))


def open_jets(path: str, inputs: Inputs) -> JetFile:
    """Opens a file by its contents. ValueError with the file's name if it cannot be read."""
    try:
        with open(path, "rb") as file:
            start = file.read(8)
        if start.startswith(b"PK"):
            return _open_npz(path, inputs)
        if start == b"\x89HDF\r\n\x1a\n":
            return _open_hdf5(path, inputs)
    except FileNotFoundError:
        raise ValueError(f"{path}: there is no such file") from None
    except DAMAGED as error:
        raise _fail(path, one_line(error).removeprefix(f"{path}: ")) from None
    raise ValueError(f"{path}: neither an .npz nor an HDF5 file")


def _fail(path: str, reason: str) -> ValueError:
    return ValueError(f"{path}: {reason}")


def _names(names: Collection[str]) -> str:
    return ", ".join(f"'{name}'" for name in sorted(names)) or "nothing"


def _shape(array: Any) -> str:
    return "[" + ", ".join(map(str, array.shape)) + "]"


def _check_particles(path: str, array: Any, name: str) -> None:
    shape = array.shape
    if len(shape) != 3 or shape[1] < 1 or shape[2] != 4:
        raise _fail(path, f"array '{name}' has shape {_shape(array)} instead of [jets, particles, 4]")
    if array.dtype.kind != "f" or array.dtype.itemsize > 8:
        raise _fail(path, f"array '{name}' has elements of type {array.dtype}, expected floating-point numbers")
    if shape[0] == 0:
        raise _fail(path, "no jets")


def _column(path: str, arrays: Any, name: str, count: int, kinds: str) -> Array:
    """An array with a number for each jet."""
    array = arrays[name]
    if array.shape != (count,):
        raise _fail(path, f"array '{name}' has shape {_shape(array)} instead of [{count}]")
    if array.dtype.kind not in kinds:
        raise _fail(path, f"array '{name}' has elements of type {array.dtype}, expected numbers")
    return np.asarray(array)


def _first_bad(path: str, name: str, values: Array, good: Array) -> None:
    if not good.all():
        jet = int(np.argmin(good))
        raise _fail(path, f"jet {jet} (counted from 0): '{name}' is {values[jet]}")


def _columns(path: str, arrays: Any, names: Collection[str], count: int) -> dict[str, Array]:
    """Labels, weights and ids as the programs take them."""
    columns: dict[str, Array] = {}
    if "y" in names:
        label = _column(path, arrays, "y", count, "biuf")
        _first_bad(path, "y", label, (label >= 0) & (label < MOST_LABELS) & (label == np.floor(label)))
        columns["y"] = label.astype(np.int64)
    if "weight" in names:
        weight = _column(path, arrays, "weight", count, "biuf").astype(np.float64)
        _first_bad(path, "weight", weight, np.isfinite(weight) & (weight >= 0))
        columns["weight"] = weight
    if "id" in names:
        columns["id"] = _column(path, arrays, "id", count, "biu").astype(np.int64)
    return columns


def _open_own(path: str, arrays: Any, names: Collection[str], inputs: Inputs) -> JetFile:
    """X [N, M, 4] = (E, px, py, pz), and what docs/data-files.md lists."""
    for name in names:
        if name not in OWN_ARRAYS:
            raise _fail(path, f"'{name}' is not one of X, y, scalars, weight and id")
    if (SCALARS in names) != (inputs.constituents == SCALARS):
        takes = f"{inputs.scalars} scalars" if inputs.scalars else "no scalars"
        has = "holds 'scalars'" if SCALARS in names else "holds no 'scalars'"
        raise _fail(path, f"it {has}, but the network takes {takes}")
    p4 = arrays["X"]
    _check_particles(path, p4, "X")
    scalars = arrays[SCALARS] if SCALARS in names else None
    if scalars is not None and (scalars.shape != (*p4.shape[:2], inputs.scalars) or scalars.dtype.kind not in "biuf"):
        wanted = f"[{p4.shape[0]}, {p4.shape[1]}, {inputs.scalars}]"
        raise _fail(path, f"array 'scalars' has shape {_shape(scalars)} and type {scalars.dtype}, expected {wanted}")

    def read(begin: int, end: int) -> Jets:
        return PaddedJets(p4[begin:end], None, None if scalars is None else scalars[begin:end])

    return JetFile(path, read, len(p4), _columns(path, arrays, names, len(p4)))


def _refuse_rows(rows: Array, bad: Array, reason: Callable[[Array], str]) -> None:
    """`bad` [N, M]; the reason is told of a row (pT, y, phi, PDG id)."""
    if bad.any():
        jet, column = np.argwhere(bad)[0]
        raise JetError(int(jet), f"{reason(rows[jet, column])} in column {column}")


def four_momenta(rows: Array) -> tuple[Array, Array]:
    """p4 [N, M, 4] and PDG ids [N, M] of EnergyFlow's (pT, y, phi, PDG id) [N, M, 4], the programs' bits."""
    rows = rows.astype(np.float64)
    filled = (rows != 0).any(axis=2)
    pt, ids = rows[..., 0], rows[..., 3]
    finite = np.isfinite(rows[..., :3]).all(axis=2)
    _refuse_rows(rows, ~finite, lambda row: "(pT, y, phi) = ({:g}, {:g}, {:g}) is not finite".format(*row[:3]))
    _refuse_rows(rows, filled & ~(pt > 0), lambda row: f"pT {row[0]:g} GeV is not positive")
    whole = (np.abs(ids) <= LARGEST_ID) & (ids == np.floor(ids))
    _refuse_rows(rows, ~whole, lambda row: f"PDG id {row[3]:g} is not an integer")
    p4 = np.zeros(rows.shape)
    p4[filled] = _tagger.four_momenta(np.ascontiguousarray(rows[filled, :3]), ids[filled].astype(np.int32))
    unknown = filled & (np.isnan(p4[..., 0]) | (ids == 0))
    _refuse_rows(rows, unknown, lambda row: f"unknown PDG id {row[3]:.0f}")
    return p4, ids.astype(np.int32)


def _open_quark_gluon(path: str, arrays: Any, names: Collection[str]) -> JetFile:
    if "y" not in names and len(names) > 1:
        raise _fail(path, f"no array 'y'; the file holds {_names(names)}, and only one of 'X' alone has no labels")
    rows = arrays["X"]
    _check_particles(path, rows, "X")

    def read(begin: int, end: int) -> Jets:
        return PaddedJets(*four_momenta(rows[begin:end]))

    columns = _columns(path, arrays, {"y"} & set(names), len(rows))
    return JetFile(path, read, len(rows), columns)


def _open_npz(path: str, inputs: Inputs) -> JetFile:
    with np.load(path, allow_pickle=False) as archive:
        names = archive.files
        if "X" not in names:
            raise _fail(path, f"no array 'X'; the file holds {_names(names)}")
        wanted = {"X", "y"} if inputs.constituents == PDG_IDS else OWN_ARRAYS
        arrays = {name: archive[name] for name in names if name in wanted}
    if inputs.constituents == PDG_IDS:
        return _open_quark_gluon(path, arrays, names)
    return _open_own(path, arrays, names, inputs)


def _open_hdf5(path: str, inputs: Inputs) -> JetFile:
    try:
        import h5py
    except ImportError:
        raise _fail(path, "an HDF5 file, which needs the package h5py (pip install h5py)") from None
    if inputs.constituents == PDG_IDS:
        raise _fail(path, "an HDF5 file; quark/gluon jets are read from .npz files")
    with contextlib.suppress(ImportError):
        import hdf5plugin  # noqa: F401  # reads blosc, with which the published tables are compressed
    file = h5py.File(path, "r")
    names = list(file)
    if "X" in names:
        return _open_own(path, {name: _dataset(path, file, name) for name in names}, names, inputs)
    if inputs.constituents == SCALARS:
        raise _fail(path, f"it holds no 'scalars', but the network takes {inputs.scalars} scalars")
    if TABLE in file:
        return _open_table(path, _dataset(path, file, TABLE))
    if set(CONVERTED_ARRAYS) <= set(names):
        return _open_converted(path, {name: _dataset(path, file, name) for name in CONVERTED_ARRAYS})
    raise _fail(
        path, f"neither Nobj, Pmu, label and is_signal, nor X, nor the table /{TABLE}; the file holds {_names(names)}"
    )


def _dataset(path: str, file: Any, name: str) -> Any:
    if not hasattr(file[name], "dtype"):
        raise _fail(path, f"'{name}' is a group, expected an array")
    return file[name]


def _open_converted(path: str, file: Any) -> JetFile:
    """Pmu [N, M, 4], of which label [N, M] says which exist, and is_signal [N]."""
    momenta, present = file["Pmu"], file["label"]
    _check_particles(path, momenta, "Pmu")
    if present.shape != momenta.shape[:2]:
        raise _fail(path, f"array 'label' has shape {_shape(present)} instead of {list(momenta.shape[:2])}")

    def read(begin: int, end: int) -> Jets:
        p4 = momenta[begin:end]
        differ = (p4[..., 0] != 0) != (present[begin:end] != 0)
        if differ.any():
            jet, column = np.argwhere(differ)[0]
            raise JetError(
                int(jet),
                f"column {column} has label {present[begin + jet, column]} but energy {p4[jet, column, 0]} GeV",
            )
        return PaddedJets(p4)

    label = _column(path, file, "is_signal", len(momenta), "biu")
    return JetFile(path, read, len(momenta), _columns(path, {"y": label}, {"y"}, len(momenta)))


def _open_table(path: str, table: Any) -> JetFile:
    """The published table: rows of 4 M values and those of the top quark, and of two flags, the second is_signal."""
    fields = table.dtype.fields or {}
    sizes = [fields[name][0].shape for name in BLOCKS if name in fields]
    length, flags = (sizes[0][0] - TRUTH_VALUES, sizes[1]) if list(map(len, sizes)) == [1, 1] else (0, ())
    if length < 4 or length % 4 or flags != (2,):
        raise _fail(
            path, f"the table has rows {table.dtype}, expected {BLOCKS[0]} [4 M + {TRUTH_VALUES}], {BLOCKS[1]} [2]"
        )
    if len(table) == 0:
        raise _fail(path, "no jets")

    def rows(name: str, begin: int, end: int) -> Array:
        try:
            return np.asarray(table.fields(name)[begin:end])
        except OSError as error:
            raise _fail(path, f"{one_line(error)} (tables compressed with blosc need the package hdf5plugin)") from None

    def read(begin: int, end: int) -> Jets:
        return PaddedJets(rows(BLOCKS[0], begin, end)[:, :length].reshape(end - begin, -1, 4))

    label = rows(BLOCKS[1], 0, len(table))[:, 1]
    return JetFile(path, read, len(table), _columns(path, {"y": label}, {"y"}, len(table)))
