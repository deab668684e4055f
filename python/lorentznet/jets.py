"""Jets as a caller has them, given out in blocks as the library takes them."""

import sys
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
LARGEST_ID = 2**31 - 1
SCALARS = "scalars"
PDG_IDS = "pdgid"
# The fields of a record by vector's names and its aliases; the first that is there counts.
ENERGY, MASS = ("E", "e", "energy", "t"), ("mass", "m", "M", "tau")
PX, PY, PZ = ("px", "x"), ("py", "y"), ("pz", "z")
PT, PHI, ETA = ("pt", "rho"), ("phi",), ("eta",)


class JetError(ValueError):
    """A jet that cannot be scored: its number, counted from 0, and the reason.

    >>> import lorentznet
    >>> tagger = lorentznet.Tagger("logs/top/pretrained/best-val-model.pt")
    >>> try:
    ...     tagger([[[100, 60, 0, 80]], [[0, 0, 0, 0]]])
    ... except lorentznet.JetError as error:
    ...     print(error.jet)
    1
    """

    def __init__(self, jet: int, reason: str):
        super().__init__(jet, reason)
        self.jet = jet
        self.reason = reason

    def __str__(self) -> str:
        return f"jet {self.jet}: {self.reason}"


class Block(NamedTuple):
    """Some consecutive jets end to end; arrays that the network does not take are empty."""

    offsets: Array  # [J+1] int64, from 0
    p4: Array  # [P, 4] float64
    pdgid: Array  # [P] int32
    scalars: Array  # [P, S] float64


class Jets(Protocol):
    def __len__(self) -> int: ...
    def block(self, begin: int, end: int) -> Block:
        """Jets `begin` to `end` - 1. Raises JetError."""


def _doubles(values: Array) -> Array:
    return np.ascontiguousarray(values, dtype=np.float64)


def _ids(values: Array, offsets: Array, first_jet: int) -> Array:
    """PDG ids, which files hold as floating-point numbers too, as int32."""
    good = (values >= -LARGEST_ID) & (values <= LARGEST_ID) & (values == np.floor(values))
    if not good.all():
        place = int(np.argmin(good))
        jet = int(np.searchsorted(offsets, place, side="right")) - 1
        raise JetError(first_jet + jet, f"the PDG id {values[place]} is not an integer of 32 bits")
    return np.ascontiguousarray(values, dtype=np.int32)


class PaddedJets:
    """Jets [N, M, 4] with ids [N, M] and scalars [N, M, S]; rows of zeros are no constituents, wherever they are."""

    def __init__(self, p4: Array, pdgid: Array | None = None, scalars: Array | None = None):
        self._p4, self._pdgid, self._scalars = p4, pdgid, scalars

    def __len__(self) -> int:
        return len(self._p4)

    def block(self, begin: int, end: int) -> Block:
        p4 = self._p4[begin:end]
        filled = (p4 != 0).any(axis=2)
        offsets = np.zeros(len(p4) + 1, np.int64)
        np.cumsum(filled.sum(axis=1), out=offsets[1:])
        ids = np.empty(0, np.int32)
        if self._pdgid is not None:
            ids = _ids(self._pdgid[begin:end][filled], offsets, begin)
        scalars = np.empty((0, 0)) if self._scalars is None else self._scalars[begin:end][filled]
        return Block(offsets, _doubles(p4[filled]), ids, _doubles(scalars))


class FlatJets:
    """Jets end to end: jet j has the rows offsets[j] to offsets[j+1] - 1 of [P, 4], [P] and [P, S]."""

    def __init__(self, offsets: Array, p4: Array, pdgid: Array | None = None, scalars: Array | None = None):
        self._offsets = np.ascontiguousarray(offsets, dtype=np.int64)
        self._p4, self._pdgid, self._scalars = p4, pdgid, scalars

    def __len__(self) -> int:
        return len(self._offsets) - 1

    def block(self, begin: int, end: int) -> Block:
        rows = slice(self._offsets[begin], self._offsets[end])
        offsets = self._offsets[begin : end + 1] - self._offsets[begin]
        ids = np.empty(0, np.int32) if self._pdgid is None else _ids(self._pdgid[rows], offsets, begin)
        scalars = np.empty((0, 0)) if self._scalars is None else self._scalars[rows]
        return Block(offsets, _doubles(self._p4[rows]), ids, _doubles(scalars))


def check_inputs(constituents: str, task: str, has_ids: bool, has_scalars: bool) -> None:
    """Whether a network gets what it takes: "nothing", "pdgid" or "scalars"."""
    for name, what, given in ((PDG_IDS, "PDG ids", has_ids), (SCALARS, "scalars", has_scalars)):
        if given and constituents != name:
            raise ValueError(f"{name}= is given, but this network (task {task}) takes no {what}")
        if not given and constituents == name:
            raise ValueError(f"{name}= is missing: this network (task {task}) takes {what}")


def _as_numbers(name: str, values: Any) -> Array:
    if isinstance(values, np.ma.MaskedArray):
        raise ValueError(f"{name} is a masked array; fill it first (rows of zeros are no constituents)")
    try:
        array = np.asarray(values)
    except ValueError as error:  # lists of different lengths
        raise ValueError(f"{name} is no array of numbers: {str(error).splitlines()[0]}") from None
    if array.dtype.kind not in "fiu" or array.dtype.itemsize > 8:
        raise ValueError(f"{name} has elements of type {array.dtype}, expected float32 or float64")
    return array


def _shape_text(array: Array) -> str:
    return "[" + ", ".join(map(str, array.shape)) + "]"


