"""The points of scripts/crash_matrix.py: saves that are killed, or whose system calls fail, and what must hold then."""

import contextlib
import dataclasses
import errno
import io
import json
import os
import re
import signal
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import harness

SURVIVED = ("EINTR", "short")
NOT_ALLOWED = 3  # status of failing_calls and crash_matrix.py without ptrace; harness.SKIPPED would hide it
# What a call of each name may fail with.
FAILURES = {
    "open": ("EIO", "EINTR"), "write": ("EIO", "EINTR", "ENOSPC"), "writev": ("EIO", "EINTR", "ENOSPC"),
    "copy": ("EIO", "ENOSPC"), "read": ("EIO", "EINTR"), "readv": ("EIO", "EINTR"), "list": ("EIO", "EINTR"),
    "stat": ("EIO",), "fsync": ("EIO", "EINTR", "ENOSPC"), "truncate": ("EIO", "EINTR"), "fallocate": ("EIO", "ENOSPC"),
    "rename": ("EIO", "ENOSPC"), "unlink": ("EIO",), "mkdir": ("EIO", "ENOSPC"), "link": ("EIO", "ENOSPC"),
    "symlink": ("EIO", "ENOSPC"), "chmod": ("EIO",), "utime": ("EIO",), "mmap": ("ENOMEM",),
    "close": ("EIO", "EINTR", "ENOSPC"), "flock": ("ENOLCK", "EINTR"),
}  # fmt: skip
FULL_FROM_HERE = ("open", "write", "writev", "fsync", "rename", "mkdir")  # a full disk stays full
BROKEN_FROM_HERE = (*FULL_FROM_HERE, "read", "list", "unlink", "mmap")
HALVES = (ValueError, KeyError, zipfile.BadZipFile)  # of a file that cannot be read
# Files that are records of time, or that a killed process leaves behind: what they hold does not matter.
TEMPORARY = re.compile(r"\.partial$|\.part$|(^|/)(run|results)\.lock$|(^|/)unfinished-download$|(^|/)\.network\.download/")
WARNED = "run/train-provenance.json"  # a training goes on without it, and says so
RECORDS = re.compile(r"(^|/)(run\.log$|events\.out\.tfevents\.)")


@dataclasses.dataclass
class Call:
    number: int
    name: str
    details: str
    path: str
    path2: str
    result: int

    def actions(self) -> list[str]:
        """What is done to it."""
        done = ["kill-before", "kill-after", *FAILURES[self.name]]
        creates = self.name == "open" and self.details.startswith("creates")
        if creates:
            done.append("ENOSPC")
        if self.name in ("write", "read") and int(self.details) > 1:
            done.append("short")
        if self.name in FULL_FROM_HERE and (creates or self.name != "open"):
            done.append("ENOSPC+")
        if self.name in BROKEN_FROM_HERE:
            done.append("EIO+")
        return done


@dataclasses.dataclass
class Save:
    name: str
    server: str  # that runs it: a program, or a script of the tests
    prepare: Callable[["Server", Path], None]  # writes the files of before
    command: Callable[[Path], list]
    env: Callable[[Path], dict] = lambda folder: {}
    again: Callable[[Path], list] | None = None  # the command that comes to the end after a disturbance
    tolerates: bool = False  # a failure costs a line and time, but no result

    @property
    def rare(self) -> int:
        """The points of the short form: every such one."""
        return 79 if self.server == "traced_programs" else 7


