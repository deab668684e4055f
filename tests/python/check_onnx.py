"""The ONNX files that python/lorentznet/onnx.py writes, in ONNX Runtime, against the peer in double precision and the
programs; and the example in docs/onnx.md.
"""

import hashlib
import json
import re
import subprocess
import sys
import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
import onnxruntime

import harness

torch = harness.load_torch()
import peer  # noqa: E402  (it imports torch)

sys.path.insert(0, str(harness.PROJECT / "scripts"))
import package_sources  # noqa: E402

TOLERANCE = 1e-5  # of probabilities
# Operators of opset 17 that are in SOFIE's list too (tmva/sofie/README.md of ROOT). Not Transpose: ONNX Runtime 1.15
# and 1.17 do not load a file with a product of a transposed matrix in double.
OPERATORS = {
    "Abs", "Add", "Cast", "Concat", "Div", "Equal", "Expand", "Flatten", "Gather", "Gemm", "Greater", "Less", "Log",
    "MatMul", "Max", "Min", "Mul", "Neg", "Pad", "Range", "ReduceSum", "Relu", "Reshape", "Shape", "Sigmoid",
    "Softmax", "Sqrt", "Sub", "Unsqueeze", "Where",
}  # fmt: skip
PAGE = harness.PROJECT / "docs" / "onnx.md"


exporter = package_sources.load("onnx")


@dataclass
class Model:
    """What export() needs of a lorentznet.Tagger."""

    arrays: dict[str, np.ndarray]
    metadata: dict
    fingerprint: str


def described(task: str, **values) -> dict:
    """A description as in a checkpoint, of a network with one divisor for each jet."""
    n_scalar, beams, masses = (2, True, [1e-4] * 3) if task == "top" else (8, False, None)
    return {"task": task, "n_scalar": n_scalar, "n_class": 2, "n_hidden": 12, "n_layers": 3, "pooling": "jet",
            "n_nodes": 0, "c_weight": 0.1, "beams": beams, "masses": masses} | values  # fmt: skip


def read_model(run_folder: Path) -> Model:
    """The network of an experiment; a checkpoint that does not describe itself has an args.json."""
    file = run_folder / "best-val-model.pt"
    state = torch.load(file, weights_only=True)
    arrays = {name.removeprefix("module."): values.numpy() for name, values in state.items()}
    with zipfile.ZipFile(file) as archive:
        entry = [name for name in archive.namelist() if name.endswith("lorentznet.json")]
        metadata = json.loads(archive.read(entry[0])) if entry else None
    if metadata is None:
        args = harness.read_json(run_folder / "args.json")
        kept = ("n_hidden", "n_layers", "c_weight", "pooling", "n_nodes")
        task = "qg" if arrays["embedding.weight"].shape[1] == 8 else "top"
        metadata = described(task, **{key: args[key] for key in kept})
    return Model(arrays, metadata, hashlib.sha256(file.read_bytes()).hexdigest())


def random_model(seed: int, metadata: dict) -> Model:
    """Its coordinates move much more than those of a trained network; many translations are clamped."""
    torch.manual_seed(seed)
    network = make_peer(metadata)
    for norm in (module for module in network.modules() if isinstance(module, torch.nn.BatchNorm1d)):
        for values in (norm.running_mean, norm.bias.data):
            values.normal_(0, 0.2)
        for values in (norm.running_var, norm.weight.data):
            values.uniform_(0.5, 1.5)
    for block in network.LGEBs[:-1]:
        block.phi_x[2].weight.data *= 20
    return Model({name: values.numpy() for name, values in network.state_dict().items()}, metadata, "0" * 64)


def make_peer(metadata: dict) -> peer.LorentzNet:
    keys = ("n_scalar", "n_hidden", "n_layers", "c_weight", "n_class")
    return peer.LorentzNet(*(metadata[key] for key in keys))


def num_beams(metadata: dict) -> int:
    return 2 if metadata["beams"] else 0


