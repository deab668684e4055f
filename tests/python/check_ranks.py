"""Several processes over the loopback: they train like one, and all end when one fails."""

import json
import os
import shutil
import signal
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import disturb_ranks
import harness
import launchers
import same_run
from followed import Followed

TRAINING = ("--n_hidden=8", "--epochs=2", "--dropout=0.2", "--num_workers=2")
LONG = (f"--timeout={2 * harness.HANG}",)  # a rank that waits so long fails the test


class RanksTest(harness.ProgramTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.data = harness.write_qg(cls.folder / "data")

    def words(self, logs, *more):
        return [*harness.SMALL, *TRAINING, "--datadir", self.data, "--logdir", self.folder / logs,
                "--exp_name=run", *more]  # fmt: skip

    def train(self, logs, *more, count=2):
        """Trains to the end. Returns the folder of the experiment and the lines of rank 0."""
        results = launchers.run_ranks(count, "qg", *self.words(logs, *more))
        self.assert_all_finished(results)
        self.assertEqual([result.stdout for result in results[1:]], [""] * (count - 1))
        return self.folder / logs / "run", results[0].stdout

    def assert_all_finished(self, results):
        for result in results:
            self.assert_finished(result)

    def start_two(self, logs, *of_second):
        """Starts two ranks, the second with other flags."""
        first, second = launchers.variables_of_ranks(2)
        return [*launchers.start_ranks([first], "qg", *self.words(logs)),
                *launchers.start_ranks([second], "qg", *self.words(logs, *of_second))]  # fmt: skip

    def assert_ended(self, results, status, *expected):
        """All ranks with this status, and one line on stderr in total."""
        self.assertEqual([result.returncode for result in results], [status] * len(results),
                         [result.stderr for result in results])  # fmt: skip
        lines = [line for result in results for line in result.stderr.splitlines()]
        self.assertEqual(len(lines), 1, lines)
        for text in expected:
            self.assertIn(text, lines[0])

    def test_same_as_one_process(self):
        """The losses are those of one process with twice the batch size, within float precision."""
        ours, lines = self.train("two", "--dropout=0", "--batch_size=4", "--lr=1e-4")
        result = harness.run("qg", *self.words("one", "--dropout=0", "--batch_size=8", "--lr=1e-4"))
        self.assert_finished(result)
        two, one = (harness.read_json(self.folder / logs / "run" / "train-result.json") for logs in ("two", "one"))
        for key in ("train_loss", "val_loss"):
            harness.assert_close(two[key], one[key], rtol=1e-5)
        self.assertIn("Processes: 2 (torchrun)", lines)
        self.assertRegex(lines, r"\n train samples: 80\n")

    def test_scores_of_any_number_of_ranks(self):
        """score.npy and every figure are the same, bit for bit."""
        trained = harness.train("top", self.folder / "top", harness.write_top(self.folder / "t"),
                                "run", "--n_hidden=8")  # fmt: skip
        words = ["--test_mode", "--exp_name=run", "--logdir", trained.parent, "--datadir",
                 self.folder / "t", "--batch_size=3", "--boost=0.5", "--device=cpu"]  # fmt: skip
        for kernel in ("plain", "fused"):
            self.assert_finished(harness.run("top", *words, f"--kernel={kernel}"))
            expected = harness.results(trained)
            for count in (2, 3, 4):
                (trained / "score.npy").unlink()
                results = launchers.run_ranks(count, "top", *words, f"--kernel={kernel}")
                self.assert_all_finished(results)
                self.assertEqual(harness.results(trained), expected, (count, kernel))

    def test_mpirun(self):
        if shutil.which("mpirun") is None:
            self.skipTest("there is no mpirun")
        command = ["mpirun", "--allow-run-as-root", "--oversubscribe", "-n", "2", "--bind-to", "none",
                   *harness.command("qg", *self.words("mpirun"))]  # fmt: skip
        result = launchers.run_command(command)
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertIn("Processes: 2 (Open MPI)", result.stdout)
        ours, _ = self.train("not-mpirun")
        same_run.check(self.folder / "mpirun" / "run", ours)

    def test_srun(self):
        """With the variables of Slurm; its list of hosts names this machine."""
        port = str(launchers.free_port())
        variables = [{"SLURM_PROCID": str(rank), "SLURM_STEP_NUM_TASKS": "2", "SLURM_JOB_ID": "7",
                      "SLURM_LOCALID": str(rank), "SLURM_STEP_NODELIST": "localhost",
                      "MASTER_PORT": port} for rank in range(2)]  # fmt: skip
        results = launchers.wait_for(launchers.start_ranks(variables, "qg", *self.words("srun")))
        self.assert_all_finished(results)
        self.assertIn("Processes: 2 (Slurm)", results[0].stdout)

    def test_bad_launch(self):
        for variables, text in (({"RANK": "2", "WORLD_SIZE": "2"}, "RANK is 2"),
                                ({"RANK": "0", "WORLD_SIZE": "2"}, "MASTER_ADDR")):  # fmt: skip
            processes = launchers.start_ranks([variables], "qg", *self.words("bad"))
            self.assert_refused(launchers.wait_for(processes)[0], text)

    def test_bad_input_is_told_once(self):
        results = launchers.run_ranks(3, "qg", *self.words("bad", "--epochs=none"))
        self.assert_ended(results, 2, "rank ", ": --epochs", "none")  # the first rank to report it
        results = launchers.run_ranks(2, "qg", *self.words("bad", "--datadir", self.folder / "nowhere"))
        self.assert_ended(results, 2, "rank ", "nowhere")
        self.assertFalse((self.folder / "bad").exists())

    def test_one_rank_fails(self):
        """When it reads its data, while the other rank waits for it, but not until --timeout."""
        processes = self.start_two("fails", "--datadir", self.folder / "nowhere", *LONG)
        self.assert_ended(launchers.wait_for(processes), 2, "rank 1: ", "nowhere")

    def test_other_jets(self):
        other = harness.write_qg(self.folder / "other", harness.qg_arrays(first=50))
        results = launchers.wait_for(self.start_two("jets", "--datadir", other))
        self.assert_ended(results, 2, "rank 1 has other jets than rank 0")

    def test_loss_that_is_not_finite(self):
        words = self.words("infinite", "--lr=1e30", "--warmup_epochs=0")
        results = launchers.run_ranks(2, "qg", *words)
        self.assert_ended(results, 1, "rank ", "the loss is not finite; jets of the batch: ",
                          "QG_jets.npz: jet ")  # fmt: skip

    def kill(self, rank, other_sleeps):
        """Trains with 2 ranks and kills one of them; returns the result of the other."""
        processes = launchers.start_ranks(
            launchers.variables_of_ranks(2), "qg",
            *self.words(f"lost-{rank}", "--epochs=1000", "--overwrite", *LONG),
        )  # fmt: skip
        launchers.wait_for_line(processes[0], "Epoch 1/")
        other = processes[1 - rank]
        if other_sleeps:
            other.send_signal(signal.SIGSTOP)
            launchers.wait_until_idle(processes[rank])  # it waits for the other
        processes[rank].kill()
        processes[rank].wait()
        other.send_signal(signal.SIGCONT)
        results = launchers.wait_for(processes)
        self.assertEqual(results[rank].returncode, -signal.SIGKILL)
        return results[1 - rank]

    def test_killed_rank(self):
        for rank in (0, 1):
            other = self.kill(rank, other_sleeps=False)
            self.assert_ended([other], 1, f"rank {rank} is gone")

    def test_write_to_killed_rank(self):
        """A rank that is stopped meanwhile then writes to a closed socket, which usually raises SIGPIPE."""
        for _ in range(5):
            self.assert_ended([self.kill(0, other_sleeps=True)], 1, "rank 0 is gone")

    def test_stopped_training_goes_on(self):
        """A signal to one rank stops both between two steps; --resume gives the same result, bit for bit."""
        whole, _ = self.train("whole", "--epochs=3")
        words = self.words("parts", "--epochs=3", "--log_interval=1")
        first, second = launchers.variables_of_ranks(2)
        with Followed(harness.command("qg", *words), launchers.environment(**first)) as leader:
            others = launchers.start_ranks([second], "qg", *words)
            self.assertTrue(leader.wait_for_line(lambda line: line.startswith(">> train \t Epoch 2")))
            others[0].send_signal(signal.SIGTERM)
            results = [leader.finish(), *launchers.wait_for(others)]
        self.assertEqual([result.returncode for result in results], [143, 143])
        self.assertRegex(results[0].stdout, r"Stopped by signal 15; .*--resume")
        resume = ("--resume", "--exp_name=run", "--device=cpu")
        state = harness.snapshot(self.folder / "parts")
        self.assert_all_finished(launchers.run_ranks(2, "qg", *resume, "--logdir", self.folder / "parts"))
        args = harness.read_json(self.folder / "parts" / "run" / "args.json")
        args["log_interval"] = 100
        (self.folder / "parts" / "run" / "args.json").write_text(json.dumps(args))
        same_run.check(self.folder / "parts" / "run", whole)
        # It also continues with another number of ranks, and reports what changes.
        for count, logs in ((3, "three"), (1, "alone")):
            harness.restore(self.folder / logs, state)
            words = (*resume, "--logdir", self.folder / logs)
            results = launchers.run_ranks(count, "qg", *words)
            self.assert_all_finished(results)
            self.assertIn(f"The number of ranks changes from 2 to {count}: a step is of "
                          f"{8 * count} jets, not of 16", results[0].stdout)  # fmt: skip

    def test_restart_of_an_experiment_without_a_name(self):
        """All ranks and restarts use the same name."""
        logdir = self.folder / "nameless"
        words = [word for word in self.words("nameless", "--epochs=4") if word != "--exp_name=run"]
        command = launchers.torchrun(2, *harness.command("qg", *words), restarts=1)
        with Followed(command, launchers.environment()) as program:
            while not list(logdir.glob("*/training-state.pt")):
                self.assertNotEqual(program.read_line(), "")
            os.kill(disturb_ranks.ranks_below(program.process.pid)[1], signal.SIGKILL)
            result = program.finish()
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertIn("Continuing from", result.stdout)
        self.assertEqual(len(list(logdir.iterdir())), 1)
        self.assertEqual(len(list(logdir.glob("*/test-result.json"))), 1)

    def test_disturbed(self):
        """One kill and one stop; disturb_ranks.py repeats them."""
        with tempfile.TemporaryDirectory(prefix="lorentznet-") as folder:
            disturber = disturb_ranks.Disturber(Path(folder), ranks=2, seed=3, timeout=8)
            with ThreadPoolExecutor() as threads:  # the stopped training waits for the timeout
                killed, stopped = threads.submit(disturber.kill, 0), threads.submit(disturber.stop, 0)
            self.assertIn("same bits", killed.result())
            self.assertIn("is named", stopped.result())


if __name__ == "__main__":
    harness.main()
