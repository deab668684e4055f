"""Runs of programs, several at once, that end together: a signal stops all of them, and the same call goes on later."""

import ctypes
import os
import signal
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
SECONDS_BETWEEN_LOOKS = 0.05
PR_SET_PDEATHSIG = 1


@dataclass
class Step:
    """A command whose output is appended to `log`; if it succeeds, `after` returns what is wrong all the same, or ""."""

    name: str
    command: list[str]
    log: Path
    after: Callable[[], str]


class Stopped(Exception):
    """By a signal."""

    def __init__(self, number: int):
        super().__init__(f"stopped by {signal.Signals(number).name}; the same command goes on")
        self.status = 128 + number


def last_of(text: str) -> str:
    """Its last line, where programs say what is wrong."""
    return next((line for line in reversed(text.splitlines()) if line.strip()), "no output")


def _end_with_parent():
    """In the child: a killed script leaves no training behind, which would keep its folder locked."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


def _start(step: Step, threads: int | None) -> subprocess.Popen:
    step.log.parent.mkdir(parents=True, exist_ok=True)
    env = os.environ | ({} if threads is None else {"OMP_NUM_THREADS": str(threads)})
    with open(step.log, "ab") as log:
        # A session of its own: Ctrl-C of the terminal would be a second signal, which saves no state.
        return subprocess.Popen(step.command, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT,
                                env=env, start_new_session=True, preexec_fn=_end_with_parent)  # fmt: skip


def _stop(running: dict[str, tuple[Step, subprocess.Popen]]) -> None:
    for _, process in running.values():
        process.terminate()
    for _, process in running.values():
        process.wait()


def run_all(steps: list[Step], jobs: int, say: Callable[[str], None] = print) -> list[str]:
    """Runs `jobs` steps at a time, more than one with a thread each. A line for each that failed; the others go on.
    Stopped after a signal, when all that ran have saved their state."""
    waiting, running, failures = list(steps), {}, []
    received: list[int] = []
    before = {number: signal.signal(number, lambda number, frame: received.append(number)) for number in SIGNALS}
    try:
        while waiting or running:
            if received:
                raise Stopped(received[0])
            while waiting and len(running) < jobs:
                step = waiting.pop(0)
                say(f"{step.name}: {step.log}")
                running[step.name] = (step, _start(step, 1 if jobs > 1 else None))
            for step, process in [pair for pair in running.values() if pair[1].poll() is not None]:
                del running[step.name]
                status = process.returncode
                wrong = step.after() if status == 0 else f"status {status}: {last_of(step.log.read_text(errors='replace'))}"
                if wrong:
                    failures.append(f"{step.name}: {wrong}")
                    say(failures[-1])
            time.sleep(SECONDS_BETWEEN_LOOKS)
    finally:
        _stop(running)
        for number, handler in before.items():
            signal.signal(number, handler)
    return failures
