"""The lines and files that the programs write: training, test mode, boosts, --init_from."""

import os
import re
import shutil
import signal
import subprocess
import sys

import numpy as np

import harness

torch = harness.load_torch()

NUMBER = r"\d+\.\d+"
TEST_LINE = rf"Test: Loss {NUMBER} \t Acc {NUMBER} \t AUC: {NUMBER} \t 1/eB 0\.3: \S.* \t 1/eB 0\.5: \S.*"
WRITTEN = {"args.json", "best-val-model.pt", "checkpoint-epoch-0.pt", "checkpoint-epoch-1.pt",
           "events.out.tfevents", "run.log", "score.npy", "score.npz", "test-result.json",
           "test-uncertainty.json", "train-provenance.json", "train-result.json", "training-state.pt"}  # fmt: skip
FIGURES = ["test_loss", "test_acc", "test_auc", "test_1/eB_0.3", "test_1/eB_0.5"]
VALIDATION = {"top": "valid", "qg": "val"}


def num_parameters(S, H, L):
    layer = (2 * H + 2) * H + 2 * H + (H + 1) * H + (2 * H + S + 1) * H + 2 * H + (H + 1) * H
    move = (H + 1) * H + H
    return (S + 1) * H + L * (layer + H + 1) + (L - 1) * move + (H + 1) * H + (H + 1) * 2


def names_in(folder):
    """Names of the files; event files without time and host."""
    return {re.sub(r"(?<=tfevents)\..*", "", name) for name in harness.snapshot(folder)}


def loaded(file):
    return torch.load(file, weights_only=True)


class StartedTest(harness.ProgramTest):
    """Programs that the tests start, by a server if there is one (served.py)."""

    def start_waiting(self, name):
        """A test of jets that never come."""
        os.mkfifo(self.folder / name)
        return harness.start(harness.command("qg", "--exp_name=pretrained", "--logdir=logs/qg", "--test_mode", "--device=cpu",
                                             "--out", self.folder / f"{name}-out", "--test_data", self.folder / name),
                             harness.environment(), cwd=harness.PROJECT)  # fmt: skip

    def test_like_any_other(self):
        """Status, stdout, stderr and working folder are those of a program that the shell starts."""
        for words in (("--version",), ("--help",), ("--epochs=none",), ("--logdir=logs/top", "--exp_name=pretrained")):
            command = harness.command("top", *words)
            plain = subprocess.run(command, env=harness.environment(), cwd=harness.PROJECT, capture_output=True, text=True)
            found = harness.run("top", *words, cwd=harness.PROJECT)
            self.assertEqual((found.returncode, found.stdout, found.stderr), (plain.returncode, plain.stdout, plain.stderr))
            self.assertNotEqual(found.stdout + found.stderr, "")

    def test_several(self):
        """Each is a child of this process, and gets the signals that it is sent."""
        first, second = self.start_waiting("first"), self.start_waiting("second")
        first.kill()
        self.assertEqual((first.wait(), second.poll()), (-signal.SIGKILL, None))
        with self.assertRaises(subprocess.TimeoutExpired):
            harness.finish(second, timeout=0.01)
        self.assertEqual(second.returncode, -signal.SIGKILL)
        self.assertEqual(harness.finish(first).returncode, -signal.SIGKILL)


