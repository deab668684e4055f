#!/usr/bin/env python3
"""Disturbs one training of two ranks again and again, resumes it, and compares its end with the undisturbed training's.

    scripts/long_run.py [--disturbances N] [--minutes N | --epochs N] [--seed N] [--bin DIR]

Disturbances come at random places of the training, a quarter of them while it starts: a rank or both are killed
(SIGKILL), a rank is asked to end (SIGTERM) or stands still for a while (SIGSTOP, SIGCONT), the disk of the experiment is
full, the cache of jets is gone. Each end must be one that users can make sense of: the statuses that the README names, and
at most one line of error. After the last resume all files (weights, state, scores, results) must be those of a
training that ran beside it undisturbed, bit for bit but for times.

The network is small, so that an hour has thousands of saves. The disk is a small tmpfs, which needs root; for other users
a limit on the size of files takes its place. Exits with status 1 if anything is not as it must be; the folder with
both trainings is then kept. Needs a build of the programs and the tests' packages (scripts/setup.sh --tests).
"""

import argparse
import collections
import contextlib
import random
import re
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
KINDS = ("kill one", "kill all", "terminate", "stand still", "full disk", "no cache")
RANKS = 2
# Seconds of --timeout; five times as long a rank waits for one that was killed before it joined.
TIMEOUT = 10
TRAINING = ("--n_hidden=8", "--n_layers=2", "--batch_size=100", "--num_train=2000", "--device=cpu", "--num_workers=2",
            "--dropout=0.2", "--log_interval=1", f"--timeout={TIMEOUT}", "--exp_name=run")  # fmt: skip
CALIBRATION = 6  # epochs


def import_tests() -> None:
    """The tests' ways of starting programs, which read sys.argv themselves."""
    global harness, launchers, same_run, np, Followed
    sys.path[:0] = [str(ROOT / "tests" / "python"), str(ROOT / ".deps" / "python-test")]
    try:
        import harness
        import launchers
        import numpy as np
        import same_run
        from followed import Followed
    except ImportError as error:
        sys.exit(f"error: {error}; `scripts/setup.sh --tests` installs what is missing")


