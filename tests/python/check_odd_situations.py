"""Odd situations: flags, paths, locales, limits, damaged files. Each run ends with the right status, an error is one
line, no program crashes, and the experiment in use stays as it was.

    check_odd_situations.py [--bin DIR] [--full | --part K/N | --only PART-OF-A-NAME]

A sample is a test; --full runs the whole table (odd_situations.py) by hand, which takes ten minutes, --part one N-th of
it, and --only those whose names contain a text.
"""

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

import harness
import odd_situations
from odd_situations import Situation

OWN = [word for word in sys.argv[1:] if word in ("--full", "--part", "--only")]
VALUE = sys.argv[sys.argv.index(OWN[0]) + 1] if OWN and OWN != ["--full"] else ""
SECONDS = 60  # in which each ends, those with a launcher's variables too
# Of the loader and of the C++ runtime, before or without the program's own lines.
BEFORE_MAIN = r"error while loading shared libraries|cannot (allocate|create|open|map)|terminate called|libgomp|GnuTLS init|oneMKL FATAL"


class World:
    """A folder with an experiment "kept", its data, and copies of both for what a situation changes."""

    small = harness.SMALL

    def __init__(self, folder: Path):
        self.folder = folder
        self.data = harness.write_qg(folder / "data", harness.qg_arrays(count=40))
        self.kept = harness.train("qg", folder, self.data, "kept", "--epochs=1")
        self.good = harness.snapshot(self.kept)
        self.expected = {name: self.good[name] for name in ("score.npy", "best-val-model.pt", "args.json")}
        (folder / "links").mkdir()
        (folder / "names").mkdir()
        self.jets = folder / "jets.npz"
        np.savez(self.jets, **harness.qg_arrays(first=60, count=12))
        top = harness.top_arrays("test", count=6)
        self.jet_files = {"qg.npz": folder / "qg.npz", "top.h5": harness.write_h5(folder / "top.h5", top)}
        np.savez_compressed(self.jet_files["qg.npz"], **harness.qg_arrays(count=8))

    def copy(self, name: str) -> Path:
        """The experiment in another folder."""
        harness.restore(self.folder / name, self.good)
        return self.folder / name

    def link(self, name: str):
        target = self.folder / "links" / name
        target.unlink(missing_ok=True)
        target.symlink_to(self.jets)

    def secret(self, name: str):
        self.link(name)
        target = self.folder / "links" / name
        target.unlink()
        target.write_bytes(b"")
        target.chmod(0)

    def fill(self, word) -> str:
        """The word with the paths that it stands for."""
        text = str(word)
        for name in ("folder", "data", "kept", "jets"):
            text = text.replace("{" + name + "}", str(getattr(self, name)))
        return text


def run(world: World, situation: Situation) -> subprocess.CompletedProcess:
    words = [str(harness.OPTIONS.bin / situation.program), *map(world.fill, situation.words)]
    if situation.program != "jets" and "--help" not in words:
        words.insert(1, "--device=cpu")
    env = harness.environment() | situation.env
    env = {name: value for name, value in env.items() if value is not None}
    cwd = world.folder
    if situation.cwd == "gone":
        cwd = world.folder / "gone"
        cwd.mkdir()
        words = ["/bin/sh", "-c", 'cd "$0" && rmdir "$0" && exec "$@"', str(cwd), *words]
    elif situation.cwd:
        cwd = situation.cwd
    options = {"preexec_fn": situation.limit, "restore_signals": bool(situation.stdout)} if situation.limit else {}
    with open(situation.stdout or os.devnull, "wb") as out:
        stdout = out if situation.stdout else subprocess.PIPE
        return harness.finish(harness.start(words, env, stdout, cwd=Path(cwd), **options), SECONDS)


def wrong_end(situation: Situation, result) -> str | None:
    """What is wrong with how a run ended."""
    error = result.stderr
    before_main = (situation.limit or situation.cwd) and re.search(BEFORE_MAIN, error)
    if before_main and result.returncode in (1, 2, 127, -signal.SIGABRT, -signal.SIGSEGV):
        return None
    if result.returncode not in situation.ends:
        return f"status {result.returncode}, expected {sorted(situation.ends)}: {error[:300]!r}"
    if result.returncode == 0:
        return f"status 0, but says {error[:300]!r}" if error else None
    if re.fullmatch(r"[^\n]+\n", error) is None:
        return f"not one line of error: {error[:300]!r}"
    if not error.startswith(f"{situation.program}: ") or "Traceback" in error:
        return f"not a line of this program: {error[:300]!r}"
    if any(ord(c) < 32 and c != "\n" for c in error):
        return f"would garble a terminal: {error[:300]!r}"
    if situation.says and re.search(situation.says, error) is None:
        return f"does not say {situation.says!r}: {error[:300]!r}"
    return None


def wrong_files(world: World, situation: Situation, result) -> str | None:
    """What a run changed that it may not, which is then repaired."""
    after = harness.snapshot(world.kept)
    # Results are written before a stdout that breaks is noticed.
    ours = (result.returncode == 0 or situation.ends == odd_situations.LATE, "--exp_name=kept" in result.args)
    wrong = [name for name, content in world.good.items()
             if after.get(name) != content and name != "run.log" and not (all(ours) and name not in world.expected)]  # fmt: skip
    if all(ours) and f"--datadir={world.data}" not in result.args:
        wrong = [name for name in wrong if name != "score.npy"]  # of other jets
    partial = [str(file) for file in world.folder.rglob("*.partial")]
    if after != world.good:
        harness.restore(world.kept, world.good)
    return f"changed {', '.join(wrong)}" if wrong else f"left {', '.join(partial)}" if partial else None


def chosen(world: World) -> list[Situation]:
    """All situations, or a sample of each group at equal distances."""
    found = []
    for name, (group, short) in odd_situations.GROUPS.items():
        situations = list(group(world))
        names = [situation.name for situation in situations]
        assert len(names) == len(set(names)), f"{name}: {[n for n in names if names.count(n) > 1]}"
        if not OWN:
            situations = situations[len(situations) // (2 * short) :: len(situations) // short][:short]
        elif OWN == ["--part"]:
            part, parts = map(int, VALUE.split("/"))
            situations = situations[part - 1 :: parts]
        found += [situation for situation in situations if OWN != ["--only"] or VALUE in situation.name]
    return found


class OddSituationsTest(harness.ProgramTest):
    def test_all(self):
        world = World(self.folder)
        situations, start = chosen(world), time.monotonic()
        wrong = []
        for situation in situations:
            try:
                if situation.prepare:
                    situation.prepare(world)
                result = run(world, situation)
            except subprocess.TimeoutExpired:
                wrong.append(f"{situation.name}: hangs")
                continue
            for problem in (wrong_end(situation, result), wrong_files(world, situation, result)):
                if problem:
                    wrong.append(f"{situation.name}: {problem}")
                    print(wrong[-1], flush=True)
        print(f"{len(situations)} situations in {time.monotonic() - start:.0f} s, {len(wrong)} wrong", flush=True)
        self.assertGreater(len(situations), 0)
        self.assertEqual(wrong, [])


if __name__ == "__main__":
    sys.argv = [word for word in sys.argv if word not in (*OWN, VALUE)]
    sys.exit(harness.main())
