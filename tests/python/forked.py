"""Runs Python scripts in forks of this process, which has imported the packages that take most of the time of a short
run."""

import os
import runpy
import subprocess
import sys
import tempfile
import traceback
from pathlib import Path

import harness


def _status(script: Path, words: list[str], env: dict[str, str]) -> int:
    """Runs the script in this process. Returns its exit status."""
    os.environ.clear()
    os.environ.update(env)
    sys.argv, sys.path[0] = [str(script), *words], str(script.parent)
    try:
        runpy.run_path(str(script), run_name="__main__")
    except SystemExit as end:
        if end.code is None or isinstance(end.code, int):
            return end.code or 0
        print(end.code, file=sys.stderr)
        return 1
    except BaseException:
        traceback.print_exc()
        return 1
    return 0


def _run_in_fork(script: Path, words: list[str], env: dict[str, str]) -> subprocess.CompletedProcess:
    sys.stdout.flush()
    sys.stderr.flush()
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        child = os.fork()
        if child == 0:
            os.dup2(out.fileno(), 1)
            os.dup2(err.fileno(), 2)
            status = _status(script, words, env)
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(status)
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        texts = []
        for file in (out, err):
            file.seek(0)
            texts.append(file.read().decode())
    return subprocess.CompletedProcess([str(script), *words], status, *texts)


class Scripts:
    """Each script runs as a user starts it the first time, and then in forks."""

    def __init__(self):
        self._started = set()

    def run(self, script: Path, *words, env: dict[str, str]) -> subprocess.CompletedProcess:
        words = [str(word) for word in words]
        if script in self._started:
            return _run_in_fork(script, words, env)
        self._started.add(script)
        return subprocess.run([sys.executable, script, *words], env=env, capture_output=True, text=True,
                              timeout=harness.HANG)  # fmt: skip
