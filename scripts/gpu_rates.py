"""Jets a second of the programs on a GPU, and the memory that they take there: for scripts/gpu_checks.py."""

import json
import re
import subprocess
import tempfile
import threading
import time
from pathlib import Path

PARTICLES = 50
BATCHES = (32, 512, 4096)


def write_jets(file: Path, count: int):
    """Particles of random momenta; their values do not matter to the time."""
    import numpy as np  # where there is a GPU, LibTorch is Python's, and so is numpy

    random = np.random.default_rng(1)
    jets = np.zeros((count, PARTICLES, 4), np.float32)  # pT, y, phi, PDG id
    jets[..., 0] = random.exponential(10, (count, PARTICLES)) + 0.1
    jets[..., 1:3] = random.normal(0, 0.2, (count, PARTICLES, 2))
    jets[..., 3] = random.choice([22, 211, -211, 130], (count, PARTICLES))
    file.parent.mkdir(parents=True, exist_ok=True)
    np.savez(file, X=jets, y=random.integers(0, 2, count))


class MemoryWatch:
    """The most memory, in MiB, that was in use on the GPU meanwhile."""

    def __enter__(self):
        self.most = 0
        self._process = subprocess.Popen(["nvidia-smi", "--query-gpu=memory.used", "--format=csv,noheader,nounits",
                                          "-lms", "50"], stdout=subprocess.PIPE, text=True)  # fmt: skip
        self._thread = threading.Thread(target=self._read)
        self._thread.start()
        return self

    def _read(self):
        for line in self._process.stdout:
            self.most = max(self.most, int(line))

    def __exit__(self, *_):
        self._process.terminate()
        self._thread.join()
        self._process.wait()


def rate(command: list, batch: int, partition: str) -> dict:
    """Jets a second between a program's first and last line about batches of `partition`, or why there are none."""
    lines, errors = [], tempfile.TemporaryFile("w+")
    with MemoryWatch() as memory:
        process = subprocess.Popen([str(word) for word in command], stdout=subprocess.PIPE, stderr=errors, text=True)
        for line in process.stdout:
            if number := re.match(rf">> {partition}.*Batch (\d+)/", line):
                lines.append((int(number[1]), time.monotonic()))
        status = process.wait()
    if status != 0 or len(lines) < 2:
        errors.seek(0)
        return {"failed": (errors.read().strip().splitlines() or [f"status {status}"])[-1][:300]}
    (first, start), (last, end) = lines[0], lines[-1]
    return {"jets_per_second": round(batch * (last - first) / (end - start)), "memory_mib": memory.most}


def measure(bin_folder: Path, logs: Path, scratch: Path) -> list[dict]:
    """Rates of the published network, by the programs in `bin_folder`, for jets of 50 particles, which stay on the
    GPU. `logs` has a trained quark/gluon network, pretrained."""
    program, rows = bin_folder / "qg_tagging", []
    for batch in BATCHES:
        jets = min(1024 * batch, 2**17)
        file = scratch / f"jets-{batch}/datasets/QG_jets.npz"
        write_jets(file, jets)
        common = [program, "--device", "cuda", "--batch_size", batch, "--kernel"]
        for kernel in ("plain", "auto", "half"):
            command = [*common, kernel, "--test_mode", "--exp_name", "pretrained", "--logdir", logs, "--out",
                       scratch / "out", "--test_data", file, "--log_interval", max(1, jets // batch // 8)]  # fmt: skip
            rows.append({"mode": "inference", "kernel": kernel, "batch": batch} | rate(command, batch, "test"))
            most = 2**15 if batch < 512 else 2**16 if kernel == "plain" else jets
            command = [*common, kernel, "--exp_name", f"rate-{batch}", "--logdir", scratch / "logs", "--overwrite",
                       "--epochs", 1, "--datadir", file.parent.parent, "--num_data", min(jets, most),
                       "--log_interval", 2 if batch > 512 else 20]  # fmt: skip
            rows.append({"mode": "training", "kernel": kernel, "batch": batch} | rate(command, batch, "train"))
        print(*map(json.dumps, rows[-6:]), sep="\n", flush=True)
        file.unlink()
    return rows
