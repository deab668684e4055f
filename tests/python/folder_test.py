"""Shared by the tests of an experiment's folder: a trained experiment, copies of it, and runs that are waiting in one."""

import os
import signal
import socket
import time

import harness

RESULTS = {"score.npy", "score.npz", "test-result.json", "test-uncertainty.json", "run.log"}


def names_in(folder):
    return {file.name for file in folder.iterdir()}


def wait_for(condition, what, pause=0.02):
    """Waits until `condition` holds; the time limit of the test tells a hang."""
    deadline = time.monotonic() + harness.HANG
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(what)
        time.sleep(pause)


class FolderTest(harness.TrainedTest):
    def copy(self, name, without=()):
        """A copy of the trained experiment."""
        folder = self.folder / name
        harness.restore(folder, {file: content for file, content in self.good.items() if file not in without})
        return folder

    def words(self, folder, *words):
        return ["--logdir", folder.parent, "--exp_name", folder.name, "--datadir", self.data, "--device=cpu", *words]

    def run_in(self, folder, *words, **options):
        return harness.run("qg", *self.words(folder, *words), **options)

    def start(self, folder, *words, **options):
        process = harness.start(harness.command("qg", *self.words(folder, *words)), harness.environment(), **options)
        self.addCleanup(process.__exit__, None, None, None)
        self.addCleanup(process.kill)
        return process

    def start_waiting(self, folder, *words):
        """A run that has opened the experiment and waits for its jets, which never come."""
        fifo = self.folder / f"{folder.name}.fifo"
        if not fifo.exists():
            os.mkfifo(fifo)
        process = self.start(folder, "--test_data", fifo, *words)
        line = f"pid {process.pid}, since "
        lock = folder / "run.lock"
        wait_for(lambda: process.poll() is not None or (lock.exists() and line in lock.read_text()), "run.lock")
        self.assertIsNone(process.poll(), "it did not wait")
        return process

    def stop(self, process, number=signal.SIGKILL):
        process.send_signal(number)
        return process.communicate(timeout=harness.HANG)

    def assert_in_use(self, result, folder, process, what):
        self.assert_refused(result, f"{folder}: in use by a {what} on {socket.gethostname()}, pid {process.pid}, "
                                    f"since {time.strftime('%Y-')}")  # fmt: skip