def in_float(jets: list[peer.Jet]) -> list[peer.Jet]:
    """Jets without beams, their four-momenta rounded to float."""
    return [peer.Jet(jet.p4.astype(np.float32).astype(np.float64), jet.scalars, jet.label, jet.columns)
            for jet in jets]  # fmt: skip


def reference(model: Model, jets: list[peer.Jet]) -> np.ndarray:
    """Probabilities [J, K] of the peer, in double."""
    network = make_peer(model.metadata)
    network.load_state_dict({name: torch.from_numpy(values) for name, values in model.arrays.items()})
    constant = model.metadata["pooling"] == "constant"
    n_nodes = [model.metadata["n_nodes"] if constant else len(jet.p4) for jet in jets]
    return torch.from_numpy(peer.logits(network.double().eval(), jets, n_nodes)).softmax(1).numpy()


def make_inputs(metadata: dict, jets: list[peer.Jet], width: int | None = None, seed: int = 0) -> dict[str, np.ndarray]:
    """Inputs of a batch, four-momenta with what rounding took. If a width is given, particles are at random places in
    order, and padding holds NaN."""
    first = num_beams(metadata)
    sizes = [len(jet.p4) - first for jet in jets]
    shape = (len(jets), width or max(sizes))
    random, padding = np.random.default_rng(seed), np.nan if width else 0
    inputs = {"p4": np.full((*shape, 8), padding, np.float32), "mask": np.zeros(shape, np.float32)}
    own = metadata["task"] == "top" and metadata["masses"] is None
    if own:
        inputs["scalars"] = np.full((*shape, metadata["n_scalar"] - first // 2), padding, np.float32)
    if metadata["task"] == "qg":
        inputs["pdgid"] = np.full(shape, padding, np.float32)
    for row, (jet, size) in enumerate(zip(jets, sizes, strict=True)):
        places = np.sort(random.permutation(shape[1])[:size]) if width else np.arange(size)
        rounded = jet.p4[first:].astype(np.float32)
        inputs["p4"][row, places] = np.concatenate([rounded, jet.p4[first:] - rounded], 1)
        inputs["mask"][row, places] = 1
        if own:
            inputs["scalars"][row, places] = jet.scalars[first:, : inputs["scalars"].shape[2]]
        if metadata["task"] == "qg":
            sign = random.choice([-1, 1], size)
            inputs["pdgid"][row, places] = sign * (jet.scalars @ np.array(list(peer.MASSES)))
    return inputs


def random_jets(metadata: dict, sizes: list[int], seed: int) -> list[peer.Jet]:
    """Jets along an axis, energies from 1 to some 100 GeV, with the network's scalars."""
    random, jets = np.random.default_rng(seed), []
    for size in sizes:
        p3 = (random.normal(0, 0.3, (size, 3)) + random.normal(0, 1, 3)) * random.exponential(30, (size, 1)) + 1e-3
        mass = random.choice([0, 0.13957, 5], (size, 1))
        p4 = np.concatenate([np.sqrt((p3**2).sum(1, keepdims=True) + mass**2), p3], 1)
        scalars = make_scalars(metadata, p4, random)
        if metadata["beams"]:
            of_beams = np.zeros((2, metadata["n_scalar"]))
            of_beams[:, -1] = np.log(2)
            p4, scalars = np.concatenate([peer.BEAMS, p4]), np.concatenate([of_beams, scalars])
        jets.append(peer.Jet(p4, scalars, 0, np.arange(size)))
    return jets


def make_scalars(metadata: dict, p4: np.ndarray, random) -> np.ndarray:
    """Scalars of particles, [n, S]."""
    scalars = np.zeros((len(p4), metadata["n_scalar"]))
    own = metadata["n_scalar"] - num_beams(metadata) // 2
    if metadata["task"] == "qg":
        scalars[np.arange(len(p4)), random.integers(0, 8, len(p4))] = 1
    elif metadata["masses"] is None:
        scalars[:, :own] = random.normal(0, 1, (len(p4), own)).astype(np.float32)
    else:
        scalars[:, 0] = np.log1p(np.sqrt(np.abs(p4[:, 0] ** 2 - (p4[:, 1:] ** 2).sum(1))))
    return scalars


class OnnxTest(harness.ProgramTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        # A training of one epoch, for a description that a program wrote.
        cls.data = harness.write_top(cls.folder / "data", test=harness.top_arrays("test", count=40))
        cls.trained = harness.train("top", cls.folder / "logs", cls.data, "small", "--n_hidden=8", "--num_train=40",
                                    "--epochs=1")  # fmt: skip

    def session(self, model: Model, float32: bool = False) -> onnxruntime.InferenceSession:
        file = self.folder / "model.onnx"
        exporter.export(model, file, float32)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        return onnxruntime.InferenceSession(file, options)

    def assert_agrees(self, model: Model, jets: list[peer.Jet], expected: np.ndarray, batches: list[int],
                      in_front: list[int] | None = None):
        """In batches of different sizes, with particles anywhere or in front (by default the same sizes)."""
        self.assertGreater(np.ptp(expected[:, 1]), 100 * TOLERANCE, "the probabilities hardly differ")
        session = self.session(model)
        for size, anywhere in [(size, True) for size in batches] + [(size, False) for size in in_front or batches]:
            for first in range(0, len(jets), size):
                part = slice(first, first + size)
                width = max(len(jet.p4) for jet in jets[part]) + 3 if anywhere else None
                inputs = make_inputs(model.metadata, jets[part], width, seed=first)
                found = session.run(["probabilities"], inputs)[0]
                harness.assert_close(found, expected[part], atol=TOLERANCE)


class AgreementTest(OnnxTest):
    def shipped(self, task: str) -> Model:
        return read_model(harness.PROJECT / "logs" / task / "pretrained")

    def shipped_jets(self, task: str, count: int) -> list[peer.Jet]:
        if task == "top":
            return peer.read_top(self.data / "test.h5")[:count]
        return peer.read_qg(**harness.qg_arrays(count=count))

    def test_shipped_networks(self):
        for task in ("top", "qg"):
            model, jets = self.shipped(task), self.shipped_jets(task, 5)
            self.assert_agrees(model, jets, reference(model, jets), batches=[1, 4])

    def test_every_kind_of_network(self):
        kinds = [
            described("top"), described("top", n_scalar=1, beams=False),
            described("top", n_scalar=4, masses=None), described("top", n_scalar=2, masses=None, beams=False),
            described("top", n_scalar=2, masses=None), described("top", pooling="batch", n_class=3),
            described("top", pooling="constant", n_nodes=70), described("top", n_layers=1),
            described("qg"), described("qg", pooling="constant", n_nodes=139), described("qg", n_hidden=1),
        ]  # fmt: skip
        for seed, metadata in enumerate(kinds):
            with self.subTest(**metadata):
                model = random_model(seed, metadata)
                jets = random_jets(metadata, [1, 2, 3, 30, 17, 60, 8, 100], seed)
                self.assert_agrees(model, jets, reference(model, jets), batches=[1, 3, 8])

    def of_float(self, session: onnxruntime.InferenceSession, metadata: dict, jets: list[peer.Jet]) -> np.ndarray:
        """Probabilities of four-momenta in float, without what rounding took; in small batches, which need less padding."""
        found = []
        for first in range(0, len(jets), 3):
            inputs = make_inputs(metadata, jets[first : first + 3])
            inputs["p4"] = inputs["p4"][:, :, :4]
            found.append(session.run(None, inputs)[0])
        return np.concatenate(found)

    def test_four_momenta_in_float(self):
        """Without what rounding took."""
        model, jets = self.shipped("qg"), in_float(self.shipped_jets("qg", 8))
        found = self.of_float(self.session(model), model.metadata, jets)
        harness.assert_close(found, reference(model, jets), atol=TOLERANCE)

    def test_jets_of_1_to_200_particles(self):
        """Made of the particles of shipped jets, since networks are sure of what they have never seen."""
        for task in ("top", "qg"):
            model, jets = self.shipped(task), []
            shipped = self.shipped_jets(task, 40)
            for size in (1, 2, 5, 20, 50, 150, 199, 200):
                jets.append(self.joined(model.metadata, shipped[len(jets) :], size))
            self.assertEqual([len(jet.p4) for jet in jets][-1], 200 + num_beams(model.metadata))
            self.assert_agrees(model, jets, reference(model, jets), batches=[3], in_front=[1])

    def joined(self, metadata: dict, jets: list[peer.Jet], size: int) -> peer.Jet:
        """The first particles of jets as one jet."""
        first = num_beams(metadata)
        p4, scalars = (np.concatenate([getattr(jet, name)[first:] for jet in jets])[:size] for name in ("p4", "scalars"))
        return peer.Jet(np.concatenate([jets[0].p4[:first], p4]), np.concatenate([jets[0].scalars[:first], scalars]),
                        0, np.arange(size))  # fmt: skip

    def test_like_test_mode(self):
        """Of the program that trained the network, with --pooling jet."""
        self.assert_finished(harness.test_mode("top", self.trained, "--pooling=jet", "--datadir", self.data))
        with np.load(self.trained / "score.npz") as scores:
            expected = scores["probability"]
        model = read_model(self.trained)
        self.assertEqual(model.metadata["pooling"], "batch")
        inputs = make_inputs(model.metadata, peer.read_top(self.data / "test.h5"))
        harness.assert_close(self.session(model).run(None, inputs)[0], expected, atol=TOLERANCE)

    def test_unusable_jets(self):
        """Have NaN as their probabilities, and change no other jet of the batch."""
        metadata = described("top", n_scalar=3, masses=None)
        model = random_model(1, metadata)
        jets = random_jets(metadata, [4, 6, 2, 5, 7, 3], seed=1)
        expected = reference(model, jets)
        inputs = make_inputs(metadata, jets)
        inputs["mask"][0] = 0
        inputs["p4"][1, 3, 2] = np.nan
        inputs["p4"][2, 0, 0] = np.inf
        inputs["scalars"][3, 4, 1] = np.nan
        inputs["p4"][4, 0, 5] = np.nan
        found = self.session(model).run(None, inputs)[0]
        self.assertTrue(np.isnan(found[:5]).all())
        harness.assert_close(found[5], expected[5], atol=TOLERANCE)

    def test_nothing_at_all(self):
        """No jet, or jets without any row."""
        for task in ("top", "qg"):
            metadata = described(task)
            session = self.session(random_model(1, metadata))
            inputs = make_inputs(metadata, random_jets(metadata, [4, 6], seed=1))
            found = session.run(None, {name: values[:0] for name, values in inputs.items()})[0]
            self.assertEqual(found.shape, (0, 2))
            found = session.run(None, {name: values[:, :0] for name, values in inputs.items()})[0]
            self.assertEqual((found.shape, np.isnan(found).all()), ((2, 2), True))

    def test_species_without_a_place(self):
        """Their scalars are all 0, as in the programs."""
        model = random_model(1, described("qg"))
        jets = random_jets(model.metadata, [20, 9], seed=1)
        inputs = make_inputs(model.metadata, jets)
        for jet in jets:
            jet.scalars[:5] = 0
        inputs["pdgid"][:, :5] = [3122, -3122, 0, 310, 211.5]
        harness.assert_close(self.session(model).run(None, inputs)[0], reference(model, jets), atol=TOLERANCE)

    def test_in_float(self):
        """Off by more than the double file, but by no more than docs/onnx.md says."""
        for task, bound in (("top", 5e-3), ("qg", 1e-2)):
            model = self.shipped(task)
            jets = self.shipped_jets(task, 6)
            found = self.of_float(self.session(model, float32=True), model.metadata, jets)
            error = np.abs(found - reference(model, jets)).max()
            self.assertGreater(error, TOLERANCE)
            self.assertLess(error, bound)


class FileTest(OnnxTest):
    def files(self):
        """Each kind of inputs, in double and float: model, whether in float, file."""
        for metadata in (described("top"), described("top", n_scalar=4, masses=None), described("qg")):
            for float32 in (False, True):
                model = random_model(1, metadata)
                exporter.export(model, self.folder / "file.onnx", float32)
                onnx.checker.check_model(self.folder / "file.onnx", full_check=True)
                yield model, float32, onnx.load(self.folder / "file.onnx")

    def test_operators(self):
        used = set()
        for _, _, file in self.files():
            self.assertEqual([(opset.domain, opset.version <= 17) for opset in file.opset_import], [("", True)])
            self.assertLessEqual(file.ir_version, 8)
            used |= {node.op_type for node in file.graph.node}
        self.assertEqual(used, OPERATORS)

    def test_types(self):
        """Double is used in the one file and not in the other."""
        for _, float32, file in self.files():
            inferred = onnx.shape_inference.infer_shapes(file).graph
            types = {value.type.tensor_type.elem_type for value in inferred.value_info}
            types |= {constant.data_type for constant in inferred.initializer}
            self.assertEqual(onnx.TensorProto.DOUBLE in types, not float32)

    def test_inputs(self):
        for model, float32, file in self.files():
            extra = {"qg": [("pdgid", ["B", "N"])]}.get(model.metadata["task"], [])
            if model.metadata["n_scalar"] == 4:
                extra = [("scalars", ["B", "N", 3])]
            expected = [("p4", ["B", "N", 4 if float32 else "4 or 8"]), *extra, ("mask", ["B", "N"]),
                        ("probabilities", ["B", 2])]  # fmt: skip
            values = [*file.graph.input, *file.graph.output]
            found = [(value.name, [size.dim_param or size.dim_value for size in value.type.tensor_type.shape.dim])
                     for value in values]  # fmt: skip
            self.assertEqual(found, expected)
            self.assertEqual({value.type.tensor_type.elem_type for value in values}, {onnx.TensorProto.FLOAT})

    def test_metadata(self):
        for model, float32, file in self.files():
            props = {prop.key: prop.value for prop in file.metadata_props}
            self.assertEqual(json.loads(props["lorentznet.json"]), model.metadata)
            self.assertEqual(props["lorentznet.fingerprint"], model.fingerprint)
            self.assertEqual(props["lorentznet.coordinates"], "float" if float32 else "double")
            self.assertIn("lorentznet.version", props)
            self.assertEqual(file.producer_name, "lorentznet")

    def test_errors(self):
        """A ValueError, and no file."""
        file = self.folder / "none" / "model.onnx"
        file.parent.mkdir()
        metadata = described("top")
        del metadata["c_weight"], metadata["pooling"]
        for wrong, text in ((metadata, "no pooling, c_weight"), ({}, "no task"),
                            (described("qg", pooling="constant"), "n_nodes is 0")):  # fmt: skip
            model = random_model(1, described("top"))
            model.metadata = wrong
            with self.assertRaisesRegex(ValueError, text):
                exporter.export(model, file)
        self.assertEqual(list(file.parent.iterdir()), [])


class PageTest(OnnxTest):
    """docs/onnx.md."""

    def test_example(self):
        page = PAGE.read_text()
        self.assertIn("lorentznet export-onnx logs/top/pretrained/best-val-model.pt top.onnx\n", page)
        folder = self.folder / "example"
        folder.mkdir()
        (folder / "data").symlink_to(harness.PROJECT / "data")
        exporter.export(read_model(harness.PROJECT / "logs" / "top" / "pretrained"), folder / "top.onnx")
        code = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
        self.assertEqual(len(code), 2)
        result = subprocess.run([sys.executable, "-c", "\n".join(code)], cwd=folder, capture_output=True, text=True)
        self.assertEqual((result.returncode, result.stderr), (0, ""))

    def test_operators(self):
        """The page lists those that files have."""
        (listed,) = re.findall(r"^- Operators: (.*?)\.\n", PAGE.read_text(), re.DOTALL | re.MULTILINE)
        self.assertEqual(set(listed.replace("\n", " ").replace(",", " ").split()), OPERATORS)


if __name__ == "__main__":
    harness.main()
