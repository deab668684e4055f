"""The folder of an experiment: --out, what --resume needs, and that finished work is kept whatever happens
to the terminal or to run.log.
"""

import os
import pty
import re
import select
import shlex
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np

import harness
from folder_test import RESULTS, FolderTest, names_in, wait_for

torch = harness.load_torch()


def four_momenta(arrays):
    """[jets, particles, 4] (E, px, py, pz) of massless quark/gluon jets."""
    pt, y, phi = np.moveaxis(arrays["X"][..., :3], -1, 0)
    return np.stack([pt * np.cosh(y), pt * np.cos(phi), pt * np.sin(phi), pt * np.sinh(y)], axis=-1)


def is_pending(process, number):
    """Whether the signal was sent, but not handled."""
    pending = re.search(r"ShdPnd:\t(\w+)", Path(f"/proc/{process.pid}/status").read_text())
    return bool(pending and int(pending[1], 16) >> (number - 1) & 1)


class OutTest(FolderTest):
    def test_out(self):
        """All results are in --out, the same as without it, and the experiment is not even touched."""
        words = ("--test_mode", "--boost=0.5", "--equivariance=4")
        here = self.copy("here")
        self.assert_finished(self.run_in(here, *words))
        run, out = self.copy("read-only"), self.folder / "results" / "first"
        before, touched = harness.snapshot(run), run.stat().st_mtime_ns
        result = self.run_in(run, *words, "--out", out, "--report")
        self.assert_finished(result)
        self.assertIn(f"\nResults: {out}\n", result.stdout)
        self.assertIn(f"\nReport: {out}/report.html\n", result.stdout)
        self.assertEqual((harness.snapshot(run), run.stat().st_mtime_ns), (before, touched))
        written = harness.results(out)
        pages = {name for name in written if name.startswith("plots/")} | {"report.html"}
        self.assertEqual(set(written) - pages, RESULTS - {"run.log"} | {"boost-0.5.json", "equivariance.json"})
        for name in set(written) - pages - {"test-result.json"}:
            self.assertEqual(written[name], (here / name).read_bytes(), name)
        first, second = (harness.read_json(folder / "test-result.json") for folder in (out, here))
        for key in ("train_loss", "best_val", "test_loss", "test_acc", "test_auc"):
            self.assertEqual(first[key], second[key], key)
        report = (out / "report.html").read_text()
        for text in ("<td>n_hidden</td><td>4</td>", 'id="training"', 'id="roc"'):  # of the training; of the test
            self.assertIn(text, report)

    def test_read_only_experiment(self):
        place = self.folder / "mounted"
        place.mkdir()
        mount = ["mount", "-t", "tmpfs", "tmpfs", place]
        if shutil.which("mount") is None or subprocess.run(mount, capture_output=True).returncode:
            self.skipTest("this user cannot mount a tmpfs")
        self.addCleanup(subprocess.run, ["umount", place], check=True)
        harness.restore(place / "kept", self.good)
        subprocess.run(["mount", "-o", "remount,ro", place], check=True)
        out = self.folder / "elsewhere"
        self.assert_finished(self.run_in(place / "kept", "--test_mode", "--out", out))
        self.assertEqual(names_in(out), RESULTS)

    def test_refusals(self):
        run, other = self.copy("refused"), self.copy("other")
        (self.folder / "file").write_text("")
        before = harness.snapshot(other)
        for words, expected in ((["--test_mode", "--out", other], ["--out", other, "another experiment"]),
                                (["--test_mode", "--out", self.folder / "file"], ["--out", "not a folder"]),
                                (["--test_mode", "--out="], ["--out"]),
                                (["--resume", "--out", "x"], ["--out", "--test_mode"])):  # fmt: skip
            self.assert_refused(self.run_in(run, *words), *expected)
        self.assertEqual(harness.snapshot(other), before)

    def test_unlabelled_jets_keep_the_figures(self):
        top = harness.train("top", self.folder, harness.write_top(self.folder / "top-data"), "top", "--epochs=1")
        before = harness.results(top)
        np.savez(self.folder / "bare.npz", X=four_momenta(harness.qg_arrays(count=20)))
        result = harness.test_mode("top", top, "--test_data", self.folder / "bare.npz")
        self.assert_finished(result)
        self.assertIn(f"{top / 'test-result.json'} stays", result.stdout)
        after = harness.results(top)
        self.assertEqual(set(after), set(before))
        self.assertEqual({name for name in after if after[name] != before[name]}, {"score.npy", "score.npz"})

    def test_scores_outlive_their_figures(self):
        """Weights of zero in a class: whatever becomes of the figures, the scores are there."""
        top = harness.train("top", self.folder, harness.write_top(self.folder / "weighted-data"), "weighted",
                            "--epochs=1")  # fmt: skip
        (top / "score.npy").unlink()
        arrays = harness.qg_arrays(count=20)
        np.savez(self.folder / "zero.npz", X=four_momenta(arrays), y=arrays["y"].astype(int), weight=arrays["y"])
        harness.test_mode("top", top, "--test_data", self.folder / "zero.npz")
        self.assertEqual(np.load(top / "score.npy").shape, (20, 3))


