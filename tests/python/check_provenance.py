"""What results are made from: program, command, files with checksums, checkpoint; and that results of other jets or
of another network are never shown with them."""

import hashlib
import json
import re
import shutil
import subprocess
import sys

import numpy as np

import forked
import harness

SCRIPTS = harness.PROJECT / "scripts"
sys.path.insert(0, str(SCRIPTS))
import prepared  # noqa: E402

prepared.need("numpy", "matplotlib", "mplhep")

from plots import experiments, style  # noqa: E402, F401  style for plot.py in forks of this process

PROGRAM = r"qg_tagging \d+\.\d+\.\d+( \(commit [0-9a-f]{12}\+?\))?"


def sha256(file):
    return hashlib.sha256(file.read_bytes()).hexdigest()


def words_of(line):
    """The words of a command line, as a shell reads it."""
    out = subprocess.run(["bash", "-c", f'for word in {line}; do printf "%s\\0" "$word"; done'], check=True,
                         capture_output=True).stdout  # fmt: skip
    return [word.decode() for word in out.split(b"\0")[:-1]]


class ProvenanceTest(harness.TrainedTest):
    scripts = forked.Scripts()

    def copy(self, name):
        shutil.copytree(self.kept, self.folder / name)
        return self.folder / name

    def score(self, run, *words, **options):
        result = harness.test_mode("qg", run, *words, **options)
        self.assert_finished(result)
        return harness.read_json(run / "test-result.json")

    def other_jets(self, name="other.npz", count=30):
        file = self.folder / name
        np.savez(file, **harness.qg_arrays(first=200, count=count))
        return file

    def plot(self, *words):
        return self.scripts.run(SCRIPTS / "plot.py", *words, env=harness.environment())

    def read(self, run):
        """What the pictures show of an experiment, and the lines about what they leave out."""
        found = experiments.read_experiment(run.name, run)
        return found, experiments.warnings([found])

    def logged(self, run):
        """The lines of the last run in run.log without their times."""
        lines = [line.split("  ", 1)[1] for line in (run / "run.log").read_text().splitlines() if "  " in line]
        return lines[max(k for k, line in enumerate(lines) if ", LibTorch " in line) :]

    def test_training(self):
        file = self.data / "datasets" / "QG_jets.npz"
        entry = {"file": str(file), "bytes": file.stat().st_size, "sha256": sha256(file),
                 "train": 32, "val": 4, "test": 4, "skipped": 0}  # fmt: skip
        (record,) = harness.read_json(self.kept / "train-provenance.json")["runs"]
        self.assertEqual(list(record), ["started", "program", "command", "data"])
        self.assertRegex(record["started"], r"\A\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d[+-]\d{4}\Z")
        self.assertEqual(record["data"], [entry])
        test = harness.read_json(self.kept / "test-result.json")
        self.assertEqual(list(test)[-2:], ["of", "provenance"])
        found = test["provenance"]
        tested = {"file": str(file), "bytes": entry["bytes"], "sha256": entry["sha256"], "first_row": 32,
                  "last_row": 35, "jets": 4, "skipped": 0}  # fmt: skip
        self.assertEqual(found["data"], [tested])
        self.assertEqual(found["checkpoint"], {"file": str(self.kept / "best-val-model.pt"),
                                               "sha256": sha256(self.kept / "best-val-model.pt")})  # fmt: skip
        self.assertEqual(found["score.npy"], sha256(self.kept / "score.npy"))
        self.assertEqual(test["of"], {"checkpoint": found["checkpoint"]["sha256"], "data": [
            {"sha256": entry["sha256"], "first_row": 32, "last_row": 35, "jets": 4}]})  # fmt: skip
        uncertainty = harness.read_json(self.kept / "test-uncertainty.json")
        self.assertEqual(uncertainty["of"], test["of"])
        for described in (record, found):
            self.assertRegex(described["program"], rf"\A{PROGRAM}\Z")
            words = words_of(described["command"])
            self.assertEqual(words[0], harness.command("qg")[0])
            self.assertEqual(words[-2:], ["kept", "--epochs=1"])
        lines = self.logged(self.kept)
        self.assertRegex(lines[0], rf"\A{PROGRAM}, LibTorch ")
        self.assertEqual(lines[1], "Command: " + record["command"])
        self.assertIn(f"Data: {file}: 32 train, 4 val and 4 test jets used, 0 skipped; SHA-256 {entry['sha256']}", lines)
        self.assertIn(f"Checkpoint: {self.kept / 'best-val-model.pt'}; SHA-256 {test['of']['checkpoint']}", lines)
        self.assertEqual(list(harness.read_json(self.kept / "args.json"))[:2], ["exp_name", "test_mode"])

    def test_commit(self):
        """The commit of the checkout that the programs were built from, not of the folder they run in."""
        answer = subprocess.run(["git", "-C", harness.PROJECT, "rev-parse", "HEAD"], capture_output=True, text=True)
        if answer.returncode != 0 or not (harness.PROJECT / ".git").exists():
            self.skipTest("the sources are no git checkout")
        program = harness.read_json(self.kept / "test-result.json")["provenance"]["program"]
        commit = re.search(r"commit ([0-9a-f]{12})", program)
        self.assertIsNotNone(commit, program)
        known = subprocess.run(["git", "-C", harness.PROJECT, "cat-file", "-e", commit[1] + "^{commit}"])
        self.assertEqual(known.returncode, 0, program)

    def test_resumed(self):
        run = self.copy("resumed")
        shutil.copy(self.kept / "args.json", run)
        words = ["--logdir", self.folder, "--exp_name=resumed", "--resume", "--device=cpu"]
        args = harness.read_json(run / "args.json") | {"exp_name": "resumed"}
        (run / "args.json").write_text(json.dumps(args))
        self.assert_finished(harness.run("qg", *words, "--epochs=2"))
        first, second = harness.read_json(run / "train-provenance.json")["runs"]
        self.assertEqual(words_of(second["command"])[1:], [*map(str, words), "--epochs=2"])
        self.assertEqual((first["data"], first["program"]), (second["data"], second["program"]))
        # A damaged record ends no training.
        (run / "train-provenance.json").write_text("{")
        result = harness.run("qg", *words, "--epochs=3")
        self.assert_finished(result)
        self.assertIn("Warning: " + str(run / "train-provenance.json"), result.stdout)
        self.assertEqual(len(harness.read_json(run / "train-provenance.json")["runs"]), 1)
        self.assert_finished(harness.run("qg", *harness.SMALL, "--logdir", self.folder, "--exp_name=resumed",
                                         "--datadir", self.data, "--overwrite", "--epochs=1",
                                         "--init_from", self.kept / "best-val-model.pt"))  # fmt: skip
        (only,) = harness.read_json(run / "train-provenance.json")["runs"]
        self.assertEqual(only["init_from"]["sha256"], sha256(self.kept / "best-val-model.pt"))

    def test_skipped_and_several_files(self):
        run = self.copy("skipped")
        arrays = harness.qg_arrays(count=1000)
        arrays["X"] = arrays["X"].copy()
        arrays["X"][7, 0, 0] = np.nan
        bad = self.folder / "bad.npz"
        np.savez(bad, **arrays)
        good = self.other_jets("more jets.npz")
        found = self.score(run, "--on_bad_jet=skip", "--test_data", bad, good)
        counts = [(entry["file"], entry["sha256"], entry["jets"], entry["skipped"])
                  for entry in found["provenance"]["data"]]  # fmt: skip
        self.assertEqual(counts, [(str(bad), sha256(bad), 999, 1), (str(good), sha256(good), 30, 0)])
        self.assertEqual(found["of"]["data"], [
            {"sha256": sha256(bad), "first_row": 0, "last_row": 999, "jets": 999},
            {"sha256": sha256(good), "first_row": 0, "last_row": 29, "jets": 30}])  # fmt: skip
        self.assertIn(f"Data: '{good}': 0 train, 0 val and 30 test jets used, 0 skipped; SHA-256 {sha256(good)}",
                      self.logged(run))  # fmt: skip

    def test_odd_words(self):
        """The command can be given again, whatever its words are."""
        run = self.copy("odd")
        name = "it's $HOME; `x` \"quoted\" \\ ü\n\t.npz"
        file = self.other_jets(name)
        found = self.score(run, "--test_data", file, "--boost=-0.5")
        expected = harness.command("qg", "--test_mode", "--device=cpu", "--logdir", run.parent, "--exp_name", "odd",
                                   "--test_data", file, "--boost=-0.5")  # fmt: skip
        self.assertEqual(words_of(found["provenance"]["command"]), expected)
        self.assertNotIn("\n", found["provenance"]["command"])
        line = next(line for line in self.logged(run) if line.startswith("Command: "))
        self.assertEqual(words_of(line.removeprefix("Command: ")), expected)
        self.assertEqual(found["provenance"]["data"][0]["file"], str(file))

    def test_name_without_characters(self):
        """Bytes that are no UTF-8 cannot be in JSON: they are replaced, and the results are not lost."""
        run = self.copy("bytes")
        file = bytes(self.folder / "jets-") + b"\xff\xfe.npz"
        shutil.copy(self.other_jets(), file)
        result = subprocess.run([*map(str.encode, harness.command("qg", "--test_mode", "--device=cpu", "--logdir",
                                 self.folder, "--exp_name=bytes", "--test_data")), file], capture_output=True,
                                env=harness.environment())  # fmt: skip
        self.assertEqual((result.returncode, result.stderr), (0, b""))
        found = harness.read_json(run / "test-result.json")["provenance"]
        self.assertIn("jets-\ufffd", found["data"][0]["file"])
        self.assertIn("jets-\ufffd", found["command"])

    def test_data_of_the_training(self):
        """Test mode without data flags tests the jets of the training's own test, from any folder."""
        data = harness.write_qg(self.folder / "own", harness.qg_arrays(count=80))
        run = harness.train("qg", self.folder, data, "own-data", "--epochs=1", "--num_data=60")
        scores, test = (run / "score.npy").read_bytes(), harness.read_json(run / "test-result.json")
        (run / "score.npy").unlink()
        result = harness.test_mode("qg", run, cwd=self.folder)
        self.assert_finished(result)
        self.assertIn(f"Data: {data}, as in the training", result.stdout)
        self.assertEqual((run / "score.npy").read_bytes(), scores)
        self.assertEqual(harness.read_json(run / "test-result.json")["of"], test["of"])
        # Flags of the data have priority.
        all_jets = self.score(run, "--datadir", data)
        self.assertEqual((all_jets["of"]["data"][0]["first_row"], all_jets["of"]["data"][0]["jets"]), (64, 8))
        self.assertEqual(self.score(run, "--num_data=40")["of"]["data"][0]["first_row"], 32)
        shutil.rmtree(data)
        before = harness.snapshot(run)
        self.assert_harmless(harness.test_mode("qg", run), run, before, run / "args.json", data, "--datadir")
        self.score(run, "--test_data", self.other_jets())

    def test_stale_results(self):
        """Boosts of other jets are left out of pictures, and named in one line."""
        run = self.copy("stale")
        file = self.other_jets("boosted.npz", 60)
        first = self.score(run, "--test_data", file, "--boost=0,0.9")
        self.assertEqual(harness.read_json(run / "boost-0.9.json")["of"], first["of"])
        self.assertEqual(self.read(run)[1], [])
        second = self.score(run, "--test_data", self.other_jets("second.npz", 50), "--boost=0.5",
                                "--equivariance=4")  # fmt: skip
        self.assertNotEqual(first["of"], second["of"])
        self.assertEqual(harness.read_json(run / "equivariance.json")["of"], second["of"])
        left_out = r"\Awarning: [^\n]*stale: left out boost-0\.9\.json, boost-0\.json: of other jets[^\n]*\n\Z"
        result = self.plot(run)
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertRegex(result.stderr, left_out)
        self.assertIn("equivariance", result.stdout)
        self.assertEqual([boost["beta"] for boost in self.read(run)[0].boosts], [0.5])
        # Of the same jets again, all are shown.
        self.score(run, "--test_data", self.folder / "second.npz", "--boost=0,0.9")
        found, lines = self.read(run)
        self.assertEqual(([boost["beta"] for boost in found.boosts], lines), ([0, 0.5, 0.9], []))

    def test_stale_network(self):
        """The training goes on: the results of the earlier network are not shown with its curves."""
        run = self.copy("network")
        self.score(run, "--test_data", self.other_jets("for-network.npz", 60), "--boost=0.5")
        self.assertIsNotNone(self.read(run)[0].scores)
        weights = (run / "best-val-model.pt").read_bytes()
        shutil.copy(self.kept / "training-state.pt", run / "best-val-model.pt")
        found, (line,) = self.read(run)
        self.assertIn("left out boost-0.5.json, score.npy, test-result.json, test-uncertainty.json: ", line)
        self.assertEqual((found.scores, found.test, found.boosts), (None, None, []))
        self.assertTrue(found.training)
        (run / "best-val-model.pt").write_bytes(weights)
        # Scores that another program put there are not those of test-result.json.
        np.save(run / "score.npy", np.load(run / "score.npy")[::-1])
        found, (line,) = self.read(run)
        self.assertIn("left out score.npy: ", line)
        self.assertTrue(found.test and found.boosts and found.scores is None)

    def test_different_jets(self):
        runs = [self.copy("jets-1"), self.copy("jets-2")]
        for number, run in enumerate(runs):
            self.score(run, "--test_data", self.other_jets(f"jets-{number}.npz", 40 + number))
        result = self.plot(*runs)
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertRegex(result.stderr, r"\Awarning: [^\n]*jets-1 and [^\n]*jets-2 were tested on different jets\n\Z")

    def test_report(self):
        run = self.copy("reported")
        found = self.score(run, "--test_data", self.other_jets("for-report.npz", 60), "--boost=0.5", "--report")
        page = (run / "report.html").read_text()
        for text in (found["provenance"]["command"], found["provenance"]["program"], found["of"]["checkpoint"],
                     found["of"]["data"][0]["sha256"], "60 jets used, 0 skipped",
                     sha256(self.data / "datasets" / "QG_jets.npz"), "32 train, 4 validation"):  # fmt: skip
            self.assertIn(text.replace("'", "&#x27;"), page)
        self.assertNotIn("left out", page)
        self.score(run, "--test_data", self.other_jets("again.npz", 70), "--report")
        self.assertIn("left out boost-0.5.json", (run / "report.html").read_text())


if __name__ == "__main__":
    sys.exit(harness.main())
