"""What a run displays and records: TensorBoard's events, run.log, the live line in a terminal, -v and -q,
the table at the end.
"""

import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import sys
import termios

import numpy as np
from sklearn.metrics import roc_auc_score
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

import harness
from followed import Followed

EPOCH = {"epoch/train_loss": "train_loss", "epoch/val_loss": "val_loss", "epoch/train_acc": "train_acc",
         "epoch/val_acc": "val_acc", "epoch/lr": "lr"}  # fmt: skip
STEP = {"step/loss", "step/accuracy", "step/learning_rate", "step/jets_per_second", "step/gradient_norm"}


def events(run):
    """{tag: [(step, value)]} as TensorBoard reads the folder."""
    accumulator = EventAccumulator(str(run), size_guidance={"scalars": 0})
    accumulator.Reload()
    return {tag: [(event.step, event.value) for event in accumulator.Scalars(tag)]
            for tag in accumulator.Tags()["scalars"]}  # fmt: skip


def on_terminal(words, columns=120):
    """Runs a program with a terminal as stdout. Returns its status, stdout and stderr."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 40, columns, 0, 0))
    process = harness.start(words, harness.environment(TERM="xterm"), stdout=theirs)
    os.close(theirs)
    text = b""
    while select.select([ours], [], [], harness.HANG)[0]:
        try:
            text += os.read(ours, 65536)
        except OSError:  # the program has closed it
            break
    os.close(ours)
    errors = process.communicate(timeout=harness.HANG)[1]
    return process.returncode, text.decode().replace("\r\n", "\n"), errors


class RecordsTest(harness.ProgramTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.data = harness.write_data("qg", cls.folder / "data")
        cls.run_folder = harness.train("qg", cls.folder, cls.data, "run", "--epochs=3", "--log_interval=4")

    def record(self, run):
        return harness.read_json(run / "train-result.json")

    def assert_epochs(self, run):
        """The events of the epochs agree with train-result.json; an epoch has 10 steps."""
        found, record = events(run), self.record(run)
        for tag, key in EPOCH.items():
            self.assertEqual([value for _, value in found[tag]], list(np.float32(record[key])), tag)
            self.assertEqual([step for step, _ in found[tag]], [10 * (k + 1) for k in record["epochs"]], tag)
        return found

    def test_events(self):
        found = self.assert_epochs(self.run_folder)
        self.assertEqual(set(found) - set(EPOCH) - STEP,
                         {"epoch/clamped_fraction", "epoch/val_auc", "epoch/val_1_eB_0.3", "epoch/val_1_eB_0.5"}
                         & set(found))  # fmt: skip
        self.assertIn("epoch/val_auc", found)
        for tag in STEP:  # the first step of an epoch and every fourth
            self.assertEqual([step for step, _ in found[tag]], [1, 5, 9, 11, 15, 19, 21, 25, 29], tag)
        for tag in ("step/loss", "step/jets_per_second", "step/gradient_norm"):
            self.assertTrue(all(value > 0 for _, value in found[tag]), tag)
        rates = [value for _, value in found["step/learning_rate"]]
        self.assertEqual(rates, list(np.repeat(np.float32(self.record(self.run_folder)["lr"]), 3)))
        self.assertTrue(all(0 <= value <= 1 for _, value in found["epoch/clamped_fraction"]))

    def test_auc_of_the_validation(self):
        """The best model, tested on the validation jets, has the AUC of its epoch."""
        record = self.record(self.run_folder)
        jets = harness.qg_arrays()
        np.savez(self.folder / "val.npz", X=jets["X"][-10:], y=jets["y"][-10:])
        self.assert_finished(harness.test_mode("qg", self.run_folder, "--test_data", self.folder / "val.npz"))
        rows = np.load(self.run_folder / "score.npy")
        found = dict(events(self.run_folder)["epoch/val_auc"])
        self.assertAlmostEqual(found[10 * (record["best_epoch"] + 1)], roc_auc_score(rows[:, 0], rows[:, 2]), places=6)

    def test_mean_of_steps(self):
        """With an event for every step, the mean loss of the steps is the loss in train-result.json."""
        run = harness.train("qg", self.folder, self.data, "every", "--epochs=2", "--log_interval=1")
        found, record = self.assert_epochs(run), self.record(run)
        losses = np.array([value for _, value in found["step/loss"]]).reshape(2, 10)
        harness.assert_close(losses.mean(axis=1), record["train_loss"], rtol=1e-6)

    def test_resumed(self):
        """After several stops and kills each epoch and each step is recorded once, in order."""
        logs = self.folder / "resumed"
        # An epoch prints 11 lines. However little a stop lost, enough of the 20 epochs are left for the next one.
        words = [*harness.SMALL, "--epochs=20", "--datadir", self.data, "--log_interval=1"]
        for attempt, number in enumerate((signal.SIGTERM, signal.SIGKILL, signal.SIGKILL, signal.SIGTERM)):
            more = words if attempt == 0 else ["--resume", "--device=cpu"]
            command = harness.command("qg", "--logdir", logs, "--exp_name=run", *more)
            with Followed(command, harness.environment()) as program:
                self.assertTrue(program.wait_for_line(lambda line: line.startswith(">> train"), 9 + 4 * attempt))
                program.send_signal(number, 0.005)
                program.finish()
        self.assert_finished(harness.run("qg", "--logdir", logs, "--exp_name=run", "--resume", "--device=cpu"))
        found = self.assert_epochs(logs / "run")
        self.assertGreater(len(list((logs / "run").glob("events.out.tfevents.*"))), 1)
        steps = [step for step, _ in found["step/loss"]]
        self.assertEqual(steps, sorted(set(steps)))
        self.assertEqual(set(steps), set(range(1, 201)))

    def test_log_file(self):
        """It has all lines of stdout with their times, and a later test appends to it."""
        result = harness.run("qg", *harness.SMALL, "--datadir", self.data, "--logdir", self.folder,
                             "--exp_name=logged", "--log_interval=3")  # fmt: skip
        self.assert_finished(result)
        text = (self.folder / "logged" / "run.log").read_text()
        for line in result.stdout.splitlines()[:-5]:
            self.assertIn(line, text)
        stamped = re.findall(r"(?m)^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d  (.*)$", text)
        self.assertRegex(stamped[0], r"qg_tagging \d+\.\d+\.\d+( \(commit [^)]+\))?, LibTorch 2\.")
        self.assertIn(result.stdout.splitlines()[-1], stamped)
        self.assert_finished(harness.test_mode("qg", self.folder / "logged", "--datadir", self.data))
        self.assertTrue((self.folder / "logged" / "run.log").read_text().startswith(text))

    def test_table(self):
        result = harness.run("qg", *harness.SMALL, "--datadir", self.data, "--logdir", self.folder,
                             "--exp_name=table", "--epochs=4")  # fmt: skip
        self.assert_finished(result)
        record = self.record(self.folder / "table")
        rows = re.findall(r"(?m)^([* ]) +(\d+) +([\d.e-]+) +([\d.]+) +([\d.]+) +([\d.]+) +([\d.]+) +[\d.]+(  best)?$",
                          result.stdout)  # fmt: skip
        self.assertEqual(len(rows), 4, result.stdout)
        for k, (star, epoch, rate, *figures, best) in enumerate(rows):
            self.assertEqual((star == "*", best != "", int(epoch)), (k == record["best_epoch"],) * 2 + (k + 1,))
            self.assertAlmostEqual(float(rate) / record["lr"][k], 1, delta=1e-3)
            keys = ("train_loss", "train_acc", "val_loss", "val_acc")
            self.assertEqual(figures, [f"{record[key][k]:.4f}" for key in keys])

    def words(self, name, *more):
        return harness.command("qg", *harness.SMALL, "--n_hidden=32", "--log_interval=2", "--datadir", self.data,
                               "--logdir", self.folder, "--exp_name", name, *more)  # fmt: skip

    def test_live_line(self):
        status, text, errors = on_terminal(self.words("live"))
        self.assertEqual((status, errors), (0, ""))
        drawn = re.findall(r"(?:\n|\x1b\[K)(Epoch [^\r\n]* %  [^\r\n]*)", text)
        self.assertTrue(drawn, text)
        for line in drawn:
            self.assertRegex(line, r"\AEpoch [12]/2 (train|val|test) \[=*>? *\] +\d+ %  \d+ jets/s  \d+:\d\d left  "
                                   r"loss \d\.\d+  acc \d\.\d+")  # fmt: skip
            self.assertLess(len(line), 120)
        self.assertTrue(any("  lr " in line for line in drawn))
        # The screen keeps all lines except the bar and the lines of progress.
        screen = re.sub(r"[^\n]*\r\x1b\[K", "", text)
        self.assertNotIn(" jets/s", screen)
        self.assertNotIn(">> ", screen)
        self.assertIn("\nTest: Loss", screen)
        self.assertIn(">> train", (self.folder / "live" / "run.log").read_text())

    def test_verbose(self):
        status, text, _ = on_terminal(self.words("verbose", "-v"))
        self.assertEqual(status, 0)
        self.assertEqual(len(re.findall(r"(?m)>> train \t Epoch", text)), 8)
        self.assertIn("LibTorch", text)

    def test_quiet(self):
        result = subprocess.run(self.words("quiet", "-q"), text=True, capture_output=True, env=harness.environment())
        self.assert_finished(result)
        self.assertRegex(result.stdout, r"\ATest: Loss [^\n]+\n\Z")
        self.assertIn(">> train", (self.folder / "quiet" / "run.log").read_text())
        status, text, _ = on_terminal(self.words("quiet-terminal", "-q"))
        self.assertEqual(status, 0)
        self.assertRegex(text, r"\ATest: Loss [^\n]+\n\Z")
        both = harness.run("qg", "-q", "-v")
        self.assert_refused(both, "--verbose", "--quiet")

    def test_overwrite(self):
        """No record of the previous experiment remains."""
        run = harness.train("qg", self.folder, self.data, "again", "--epochs=1")
        (run / "plots").mkdir()
        (run / "plots" / "roc.png").write_bytes(b"old")
        before = {name for name in harness.snapshot(run) if "tfevents" in name}
        harness.train("qg", self.folder, self.data, "again", "--epochs=1", "--overwrite")
        after = {name for name in harness.snapshot(run) if "tfevents" in name}
        self.assertEqual((len(after), after & before, (run / "plots").exists()), (1, set(), False))
        self.assertEqual((run / "run.log").read_text().count("LibTorch"), 1)

    def test_uncertainties(self):
        """test-uncertainty.json against a bootstrap with numpy's random numbers."""
        random = np.random.default_rng(1)
        run = self.folder / "uncertain"
        data = harness.write_qg(self.folder / "more", harness.qg_arrays(count=1000))
        harness.restore(run, self.good_files())
        self.assert_finished(harness.test_mode("qg", run, "--test_data", data / "datasets" / "QG_jets.npz"))
        rows = np.load(run / "score.npy")
        drawn = [rows[random.integers(len(rows), size=len(rows))] for _ in range(400)]
        found = harness.read_json(run / "test-uncertainty.json")
        for key, figure in (("test_acc", lambda r: np.mean((r[:, 2] > r[:, 1]) == r[:, 0])),
                            ("test_auc", lambda r: roc_auc_score(r[:, 0], r[:, 2]))):  # fmt: skip
            low, high = np.percentile([figure(r) for r in drawn], (16, 84))
            harness.assert_close(found[key], (low, high), atol=0.25 * (high - low))

    def good_files(self):
        return {name: content for name, content in harness.results(self.run_folder).items()
                if name in ("args.json", "best-val-model.pt")}  # fmt: skip


if __name__ == "__main__":
    sys.exit(harness.main())