class ResumeTest(FolderTest):
    def test_missing_best_model(self):
        """It is restored from its epoch's checkpoint, bit for bit; without that the training is refused."""
        run = self.copy("restored", without=("best-val-model.pt",))
        result = self.run_in(run, "--resume")
        self.assert_finished(result)
        self.assertIn(f"{run / 'best-val-model.pt'} was missing: restored", result.stdout)
        found = harness.results(run)
        for name in ("best-val-model.pt", "score.npy", "train-result.json"):
            self.assertEqual(found[name], self.good[name], name)
        self.assertEqual(found["test-result.json"], harness.without_command(self.good["test-result.json"]))
        run = self.copy("lost", without=("best-val-model.pt", "checkpoint-epoch-0.pt"))
        before = harness.snapshot(run)
        self.assert_harmless(self.run_in(run, "--resume", "--epochs=2"), run, before, run / "best-val-model.pt",
                             "checkpoint-epoch-0.pt", "--overwrite")  # fmt: skip

    def test_damaged_best_model(self):
        run = self.copy("damaged")
        file = run / "best-val-model.pt"
        state = torch.load(file, weights_only=True)
        state["module.embedding.bias"] = torch.ones(5)
        torch.save(state, file)
        for expected, content in (("embedding.bias", file.read_bytes()), ("", b"no checkpoint")):
            file.write_bytes(content)
            before = harness.snapshot(run)
            self.assert_harmless(self.run_in(run, "--resume", "--epochs=2"), run, before, file, expected)

    def test_missing_state(self):
        """A training is not started anew over its finished checkpoints."""
        run = self.copy("stateless", without=("training-state.pt",))
        before = harness.snapshot(run)
        self.assert_harmless(self.run_in(run, "--resume", "--epochs=2"), run, before, run / "training-state.pt",
                             "--overwrite")  # fmt: skip
        for file in before:
            if file not in ("args.json", "run.log", "train-provenance.json") and not file.startswith("events."):
                (run / file).unlink()
        result = self.run_in(run, "--resume")
        self.assert_finished(result)
        self.assertIn("starting at the first epoch", result.stdout)
        self.assertEqual((run / "score.npy").read_bytes(), self.good["score.npy"])

    def test_state_before_the_first_checkpoint(self):
        """A training that is killed at any time after its start can be resumed."""
        run = self.folder / "early"
        training = self.start(run, *harness.SMALL, "--log_interval=1", "--epochs=1000000")
        wait_for(lambda: (run / "run.log").exists() and ">> train" in (run / "run.log").read_text(), "a step")
        self.assertTrue((run / "training-state.pt").exists())
        self.stop(training)
        result = self.run_in(run, "--resume", "--epochs=1")
        self.assertRegex(result.stdout, r"(?m)^Continuing from .*/training-state\.pt$")

    def test_checkpoint_is_checked_before_jets(self):
        run = self.copy("misfit")
        state = torch.load(run / "best-val-model.pt", weights_only=True)
        state["module.graph_dec.3.weight"] = state["module.graph_dec.3.weight"].T
        torch.save(state, run / "best-val-model.pt")
        result = harness.test_mode("qg", run, "--datadir", self.folder / "no-data")
        self.assert_refused(result, run / "best-val-model.pt", "graph_dec.3.weight", "[4, 2]")
        (run / "train-result.json").write_text("[")
        (run / "best-val-model.pt").write_bytes(self.good["best-val-model.pt"])
        result = harness.test_mode("qg", run, "--datadir", self.folder / "no-data")
        self.assert_refused(result, run / "train-result.json")


