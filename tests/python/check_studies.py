"""scripts/learning_curve.py, network_sizes.py and boost_table.py with tiny networks: their tables, and that an interrupted
study goes on to the same one.
"""

import itertools
import re
import shutil
import signal
import subprocess
import sys
import time

import numpy as np

import forked
import harness

SCRIPTS = harness.PROJECT / "scripts"
sys.path.insert(0, str(SCRIPTS))
import learning_curve  # noqa: E402
import network_sizes  # noqa: E402
from plots import style  # noqa: E402, F401  for runs in forks of this process

TINY = ("--n_hidden=4", "--n_layers=2", "--batch_size=8", "--num_workers=0")
JETS = (24, 48)
EPOCHS = 12
TRIES = 20


class FirstFilesTest(harness.unittest.TestCase):
    def test_first_jets(self):
        """Whatever it says takes the first jets and no others."""
        possible = 0
        for sizes in itertools.product((1, 3, 4), repeat=3):
            for jets in range(1, sum(sizes) + 3):
                found = learning_curve.first_files(sizes, jets)
                taken = [min(size, found[1]) for size in sizes[: found[0]]] if found else []
                full = found and taken[:-1] == list(sizes[: found[0] - 1])
                if found:
                    possible += 1
                    self.assertTrue(full and sum(taken) == jets, (sizes, jets, found))
                elif jets <= sizes[0]:
                    self.fail((sizes, jets))
        self.assertGreater(possible, 50)
        self.assertEqual(learning_curve.first_files([30000, 72000], 102000), (2, 72000))


class LabelsTest(harness.unittest.TestCase):
    def test_labels(self):
        """Networks of nearly the same time share a label, in the order of their times."""
        times = {"b": 103.0, "a": 100.0, "c": 105.0, "d": 50.0}
        found = network_sizes.labels_of([{"label": label, "microseconds": time} for label, time in times.items()])
        self.assertEqual(found, [("d", 50.0), ("a, b", 100.0), ("c", 105.0)])


