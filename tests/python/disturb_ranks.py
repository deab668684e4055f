"""Kills and stops processes of trainings at random moments and checks how the trainings end.

    python3 tests/python/disturb_ranks.py --kills 20 --stops 10 [--ranks N] [--seed N]

After a kill (SIGKILL of one rank under torchrun --max-restarts) the training must end with the files of
an undisturbed one, bit for bit except for times. After a stop (SIGSTOP of one rank, started without
torchrun) all other ranks must end within seconds, with a status other than 0 and one line in total,
which names the stopped rank.
"""

import argparse
import os
import random
import re
import signal
import sys
import tempfile
import time
from pathlib import Path

import harness
import launchers
import same_run
from followed import Followed

TRAINING = ("--epochs=8", "--num_workers=3", "--dropout=0.2", "--log_interval=1", "--num_data=100",
            "--n_hidden=8")  # fmt: skip
TIMEOUT = 3  # seconds after which a rank counts as hanging


def ranks_below(pid: int) -> dict[int, int]:
    """Process ids by rank of the ranks started by the launcher `pid`."""
    found = {}
    for children in Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            for child in map(int, children.read_text().split()):
                words = Path(f"/proc/{child}/environ").read_bytes().split(b"\0")
                rank = [word[5:] for word in words if word.startswith(b"RANK=")]
                program = Path(f"/proc/{child}/exe").resolve().name
                if rank and program.endswith("_tagging"):
                    found[int(rank[0])] = child
        except OSError:  # it has ended
            continue
    return found


def words_of(data: Path, logdir: Path, *more) -> list:
    return [*harness.SMALL, *TRAINING, "--datadir", data, "--logdir", logdir, "--exp_name=run", *more]


class Disturber:
    def __init__(self, folder: Path, ranks: int, seed: int, timeout: int = TIMEOUT):
        self.folder, self.ranks, self.timeout = folder, ranks, timeout
        self.random = random.Random(seed)
        self.data = harness.write_qg(folder / "data")
        start = time.monotonic()
        results = launchers.run_ranks(ranks, "qg", *words_of(self.data, folder / "whole"))
        self.training_seconds = time.monotonic() - start
        if any(result.returncode != 0 for result in results):
            raise RuntimeError([result.stderr for result in results])
        self.whole = folder / "whole" / "run"
        self.lines = len(results[0].stdout.splitlines())

    def kill(self, number: int) -> str:
        """Trains under torchrun and kills a rank at a line of the training, which is so far from the end that the
        rank is still running. Returns what happened; raises an error if the training does not end as it must."""
        logs = self.folder / f"kill-{number}"
        program = harness.command("qg", *words_of(self.data, logs))
        command = launchers.torchrun(self.ranks, *program, restarts=3)
        line, rank = self.random.randint(1, self.lines - 30), self.random.randrange(self.ranks)
        with Followed(command, launchers.environment()) as launcher:
            launcher.wait_for_line(lambda line: True, line)
            launcher.go_on(self.random.choice((0, self.random.uniform(0, 0.005))))
            os.kill(ranks_below(launcher.process.pid)[rank], signal.SIGKILL)
            result = launcher.finish()
        if result.returncode != 0 or "failed" not in result.stderr:
            raise RuntimeError(f"torchrun: status {result.returncode}: {result.stderr}")
        same_run.check(logs / "run", self.whole)
        resumed = "resumed" if "Continuing from" in result.stdout else "began anew"
        return f"rank {rank} killed after {line} of {self.lines} lines, {resumed}: same bits"

    def stop(self, number: int) -> str:
        variables = launchers.variables_of_ranks(self.ranks)
        words = words_of(self.data, self.folder / f"stop-{number}", f"--timeout={self.timeout}",
                         "--epochs=1000")  # fmt: skip
        processes = launchers.start_ranks(variables, "qg", *words)
        rank = self.random.randrange(self.ranks)
        try:
            launchers.wait_for_line(processes[0], ">> train")
            delay = self.random.uniform(0, self.training_seconds)
            time.sleep(delay)
            processes[rank].send_signal(signal.SIGSTOP)
            start = time.monotonic()
            others = [process for place, process in enumerate(processes) if place != rank]
            results = launchers.wait_for(others, timeout=harness.HANG)
            seconds = time.monotonic() - start
        finally:
            for process in processes:
                process.kill()
                process.wait()
                process.stdout.close()
                process.stderr.close()
        lines = [line for result in results for line in result.stderr.splitlines()]
        if len(lines) != 1 or not re.search(rf": rank {rank} hangs: .* {self.timeout} s", lines[0]):
            raise RuntimeError(f"rank {rank} was stopped, but the ranks printed: {lines}")
        if any(result.returncode != 1 for result in results):
            raise RuntimeError(f"status {[result.returncode for result in results]}")
        return f"rank {rank} stopped after {delay:.2f} s: all ended within {seconds:.1f} s, it is named"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0], allow_abbrev=False)
    for name, value in (("kills", 20), ("stops", 10), ("ranks", 2), ("seed", 5)):
        parser.add_argument(f"--{name}", type=int, default=value)
    options = parser.parse_args(sys.argv[1:])
    with tempfile.TemporaryDirectory(prefix="lorentznet-") as folder:
        disturber = Disturber(Path(folder), options.ranks, options.seed)
        for count, disturb in ((options.kills, disturber.kill), (options.stops, disturber.stop)):
            for number in range(count):
                print(f"{number + 1}/{count} {disturb(number)}", flush=True)


if __name__ == "__main__":
    main()
