"""Programs that tests start: by a ProgramServer if there is one, which takes a tenth of the time if the run is short."""

import atexit
import concurrent.futures
import ctypes
import functools
import os
import select
import signal
import socket
import subprocess
import threading
from pathlib import Path

PR_SET_CHILD_SUBREAPER = 36
SPARE = 60  # seconds after which a program is killed that has lost its test
# Variables that a program reads itself. Others may be read when a library is loaded, which the server has done.
OF_PROGRAMS = ("LORENTZNET_", "RANK", "WORLD_SIZE", "LOCAL_RANK", "MASTER_", "SLURM_", "http_proxy", "no_proxy", "TERM",
               "HDF5_USE_FILE_LOCKING")  # fmt: skip


class Program:
    """A program that a server has started, with what tests use of a subprocess.Popen whose streams are text."""

    def __init__(self, args: list[str], pid: int, stdout, stderr):
        self.args, self.pid, self.stdout, self.stderr, self.returncode = args, pid, stdout, stderr, None
        self._ended = os.pidfd_open(pid)

    def __enter__(self):
        return self

    def __exit__(self, *error):
        for stream in (self.stdout, self.stderr):
            if stream:
                stream.close()
        self.wait()

    def __del__(self):
        os.close(self._ended)

    def poll(self) -> int | None:
        if self.returncode is None and select.select([self._ended], [], [], 0)[0]:
            self.returncode = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        if not select.select([self._ended], [], [], timeout)[0]:
            raise subprocess.TimeoutExpired(self.args, timeout)
        return self.poll()

    def send_signal(self, number: int):
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self):
        self.send_signal(signal.SIGKILL)

    def communicate(self, timeout: float | None = None) -> tuple[str | None, str | None]:
        """Reads both streams to their ends and waits for the program, which is killed after the timeout."""
        streams = (self.stdout, self.stderr)
        with concurrent.futures.ThreadPoolExecutor() as threads:
            texts = [threads.submit(stream.read) if stream else None for stream in streams]
            try:
                self.wait(timeout)
            except subprocess.TimeoutExpired:
                self.kill()
                raise
        for stream in streams:
            if stream:
                stream.close()
        return tuple(text.result() if text else None for text in texts)


def _descriptor(file) -> int:
    return file if isinstance(file, int) else file.fileno()


class ProgramServer:
    """A process that has loaded LibTorch and starts programs (tests/tools/program_server.cpp), several at a time."""

    def __init__(self, server: Path, env: dict[str, str]):
        # The programs become children of this process.
        if ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0:
            raise OSError("cannot adopt orphans")
        self._lock = threading.Lock()
        self._socket, theirs = socket.socketpair()
        with theirs:
            self._process = subprocess.Popen([server], env=env, stdin=theirs)
        atexit.register(self.close)

    def close(self):
        self._socket.close()
        self._process.wait()

    def start(self, command: list[str], env: dict[str, str], stdout, stderr, cwd: Path,
              seconds: int) -> Program:  # fmt: skip
        """Starts a program, which is killed after some more than `seconds`; `stdout` and `stderr` are files, their
        descriptors or subprocess.PIPE."""
        words = [seconds + SPARE, cwd, len(command), *command, *(f"{name}={value}" for name, value in env.items())]
        request = b"".join(os.fsencode(str(word)) + b"\0" for word in words)
        request = b"%d\n" % len(request) + request
        streams = [os.pipe() if stream == subprocess.PIPE else (None, _descriptor(stream)) for stream in (stdout, stderr)]
        with self._lock:
            socket.send_fds(self._socket, [request[:1]], [theirs for _, theirs in streams])
            self._socket.sendall(request[1:])
            answer = self._socket.recv(64)
        if not answer:
            raise RuntimeError(f"the program_server has ended: status {self._process.wait()}")
        ours = []
        for pipe, theirs in streams:
            ours.append(None if pipe is None else open(pipe, encoding="utf-8", errors="replace"))
            if pipe is not None:
                os.close(theirs)
        return Program(command, int(answer), *ours)


def seen_by_libraries(env: dict[str, str]) -> dict[str, str]:
    """The variables that a library might read when it is loaded."""
    return {name: value for name, value in env.items() if not name.startswith(OF_PROGRAMS)}


@functools.cache
def program_server(server: Path, env: tuple[tuple[str, str], ...]) -> ProgramServer:
    """The one of these variables, which are sorted."""
    return ProgramServer(server, dict(env))