class EndTest(FolderTest):
    LONG = (*harness.SMALL, "--log_interval=1", "--epochs=1000000")

    def start_training(self, name, *words, **options):
        """A long training that has made a step."""
        run = self.folder / name
        training = self.start(run, *self.LONG, *words, **options)
        log = run / "run.log"
        wait_for(lambda: training.poll() is not None or (log.exists() and ">> train" in log.read_text()), "a step")
        self.assertIsNone(training.poll())
        return run, training

    def test_signals(self):
        for number in (signal.SIGHUP, signal.SIGUSR1, signal.SIGTERM, signal.SIGINT):
            with self.subTest(number=number):
                run, training = self.start_training(f"signal-{int(number)}")
                training.send_signal(number)
                if number in (signal.SIGHUP, signal.SIGUSR1):  # a closed terminal sends SIGHUP twice
                    wait_for(lambda: not is_pending(training, number), "the handler", pause=0)
                    training.send_signal(number)
                output, errors = training.communicate(timeout=harness.HANG)
                self.assertEqual((training.returncode, errors), (128 + number, ""))
                self.assertRegex(output, rf"\nStopped by signal {int(number)}; [^\n]* --resume\n\Z")
                steps = output.count(">> train")
                self.assertRegex(self.run_in(run, "--resume", "--epochs=1").stdout, "Continuing from")
                self.assertGreater(steps, 0)

    def test_ignored_hangup(self):
        """As nohup starts a program."""
        def ignore():
            signal.signal(signal.SIGHUP, signal.SIG_IGN)

        run, training = self.start_training("nohup", preexec_fn=ignore)
        steps = (run / "run.log").read_text().count(">> train")
        training.send_signal(signal.SIGHUP)
        wait_for(lambda: (run / "run.log").read_text().count(">> train") > steps + 20, "more steps")
        training.send_signal(signal.SIGTERM)
        self.assertRegex(training.communicate(timeout=harness.HANG)[0], r"\nStopped by signal 15; ")

    def test_closed_pipe(self):
        """`qg_tagging ... | head -2`"""
        run = self.folder / "piped"
        training = self.start(run, *harness.SMALL, "--log_interval=1")
        for _ in range(2):
            training.stdout.readline()
        training.stdout.close()
        self.assertEqual((training.wait(timeout=harness.HANG), training.stderr.read()), (0, ""))
        log = (run / "run.log").read_text()
        self.assertRegex(log, r"(?m)  Test: Loss .*$")
        self.assertEqual(log.count("stdout was closed"), 1)
        self.assertEqual(set(harness.results(run)) - set(self.good), {"checkpoint-epoch-1.pt"})
        for words in (["--help"], ["--version"]):
            shown = subprocess.run(["sh", "-c", shlex.join(harness.command("qg", *words)) + " | true"],
                                   stderr=subprocess.PIPE, timeout=harness.HANG)  # fmt: skip
            self.assertEqual(shown.stderr, b"")

    def test_hung_up_terminal(self):
        """The terminal of a training is closed, which has no part in the terminal's session."""
        ours, theirs = pty.openpty()
        run, training = self.start_training("terminal", "--epochs=3", "--verbose", stdout=theirs,
                                            start_new_session=True)  # fmt: skip
        os.close(theirs)
        select.select([ours], [], [], 600)
        os.close(ours)
        self.assertEqual((training.wait(timeout=harness.HANG), training.stderr.read()), (0, ""))
        self.assertRegex((run / "run.log").read_text(), r"(?m)  Test: Loss .*$")

    def test_full_stdout(self):
        """Lines that are lost for another reason end no training, but are an error."""
        run = self.folder / "full"
        with open("/dev/full", "w") as full:
            training = self.start(run, *harness.SMALL, stdout=full)
            errors = training.communicate(timeout=harness.HANG)[1]
        self.assertEqual((training.returncode, errors), (1, "qg_tagging: stdout could not be written\n"))
        self.assertEqual(set(harness.results(run)) - set(self.good), {"checkpoint-epoch-1.pt"})

    def test_log_that_cannot_be_written(self):
        for name, damage in (("folder", lambda log: log.mkdir()), ("full", lambda log: log.symlink_to("/dev/full"))):
            for words in (["--resume", "--epochs=2"], ["--test_mode"]):
                with self.subTest(name=name, words=words):
                    run = self.copy(f"log-{name}{words[0]}", without=("run.log",))
                    damage(run / "run.log")
                    result = self.run_in(run, *words)
                    self.assert_finished(result)
                    warnings = [line for line in result.stdout.splitlines() if "run.log" in line]
                    self.assertEqual(len(warnings), 1, result.stdout)
                    self.assertRegex(warnings[0], rf"\AWarning: {run}/run.log can't be written: .*(directory|space)")
                    self.assertRegex(result.stdout, r"(?m)^Test: Loss ")

    def test_name_and_command(self):
        """A run without a name tells its folder at the start; what continues it can be pasted into a shell."""
        logs = self.folder / "it's a folder"
        words = [*self.LONG, "--datadir", self.data, "--logdir", logs, "--kernel=plain", "--boost=0.5,-0.1",
                 "--test_data", self.data / "datasets" / "QG_jets.npz", "--overwrite"]  # fmt: skip
        with harness.start(harness.command("qg", *words), harness.environment()) as training:
            lines = []
            for line in training.stdout:
                lines.append(line)
                if line.startswith(">> train"):
                    break
            training.send_signal(signal.SIGTERM)
            output = "".join(lines) + training.communicate(timeout=harness.HANG)[0]
        name = next(iter(logs.iterdir())).name
        self.assertIn(f"Experiment: {logs / name}\n", lines[:2])
        command = re.search(r"Stopped by signal 15; to continue from here: (.*)\n\Z", output)[1]
        self.assertEqual(shlex.split(command), [
            *harness.command("qg", "--exp_name", name, "--logdir", logs, "--test_data", words[-2], "--device", "cpu",
                             "--kernel", "plain", "--boost", "0.5,-0.1"), "--resume"])  # fmt: skip
        result = subprocess.run(["sh", "-c", command + " --epochs 1"], env=harness.environment(), text=True,
                                capture_output=True, timeout=harness.HANG)  # fmt: skip
        self.assertEqual((result.returncode, result.stderr), (0, ""))
        self.assertIn("Continuing from", result.stdout)
        self.assertNotIn("Experiment: ", result.stdout)
        self.assertTrue((logs / name / "boost--0.1.json").exists())


if __name__ == "__main__":
    sys.exit(harness.main())
