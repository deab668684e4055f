"""scripts/compare_scores.py against scikit-learn and the expected statistical uncertainties."""

import os
import pathlib
import sys
import tempfile
import unittest

import numpy as np

import figures
import forked

SCRIPT = pathlib.Path(__file__).resolve().parents[2] / "scripts/compare_scores.py"
JETS = 4000


def scores(seed, separation, levels):
    return figures.random_rows(seed, JETS, levels, separation)


class CompareTest(unittest.TestCase):
    scripts = forked.Scripts()

    def setUp(self):
        self.folder = pathlib.Path(self.enterContext(tempfile.TemporaryDirectory()))

    def run_script(self, *files):
        return self.scripts.run(SCRIPT, *files, "--draws=200", env=os.environ)

    def compare(self, first, second):
        """{figure: [(value, uncertainty) of first, second, difference]}"""
        files = [self.folder / name for name in ("first.npy", "second.npy")]
        for file, rows in zip(files, (first, second)):
            np.save(file, rows)
        result = self.run_script(*files)
        self.assertEqual(result.returncode, 0, result.stderr)
        table = {}
        for line in result.stdout.splitlines()[2:]:
            words = line[14:].split()
            table[line[:14].strip()] = [(float(words[k]), float(words[k + 2])) for k in (0, 3, 6)]
        return table

    def test_figures(self):
        first, second = scores(1, 2, 1000), scores(2, 1.5, 50)
        table = self.compare(first, second)
        for row, of_first, of_second, rounding in zip(table.values(), figures.of_rows(first), figures.of_rows(second),
                                                      (1e-5, 1e-5, 0.06, 0.06)):  # fmt: skip
            for (value, _), right in zip(row, (of_first, of_second, of_second - of_first)):
                self.assertAlmostEqual(value, right, delta=rounding)

    def test_uncertainties(self):
        """Of an accuracy it is sqrt(p (1 - p) / N); of independent ones they add in squares."""
        (one, sigma), (two, other), (_, both) = self.compare(
            scores(1, 2, 1000), scores(2, 1, 1000))["accuracy"]
        for p, found in ((one, sigma), (two, other)):
            self.assertAlmostEqual(found / np.sqrt(p * (1 - p) / JETS), 1, delta=0.2)
        self.assertAlmostEqual(both / np.hypot(sigma, other), 1, delta=0.2)

    def test_weighted(self):
        """With the weights in the score.npz beside each file, or from these files themselves."""
        first, second = scores(1, 2, 1000), scores(2, 1.5, 50)
        weight = np.random.default_rng(8).uniform(0, 2, JETS) * (1 - 0.9 * (first[:, 2] > 0.5))
        for name, rows in (("first", first), ("second", second)):
            np.savez(self.folder / f"{name}.npz", label=rows[:, 0].astype(int), probability=rows[:, 1:], weight=weight)
        table = self.compare(first, second)
        expected = figures.of_rows(first, weight), figures.of_rows(second, weight)
        for row, of_first, of_second, rounding in zip(table.values(), *expected, (1e-5, 1e-5, 0.06, 0.06)):
            for (value, _), right in zip(row, (of_first, of_second, of_second - of_first)):
                self.assertAlmostEqual(value, right, delta=rounding)
        archives = self.run_script(self.folder / "first.npz", self.folder / "second.npz")
        self.assertIn(", weighted;", archives.stdout)
        np.savez(self.folder / "second.npz", label=second[:, 0].astype(int), weight=weight[::-1])
        result = self.run_script(self.folder / "first.npy", self.folder / "second.npy")
        self.assertEqual((result.returncode, result.stdout), (2, ""))
        self.assertIn("different weights", result.stderr)

    def test_same_network(self):
        rows = scores(1, 2, 1000)
        for row in self.compare(rows, rows).values():
            self.assertEqual(row[2], (0, 0))

    def test_what_cannot_be_compared(self):
        files = [self.folder / f"{k}.npy" for k in range(6)]
        rows = scores(1, 2, 10)
        no_background, no_signal = rows.copy(), rows.copy()
        no_background[3, 1] = no_signal[3, 2] = np.nan
        contents = (rows, rows[::-1], rows[:, :2], rows[rows[:, 0] == 1], no_background, no_signal)
        for file, content in zip(files, contents):
            np.save(file, content)
        for other in (*files[1:], self.folder / "none.npy"):
            result = self.run_script(files[0], other)
            self.assertEqual((result.returncode, result.stdout), (2, ""))
            self.assertRegex(result.stderr, r"\Aerror: .*\n\Z")


if __name__ == "__main__":
    unittest.main()
