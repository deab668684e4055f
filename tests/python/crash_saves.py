"""The saves of scripts/crash_matrix.py."""

import re
import sys
from collections.abc import Callable
from pathlib import Path

import file_server
import harness
import numpy as np
from crash_points import Save, Server

def run_tool(name: str, *words) -> Callable[[Path], list]:
    return lambda folder: ["save_tool", name, folder, *words]


def made_by(*commands, env=None) -> Callable[[Server, Path], None]:
    """The files of before: those of these commands."""

    def prepare(server: Server, folder: Path):
        for command in commands:
            done = server.run(command(folder), (env or (lambda folder: {}))(folder))
            if done.returncode != 0:
                sys.exit(f"error: {command(folder)}: {done.stderr}")

    return prepare


def nothing(server: Server, folder: Path):
    """No files of before but one of the user's."""
    (folder / "notes.txt").write_text("mine")


def plain_saves(scratch: Path) -> list[Save]:
    """Of the library, without LibTorch."""
    jets = scratch / "jets.npz"

    def cached(folder: Path) -> dict:
        return {"LORENTZNET_CACHE": str(folder / "cache")}

    def write_jets(seed: int):
        jets.unlink(missing_ok=True)
        momenta = np.random.default_rng(seed).normal(size=(30, 5, 3))
        energies = np.sqrt((momenta**2).sum(-1, keepdims=True) + 0.02)
        np.savez(jets, X=np.concatenate([energies, momenta], -1), y=np.arange(30) % 2)

    def old_cache(server: Server, folder: Path):
        write_jets(1)
        made_by(run_tool("cache", 30, jets), env=cached)(server, folder)
        write_jets(2)

    def no_cache(server: Server, folder: Path):
        write_jets(2)
        nothing(server, folder)

    saves = [Save(name, "save_tool", made_by(run_tool(name, 1)), run_tool(name, 2))
             for name in ("checkpoint", "scores", "record")]  # fmt: skip
    saves += [Save(f"first {save.name}", "save_tool", nothing, save.command) for save in saves]
    saves += [Save("cache", "save_tool", old_cache, run_tool("cache", 30, jets), cached, tolerates=True),
              Save("first cache", "save_tool", no_cache, run_tool("cache", 30, jets), cached, tolerates=True)]  # fmt: skip
    return saves


def downloads(scratch: Path, files: file_server.Server) -> list[Save]:
    network = np.random.default_rng(4).bytes(30_000)  # one segment of a connection
    files.files |= {"args.json": b'{"n_hidden": 4}', "best-val-model.pt": network}
    rows = [file_server.row(files, "set", name) for name in files.files]
    known = file_server.write_table(scratch / "known.tsv", *rows)
    unknown = file_server.write_table(scratch / "unknown.tsv", *(re.sub(r"[0-9a-f]{64}", "-", row) for row in rows))

    def half(server: Server, folder: Path):
        nothing(server, folder)
        (folder / "data").mkdir()
        (folder / "data" / "unfinished-download").touch()
        (folder / "data" / "best-val-model.pt.part").write_bytes(network[:10_000])

    return [Save("download", "save_tool", nothing, run_tool("download", 1, known)),
            Save("download, continued", "save_tool", half, run_tool("download", 1, known)),
            Save("download, new sums", "save_tool", nothing, run_tool("download", 1, unknown)),
            Save("download of a network", "save_tool", nothing, run_tool("network", 1, known))]  # fmt: skip


def reports() -> list[Save]:
    """Of scripts/plots and of the Python package."""
    return [Save("report", "save_server.py", made_by(run_tool("report", 1)), run_tool("report", 2)),
            Save("picture", "save_server.py", made_by(run_tool("picture", 1)), run_tool("picture", 2)),
            Save("first picture", "save_server.py", nothing, run_tool("picture", 2)),
            Save("package's scores", "save_server.py", made_by(run_tool("scores", 1)), run_tool("scores", 2)),
            Save("package's first scores", "save_server.py", nothing, run_tool("scores", 2)),
            Save("package's network", "save_server.py", nothing, run_tool("network", 2))]  # fmt: skip


def experiments(scratch: Path) -> list[Save]:
    """Of the programs."""
    data = harness.write_qg(scratch / "data", harness.qg_arrays(count=40))
    other = scratch / "other.npz"
    np.savez(other, **harness.qg_arrays(first=60, count=20))

    def program(*words) -> Callable[[Path], list]:
        return lambda folder: [harness.OPTIONS.bin / "qg_tagging", "--logdir", folder, "--exp_name=run", "--device=cpu",
                               "--datadir", data, *words]  # fmt: skip

    def go_on(folder: Path) -> list:
        """What a user does: --resume, if there is something to resume."""
        return (resume if (folder / "run" / "args.json").exists() else train)(folder)

    train, shorter = program(*harness.SMALL), program(*harness.SMALL, "--epochs=1")
    resume, longer = program("--resume"), program("--resume", "--epochs=2")
    test, other_test = program("--test_mode"), program("--test_mode", "--test_data", other)
    return [Save("training", "traced_programs", nothing, train, again=go_on),
            Save("training, resumed", "traced_programs", made_by(shorter), longer),
            Save("test", "traced_programs", made_by(shorter, other_test), test)]  # fmt: skip


def all_saves(scratch: Path, files: file_server.Server) -> list[Save]:
    return plain_saves(scratch) + downloads(scratch, files) + reports() + experiments(scratch)
