"""Whether two experiments ended with the same files, bit for bit except for times."""

import json
from pathlib import Path

import harness

torch = harness.load_torch()

TIMES = ("train_time", "val_time")
# Entries of training-state.pt that contain seconds.
SECONDS = ("module.record.train_time", "module.record.val_time")


def json_without(file: Path, names) -> dict:
    text = file.read_bytes()
    record = json.loads(harness.without_command(text) if file.name == "test-result.json" else text)
    return {key: value for key, value in record.items() if key not in names}


def state_of(file: Path) -> dict[str, bytes]:
    """training-state.pt without times."""
    state = torch.load(file, weights_only=True)
    state["module.progress.doubles"][1] = 0
    return {name: tensor.numpy().tobytes() for name, tensor in state.items() if name not in SECONDS}


def content(file: Path):
    """The part of a file that must be the same."""
    if file.name == "args.json":
        return json_without(file, ("logdir",))
    if file.suffix == ".json":
        return json_without(file, TIMES)
    return state_of(file) if file.name == "training-state.pt" else file.read_bytes()


def check(run: Path, expected: Path):
    """Raises an error that names a file that differs."""
    names = {name for name in harness.results(run) if not name.endswith(".partial")}
    if names != set(harness.results(expected)):
        raise AssertionError(f"{run} has the files {sorted(names)}")
    for name in sorted(names):
        if content(run / name) != content(expected / name):
            raise AssertionError(f"{run / name} differs from the one in {expected}")
