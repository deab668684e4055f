"""Writes a trained network as an ONNX file, for programs that have ONNX Runtime or ROOT's SOFIE.

The file takes what a physicist has: four-momenta, and PDG ids or scalars if the network was trained with them. Beams,
masses and one-hot ids are made inside. docs/onnx.md describes inputs, precision and speed.

    import lorentznet.onnx
    lorentznet.onnx.export(lorentznet.Tagger("best-val-model.pt"), "model.onnx")
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import metadata
from typing import Any, Protocol

import numpy as np

try:
    import onnx
    from onnx import TensorProto, helper, numpy_helper
except ModuleNotFoundError as error:
    raise ModuleNotFoundError(f"lorentznet.onnx needs the package onnx (pip install onnx): {error}") from error

from lorentznet.whole_files import write_whole

OPSET = 14  # the oldest in which a Reshape takes sizes of 0; ONNX Runtime 1.8 and later
IR_VERSION = 7  # of the file's format, which belongs to it
BEAMS = np.array([[np.sqrt(2), 0, 0, 1], [np.sqrt(2), 0, 0, -1]])  # mass 1, along z
SPECIES = np.array([11, 13, 22, 130, 211, 321, 2112, 2212], np.float32)  # |PDG id| of the places of the one-hot
METRIC = np.array([1.0, -1, -1, -1])
CLAMP = 100.0  # [GeV], of a translation's components
NORM_EPSILON = 1e-5  # of batch norm


class Exportable(Protocol):
    """What export() needs of a lorentznet.Tagger."""

    @property
    def arrays(self) -> Mapping[str, np.ndarray]: ...
    @property
    def metadata(self) -> Mapping[str, Any]: ...
    @property
    def fingerprint(self) -> str: ...


@dataclass(frozen=True)
class _Description:
    """What the network computes besides its weights."""

    task: str
    n_scalar: int  # S of a node
    n_layers: int
    n_class: int
    n_nodes: int  # by which the sum over a jet's nodes is divided; 0: its own number
    c_weight: float
    beams: bool
    own_scalars: int  # S of the input `scalars`; 0: it has none

    @staticmethod
    def of(model: Exportable) -> _Description:
        keys = ("task", "n_scalar", "n_layers", "n_class", "pooling", "n_nodes", "c_weight", "beams", "masses")
        missing = [key for key in keys if key not in model.metadata]
        if missing:
            raise ValueError(f"the model's description has no {', '.join(missing)}")
        known = model.metadata
        constant = known["pooling"] == "constant"
        if constant and known["n_nodes"] < 1:
            raise ValueError(f"pooling is constant, n_nodes is {known['n_nodes']}")
        # Without masses, a top network was trained with scalars of the user's own.
        own = known["n_scalar"] - int(known["beams"]) if known["task"] == "top" and known["masses"] is None else 0
        return _Description(task=known["task"], n_scalar=known["n_scalar"], n_layers=known["n_layers"],
                            n_class=known["n_class"], n_nodes=known["n_nodes"] if constant else 0,
                            c_weight=known["c_weight"], beams=known["beams"], own_scalars=own)  # fmt: skip


class _Graph:
    """The nodes of an ONNX graph, in order. Each call adds one and returns the name of its output; an array among the
    inputs becomes a constant of the file."""

    def __init__(self, coordinates: type):
        self.coordinates = coordinates  # type of four-momenta and their products
        self.part = ""  # the first part of the names that follow
        self.nodes, self.constants = [], {}

    def __call__(self, operator: str, *inputs, **attributes) -> str:
        name = f"{self.part}_{operator}_{len(self.nodes)}"
        names = [value if isinstance(value, str) else self._constant(value) for value in inputs]
        self.nodes.append(helper.make_node(operator, names, [name], name=name, **attributes))
        return name

    def _constant(self, values: np.ndarray) -> str:
        key = (str(values.dtype), values.shape, values.tobytes())
        if key not in self.constants:
            self.constants[key] = numpy_helper.from_array(values, f"constant_{len(self.constants)}")
        return self.constants[key].name

    def real(self, values) -> np.ndarray:
        """A constant of the coordinates' type."""
        return np.asarray(values, self.coordinates)

    def to_coordinates(self, value: str) -> str:
        return value if self.coordinates is np.float32 else self("Cast", value, to=TensorProto.DOUBLE)

    def to_float(self, value: str) -> str:
        """Of a value of the coordinates' type."""
        return value if self.coordinates is np.float32 else self("Cast", value, to=TensorProto.FLOAT)

    def unsqueeze(self, value: str, *axes: int) -> str:
        return self("Unsqueeze", value, _int64(*axes))

    def sum(self, value: str, *axes: int, keepdims: bool = False) -> str:
        return self("ReduceSum", value, _int64(*axes), keepdims=int(keepdims))

    def linear(self, rows: str, weight: np.ndarray, bias: np.ndarray | None = None) -> str:
        """[..., C] -> [..., D], weight [D, C]."""
        product = self("MatMul", rows, _float(weight.T))
        return product if bias is None else self("Add", product, _float(bias))

    def linear_rows(self, rows: str, weight: np.ndarray, bias: np.ndarray | None = None) -> str:
        """[R, C] -> [R, D], weight [D, C]: of this ONNX Runtime makes one operator, with bias and Relu."""
        return self("Gemm", rows, _float(weight), *([] if bias is None else [_float(bias)]), transB=1)