class ProgramsTest(harness.ProgramTest):
    """With a small experiment of each task, trained once."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.output = {}
        for task in ("top", "qg"):
            data = harness.write_data(task, cls.folder / "data" / task)
            result = harness.run(task, *harness.SMALL, "--log-interval=2", "--datadir", data,
                                 "--logdir", cls.logs(task), "--exp-name=trained")  # fmt: skip
            if result.returncode != 0:
                raise RuntimeError(result.stderr)
            cls.output[task] = result.stdout

    @classmethod
    def logs(cls, task):
        return cls.folder / "logs" / task

    def run_program(self, task, name, *words, **options):
        return harness.run(task, "--datadir", self.folder / "data" / task, "--device=cpu",
                           "--logdir", self.logs(task), "--exp_name", name, *words,
                           **options)  # fmt: skip

    def copy(self, task, name):
        shutil.copytree(self.logs(task) / "trained", self.logs(task) / name)
        return self.logs(task) / name

    def assert_lines(self, task, *patterns):
        """The output of the training has whole lines that match, in this order."""
        lines = iter(self.output[task].splitlines())
        for pattern in patterns:
            self.assertTrue(any(re.fullmatch(pattern, line) for line in lines), pattern)

    def test_lines(self):
        batches = {"top": 6, "qg": 10}
        train = {"top": 48, "qg": 80}
        for task, valid in VALIDATION.items():
            progress = (rf" \t Batch 2/{batches[task]} \t Loss {NUMBER} \t Running Acc {NUMBER}"
                        rf" \t Total Acc {NUMBER} \t Avg Batch Time {NUMBER}")  # fmt: skip
            times = rf"Time: train: {NUMBER} \t Train loss {NUMBER} \t Train acc: {NUMBER}"
            size = num_parameters({"top": 2, "qg": 8}[task], 4, 2)
            record = harness.read_json(self.logs(task) / "trained" / "train-result.json")
            self.assertEqual(record["epochs"], [0, 1])  # in files from 0
            best = record["best_epoch"] + 1
            self.assert_lines(
                task, rf" train samples: {train[task]}", rf"Network Size: {size}",
                r">> train \t Epoch 1/2" + progress, times,
                "New best validation model, saving...", r"Epoch 1/2 finished\.",
                rf"Best val acc: {NUMBER} at epoch 1\.",
                r">> train \t Epoch 2/2" + progress, times, r"Epoch 2/2 finished\.",
                rf"Best val acc: {NUMBER} at epoch {best}\.", TEST_LINE,
            )  # fmt: skip
            self.assertRegex(self.output[task], rf"(?m)^ {valid} samples: ")
            self.assertRegex(self.output[task], r"(?m)^n_nodes: ")
        # 20 test jets in batches of 8; the 10 quark/gluon jets have no batch 2 to report.
        self.assertRegex(self.output["top"], r"(?m)^>> test \t Epoch \d/\d \t Batch 2/3 \t Loss ")

    def test_network_size(self):
        """The formula of test_lines gives the published numbers for the published widths."""
        self.assertEqual(num_parameters(2, 72, 6), 224072)
        self.assertEqual(num_parameters(8, 72, 6), 227096)

    def test_files(self):
        for task in VALIDATION:
            self.assertEqual(names_in(self.logs(task) / "trained"), WRITTEN)

    def test_existing_experiment(self):
        run = self.copy("qg", "existing")
        (run / "notes.txt").write_text("mine")
        before = harness.snapshot(run)
        result = self.run_program("qg", "existing", *harness.SMALL)
        self.assert_refused(result, run, "--resume", "--overwrite")
        self.assertEqual(harness.snapshot(run), before)
        result = self.run_program("qg", "existing", *harness.SMALL, "--overwrite", "--epochs=1")
        self.assert_finished(result)
        after = harness.snapshot(run)
        self.assertEqual(names_in(run), WRITTEN - {"checkpoint-epoch-1.pt"} | {"notes.txt"})
        self.assertEqual(after["notes.txt"], b"mine")
        self.assertNotEqual(after["args.json"], before["args.json"])

    def test_random_name(self):
        logs = self.folder / "random"
        for _ in range(2):
            result = harness.run("qg", *harness.SMALL, "--epochs=1", "--logdir", logs,
                                 "--datadir", self.folder / "data" / "qg")  # fmt: skip
            self.assert_finished(result)
        names = sorted(path.name for path in logs.iterdir())
        self.assertEqual(len(names), 2)
        for name in names:
            self.assertRegex(name, r"\A[A-Za-z0-9]{8}\Z")
            args = harness.read_json(logs / name / "args.json")
            self.assertEqual(args["exp_name"], name)

    def test_test_mode(self):
        for task in VALIDATION:
            run = self.copy(task, "tested")
            (run / "args.json").chmod(0o444)
            before = harness.results(run)
            self.assert_finished(self.run_program(task, "tested", "--test_mode", "--batch_size=8"))
            after = harness.results(run)
            self.assertEqual(after, before)  # as in the test at the end of the training
            (run / "args.json").unlink()
            words = harness.SMALL if task == "top" else (*harness.SMALL, "--n_nodes=139")
            result = self.run_program(task, "tested", "--test_mode", *words)
            self.assert_finished(result)
            self.assertFalse((run / "args.json").exists())
            self.assertEqual((run / "train-result.json").read_bytes(), before["train-result.json"])

    def test_without_training_record(self):
        run = self.copy("qg", "bare")
        (run / "train-result.json").unlink()
        self.assert_finished(self.run_program("qg", "bare", "--test_mode"))
        keys = list(harness.read_json(run / "test-result.json"))
        self.assertEqual(keys, [*FIGURES, "of", "provenance"])
        self.assertFalse((run / "train-result.json").exists())

    def test_figures_without_value(self):
        """Jets of one class have no ROC curve. With n background jets and perfect scores 1/eB is "> n"."""
        run = self.copy("qg", "one-class")
        arrays = harness.qg_arrays()
        quarks = {name: values[arrays["y"] == 1] for name, values in arrays.items()}
        np.savez(self.folder / "quarks.npz", **quarks)
        words = ["--test_mode", "--test_data", self.folder / "quarks.npz"]
        self.assert_finished(self.run_program("qg", "one-class", *words))
        self.assertEqual(np.load(run / "score.npy").shape, (len(quarks["y"]), 3))
        result = harness.read_json(run / "test-result.json")
        self.assertEqual([result[key] for key in FIGURES[2:]], [None] * 3)
        # The best and the worst jet, labelled quark and gluon.
        p1 = np.load(run / "score.npy")[:, 2]
        two = {"X": quarks["X"][[p1.argmax(), p1.argmin()]], "y": np.array([1.0, 0.0])}
        np.savez(self.folder / "two.npz", **two)
        words = ["--test_mode", "--test_data", self.folder / "two.npz"]
        found = self.run_program("qg", "one-class", *words)
        self.assert_finished(found)
        self.assertRegex(found.stdout, r"AUC: 1\.0000 \t 1/eB 0\.3: > 1 \t 1/eB 0\.5: > 1\n\Z")
        result = harness.read_json(run / "test-result.json")
        self.assertEqual([result[key] for key in FIGURES[2:]], [1, None, None])

    def test_contradictions(self):
        """Test mode takes the network from args.json; a flag may not contradict it."""
        run = self.copy("top", "contradicted")
        before = harness.snapshot(run)
        for flag, given, saved in (("n_hidden", "5", "4"), ("n_layers", "3", "2"),
                                   ("c_weight", "0.25", "0.005")):  # fmt: skip
            result = self.run_program("top", "contradicted", "--test_mode", f"--{flag}={given}")
            self.assert_refused(result, f"--{flag}", given, saved, run / "args.json")
        self.assertEqual(harness.snapshot(run), before)
        agreeing = self.run_program("top", "contradicted", "--test_mode", "--n_hidden=4",
                                    "--c_weight=5e-3", "--lr=7")  # fmt: skip
        self.assert_finished(agreeing)

    def test_other_task(self):
        for task, other in (("top", "qg"), ("qg", "top")):
            run = self.copy(task, "of-other-task")
            shutil.copy(self.logs(other) / "trained" / "best-val-model.pt", run)
            args = harness.read_json(run / "args.json")
            result = self.run_program(task, "of-other-task", "--test_mode")
            self.assert_refused(result, run / "best-val-model.pt", "another task", "top tagging",
                                "quark/gluon tagging")  # fmt: skip
            result = self.run_program(task, "new", *harness.SMALL, "--init_from",
                                      run / "best-val-model.pt")  # fmt: skip
            self.assert_refused(result, run / "best-val-model.pt", "another task")
            self.assertFalse((self.logs(task) / "new").exists())
            self.assertEqual(harness.read_json(run / "args.json"), args)

    def test_boost(self):
        run = self.copy("top", "boosted")
        result = self.run_program("top", "boosted", "--test_mode", "--boost", "0,0.3,0.9")
        self.assert_finished(result)
        test = harness.read_json(run / "test-result.json")
        for name, beta in (("boost-0.json", 0), ("boost-0.3.json", 0.3), ("boost-0.9.json", 0.9)):
            record = harness.read_json(run / name)
            self.assertEqual(list(record), ["beta", "acc", "loss", "auc", "max_change", "of"])
            self.assertEqual(record["beta"], beta)
            # Invariant except for rounding and clamped translations.
            self.assertAlmostEqual(record["loss"], test["test_loss"], delta=1e-4 * (beta > 0))
            self.assertAlmostEqual(record["auc"], test["test_auc"], delta=1e-9 + 0.02 * (beta > 0))
            self.assertLessEqual(record["max_change"], 1e-4 * (beta > 0))
        self.assertEqual(harness.read_json(run / "boost-0.json")["acc"], test["test_acc"])

    def test_checkpoint_can_be_mapped(self):
        """torch.load(mmap=True) finds every tensor, aligned as torch.save aligns them."""
        file = self.logs("top") / "trained" / "best-val-model.pt"
        state, mapped = loaded(file), torch.load(file, weights_only=True, mmap=True)
        self.assertEqual(list(state), list(mapped))
        for name, tensor in state.items():
            self.assertTrue(torch.equal(mapped[name], tensor), name)
            self.assertEqual(mapped[name].data_ptr() % 64, 0, name)

    def start_from(self, file, name):
        """Trains one epoch from `file` with a tiny learning rate; returns the content of best-val-model.pt."""
        result = self.run_program("top", name, *harness.SMALL, "--epochs=1", "--lr=1e-12",
                                  "--weight_decay=0", "--init_from", file)  # fmt: skip
        self.assert_finished(result)
        return loaded(self.logs("top") / name / "best-val-model.pt")

    def test_init_from(self):
        file = self.logs("top") / "trained" / "best-val-model.pt"
        state = loaded(file)
        # As in the published file, with "module." before each name; and as torch saves a model by itself.
        torch.save(state, self.folder / "published.pt")
        bare = {name.removeprefix("module."): t.double() if t.is_floating_point() else t
                for name, t in state.items()}  # fmt: skip
        torch.save(bare, self.folder / "bare.pt")
        for name, source in (("ours", file), ("published", self.folder / "published.pt"),
                             ("bare", self.folder / "bare.pt")):  # fmt: skip
            started = self.start_from(source, f"from-{name}")
            for key in state:
                if "running" not in key and "tracked" not in key:
                    harness.assert_close(started[key], state[key], atol=1e-8)
        result = self.run_program("top", "wrong", *harness.SMALL, "--n_hidden=5", "--init_from",
                                  file)  # fmt: skip
        self.assert_refused(result, file.parent / "args.json", "--n_hidden 5", "contradicts 4")


if __name__ == "__main__":
    sys.exit(harness.main())