def write_jets(folder: Path) -> Path:
    """Training jets that take 67 MB in their file, so that they are cached, and few others."""
    folder.mkdir()
    for split in harness.TOP_SPLITS:
        momenta = harness.top_arrays("test")["Pmu"][:, :3]
        count = 10500 if split == "train" else 500
        X = np.zeros((count, 200, 4))
        X[:, :3] = np.tile(momenta, (count // len(momenta), 1, 1)) * np.linspace(1, 2, count)[:, None, None]
        np.savez(folder / f"{split}.npz", X=X, y=np.arange(count) // 7 % 2)
    return folder


class Disk:
    """Where the experiment is: it can be made full, and empty again."""

    def __init__(self, folder: Path, epochs: int):
        folder.mkdir()
        self.folder, self.filler = folder, folder / "filler"
        size = 16 + epochs // 16  # MB: each epoch leaves 35 kB
        words = ["mount", "-t", "tmpfs", "-o", f"size={size}m", "tmpfs", folder]
        self.mounted = shutil.which("mount") is not None and subprocess.run(words, capture_output=True).returncode == 0

    def fill(self, pids: list[int], limit: int) -> None:
        """No more than `limit` bytes can be written."""
        if not self.mounted:
            limit = max(limit, 4096)  # stderr is a file, too
            for pid in pids:
                with contextlib.suppress(ProcessLookupError):
                    resource.prlimit(pid, resource.RLIMIT_FSIZE, (limit, limit))
            return
        with self.filler.open("wb", buffering=0) as filler, contextlib.suppress(OSError):
            while shutil.disk_usage(self.folder).free > limit:
                filler.write(bytes(4096))

    def empty(self) -> None:
        self.filler.unlink(missing_ok=True)

    def close(self) -> None:
        if self.mounted:
            subprocess.run(["umount", self.folder], check=True)


@dataclass
class End:
    """How a start of the ranks ended."""

    statuses: list[int]
    output: str  # of rank 0
    errors: list[str]  # lines of all ranks


class Start:
    """Both ranks, from a start to an end."""

    def __init__(self, words: list):
        # A file that is too large is an error then, not a signal.
        command = ["env", "--ignore-signal=XFSZ", *harness.command("top", *words)]
        first, second = launchers.variables_of_ranks(RANKS)
        self.leader = Followed(command, launchers.environment(**first))
        self.other_errors = tempfile.TemporaryFile()
        self.other = subprocess.Popen(command, env=launchers.environment(**second), stdout=subprocess.DEVNULL,
                                      stderr=self.other_errors)  # fmt: skip
        self.processes = [self.leader.process, self.other]

    def __enter__(self):
        return self

    def __exit__(self, *error):
        for process in self.processes:
            process.kill()
        self.other.wait()
        self.other_errors.close()
        self.leader.__exit__(*error)

    def reach(self, place: float) -> bool:
        """Reads up to a line of training at or after this place, in epochs. False: it has ended before."""
        while line := self.leader.read_line():
            if (found := place_of(line)) is not None and found >= place:
                return True
        return False

    def signal(self, number: int, ranks) -> None:
        for rank in ranks:
            self.processes[rank].send_signal(number)

    def finish(self) -> End:
        result = self.leader.finish()
        status = self.other.wait(harness.HANG)
        self.other_errors.seek(0)
        errors = result.stderr.splitlines() + self.other_errors.read().decode().splitlines()
        return End([result.returncode, status], result.stdout, errors)


def place_of(line: str) -> float | None:
    """Of a line of training, in epochs."""
    found = re.match(r">> train \t Epoch (\d+)/\d+ \t Batch (\d+)/(\d+)", line)
    return int(found[1]) - 1 + int(found[2]) / int(found[3]) if found else None


def wrong_with(kind: str, end: End) -> str | None:
    """What is not as it must be after this kind of disturbance."""
    statuses, text = set(end.statuses), "; ".join(end.errors)
    allowed = {
        "kill one": {-signal.SIGKILL, 1},
        "kill all": {-signal.SIGKILL},
        "no cache": {-signal.SIGKILL},
        # Before it has a handler, or while its other rank ends: as without one.
        "terminate": {128 + signal.SIGTERM, -signal.SIGTERM, 1},
        "full disk": {2},
    }[kind]
    if not statuses <= allowed or statuses == {1}:
        return f"exit statuses {end.statuses}: {text}"
    if len(end.errors) > 1:
        return f"{len(end.errors)} lines of error: {text}"
    if kind == "full disk" and not re.search("No space left on device|File too large", text):
        return f"the line does not say that the disk is full: {text}"
    if statuses == {128 + signal.SIGTERM} and "--resume" not in end.output:
        return "it does not say how to resume"
    return None


class LongRun:
    def __init__(self, folder: Path, seed: int):
        self.random = random.Random(seed)
        self.data = write_jets(folder / "data")
        self.whole, self.disturbed = folder / "whole", folder / "disturbed"
        self.run = self.disturbed / "run"
        self.cache = self.data / ".lorentznet-cache"
        self.disk = None  # until the number of epochs is known
        self.counts = collections.Counter()

    def words(self, logdir: Path, epochs: int) -> list:
        return [*TRAINING, "--datadir", self.data, "--logdir", logdir, f"--epochs={epochs}"]

    def measure(self) -> None:
        """The seconds that a start and an epoch take."""
        begin = time.monotonic()
        with Start(self.words(self.whole.with_name("measured"), CALIBRATION)) as start:
            if not start.reach(0):
                sys.exit(f"error: the training did not begin: {start.finish().errors}")
            self.start_seconds = time.monotonic() - begin
            start.reach(CALIBRATION - 1)
            self.epoch_seconds = (time.monotonic() - begin - self.start_seconds) / (CALIBRATION - 1)
            start.finish()

    def plan(self, epochs: int) -> None:
        self.epochs, self.disk = epochs, Disk(self.disturbed, epochs)

    def start(self) -> Start:
        if (self.run / "args.json").exists():
            return Start(["--logdir", self.disturbed, "--exp_name=run", "--resume", "--device=cpu",
                          f"--timeout={TIMEOUT}"])  # fmt: skip
        return Start(self.words(self.disturbed, self.epochs))

    def disturb(self, start: Start, kind: str) -> str:
        """Returns what was done."""
        rank = self.random.randrange(RANKS)
        if kind == "stand still":
            seconds = self.random.uniform(0, 2)
            start.signal(signal.SIGSTOP, [rank])
            time.sleep(seconds)
            start.signal(signal.SIGCONT, [rank])
            return f"rank {rank} stands still for {seconds:.2f} s"
        if kind == "full disk":
            # Below what a state takes, which ends a run; above a line of error, for stderr may be a file, too.
            limit = self.random.choice((0, self.random.randrange(65536)))
            self.disk.fill([process.pid for process in start.processes], limit)
            return f"the disk has {limit} bytes left"
        if kind == "terminate":
            start.signal(signal.SIGTERM, [rank])
            return f"rank {rank} receives SIGTERM"
        if kind == "no cache":
            shutil.rmtree(self.cache, ignore_errors=True)
        ranks = [rank] if kind == "kill one" else range(RANKS)
        start.signal(signal.SIGSTOP, ranks)  # so that no rank sees another's end
        start.signal(signal.SIGKILL, ranks)
        killed = f"rank {rank} is killed" if kind == "kill one" else "both ranks are killed"
        return killed + (", the cache is gone" if kind == "no cache" else "")

    def one(self, start: Start, kind: str, place: float) -> tuple[str, bool]:
        """Disturbs at about this place. (what happened, whether it must be resumed)."""
        early = self.random.random() < 0.25
        if early:
            start.leader.go_on(self.random.uniform(0, 1.2 * self.start_seconds))
            when = "in the start"
        else:
            if not start.reach(place):
                end = start.finish()
                raise RuntimeError(f"ended before epoch {place:.2f}: {end.statuses}, {end.errors}")
            start.leader.go_on(self.random.choice((0, self.random.uniform(0, self.epoch_seconds))))
            when = f"after {place:.2f} epochs"
        text = f"{when}: {self.disturb(start, kind)}"
        if kind == "stand still":
            return text, False
        end = start.finish()
        self.disk.empty()
        if wrong := wrong_with(kind, end):
            raise RuntimeError(f"{text}: {wrong}")
        return f"{text}: statuses {end.statuses}", True

    def all(self, count: int) -> None:
        """All disturbances, and then to the end."""
        kinds = [KINDS[k % len(KINDS)] for k in range(count)]
        self.random.shuffle(kinds)
        with contextlib.ExitStack() as stack:
            start = stack.enter_context(self.start())
            for k, kind in enumerate(kinds):
                place = (k + self.random.random()) * self.epochs / (count + 1)
                text, must_resume = self.one(start, kind, place)
                self.counts[kind] += 1
                print(f"{k + 1}/{count} {text}", flush=True)
                if must_resume:
                    stack.close()
                    start = stack.enter_context(self.start())
            end = start.finish()
        if end.statuses != [0] * RANKS or end.errors:
            raise RuntimeError(f"the last start ended with {end.statuses}: {end.errors}")

    def compare(self) -> None:
        same_run.check(self.run, self.whole / "run")
        if not any(self.cache.iterdir()):
            raise RuntimeError("the jets were never cached")
        if left := [file.name for file in self.run.iterdir() if file.suffix == ".partial"]:
            raise RuntimeError(f"files are left over: {left}")

    def course(self, count: int) -> None:
        """The disturbed training, and beside it the undisturbed one."""
        whole = launchers.start_ranks(launchers.variables_of_ranks(RANKS), "top", *self.words(self.whole, self.epochs))
        patience = harness.HANG + 20 * self.epochs * self.epoch_seconds
        with ThreadPoolExecutor() as pool:
            results = pool.submit(launchers.wait_for, whole, patience)  # reads what it prints
            try:
                self.all(count)
            except BaseException:
                for process in whole:
                    process.kill()
                raise
        if any(result.returncode != 0 for result in results.result()):
            raise RuntimeError(f"the undisturbed training failed: {[result.stderr for result in results.result()]}")
        self.compare()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0], allow_abbrev=False)
    parser.add_argument("--disturbances", type=int, default=100, help="default: 100")
    parser.add_argument("--minutes", type=float, default=60, help="of the undisturbed training (default: 60)")
    parser.add_argument("--epochs", type=int, help="instead of --minutes: to repeat a run")
    parser.add_argument("--seed", type=int, default=1, help="default: 1")
    parser.add_argument("--bin", type=Path, default=ROOT / "build" / "release" / "bin", help="default: build/release/bin")
    options = parser.parse_args()
    sys.argv[1:] = ["--bin", str(options.bin)]
    import_tests()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("error: stopped"))  # the ranks end and the disk is unmounted
    folder = Path(tempfile.mkdtemp(prefix="lorentznet-"))
    begin, failed = time.monotonic(), None
    run = LongRun(folder, options.seed)
    try:
        run.measure()
        least = 2 * (options.disturbances + 1)  # no disturbance is behind the end
        run.plan(options.epochs or max(least, int(60 * options.minutes / run.epoch_seconds)))
        print(f"{run.epochs} epochs of {run.epoch_seconds:.2f} s; a start takes {run.start_seconds:.1f} s; "
              f"{'tmpfs' if run.disk.mounted else 'limited files'}; seed {options.seed}", flush=True)  # fmt: skip
        run.course(options.disturbances)
    except (RuntimeError, AssertionError, subprocess.TimeoutExpired) as error:
        failed = error
        if run.disk:
            shutil.copytree(run.disturbed, folder / "disturbed-kept")
    finally:
        if run.disk:
            run.disk.close()
    counts = ", ".join(f"{run.counts[kind]} {kind}" for kind in KINDS)
    seconds = time.monotonic() - begin
    if failed:
        sys.exit(f"error: after {counts}, {seconds:.0f} s: {failed}; see {folder}")
    shutil.rmtree(folder)
    print(f"{run.counts.total()} disturbances ({counts}) in {seconds:.0f} s: the same bits as undisturbed")


if __name__ == "__main__":
    main()