def _float(values) -> np.ndarray:
    return np.array(values, np.float32, order="C")


def _int64(*values: int) -> np.ndarray:
    return np.array(values, np.int64)


@dataclass(frozen=True)
class _Nodes:
    """The nodes of each jet, beams first: n = N particles or rows of padding, and the beams."""

    p4: str  # [B, n, 4]
    scalars: str  # [B, n, S] float
    mask: str  # [B, n, 1] float: 0 for padding
    count: str  # [B, 1, 1] float: number of nodes, without padding
    unusable: str  # [B, 1] float: NaN for a jet without particles or with NaN or infinity in an input, else 0


@dataclass(frozen=True)
class _Pairs:
    """All pairs of nodes of each jet: n x n of them a jet, P in all."""

    mask: str  # [B, n, n, 1] float: 1 for two different nodes, 0 for a node with itself or with padding
    shape: str  # int64: B, n, n


def export(model: Exportable, path: str | os.PathLike, float32: bool = False) -> None:
    """Writes `model` as the ONNX file `path`.

    Inputs of the file, all float, for B jets of up to N particles: p4 [B, N, 4], (E, px, py, pz) in GeV, or [B, N, 8]
    with what rounding to float took from each; pdgid [B, N] of quark/gluon networks, or scalars [B, N, S] of top
    networks that were trained with scalars; mask [B, N], 1 for a particle and 0 for padding. Output: probabilities
    [B, K], NaN for a jet without particles or with inputs that are not finite. A network that divides by the number of
    nodes of a batch is written with each jet's own, as the Tagger computes.

    With `float32`, four-momenta and their products are computed in float instead of double, for programs that have no
    double, such as SOFIE; that changes probabilities (docs/onnx.md). ValueError if the model's
    description lacks something.
    """
    description = _Description.of(model)
    graph = _Graph(np.float32 if float32 else np.float64)
    arrays = {name: np.asarray(values, np.float64) for name, values in model.arrays.items()}
    nodes = _make_nodes(graph, description)
    pooled = _pool(graph, description, nodes, _layers(graph, description, nodes, arrays))
    _decode(graph, nodes, pooled, arrays)
    file = _make_file(graph, description, model, float32)
    onnx.checker.check_model(file, full_check=True)
    write_whole(path, file.SerializeToString())


def _make_nodes(g: _Graph, description: _Description) -> _Nodes:
    g.part = "nodes"
    mask = g.unsqueeze("mask", 2)
    particle = g("Greater", mask, _float(0))
    p4 = "p4" if g.coordinates is np.float32 else _sum_of_parts(g)
    p4 = g("Where", particle, p4, g.real(0))  # padding may hold anything, even NaN
    mask = g("Where", particle, _float(1), _float(0))
    count = g.sum(mask, 1, keepdims=True)
    unusable = g("Sub", g("Div", count, count), _float(1))  # NaN without particles, else 0
    unusable = g("Add", g("Flatten", unusable), g.to_float(_nan_if_not_finite(g, p4)))
    scalars = _particle_scalars(g, description, particle, p4)
    if description.own_scalars > 0:
        unusable = g("Add", unusable, _nan_if_not_finite(g, scalars))
    if description.beams:
        p4, scalars, mask = _with_beams(g, description, p4, scalars, mask)
        count = g("Add", count, _float(len(BEAMS)))
    return _Nodes(p4=p4, scalars=scalars, mask=mask, count=count, unusable=unusable)


