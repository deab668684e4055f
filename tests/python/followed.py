"""A running program whose lines are read one by one, to disturb it at one of them."""

import contextlib
import select
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import harness


class Followed:
    """The program's stdout holds only a few lines, so it can't be far ahead of this process, however slow that is.
    Ends the program if it is still running at the end of a `with` block."""

    def __init__(self, command: list[str], env: dict[str, str], can_hold: bool = False):
        self.socket, self._theirs = socket.socketpair()
        self._theirs.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1)  # the kernel raises it to the least it allows
        self.errors = tempfile.TemporaryFile()
        self.process = harness.start(command, env, self._theirs, self.errors)
        if not can_hold:
            self._theirs.close()
        self.output, self._seen = b"", 0

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.process.kill()
        self.process.wait()
        self.socket.close()
        self._theirs.close()
        self.errors.close()

    def hold(self):
        """From now on the program waits when it prints, which it must do before it ends by itself."""
        with contextlib.suppress(BlockingIOError):
            while True:
                self._theirs.send(b"\n", socket.MSG_DONTWAIT)

    def _receive(self, seconds: float) -> bool:
        """Adds what comes within that time to the output. Returns whether something did."""
        if not select.select([self.socket], [], [], seconds)[0]:
            return False
        received = self.socket.recv(1 << 16)
        self.output += received
        return bool(received)

    def read_line(self) -> str:
        """The next line with its end; empty once the program has closed stdout."""
        while b"\n" not in self.output[self._seen :]:
            end = time.monotonic() + harness.HANG
            if not self._receive(harness.HANG):
                if time.monotonic() >= end:
                    raise subprocess.TimeoutExpired(self.process.args, harness.HANG, self.output)
                return ""
        begin, self._seen = self._seen, self.output.index(b"\n", self._seen) + 1
        return self.output[begin : self._seen].decode()

    def wait_for_line(self, wanted: Callable[[str], bool], count: int = 1) -> bool:
        """Reads up to the `count`-th wanted line. Returns whether there are so many."""
        while count > 0:
            line = self.read_line()
            if not line:
                return False
            count -= wanted(line)
        return True

    def go_on(self, seconds: float):
        """Lets the program go on for that time."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0 and self._receive(left):
            pass

    def send_signal(self, number: int, seconds: float = 0):
        """After that time, in which the program goes on."""
        self.go_on(seconds)
        self.process.send_signal(number)

    def wait_until_served(self, number: int):
        """Waits until the program's handler of a signal has run, after which the next one ends it."""
        caught = 1 << (number - 1)
        end = time.monotonic() + harness.HANG
        while int(self._status("SigCgt"), 16) & caught:
            if time.monotonic() > end:
                raise AssertionError(f"signal {number} is not served")
            time.sleep(0.001)

    def _status(self, name: str) -> str:
        lines = Path(f"/proc/{self.process.pid}/status").read_text().splitlines()
        return dict(line.split(":\t", 1) for line in lines if ":\t" in line)[name]

    def wait(self) -> int:
        """Returns the exit status, without reading what the program still prints."""
        return self.process.wait(harness.HANG)

    def finish(self) -> subprocess.CompletedProcess:
        """Reads to the end. Returns everything that the program printed."""
        self._theirs.close()
        while self.read_line():
            pass
        status = self.wait()
        self.errors.seek(0)
        return subprocess.CompletedProcess(self.process.args, status, self.output.decode(), self.errors.read().decode())