class StudyTest(harness.ProgramTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.data = harness.write_top(cls.folder / "data")
        cls.scripts = forked.Scripts()
        cls.fresh = harness.write_h5(cls.folder / "fresh.h5", harness.top_arrays("test", 100, 60))

    def command(self, script, out, *words):
        return [sys.executable, str(SCRIPTS / script), *self.words(out, *words)]

    def words(self, out, *words):
        return ["--out", str(out), "--test_data", str(self.fresh), "--bin", str(harness.OPTIONS.bin), "--device=cpu",
                *map(str, words)]  # fmt: skip

    def run_script(self, script, out, *words):
        return self.scripts.run(SCRIPTS / script, *self.words(out, *words), env=harness.environment())

    def assert_done(self, result):
        self.assertEqual((result.returncode, result.stderr), (0, ""), result.stdout)

    def assert_wrong(self, result, status, *expected):
        self.assertEqual(result.returncode, status, result.stderr)
        self.assertNotIn("Traceback", result.stderr)
        for text in expected:
            self.assertIn(str(text), result.stderr)

    def curve(self, *words, jets=JETS):
        return ("--task=top", "--datadir", self.data, "--jets", *jets, "--seeds", 1, 2, *TINY, f"--epochs={EPOCHS}",
                "--jobs=2", *words)  # fmt: skip

    def rows(self, out):
        """Of OUT/table.md, without its head."""
        lines = [line for line in (out / "table.md").read_text().splitlines() if line.startswith("| ")]
        return [[cell.strip() for cell in line[1:-1].split("|")] for line in lines[2:]]

    def test_learning_curve(self):
        out = self.folder / "whole"
        self.assert_done(self.run_script("learning_curve.py", out, *self.curve()))
        record = harness.read_json(out / "study.json")
        results = {}
        for run in record["runs"]:
            args = harness.read_json(out / "trainings" / run["name"] / "args.json")
            self.assertEqual((args["seed"], args["num_train"], args["epochs"]), (run["seed"], run["jets"], EPOCHS))
            self.assertEqual(run["epochs"], EPOCHS)
            test = harness.read_json(out / "tests" / run["name"] / "test-result.json")
            self.assertEqual(test["provenance"]["data"][0]["file"], str(self.fresh))
            self.assertAlmostEqual(run["accuracy"], test["test_acc"], places=12)
            self.assertAlmostEqual(run["AUC"], test["test_auc"], places=12)
            self.assertEqual(run["1/eB(0.5)"] and round(run["1/eB(0.5)"], 9), round(test["test_1/eB_0.5"], 9))
            low, high = run["intervals"]["AUC"]
            self.assertTrue(low <= run["AUC"] <= high)
            results.setdefault(run["jets"], []).append((test["test_acc"], test["test_auc"]))
        rows = self.rows(out)
        self.assertEqual([row[:2] for row in rows], [["24", "2"], ["48", "2"]])
        for row, runs in zip(rows, results.values(), strict=True):
            for cell, values in zip(row[2:4], zip(*runs)):
                value, _, deviation = cell.partition(" ± ")
                self.assertAlmostEqual(float(value), np.mean(values), delta=6e-3)
                self.assertAlmostEqual(float(deviation), np.std(values, ddof=1), delta=6e-3)
        self.assertTrue((out / "learning-curve.png").read_bytes().startswith(b"\x89PNG"))
        self.assert_goes_on(out)

    def assert_goes_on(self, whole):
        """Ended by SIGTERM, then killed, in the first trainings; each time the same call goes on."""
        out = self.folder / "interrupted"
        for number, kill in enumerate((signal.SIGTERM, signal.SIGKILL)):
            self.interrupt(out, number, kill)
        before = (out / "logs" / "24-jets-seed-1.log").read_text()
        words = self.curve(jets=JETS[:1])
        result = self.run_script("learning_curve.py", out, *words)
        self.assert_done(result)
        after = (out / "logs" / "24-jets-seed-1.log").read_text()
        self.assertNotEqual(after, before)
        self.assertIn("24-jets-seed-1: training continues", result.stdout)
        # No epoch is begun twice from its first jet.
        finished = re.findall(r"^Epoch (\d+)/\d+ finished", after, re.MULTILINE)
        self.assertEqual(finished, [str(epoch + 1) for epoch in range(EPOCHS)])
        self.assertEqual(self.rows(out), self.rows(whole)[:1])
        moved = self.folder / "moved"
        out = out.rename(moved)
        result = self.run_script("learning_curve.py", out, *words)  # nothing is left to do
        self.assert_done(result)
        self.assertEqual(result.stdout.count("seed-"), 0)
        self.assertEqual(self.rows(out), self.rows(whole)[:1])

    def interrupt(self, out, number, kill):
        """Sends the signal when the training has finished one epoch more. If it comes too late, all is put back, and
        tried again."""
        before = self.folder / "before"
        if out.exists():
            shutil.copytree(out, before)
        for _ in range(TRIES):
            if self.interrupted(out, number, kill):
                shutil.rmtree(before, ignore_errors=True)
                return
            shutil.rmtree(out)
            if before.exists():
                shutil.copytree(before, out)
        self.fail(f"{TRIES} trainings ended before the signal came")

    def interrupted(self, out, number, kill):
        """Whether the signal came before the training's end."""
        with subprocess.Popen(self.command("learning_curve.py", out, *self.curve(jets=JETS[:1])), stdout=subprocess.DEVNULL,
                              stderr=subprocess.PIPE, text=True, env=harness.environment()) as script:  # fmt: skip
            log = out / "logs" / "24-jets-seed-1.log"
            end = time.monotonic() + harness.HANG
            while script.poll() is None and not (log.exists() and log.read_text().count(" finished") > number):
                self.assertLess(time.monotonic(), end)
                time.sleep(0.002)
            script.send_signal(kill)
            error = script.communicate()[1]
        if kill == signal.SIGKILL:
            self.wait_until_unlocked(out)
        if log.read_text().count(" finished") == EPOCHS:
            return False
        if kill == signal.SIGTERM:
            self.assertEqual((script.returncode, error), (128 + kill, "stopped by SIGTERM; the same command goes on\n"))
        return True

    def wait_until_unlocked(self, out):
        """The trainings of a killed script end a little later than it."""
        end = time.monotonic() + harness.HANG
        while True:
            result = subprocess.run(["flock", "-n", out / "trainings" / "24-jets-seed-1" / "run.lock", "true"])
            other = subprocess.run(["flock", "-n", out / "trainings" / "24-jets-seed-2" / "run.lock", "true"])
            if result.returncode == other.returncode == 0:
                return
            self.assertLess(time.monotonic(), end)
            time.sleep(0.01)

    def test_quark_gluon_jets(self):
        data = harness.write_qg(self.folder / "qg", harness.qg_arrays(count=60))
        self.fresh = self.folder / "fresh.npz"
        np.savez(self.fresh, **harness.qg_arrays(1000, 40))
        out = self.folder / "qg-curve"
        words = ("--task=qg", "--datadir", data, *TINY, "--epochs=1")
        self.assert_done(self.run_script("learning_curve.py", out, *words, "--jets", 40))
        self.assertIn(" train samples: 40\n", (out / "logs" / "40-jets-seed-99.log").read_text())
        self.assertRegex(self.rows(out)[0][3], r"^\S+ (±|\+)")  # one run: the bootstrap's
        self.assert_wrong(self.run_script("learning_curve.py", out, *words, "--jets", 42), 2, "--jets 42", "multiple of 4")
        self.assert_wrong(self.run_script("learning_curve.py", out, *words, "--jets", 80), 1,
                          "the training used 48 jets instead of 80")  # fmt: skip

    def test_refusals(self):
        out = self.folder / "refused"
        for words, expected in (((*self.curve(), "--jets", 100), ("--jets 100", "48")),
                                ((*self.curve(), "--seed=4"), ("--seed", "sets this flag itself")),
                                ((*self.curve(), "--num_train=4"), ("--num_train", "sets this flag itself")),
                                ((*self.curve(), "--bin", self.folder), (self.folder / "top_tagging",)),
                                ((*self.curve(), "--test_data", "none.h5"), ("none.h5",))):  # fmt: skip
            self.assert_wrong(self.run_script("learning_curve.py", out, *words), 2, *expected)
        one = ("--task=top", "--datadir", self.data, "--jets", 24, *TINY)
        result = self.run_script("learning_curve.py", out, *one, "--epochs=1", "--dropout=2")
        self.assert_wrong(result, 1, "24-jets-seed-99: training starts: status 2: top_tagging: --dropout")
        result = self.run_script("learning_curve.py", out, *one, "--epochs=1", "--dropout=.1")
        self.assert_wrong(result, 2, "trained with", "--dropout=2", "name another --out")

    def test_sizes_and_boosts(self):
        out = self.folder / "sizes"
        words = ("--task=top", "--datadir", self.data, "--sizes", "4x2", "8x1", "--batch_size=8", "--epochs=1", "--jobs=2",
                 "--rounds=1", "--num_train=24")  # fmt: skip
        self.assert_done(self.run_script("network_sizes.py", out, *words))
        trained = {name: out / "trainings" / f"{name}-seed-99" for name in ("4x2", "8x1")}
        record = {each["label"]: each for each in harness.read_json(out / "study.json")["networks"]}
        self.assertEqual(list(record), list(trained))
        for row, (name, folder) in zip(self.rows(out), trained.items(), strict=True):
            shape = harness.read_json(folder / "args.json")
            self.assertEqual(shape["num_train"], 24)
            self.assertEqual((f"{shape['n_hidden']}x{shape['n_layers']}", row[0]), (name, name))
            log = (out / "logs" / f"{folder.name}.log").read_text()
            self.assertIn(f"Network Size: {row[1].replace(',', '')}\n", log)
            self.assertAlmostEqual(float(row[3].split()[0]), record[name]["runs"][0]["AUC"], delta=6e-3)
            self.assertGreater(record[name]["microseconds"], 1)
        self.assertTrue((out / "sizes.png").read_bytes().startswith(b"\x89PNG"))
        # Another network beside them; nothing is trained again.
        result = self.run_script("network_sizes.py", out, *words, "--experiment", f"other={trained['8x1']}")
        self.assert_done(result)
        self.assertEqual(result.stdout.count("training starts") + result.stdout.count("training continues"), 0)
        self.assertEqual([row[0] for row in self.rows(out)], ["4x2", "8x1", "other"])
        self.assertEqual(self.rows(out)[2][1:6], self.rows(out)[1][1:6])
        self.check_boosts(trained)

    def check_boosts(self, trained):
        out = self.folder / "boosts"
        networks = [f"small={trained['4x2']}", trained["8x1"]]
        result = self.run_script("boost_table.py", out, "--task=top", "--boost", 0.5, 0.9, "--equivariance=4", *networks, "--")
        self.assert_done(result)
        rows = self.rows(out)
        self.assertEqual([row[:2] for row in rows], [["small", "0"], ["", "0.5"], ["", "0.9"], ["8x1-seed-99", "0"],
                                                     ["", "0.5"], ["", "0.9"]])  # fmt: skip
        test = out / "tests" / "8x1-seed-99"
        boost = harness.read_json(test / "boost-0.9.json")
        study = harness.read_json(test / "equivariance.json")["frames"][2]["variants"]
        self.assertEqual(rows[5][2:], [f"{boost['acc']:.5f}", f"{boost['auc']:.5f}", f"{boost['max_change']:.1e}",
                                       f"{100 * study['double, clamp']['clamped']:.2g} %",
                                       f"{study['double, no clamp']['max_shift']:.1e}"])  # fmt: skip
        self.assertEqual(rows[3][3], f"{harness.read_json(test / 'test-result.json')['test_auc']:.5f}")
        again = self.run_script("boost_table.py", out, "--task=top", "--boost", 0.5, 0.9, "--equivariance=4", *networks, "--")
        self.assert_done(again)
        self.assertNotIn(": test", again.stdout)


if __name__ == "__main__":
    harness.main()