def _sum_of_parts(g: _Graph) -> str:
    """The input p4 [B, N, 4], or [B, N, 8] with what rounding to float took, as double [B, N, 4]."""
    shape = g("Shape", "p4")
    parts = g("Div", g("Gather", shape, _int64(2)), _int64(4))
    shape = g("Concat", g("Gather", shape, _int64(0, 1)), parts, _int64(4), axis=0)
    return g.sum(g("Reshape", g.to_coordinates("p4"), shape, allowzero=1), 2)


def _nan_if_not_finite(g: _Graph, values: str) -> str:
    """Of values [B, N, C]: 0, or NaN, [B, 1]."""
    return g.unsqueeze(g.sum(g("Sub", values, values), 1, 2), 1)


def _particle_scalars(g: _Graph, description: _Description, particle: str, p4: str) -> str:
    """Scalars of the particles, without those that only beams have, [B, N, S'] float."""
    if description.task == "qg":
        one_hot = g("Equal", g("Abs", g.unsqueeze("pdgid", 2)), SPECIES)
        one_hot = g("Where", one_hot, _float(1), _float(0))
        return g("Where", particle, one_hot, _float(0))
    if description.own_scalars > 0:
        return g("Where", particle, "scalars", _float(0))
    mass = g("Sqrt", g("Abs", _square_in_float(g, p4) if g.coordinates is np.float32 else _square(g, p4)))
    return g.to_float(g("Log", g("Add", mass, g.real(1))))  # psi(m) = log(1 + m)


def _square(g: _Graph, p4: str) -> str:
    """E^2 - p^2, [..., 4] -> [..., 1]."""
    return g("MatMul", g("Mul", p4, p4), g.real(METRIC[:, np.newaxis]))


def _square_in_float(g: _Graph, p4: str) -> str:
    """E^2 - p^2 of particles, to more digits than float has for E^2: the mass of a tower is what rounding has left of it.

    p = a + b, where a are multiples of the same u and E < 2^11 u. Then a^2 are whole multiples of u^2 below 2^24, so
    that nothing of them or their sums is lost; in the rest, b (2 a + b), digits are lost that are 2^-33 E^2.
    """
    size = g("Mul", g("Gather", p4, _int64(0), axis=2), _float(2**13))
    a = g("Sub", g("Add", p4, size), size)
    b = g("Sub", p4, a)
    rest = g("Mul", b, g("Add", g("Add", a, a), b))
    return g("Add", g("MatMul", rest, _float(METRIC[:, np.newaxis])), _square(g, a))


def _with_beams(g: _Graph, description: _Description, p4: str, scalars: str, mask: str):
    """Puts two beams before the particles of each jet. Their last scalar is psi(1), which particles do not have."""
    jets = g("Gather", g("Shape", "mask"), _int64(0))  # B
    beam_scalars = np.zeros((1, len(BEAMS), description.n_scalar))
    beam_scalars[..., -1] = np.log1p(1)
    beams = g("Expand", g.real(BEAMS[np.newaxis]), g("Concat", jets, _int64(len(BEAMS), 4), axis=0))
    beam_scalars = g("Expand", _float(beam_scalars),
                     g("Concat", jets, _int64(len(BEAMS), description.n_scalar), axis=0))  # fmt: skip
    scalars = g("Pad", scalars, _int64(0, 0, 0, 0, 0, 1), _float(0))
    mask = g("Pad", mask, _int64(0, len(BEAMS), 0, 0, 0, 0), _float(1))
    return g("Concat", beams, p4, axis=1), g("Concat", beam_scalars, scalars, axis=1), mask


