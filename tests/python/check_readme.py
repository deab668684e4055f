#!/usr/bin/env python3
"""Runs the README's commands in a copy of the folders they write to, and the examples with LibTorch and torch of
docs/embedding.md. check_python_package.py runs the README's Python example.

    check_readme.py --bin DIR [--libtorch DIR --stubs DIR]
"""

import os
import pathlib
import re
import shutil
import subprocess
import tempfile

import harness

ROOT = harness.PROJECT
README = (ROOT / "README.md").read_text()
EMBEDDING = (ROOT / "docs/embedding.md").read_text()
TOP_JETS = 8  # of the test file: the shipped network has full size
# Root may start mpirun in a container, and there may be fewer cores than processes.
MPI = {"OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1",
       "OMPI_MCA_rmaps_base_oversubscribe": "1"}  # fmt: skip


def blocks(language: str, page: str = README) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", page, re.DOTALL)


def workplace(folder: pathlib.Path, binaries: pathlib.Path) -> None:
    """A copy of the project with few of the top jets, in which logs are written to a copy."""
    (folder / "data").mkdir()
    (folder / "data/qg").symlink_to(ROOT / "data/qg")
    harness.write_top(folder / "data/top", test=harness.top_arrays("test", count=TOP_JETS))
    (folder / "scripts").symlink_to(ROOT / "scripts")
    (folder / "build/release").mkdir(parents=True)
    (folder / "build/release/bin").symlink_to(binaries)
    for task in ("top", "qg"):
        source = ROOT / "logs" / task / "pretrained"
        target = folder / "logs" / task / "pretrained"
        target.mkdir(parents=True)
        for name in ("args.json", "best-val-model.pt", "train-result.json"):
            shutil.copy(source / name, target)


def run_commands(folder: pathlib.Path) -> None:
    # The first block is what CI does: set up, build, test.
    commands = [block for block in blocks("sh") if "scripts/test.sh" not in block]
    assert len(commands) == 4, f"{len(commands)} blocks of commands in the README"
    files = ["top/pretrained/score.npy", "top/pretrained/boost-0.9.json", "qg/mine/test-result.json",
             "qg/mine/checkpoint-epoch-2.pt", "qg/two/test-result.json", "top/pretrained/report.html",
             "top/pretrained/plots/symmetry.png", "qg/mine/plots/training.pdf"]  # fmt: skip
    if shutil.which("mpirun") is None:
        print("mpirun is not installed: its block is not run")
        commands = [block for block in commands if "mpirun" not in block]
        files.remove("qg/two/test-result.json")
    for block in commands:
        subprocess.run(["bash", "-e", "-c", block], cwd=folder, env=harness.environment(**MPI), check=True)
    for file in files:
        assert (folder / "logs" / file).exists(), f"{file} was not written"


def check_cpp_example() -> None:
    """Its lines are those of a program that check_examples.py builds and runs."""
    program = [line.strip() for line in (ROOT / "examples/cpp/score_jets.cpp").read_text().splitlines()]
    (example,) = blocks("cpp")
    for line in example.splitlines():
        assert line in program, f"not in examples/cpp/score_jets.cpp: {line}"


def run_libtorch_example(binaries: pathlib.Path) -> None:
    program = (ROOT / "docs/embed.cpp").read_text()
    (example,) = [block for block in blocks("cpp", EMBEDDING) if "load_model_state" in block]
    for line in example.splitlines():
        assert line in program, f"not in docs/embed.cpp: {line}"
    output = subprocess.run(
        [binaries / "embed", ROOT / "logs/top/pretrained/best-val-model.pt", ROOT / "data/top/test.h5"],
        env=harness.environment(), check=True, capture_output=True, text=True).stdout  # fmt: skip
    rows = [line.split() for line in output.splitlines()]
    right = sum((float(score) > 0.5) == (label == "1") for label, score in rows)
    assert len(rows) == 8 and right >= 6, f"{right} of {len(rows)} jets tagged right"


def run_torch_example() -> None:
    torch = harness.load_torch()
    (example,) = [block for block in blocks("python", EMBEDDING) if "import torch" in block]
    os.chdir(ROOT)
    names: dict = {}
    exec(example, names)
    weights = names["weights"]
    assert weights and all(isinstance(tensor, torch.Tensor) for tensor in weights.values())


def main() -> None:
    binaries = harness.OPTIONS.bin
    with tempfile.TemporaryDirectory() as folder:
        workplace(pathlib.Path(folder), binaries)
        run_commands(pathlib.Path(folder))
    check_cpp_example()
    run_libtorch_example(binaries)
    run_torch_example()


if __name__ == "__main__":
    main()
