"""Time of a network for a jet, on one core."""

import os
import re
import subprocess
import tempfile
from pathlib import Path

from plots.errors import PlotError

from . import steps
from .study import PROJECT, Network, Study

SAMPLES = {"top": PROJECT / "data" / "top" / "test.h5", "qg": PROJECT / "data" / "qg" / "datasets" / "QG_jets.npz"}
BATCH = 100
LINE = re.compile(r">> test .* Batch (\d+)/(\d+) .* Avg Batch Time ([\d.]+)$", re.MULTILINE)


def microseconds(study: Study, network: Network, file: Path, rounds: int) -> float:
    """The best of some tests with one thread on the CPU: other work on the machine only makes them slower."""
    return 1e6 * min(_seconds_per_jet(study, network, file) for _ in range(rounds))


def _seconds_per_jet(study: Study, network: Network, file: Path) -> float:
    """The line after the last full batch has the time since the first one began."""
    with tempfile.TemporaryDirectory(prefix="lorentznet-") as out:
        command = study.test_command(network, Path(out), "--device", "cpu", "--num_workers", "0", "--batch_size", BATCH,
                                     "--log_interval", 1, "--test_data", file)  # fmt: skip
        result = subprocess.run(command, env=os.environ | {"OMP_NUM_THREADS": "1"}, capture_output=True, text=True)
    if result.returncode != 0:
        raise PlotError(f"{network.folder}: {steps.last_of(result.stderr)}")
    full = [float(time) for batch, batches, time in LINE.findall(result.stdout) if int(batch) < int(batches) - 1]
    if not full:
        raise PlotError(f"{file}: too few jets to measure the time, expected more than {2 * BATCH} with labels")
    return full[-1] / BATCH