def _checked_offsets(offsets: Any, rows: int) -> Array:
    array = np.asarray(offsets)
    if array.ndim != 1 or array.size == 0 or array.dtype.kind not in "iu":
        raise ValueError(
            f"offsets has shape {_shape_text(array)} and type {array.dtype}, expected integers [N+1]"
        )  # fmt: skip
    if array[0] != 0 or array[-1] != rows:
        raise ValueError(f"offsets goes from {array[0]} to {array[-1]}; for {rows} rows of p4 it must from 0 to {rows}")
    falls = np.flatnonzero(array[1:] < array[:-1])
    if falls.size:
        raise JetError(int(falls[0]), f"offsets falls from {array[falls[0]]} to {array[falls[0] + 1]}")
    return array


def _checked(name: str, values: Any, shape: tuple[int, ...]) -> Array:
    array = _as_numbers(name, values)
    if array.shape != shape:
        wanted = "[" + ", ".join(map(str, shape)) + "]"
        raise ValueError(f"{name} has shape {_shape_text(array)}, expected {wanted} as for p4")
    return array


def from_arrays(p4: Any, pdgid: Any, scalars: Any, offsets: Any, num_scalars: int) -> Jets:
    """Jets of numpy arrays, or of what becomes one."""
    p4 = _as_numbers("p4", p4)
    dimensions = 3 if offsets is None else 2
    if p4.ndim != dimensions or p4.shape[-1] != 4:
        hint = "; for one jet pass p4[None]" if p4.ndim == 2 and offsets is None else ""
        raise ValueError(f"p4 has shape {_shape_text(p4)}, expected [N, M, 4] without offsets=, [P, 4] with them{hint}")
    rows = p4.shape[:-1]
    pdgid = None if pdgid is None else _checked("pdgid", pdgid, rows)
    scalars = None if scalars is None else _checked("scalars", scalars, (*rows, num_scalars))
    if offsets is None:
        return PaddedJets(p4, pdgid, scalars)
    return FlatJets(_checked_offsets(offsets, len(p4)), p4, pdgid, scalars)


def is_awkward(values: Any) -> bool:
    """Whether it is an awkward array; imports nothing, since a caller who has one has imported awkward."""
    awkward = sys.modules.get("awkward")
    return awkward is not None and isinstance(values, awkward.Array)


def _flat(ak: Any, name: str, array: Any, counts: Array) -> Array:
    """[N, variable, ...] end to end."""
    if array.ndim < 2:
        raise ValueError(f"{name} has {array.ndim} dimensions, expected a list for each jet")
    missing = ak.to_numpy(ak.is_none(array, axis=0))
    if missing.any():
        raise JetError(int(np.argmax(missing)), f"{name} is None")
    found = ak.to_numpy(ak.num(array, axis=1))
    if not np.array_equal(found, counts):
        if len(found) != len(counts):
            raise ValueError(f"{name} has {len(found)} jets, p4 has {len(counts)}")
        jet = int(np.argmax(found != counts))
        raise JetError(jet, f"{name} has {found[jet]} constituents, p4 has {counts[jet]}")
    try:
        return _as_numbers(name, ak.to_numpy(ak.flatten(array, axis=1), allow_missing=False))
    except ValueError as error:
        raise ValueError(f"{name}: {str(error).splitlines()[0]}") from None


def _four_momenta(field: Any, has: Any) -> Array:
    """[P, 4] in double from the columns of a record. \\|p| = pT cosh(eta)."""
    if has(PX) and has(PY) and has(PZ):
        px, py, pz = field(PX), field(PY), field(PZ)
    else:
        pt, phi = field(PT), field(PHI)
        px, py, pz = pt * np.cos(phi), pt * np.sin(phi), pt * np.sinh(field(ETA))
    if has(ENERGY):
        energy = field(ENERGY)
    else:
        mass = field(MASS)  # negative for space-like ones, as vector has it
        energy = np.sqrt(np.maximum(px * px + py * py + pz * pz + mass * np.abs(mass), 0))
    return np.stack([energy, px, py, pz], axis=1)


def from_awkward(p4: Any, pdgid: Any, scalars: Any, num_scalars: int) -> Jets:
    """Jets of an awkward array of records, N * var * Momentum4D; pdgid and scalars are N * var and N * var * S."""
    import awkward as ak

    fields = set(ak.fields(p4))

    def has(names: tuple[str, ...]) -> bool:
        return not fields.isdisjoint(names)

    cartesian, cylindrical = (PX, PY, PZ), (PT, PHI, ETA)
    if not (all(map(has, cartesian)) or all(map(has, cylindrical))) or not (has(ENERGY) or has(MASS)):
        raise ValueError(
            f"p4 has the fields {sorted(fields)}, expected E, px, py, pz, or t, x, y, z, or pt, eta, phi, mass"
        )
    first = next(iter(fields))
    if p4[first].ndim != 2:
        raise ValueError(f"p4 is {p4[first].ndim}-dimensional, expected a list of records for each jet")
    missing = ak.to_numpy(ak.is_none(p4, axis=0))
    if missing.any():
        raise JetError(int(np.argmax(missing)), "p4 is None")
    counts = ak.to_numpy(ak.num(p4, axis=1))

    def field(names: tuple[str, ...]) -> Array:
        name = next(name for name in names if name in fields)
        return _flat(ak, f"p4.{name}", p4[name], counts).astype(np.float64)

    momenta = _four_momenta(field, has)
    offsets = np.concatenate([[0], np.cumsum(counts, dtype=np.int64)])
    ids = None if pdgid is None else _flat(ak, "pdgid", ak.Array(pdgid), counts)
    if scalars is not None:
        scalars = _checked("scalars", _flat(ak, "scalars", ak.Array(scalars), counts), (len(momenta), num_scalars))
    return FlatJets(offsets, momenta, ids, scalars)
