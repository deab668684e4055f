#!/usr/bin/env python3
"""Exported ONNX files in ONNX Runtime: how precise they are, and how fast next to the tagger. Prints the tables of
docs/onnx.md.

    pip install '.[onnx]' onnxruntime h5py torch
    python3 bench/onnx_runtime.py precision [--jets 1000] [--top CHECKPOINT] [--qg CHECKPOINT]
    python3 bench/onnx_runtime.py speed [--rounds 7] [--top CHECKPOINT] [--qg CHECKPOINT]

Checkpoints are by default the shipped ones; the jets are the shipped ones. Precision is measured against
tests/python/peer.py in double, which takes some .1 s a jet. In a round of speed, each row is measured for the same time
in turn, on the same batches in memory, padded to their largest jet; the best round counts. PyTorch's network is that of
tests/python/peer.py in float: it computes jet by jet, without padding.
"""

import argparse
import sys
import tempfile
import time
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(PROJECT / "scripts"))
import prepared  # noqa: E402

prepared.need("h5py", "lorentznet", "numpy", "onnx", "onnxruntime", from_setup=False,
              install="pip install '.[onnx]' onnxruntime h5py torch")  # fmt: skip

import h5py  # noqa: E402
import lorentznet  # noqa: E402
import lorentznet.onnx  # noqa: E402
import numpy as np  # noqa: E402
import onnxruntime  # noqa: E402

TASKS = {"top": "top", "qg": "quark/gluon"}
SECONDS = 1.0  # a row is measured for, in each round


def load_peer():
    """The independent network in double precision of the tests."""
    sys.path.insert(0, str(PROJECT / "tests" / "python"))
    import peer
    import torch

    torch.set_num_threads(1)
    return peer


def read_jets(peer, task: str, count: int) -> list:
    """Shipped jets that the shipped networks were not trained on, if there are as many."""
    if task == "top":
        files = [PROJECT / "data" / "top" / f"{split}.h5" for split in ("test", "val", "train")]
        jets = [jet for file in files for jet in peer.read_top(file)]
    else:
        with np.load(PROJECT / "data" / "qg" / "datasets" / "QG_jets.npz") as file:
            jets = peer.read_qg(file["X"], file["y"])[::-1]
    return jets[:count]


def make_inputs(peer, task: str, jets: list, width: int = 4) -> dict[str, np.ndarray]:
    """Inputs of an ONNX file, padded to the largest jet. Width 8: with what rounding took from four-momenta."""
    beams = 2 if task == "top" else 0
    shape = (len(jets), max(len(jet.p4) for jet in jets) - beams)
    inputs = {"p4": np.zeros((*shape, width), np.float32), "mask": np.zeros(shape, np.float32)}
    if task == "qg":
        inputs["pdgid"] = np.zeros(shape, np.float32)
    for row, jet in enumerate(jets):
        size = len(jet.p4) - beams
        p4 = jet.p4[beams:]
        inputs["p4"][row, :size] = np.concatenate([p4, p4 - p4.astype(np.float32)], 1)[:, :width]
        inputs["mask"][row, :size] = 1
        if task == "qg":
            inputs["pdgid"][row, :size] = jet.scalars @ np.array(list(peer.MASSES))
    return inputs


def open_session(tagger, folder: Path, float32: bool, threads: int = 1) -> onnxruntime.InferenceSession:
    file = folder / "model.onnx"
    lorentznet.onnx.export(tagger, file, float32=float32)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    return onnxruntime.InferenceSession(file, options, providers=["CPUExecutionProvider"])


def make_network(peer, tagger):
    """In evaluation mode."""
    import torch

    keys = ("n_scalar", "n_hidden", "n_layers", "c_weight", "n_class")
    network = peer.LorentzNet(*(tagger.metadata[key] for key in keys))
    network.load_state_dict({name: torch.from_numpy(values) for name, values in tagger.arrays.items()})
    return network.eval()


# Precision -----------------------------------------------------------------------------------------


def reference(peer, tagger, jets: list) -> np.ndarray:
    """Probabilities of the peer, in double."""
    import torch

    known = tagger.metadata
    n_nodes = [known["n_nodes"] if known["pooling"] == "constant" else len(jet.p4) for jet in jets]
    return torch.from_numpy(peer.logits(make_network(peer, tagger).double(), jets, n_nodes)).softmax(1).numpy()