def _layers(g: _Graph, description: _Description, nodes: _Nodes, arrays: dict[str, np.ndarray]) -> str:
    """Embeddings of the nodes after all layers, [B, n, H]."""
    pairs = _make_pairs(g, nodes)
    degree = g("Max", g("Sub", nodes.count, _float(1)), _float(1))
    step = g("Div", g.real(description.c_weight), g.to_coordinates(degree))  # [B, 1, 1]
    g.part = "embedding"
    h, x = g.linear(nodes.scalars, arrays["embedding.weight"], arrays["embedding.bias"]), nodes.p4
    for layer in range(description.n_layers):
        g.part = f"layer{layer}"
        prefix = f"LGEBs.{layer}."
        own = {name.removeprefix(prefix): array for name, array in arrays.items() if name.startswith(prefix)}
        difference = g("Sub", g.unsqueeze(x, 2), g.unsqueeze(x, 1))  # x_i - x_j, [B, n, n, 4]
        message = _messages(g, own, h, _products(g, x, difference), pairs)
        if layer + 1 < description.n_layers:  # the last one leaves the coordinates
            x = g("Add", x, g("Mul", step, _translation(g, own, difference, message, pairs)))
        h = _update(g, own, h, _sum_by_receiver(g, message, pairs, own["phi_e.3.bias"].size), nodes.scalars)
    return h


def _make_pairs(g: _Graph, nodes: _Nodes) -> _Pairs:
    g.part = "pairs"
    shape = g("Shape", nodes.mask)
    place = g("Range", np.array(0), g("Gather", shape, np.array(1)), np.array(1))
    same = g("Equal", g.unsqueeze(place, 1), g.unsqueeze(place, 0))
    different = g.unsqueeze(g("Where", same, _float(0), _float(1)), 0, 3)
    mask = g("Mul", g("Mul", g.unsqueeze(nodes.mask, 2), g.unsqueeze(nodes.mask, 1)), different)
    return _Pairs(mask=mask, shape=g("Gather", shape, _int64(0, 1, 1)))


def _sum_by_receiver(g: _Graph, rows: str, pairs: _Pairs, width: int) -> str:
    """[P, W] -> [B, n, W]."""
    return g.sum(g("Reshape", rows, g("Concat", pairs.shape, _int64(width), axis=0), allowzero=1), 2)


def _products(g: _Graph, x: str, difference: str) -> str:
    """psi of |x_i - x_j|^2 and of <x_i, x_j>, [B, n, n, 2] float.

    Not a product of x and its transpose: ONNX Runtime 1.15 and 1.17 make one operator of that, which they do not have
    for double.
    """
    components = g("Concat", g("Mul", difference, difference), g("Mul", g.unsqueeze(x, 2), g.unsqueeze(x, 1)), axis=3)
    both = g("MatMul", components, g.real(np.kron(np.eye(2), METRIC[:, np.newaxis])))
    size = g.to_float(g("Log", g("Add", g("Abs", both), g.real(1))))
    return g("Where", g("Less", both, g.real(0)), g("Neg", size), size)


def _norm(arrays: dict[str, np.ndarray], name: str) -> tuple[np.ndarray, np.ndarray]:
    """Scale and shift of a batch norm in evaluation, [H] each."""
    scale = arrays[name + ".weight"] / np.sqrt(arrays[name + ".running_var"] + NORM_EPSILON)
    return scale, arrays[name + ".bias"] - scale * arrays[name + ".running_mean"]


def _messages(g: _Graph, arrays: dict[str, np.ndarray], h: str, products: str, pairs: _Pairs) -> str:
    """m_ij, 0 where the pair's mask is, [P, H]. The first layer of phi_e is a sum of what i, j and the pair add."""
    hidden = arrays["phi_e.0.weight"].shape[0]
    scale, shift = _norm(arrays, "phi_e.1")
    of_i, of_j, of_pair = np.split(arrays["phi_e.0.weight"] * scale[:, np.newaxis], [hidden, 2 * hidden], axis=1)
    z = g("Add", g.unsqueeze(g.linear(h, of_i, shift), 2), g.unsqueeze(g.linear(h, of_j), 1))
    z = g("Relu", g("Add", g.linear(products, of_pair), z))
    e = g("Relu", g.linear_rows(g("Flatten", z, axis=3), arrays["phi_e.3.weight"], arrays["phi_e.3.bias"]))
    gate = g("Sigmoid", g.linear_rows(e, arrays["phi_m.0.weight"], arrays["phi_m.0.bias"]))
    return g("Mul", e, g("Mul", gate, g("Flatten", pairs.mask, axis=3)))


