#!/usr/bin/env python3
"""Writes the seeds of the fuzz targets, small files of every kind: tests/fuzz/seeds/TARGET/NAME.

    PYTHONPATH=.deps/python-test tests/fuzz/make_seeds.py --bin build/release/bin

Needs numpy, h5py, PyTables and the built programs, which train a tiny network.
"""

import io
import json
import shutil
import struct
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[2]
SEEDS = ROOT / "tests" / "fuzz" / "seeds"
sys.path.insert(0, str(ROOT / "tests" / "python"))
import harness  # noqa: E402
from check_formats import write_table  # noqa: E402

JETS, PARTICLES = 4, 6


def write(target: str, name: str, content: bytes) -> None:
    file = SEEDS / target / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(content)


def own_arrays() -> dict:
    arrays = harness.top_arrays("test", 0, JETS)
    return {"X": arrays["Pmu"][:, :PARTICLES].astype(np.float32), "y": arrays["is_signal"].astype(np.int8),
            "scalars": np.ones((JETS, PARTICLES, 1), np.float32), "weight": np.linspace(0.5, 2, JETS),
            "id": np.arange(JETS)}  # fmt: skip


def top_arrays() -> dict:
    arrays = harness.top_arrays("test", 0, JETS)
    short = {name: arrays[name][:, :PARTICLES] for name in ("Pmu", "label")}
    return arrays | short | {"Nobj": short["label"].sum(1)}


def qg_arrays() -> dict:
    arrays = harness.qg_arrays(0, JETS)
    return arrays | {"X": arrays["X"][:, :PARTICLES]}


def npy(array: np.ndarray) -> bytes:
    out = io.BytesIO()
    np.save(out, array)
    return out.getvalue()


def write_arrays(folder: Path) -> None:
    for name, array in {"f8": np.arange(6.0).reshape(2, 3), "fortran": np.asfortranarray(np.eye(3, 4)),
                        "i8": np.arange(5), "u1": np.array([1, 2], np.uint8), "big": np.arange(3, dtype=">i4"),
                        "empty": np.zeros((0, 4), np.float32)}.items():  # fmt: skip
        write("npy", name, npy(array))
    for name, arrays, save in (("own", own_arrays(), np.savez), ("own-deflated", own_arrays(), np.savez_compressed),
                               ("qg", qg_arrays(), np.savez), ("qg-deflated", qg_arrays(), np.savez_compressed)):  # fmt: skip
        save(folder / "a.npz", **arrays)
        write("npz", name, (folder / "a.npz").read_bytes())


def write_hdf5(folder: Path) -> None:
    import h5py

    file = folder / "a.h5"
    harness.write_h5(file, own_arrays())
    write("hdf5", "own", file.read_bytes())
    with h5py.File(file, "w") as out:
        for name, values in top_arrays().items():
            out.create_dataset(name, data=values, compression="gzip", shuffle=True, chunks=True)
    write("hdf5", "top", file.read_bytes())
    write_table(file, harness.top_arrays("test", 0, JETS))
    write("hdf5", "table", file.read_bytes())


def write_experiment(folder: Path) -> None:
    """What a training writes."""
    data = folder / "data"
    (data / "datasets").mkdir(parents=True)
    np.savez(data / "datasets" / "QG_jets.npz", **harness.qg_arrays(0, 40))
    program = harness.OPTIONS.bin / "qg_tagging"
    subprocess.run([program, "--exp_name=a", f"--logdir={folder}", f"--datadir={data}", "--epochs=1",
                    "--n_hidden=2", "--n_layers=1", "--device=cpu", "-q"], check=True)  # fmt: skip
    for target, name, file in (("checkpoint", "network", "best-val-model.pt"),
                               ("checkpoint", "training-state", "training-state.pt"), ("json", "args", "args.json"),
                               ("json", "train-result", "train-result.json"), ("flags", "args", "args.json")):  # fmt: skip
        write(target, name, (folder / "a" / file).read_bytes())
    with zipfile.ZipFile(folder / "a" / "best-val-model.pt") as archive:
        description = json.loads(archive.read("archive/lorentznet.json"))
    description["tests"] = description["tests"][:1]
    write("json", "description", json.dumps(description).encode())


def write_pickles() -> None:
    """Dictionaries of tensors, of storages as the target has them: the bytes that an entry has are its key."""
    import hostile

    for name, storage, key, size, shape, strides, offset in (
        ("float", "FloatStorage", "24", 6, (2, 3), (3, 1), 0),
        ("transposed", "FloatStorage", "24", 6, (3, 2), (1, 3), 0),
        ("offset", "FloatStorage", "24", 6, (5,), (1,), 1),
        ("double", "DoubleStorage", "48", 6, (6,), (1,), 0),
        ("long", "LongStorage", "8", 1, (), (), 0),
        ("half", "HalfStorage", "8", 4, (4,), (1,), 0),
        ("bfloat16", "BFloat16Storage", "2", 1, (1,), (1,), 0),
    ):
        tensor = hostile.tensor(key, size, shape, strides, offset).replace(b"FloatStorage", storage.encode())
        write("pickle", name, hostile.PROTOCOL + hostile.state(tensor) + hostile.STOP)


def write_flags() -> None:
    for name, words in (("test", "--test_mode --exp_name pretrained --boost 0,0.9 --boost_axis random --rotate "
                                 "--equivariance 100 --report --out results"),
                        ("train", "--exp_name mine --epochs=2 --n_hidden 16 --n-layers 3 --lr 1e-3 --c_weight -0.5 "
                                  "--pooling jet --coordinates float --kernel plain --device cpu -v"),
                        ("files", "--test_mode --exp_name a --test_data b.h5 c.npz --on_bad_jet skip --no_cache"),
                        ("help", "--help")):  # fmt: skip
        write("flags", name, "\n".join(words.split()).encode())


def write_cache() -> None:
    """Two jets, in the layout of docs/data-files.md. The target puts its own files and the checksums in."""
    columns = {"p4": np.array([[5, 3, 0, 4], [2, 1, 1, 1], [7, 0, 0, 6]], float), "offsets": np.array([0, 2, 3]),
               "species": np.array([0, 1, -1], np.int8), "column": np.array([0, 1, 0], np.int16),
               "label": np.array([0, 1], np.int8), "scalars": np.ones(3), "weight": np.ones(2),
               "id": np.arange(2)}  # fmt: skip
    header, data = {"sources_of_jets": [["jets.npz", 0, 0], ["more.npz", 1, 0]], "skipped": ["jets.npz: jet 1"]}, b""
    header["columns"] = {}
    for name, values in columns.items():
        content = values.tobytes()
        header["columns"][name] = {"place": len(data), "bytes": len(content), "xxh3": ""}
        data += content + bytes(-len(content) % 64)
    text = json.dumps(header | {"bytes": len(data)}).encode()
    start = b"LNJETS\r\n" + struct.pack("<QQQ", 2, len(text), 0) + text
    write("cache", "two-jets", start + bytes(-len(start) % 64) + data)


def main() -> None:
    shutil.rmtree(SEEDS, ignore_errors=True)
    with tempfile.TemporaryDirectory() as folder:
        write_arrays(Path(folder))
        write_hdf5(Path(folder))
        write_experiment(Path(folder))
    write_cache()
    write_pickles()
    write_flags()


if __name__ == "__main__":
    main()