def print_precision(peer, taggers: dict, folder: Path, count: int):
    print("| network | file and four-momenta | largest | 99 % below | median |\n|---|---|---|---|---|")
    for task, tagger in taggers.items():
        jets = read_jets(peer, task, count)
        expected = reference(peer, tagger, jets)
        for name, float32, width in (("double, p4 [B, N, 8]", False, 8), ("double, p4 [B, N, 4]", False, 4),
                                     ("`--float`", True, 4)):  # fmt: skip
            session = open_session(tagger, folder, float32)
            found = [session.run(None, make_inputs(peer, task, [jet], width))[0] for jet in jets]
            print_errors(task, name, np.concatenate(found), expected)


def print_errors(task: str, name: str, found: np.ndarray, expected: np.ndarray):
    error = np.abs(found - expected)[:, 1]
    figures = error.max(), np.quantile(error, 0.99), np.median(error)
    print(f"| {TASKS[task]} | {name} | {' | '.join(f'{figure:.1e}' for figure in figures)} |", flush=True)


# Speed ---------------------------------------------------------------------------------------------


def rate(score, batches: list[tuple]) -> float:
    """Jets per second of `score`, which takes inputs of an ONNX file and the same jets as a list."""
    count, begin = 0, time.perf_counter()
    while True:
        for inputs, jets in batches:
            score(inputs, jets)
            count += len(jets)
            seconds = time.perf_counter() - begin
            if seconds > SECONDS:
                return count / seconds


def of_tagger(tagger, threads: int):
    def score(inputs, jets):
        tagger(inputs["p4"], **{name: inputs[name] for name in ("pdgid",) if name in inputs}, threads=threads)

    return score


def of_session(session):
    return lambda inputs, jets: session.run(None, inputs)


def of_torch(peer, tagger, threads: int):
    import torch

    network = make_network(peer, tagger).float()

    def score(inputs, jets):
        torch.set_num_threads(threads)
        peer.logits(network, jets, [len(jet.p4) for jet in jets])

    return score


def make_rows(peer, tagger, folder: Path) -> dict:
    """How each row of the table scores a batch, by its name and number of threads."""
    rows = {}
    for threads in (1, 2):
        rows["`lorentznet.Tagger`", threads] = of_tagger(tagger, threads)
        rows["ONNX Runtime", threads] = of_session(open_session(tagger, folder, float32=False, threads=threads))
        rows["ONNX Runtime, `--float`", threads] = of_session(open_session(tagger, folder, True, threads))
        rows["PyTorch, eager", threads] = of_torch(peer, tagger, threads)
    return rows


def print_speed(peer, taggers: dict, folder: Path, rounds: int):
    print("| jets/s | threads | batches of 1 | batches of 32 |\n|---|---|---|---|")
    for task, tagger in taggers.items():
        jets = [peer.Jet(jet.p4.astype(np.float32), jet.scalars.astype(np.float32), jet.label, jet.columns)
                for jet in read_jets(peer, task, 320)]  # fmt: skip
        rows = make_rows(peer, tagger, folder)
        batches = {}
        for size in (1, 32):
            parts = [jets[first : first + size] for first in range(0, len(jets), size)]
            batches[size] = [(make_inputs(peer, task, part), part) for part in parts]
        rates = {(row, size): [] for row in rows for size in batches}
        for _ in range(rounds):
            for (row, size), found in rates.items():
                found.append(rate(rows[row], batches[size]))
        for name, threads in rows:
            of_row = (max(rates[(name, threads), size]) for size in batches)
            print(f"| {TASKS[task]}, {name} | {threads} | {' | '.join(f'{found:.0f}' for found in of_row)} |", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["precision", "speed"])
    for task in TASKS:
        shipped = PROJECT / "logs" / task / "pretrained" / "best-val-model.pt"
        parser.add_argument(f"--{task}", type=Path, default=shipped, metavar="CHECKPOINT")
    parser.add_argument("--jets", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=7)
    words = parser.parse_args()
    peer = load_peer()
    taggers = {task: lorentznet.Tagger(getattr(words, task)) for task in TASKS}
    with tempfile.TemporaryDirectory() as folder:
        if words.what == "precision":
            print_precision(peer, taggers, Path(folder), words.jets)
        else:
            print_speed(peer, taggers, Path(folder), words.rounds)


if __name__ == "__main__":
    main()