class ForkServer:
    """Runs programs in forks of a process that has loaded their libraries (tests/tools/fork_server.h)."""

    def __init__(self, scratch: Path, *server: Path | str):
        self.out, self.err = scratch / "out", scratch / "err"
        self.process = subprocess.Popen(server, env=harness.environment(), stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def close(self):
        with contextlib.suppress(BrokenPipeError), self.process:
            self.process.stdin.close()

    def run(self, command: list[str], env: dict[str, str], timeout: int) -> subprocess.CompletedProcess:
        words = [timeout, self.out, self.err, len(command), *command, *(f"{name}={value}" for name, value in env.items())]
        request = b"".join(os.fsencode(str(word)) + b"\0" for word in words)
        try:
            self.process.stdin.write(b"%d\n" % len(request) + request)
            self.process.stdin.flush()
            answer = self.process.stdout.readline()
        except BrokenPipeError:
            answer = b""
        if not answer:  # it has told why on stderr
            if self.process.wait() == NOT_ALLOWED:
                print("error: saves cannot be traced on this machine: nothing was tested", file=sys.stderr)
                sys.exit(NOT_ALLOWED)
            sys.exit(f"error: {self.process.args[0]} ended")
        if int(answer) == -signal.SIGALRM:
            raise subprocess.TimeoutExpired(command, timeout)
        return subprocess.CompletedProcess(command, int(answer), self.out.read_text(), self.err.read_text())


class Server:
    """The server of a save's program under tests/tools/failing_calls.cpp, whose runs are disturbed as told."""

    def __init__(self, program: str, scratch: Path):
        self.folder = scratch / "watched"
        self.plan, self.log = scratch / "plan", scratch / "calls"
        words = [sys.executable, Path(__file__).with_name(program)] if program.endswith(".py") else [
            harness.OPTIONS.bin / program]  # fmt: skip
        self.server = ForkServer(scratch, harness.OPTIONS.bin / "failing_calls", self.folder, self.plan, self.log, *words)

    def close(self):
        self.server.close()

    def run(self, command: list, env: dict, number: int = 0, action: str = "none"):
        name, stays = action.removesuffix("+"), action.endswith("+")
        code = f"{getattr(errno, name)}{'+' * stays}" if name.startswith("E") else action
        self.plan.write_text(f"{number} {code}\n")
        return self.server.run([str(word) for word in command], harness.environment(**env), harness.HANG)

    def calls(self) -> list[Call]:
        lines = (line.split("\t") for line in self.log.read_text().splitlines())
        return [Call(int(number), name, details, path, path2, int(result))
                for number, name, details, path, path2, result in lines]  # fmt: skip

    def stages(self, calls: list[Call]) -> dict[str, list[bytes]]:
        """The contents with which files got their names in the undisturbed run."""
        found = {}
        for call in calls:
            copy = self.log.with_name(f"{self.log.name}.{call.number}")
            if copy.exists():
                name = os.path.relpath(call.path2, self.folder)
                with contextlib.suppress(*HALVES):
                    found.setdefault(name, []).append(without_times(name, copy.read_bytes()))
                copy.unlink()
        return found


def without_times(name: str, content: bytes) -> bytes:
    """What does not differ from run to run. Fails for a half of a file."""
    name = name.rpartition("/")[2]
    if name == "training-state.pt":
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            entries = {entry: archive.read(entry) for entry in archive.namelist()}
        # The names of the arrays in order: the number of bytes, then the text.
        names = re.finditer(rb"X(.{4})module\.", entries["archive/data.pkl"], re.DOTALL)
        for k, name in enumerate(names):
            array = name.string[name.end() :][: int.from_bytes(name[1], "little") - len("module.")]
            if array in (b"record.train_time", b"record.val_time"):
                entries[f"archive/data/{k}"] = b""
            elif array == b"progress.doubles":  # the second of them is seconds
                doubles = entries[f"archive/data/{k}"]
                entries[f"archive/data/{k}"] = doubles[:8] + doubles[16:]
        return repr(entries).encode()
    if name.endswith(".json"):
        record = json.loads(content)
        if name == "train-provenance.json":
            return b"whole"
        for key in ("train_time", "val_time"):
            record.pop(key, None)
        record.get("provenance", {}).pop("command", None)
        return json.dumps(record).encode()
    return content


def files_of(folder: Path) -> dict[str, bytes]:
    """What counts of the files of the folder: not what differs from run to run."""
    return {name: content for name, content in harness.snapshot(folder).items()
            if not TEMPORARY.search(name) and not RECORDS.search(name)}  # fmt: skip


def order_of_calls(calls: list[Call], new: dict[str, bytes], folder: Path) -> list[str]:
    """What a power cut could make of the save: names of files whose bytes are not on disk."""
    problems, unsynced, folders = [], set(), {}
    for call in calls:
        if call.result < 0:
            continue
        writes = call.name in ("write", "writev", "copy", "truncate")
        if (writes or "writes" in call.details) and os.path.relpath(call.path, folder) in new:
            problems.append(f"call {call.number} writes {call.path} under its own name")
        if writes or "creates" in call.details:
            unsynced.add(call.path)
        elif call.name == "fsync":
            unsynced.discard(call.path)
            folders.pop(call.path, None)
        elif call.name == "rename":
            if call.path in unsynced:
                problems.append(f"{call.path} gets its name before its bytes are on disk")
            folders[os.path.dirname(call.path2)] = call.path2
        elif call.name == "mkdir":
            folders[os.path.dirname(call.path)] = call.path
    return problems + [f"the folder of {name} is not synced after that got its name" for name in folders.values()]


class Matrix:
    """A save, and what became of it."""

    def __init__(self, save: Save, server: Server):
        self.save, self.server, self.folder = save, server, server.folder
        self.points = self.kills = 0
        self.problems: list[str] = []
        self.ends: set = set()  # from which the next run has come to the undisturbed end
        harness.restore(self.folder, {})
        self.folder.mkdir(parents=True)
        save.prepare(server, self.folder)
        self.before = harness.snapshot(self.folder)
        self.old = self.read()
        done = self.run(0, "copy")
        self.calls = server.calls()
        self.new, self.output = self.read(), done.stdout
        self.stages = server.stages(self.calls)  # what else a file was meanwhile: after each epoch, for example
        if done.returncode != 0 or not self.calls or self.old == self.new:
            sys.exit(f"error: {save.name}: undisturbed, status {done.returncode}, {len(self.calls)} calls: {done.stderr}")
        self.problems += [f"{save.name}: {text}" for text in order_of_calls(self.calls, self.new, self.folder)]

    def read(self) -> dict[str, bytes]:
        return {name: without_times(name, content) for name, content in files_of(self.folder).items()}

    def run(self, *disturbance, command=None):
        return self.server.run((command or self.save.command)(self.folder), self.save.env(self.folder), *disturbance)

    def restore(self):
        harness.restore(self.folder, self.before)
        self.folder.mkdir(exist_ok=True)

    def all_points(self) -> list[tuple[Call, str]]:
        """Of reads of a file in a row, the first and the last."""
        between = {call.number for before, call, after in zip(self.calls, self.calls[1:], self.calls[2:])
                   if before.name == call.name == after.name == "read" and before.path == call.path == after.path}
        return [(call, action) for call in self.calls if call.number not in between for action in call.actions()]

    def disturb(self, call: Call, action: str):
        """One point of the matrix."""
        self.restore()
        self.points += 1
        self.kills += action.startswith("kill")
        done = self.run(call.number, action)
        found = self.disturbed(call, action, done) + self.torn(call, action)
        state = frozenset((re.sub(r"\d+\.\d+\.partial", "partial", name), hash(content))
                          for name, content in harness.snapshot(self.folder).items()
                          if not RECORDS.search(name))  # fmt: skip
        if not found and state not in self.ends:
            found = self.next_run()
            self.ends.add(state)
        place = os.path.relpath(call.path, self.folder)
        self.problems += [f"{self.save.name}: call {call.number}, {call.name} {place}, {action}: {text}" for text in found]

    def disturbed(self, call: Call, action: str, done) -> list[str]:
        """What the process says of it."""
        if action.startswith("kill"):
            return [] if done.returncode == -9 else [f"was not killed: status {done.returncode}"]
        if not any(other.number == call.number and other.name == call.name for other in self.server.calls()):
            return ["the call did not come"]
        if action in SURVIVED and "Warning:" in done.stdout:
            return [line for line in done.stdout.splitlines() if "Warning:" in line]
        if done.returncode == 0 and not done.stderr:
            same_output = done.stdout.splitlines()[-1:] == self.output.splitlines()[-1:]
            complete = self.save.tolerates and action not in SURVIVED and same_output
            warned = action not in SURVIVED and re.search(rf"^Warning: .*{WARNED}", done.stdout, re.MULTILINE)
            without = {WARNED} if warned else set()
            return [] if complete or self.is_new(without) else ["succeeds without the new files"]
        if action in SURVIVED:
            return [f"status {done.returncode}: {done.stderr.strip()}"]
        lines = done.stderr.splitlines()
        if done.returncode != 2 or len(lines) != 1 or str(self.folder) not in lines[0]:
            return [f"status {done.returncode}: {done.stderr.strip()}"]
        return []

    def is_new(self, without: set[str] = frozenset()) -> bool:
        try:
            found = self.read()
            return all(found.get(name) == self.new.get(name) for name in (found.keys() | self.new.keys()) - without)
        except HALVES:
            return False

    def torn(self, call: Call, action: str) -> list[str]:
        """The files that are neither old nor new, and what is left behind without need."""
        found, there = [], files_of(self.folder)
        for name in sorted(self.old.keys() | self.new.keys() | there.keys()):
            try:
                content = without_times(name, there[name]) if name in there else None
            except HALVES:
                found.append(f"{name} is a half")
                continue
            if content not in (self.old.get(name), self.new.get(name), *self.stages.get(name, [])):
                found.append(f"{name} is gone" if content is None else f"{name} is neither the old file nor the new one")
        if not action.startswith("kill") and not action.endswith("+") and call.name != "unlink":
            left = [name for name in harness.snapshot(self.folder) if name.endswith(".partial") and name not in self.before]
            found += [f"{name} is left behind" for name in left]
        return found

    def next_run(self) -> list[str]:
        done = self.run(command=self.save.again or self.save.command)
        if done.returncode != 0:
            return [f"then the next run ends with status {done.returncode}: {done.stderr.strip()}"]
        return [] if self.is_new() else ["then the next run does not come to the undisturbed end"]
