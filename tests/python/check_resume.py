"""A training that is stopped or killed and then resumed ends like an uninterrupted one, bit for bit. The
moments are random, with a fixed seed.
"""

import json
import random
import re
import signal
import sys

import numpy as np

import harness
import same_run
from followed import Followed

SEED = 20220317
TRAINING = ("--epochs=4", "--num_workers=3", "--dropout=0.2", "--log_interval=1")
STOPPED = {signal.SIGTERM: 143, signal.SIGINT: 130, signal.SIGKILL: -9}


def is_of_training(line):
    return line.startswith((">> ", "Time: ", "New best", "Epoch "))


def steps_in(output):
    """(epoch, batch) of the training lines in `output`."""
    return re.findall(r"(?m)^>> train \t Epoch (\d+)/\d+ \t Batch (\d+)/", output)


class ResumeTest(harness.ProgramTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.data = {task: harness.write_data(task, cls.folder / "data" / task)
                    for task in ("top", "qg")}  # fmt: skip
        cls.random = random.Random(SEED)
        cls.undisturbed = {}

    def train(self, task, logs, *words, **options):
        return harness.train(task, self.folder / logs, self.data[task], "run", *TRAINING, *words,
                             **options)  # fmt: skip

    def whole(self, task, *words, **options):
        """The uninterrupted training with these flags."""
        key = (task, *words, *options.items())
        if key not in self.undisturbed:
            logs = f"whole-{len(self.undisturbed)}"
            self.undisturbed[key] = self.train(task, logs, *words, **options)
        return self.undisturbed[key]

    def stop_once(self, task, words, number, threads, lines):
        """Starts the program and sends the signal; returns the exit status."""
        with Followed(harness.command(task, *words), harness.environment(threads)) as program:
            if program.wait_for_line(is_of_training, self.random.randint(*lines)):
                # Half of the signals come at once, the others in the middle of a step or a write.
                program.send_signal(number, self.random.choice((0, self.random.uniform(0, 0.005))))
            result = program.finish()
        self.steps += steps_in(result.stdout)
        self.assertEqual(result.stderr, "")
        if result.returncode != 0:
            # In the test after the training a signal ends the program at once.
            self.assertIn(result.returncode, (STOPPED[number], -number))
        if result.returncode == 128 + number:
            self.assertRegex(result.stdout, rf"Stopped by signal {int(number)}; .*--resume.*\n\Z")
        return result.returncode

    def stop_twice(self, task, words, number, threads, lines):
        """The second signal comes once the program has served the first, and before it can end by itself."""
        with Followed(harness.command(task, *words), harness.environment(threads), can_hold=True) as program:
            self.assertTrue(program.wait_for_line(is_of_training, self.random.randint(*lines)))
            program.hold()
            program.send_signal(number)
            program.wait_until_served(number)
            program.send_signal(number)
            self.assertEqual(program.wait(), -number)
        return -number

    def disturbed(self, task, logs, numbers, *words, threads=1, lines=(1, 9), stop=stop_once):
        """Trains with one stop per signal in `numbers`, and then to the end."""
        logdir = self.folder / logs
        start = [*harness.SMALL, *TRAINING, "--datadir", self.data[task], "--logdir", logdir,
                 "--exp_name=run", *words]  # fmt: skip
        resume = ["--logdir", logdir, "--exp_name=run", "--resume", "--device=cpu"]
        statuses, self.steps = [], []
        for place, number in enumerate(numbers):
            words = resume if place else start
            statuses.append(stop(self, task, words, number, threads, lines))
        self.assertIn(statuses[0], (STOPPED[numbers[0]], -numbers[0]), f"stopped too late: {statuses}")
        last = harness.run(task, *resume, threads=threads)
        self.assert_finished(last)
        self.steps += steps_in(last.stdout)
        return logdir / "run"

    def assert_same(self, run, whole):
        """All files are the same except for times."""
        same_run.check(run, whole)

    def test_signals(self):
        numbers = [signal.SIGTERM, signal.SIGINT, signal.SIGTERM, signal.SIGTERM]
        run = self.disturbed("qg", "signals", numbers)
        self.assert_same(run, self.whole("qg"))
        # No step was repeated: 4 epochs of 10 steps, whose first has no line.
        expected = [(str(epoch), str(batch)) for epoch in range(1, 5) for batch in range(1, 10)]
        self.assertEqual(self.steps, expected)

    def test_second_signal(self):
        """A second signal ends the program at once, saved or not."""
        run = self.disturbed("qg", "twice", [signal.SIGTERM] * 3, stop=ResumeTest.stop_twice)
        self.assert_same(run, self.whole("qg"))

    def test_kills(self):
        run = self.disturbed("qg", "kills", [signal.SIGKILL] * 5, lines=(3, 18))
        self.assert_same(run, self.whole("qg"))

    def test_threads(self):
        numbers = [signal.SIGTERM, signal.SIGKILL, signal.SIGINT]
        run = self.disturbed("qg", "threads", numbers, threads=2)
        self.assert_same(run, self.whole("qg", threads=2))

    def test_val_interval(self):
        words = ("--val_interval=2", "--pooling=jet")
        numbers = [signal.SIGTERM, signal.SIGINT, signal.SIGKILL, signal.SIGTERM]
        run = self.disturbed("top", "interval", numbers, *words)
        self.assert_same(run, self.whole("top", *words))
        record = harness.read_json(run / "train-result.json")
        self.assertEqual(record["epochs"], [0, 2])
        self.assertEqual(len({record["lr"][0], *record["lr"]}), 2)

    def test_top(self):
        run = self.disturbed("top", "top", [signal.SIGINT, signal.SIGTERM])
        self.assert_same(run, self.whole("top"))

    def test_fused_kernel(self):
        """The default for this width; the other networks here are too narrow for it."""
        run = self.disturbed("qg", "fused", [signal.SIGTERM, signal.SIGKILL], "--n_hidden=8")
        self.assert_same(run, self.whole("qg", "--n_hidden=8"))

    def test_init_from_before_the_first_state(self):
        """Killed before anything is saved: --resume starts again from the same weights."""
        source = self.whole("qg") / "best-val-model.pt"
        words = ("--init_from", source, "--seed=5")
        whole = self.train("qg", "init-whole", *words)
        run = self.disturbed("qg", "init", [signal.SIGKILL], *words, lines=(2, 2))
        self.assert_same(run, whole)

    def test_more_epochs(self):
        """Two of four epochs, then the other two."""
        run = self.train("qg", "longer", "--epochs=2")
        resume = ["--logdir", run.parent, "--exp_name=run", "--resume"]
        self.assert_finished(harness.run("qg", *resume, "--epochs=4", "--num_workers=0"))
        args = harness.read_json(run / "args.json")
        self.assertEqual((args["epochs"], args["num_workers"]), (4, 0))
        args["num_workers"] = 3
        (run / "args.json").write_text(json.dumps(args))
        self.assert_same(run, self.whole("qg"))
        # Again: nothing is left to train, and the test gives the same result.
        self.assert_finished(harness.run("qg", *resume, "--num_workers=3"))
        self.assert_same(run, self.whole("qg"))

    def test_dropout_is_there(self):
        """Dropout has an effect, so the tests above also cover the random generator."""
        with_dropout, without = self.whole("qg"), self.train("qg", "none", "--dropout=0")
        difference = np.load(with_dropout / "score.npy") - np.load(without / "score.npy")
        self.assertGreater(np.abs(difference).max(), 0)

    def test_refusals(self):
        run = self.train("qg", "refused", "--epochs=1")
        before = harness.snapshot(run)
        other = harness.write_qg(self.folder / "other", harness.qg_arrays(first=200))
        arrays = harness.qg_arrays()
        arrays["X"][-10:], arrays["y"][-10:] = arrays["X"][:10], arrays["y"][:10]
        validation = harness.write_qg(self.folder / "other-validation", arrays)
        fewer = harness.write_qg(self.folder / "fewer", harness.qg_arrays(count=50))
        for words, expected in (
            (["--lr=0.5"], ["--lr", "0.5", "0.001", "args.json"]),
            (["--batch_size=9"], ["--batch_size", "9", "8"]),
            (["--seed=100"], ["--seed", "100", "99"]),
            (["--dropout=0.1"], ["--dropout", "0.1", "0.2"]),
            (["--num_data=50"], ["--num_data", "50", "-1"]),
            (["--n_hidden=8"], ["--n_hidden", "8", "4"]),
            (["--weight_decay=0"], ["--weight_decay"]),
            (["--val_interval=3"], ["--val_interval", "3", "1"]),
            (["--n_nodes=200"], ["--n_nodes", "200"]),
            (["--datadir", other, "--epochs=3"], ["training-state.pt", "other jets"]),
            (["--datadir", validation, "--epochs=3"], ["training-state.pt", "other jets"]),
            (["--datadir", fewer], ["training-state.pt", "80", "40"]),
        ):
            with self.subTest(words=words):
                result = harness.run("qg", "--logdir", run.parent, "--exp_name=run", "--resume",
                                     *words)  # fmt: skip
                self.assert_harmless(result, run, before, *expected)

    def test_nothing_to_resume(self):
        logdir = self.folder / "nothing"
        result = harness.run("qg", "--logdir", logdir, "--exp_name=run", "--resume")
        self.assert_refused(result, logdir / "run", "nothing to resume")
        self.assertFalse(logdir.exists())


if __name__ == "__main__":
    sys.exit(harness.main())