def _translation(g: _Graph, arrays: dict[str, np.ndarray], difference: str, message: str, pairs: _Pairs) -> str:
    """Sum over j of (x_i - x_j) phi_x(m_ij), clamped, [B, n, 4]."""
    phi = g("Relu", g.linear_rows(message, arrays["phi_x.0.weight"], arrays["phi_x.0.bias"]))
    phi = g.linear_rows(phi, arrays["phi_x.2.weight"])
    phi = g.to_coordinates(g("Reshape", phi, g("Shape", pairs.mask), allowzero=1))
    moved = g("Max", g("Min", g("Mul", difference, phi), g.real(CLAMP)), g.real(-CLAMP))
    return g.sum(g("Mul", moved, g.to_coordinates(pairs.mask)), 2)


def _update(g: _Graph, arrays: dict[str, np.ndarray], h: str, message: str, scalars: str) -> str:
    """h_i + phi_h(h_i, sum_j m_ij, s_i), [B, n, H]."""
    scale, shift = _norm(arrays, "phi_h.1")
    rows = g("Concat", h, message, scalars, axis=2)
    weight, bias = arrays["phi_h.0.weight"] * scale[:, np.newaxis], arrays["phi_h.0.bias"] * scale + shift
    z = g("Relu", g.linear(rows, weight, bias))
    return g("Add", g.linear(z, arrays["phi_h.3.weight"], arrays["phi_h.3.bias"]), h)


def _pool(g: _Graph, description: _Description, nodes: _Nodes, h: str) -> str:
    """[B, H]."""
    g.part = "pool"
    divisor = _float(description.n_nodes) if description.n_nodes else g("Flatten", nodes.count)
    return g("Div", g.sum(g("Mul", h, nodes.mask), 1), divisor)


def _decode(g: _Graph, nodes: _Nodes, pooled: str, arrays: dict[str, np.ndarray]) -> None:
    g.part = "decoder"
    hidden = g("Relu", g.linear(pooled, arrays["graph_dec.0.weight"], arrays["graph_dec.0.bias"]))
    logits = g.linear(hidden, arrays["graph_dec.3.weight"], arrays["graph_dec.3.bias"])
    g("Add", g("Softmax", logits, axis=1), nodes.unusable)
    g.nodes[-1].output[0] = "probabilities"


def _make_file(g: _Graph, description: _Description, model: Exportable, float32: bool) -> onnx.ModelProto:
    def value(name: str, shape: list, text: str) -> onnx.ValueInfoProto:
        return helper.make_tensor_value_info(name, TensorProto.FLOAT, shape, text)

    # ONNX Runtime warns of optional inputs at each start, so that this is a size of p4.
    width = 4 if float32 else "4 or 8"
    inputs = [value("p4", ["B", "N", width], "(E, px, py, pz) of each particle [GeV]; 8: and what rounding them took")]
    if description.task == "qg":
        inputs.append(value("pdgid", ["B", "N"], "PDG id of each particle"))
    if description.own_scalars > 0:
        inputs.append(value("scalars", ["B", "N", description.own_scalars], "as the network was trained with"))
    inputs.append(value("mask", ["B", "N"], "1 for a particle, 0 for padding"))
    output = value("probabilities", ["B", description.n_class], "class 1 is the signal (top, quark)")
    graph = helper.make_graph(g.nodes, f"lorentznet_{description.task}", inputs, [output],
                              initializer=list(g.constants.values()))  # fmt: skip
    file = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION,
                             producer_name="lorentznet", producer_version=_version())  # fmt: skip
    helper.set_model_props(file, {
        "lorentznet.json": json.dumps(dict(model.metadata)), "lorentznet.fingerprint": model.fingerprint,
        "lorentznet.version": _version(), "lorentznet.coordinates": "float" if float32 else "double",
    })  # fmt: skip
    return file


def _version() -> str:
    """Of this package; empty if it is used without having been installed."""
    try:
        return metadata.version("lorentznet")
    except metadata.PackageNotFoundError:
        return ""
