#!/usr/bin/env python3
"""Runs the README's commands, and the example of embedding, in a copy of what they write to.

    check_readme.py --bin DIR
"""

import argparse
import os
import pathlib
import re
import shutil
import subprocess
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text()


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)


def workplace(folder: pathlib.Path, binaries: pathlib.Path) -> None:
    """Data are read where they are; logs are written to a copy."""
    (folder / "data").symlink_to(ROOT / "data")
    (folder / "scripts").symlink_to(ROOT / "scripts")
    (folder / "build/release").mkdir(parents=True)
    (folder / "build/release/bin").symlink_to(binaries)
    for task in ("top", "qg"):
        source = ROOT / "logs" / task / "pretrained"
        target = folder / "logs" / task / "pretrained"
        target.mkdir(parents=True)
        for name in ("args.json", "best-val-model.pt", "train-result.json"):
            shutil.copy(source / name, target)


def environment() -> dict[str, str]:
    """Of one thread that does not spin: other tests run at the same time."""
    return os.environ | {"OMP_NUM_THREADS": "1", "OMP_WAIT_POLICY": "PASSIVE"}


def run_commands(folder: pathlib.Path) -> None:
    # The first block is what CI does: set up, build, test.
    commands = [block for block in blocks("sh") if "scripts/test.sh" not in block]
    assert len(commands) == 3, f"{len(commands)} blocks of commands in the README"
    for block in commands:
        subprocess.run(["bash", "-e", "-c", block], cwd=folder, env=environment(), check=True)
    for file in ("top/pretrained/score.npy", "top/pretrained/boost-0.9.json",
                 "qg/mine/test-result.json", "qg/mine/checkpoint-epoch-2.pt",
                 "top/pretrained/report.html", "top/pretrained/plots/symmetry.png", "qg/mine/plots/training.pdf"):  # fmt: skip
        assert (folder / "logs" / file).exists(), f"{file} was not written"


def run_embedding(binaries: pathlib.Path) -> None:
    program = (ROOT / "docs/embed.cpp").read_text()
    (example,) = blocks("cpp")
    for line in example.splitlines():
        assert line in program, f"not in docs/embed.cpp: {line}"
    output = subprocess.run(
        [binaries / "embed", ROOT / "logs/top/pretrained/best-val-model.pt", ROOT / "data/top/test.h5"],
        env=environment(), check=True, capture_output=True, text=True).stdout  # fmt: skip
    rows = [line.split() for line in output.splitlines()]
    right = sum((float(score) > 0.5) == (label == "1") for label, score in rows)
    assert len(rows) == 8 and right >= 6, f"{right} of {len(rows)} jets tagged right"


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--bin", type=pathlib.Path, required=True)
    binaries = parser.parse_args().bin.resolve()
    with tempfile.TemporaryDirectory() as folder:
        workplace(pathlib.Path(folder), binaries)
        run_commands(pathlib.Path(folder))
    run_embedding(binaries)


if __name__ == "__main__":
    main()
