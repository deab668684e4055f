"""scripts/compare_published.py on made-up files of the published form: float32 rows (label, p0, p1)."""

import re
import subprocess
import sys

import numpy as np

import figures
import file_server
import harness
from check_published import reference

SCRIPT = harness.PROJECT / "scripts" / "compare_published.py"
JETS = 5000


class ComparePublishedTest(harness.ProgramTest):
    def setUp(self):
        self.ours, self.published = (self.folder / f"{self.id()}-{name}.npy" for name in ("ours", "published"))
        self.rows = figures.random_rows(3, JETS, 1000, 2).astype(np.float32)
        self.server = file_server.start(self)

    def compare(self, *words):
        return subprocess.run([sys.executable, SCRIPT, self.ours, self.published, *words], text=True, capture_output=True,
                              env=harness.environment(LORENTZNET_PUBLISHED_FILES=str(self.folder / "table.tsv"),
                                                      no_proxy="*"))  # fmt: skip

    def other_rows(self):
        """Of a program that rounds in another way, and is far off in two jets."""
        other = self.rows.copy()
        noise = np.random.default_rng(4).normal(0, 1e-6, JETS)
        noise[[7, 4000]] = 3e-4, -0.01
        other[:, 2] = np.clip(self.rows[:, 2] + noise, 0, 1)
        other[:, 1] = 1 - other[:, 2]
        return other

    def test_differences(self):
        other = self.other_rows()
        np.save(self.ours, other)
        np.save(self.published, self.rows)
        result = self.compare()
        self.assertEqual((result.returncode, result.stderr), (0, ""))
        difference = np.abs(other[:, 2].astype(float) - self.rows[:, 2].astype(float))
        for name, quantile in (("50 % below", 0.5), ("99.9 % below", 0.999), ("largest", 1)):
            (found,) = re.findall(rf"^  {name} +(\S+)$", result.stdout, re.MULTILINE)
            self.assertAlmostEqual(float(found) / np.quantile(difference, quantile), 1, delta=0.006)
        self.assertIn("above 0.0001     2 rows (0.04 %)\n", result.stdout)
        rows = re.findall(r"^    row (\d+): label (\d), p1 (\S+), published (\S+)$", result.stdout, re.MULTILINE)
        self.assertEqual([int(row) for row, *_ in rows], [4000, 7])
        for row, label, ours, published in rows:
            expected = (self.rows[int(row), 0], other[int(row), 2], self.rows[int(row), 2])
            harness.assert_close([float(label), float(ours), float(published)], expected, atol=1e-6)
        flipped = ((other[:, 2] > other[:, 1]) != (self.rows[:, 2] > self.rows[:, 1])).sum()
        self.assertIn(f"tagged as another class: {flipped} rows\n", result.stdout)
        for name, of_ours, of_published in zip(("accuracy", "AUC"), figures.of_rows(other), figures.of_rows(self.rows)):
            (line,) = re.findall(rf"^{name} +(\S+) +(\S+) +(\S+)$", result.stdout, re.MULTILINE)
            harness.assert_close(list(map(float, line)), [of_ours, of_published, of_ours - of_published], atol=1.1e-6)

    def test_same_scores(self):
        np.save(self.ours, self.rows)
        np.save(self.published, self.rows)
        result = self.compare()
        self.assertIn("largest         0.00e+00\n", result.stdout)
        self.assertIn("above 0.0001     0 rows (0 %)\n", result.stdout)
        self.assertIn("tagged as another class: 0 rows\n", result.stdout)

    def test_download(self):
        np.save(self.folder / "served.npy", self.rows)
        self.server.files["score.npy"] = (self.folder / "served.npy").read_bytes()
        file_server.write_table(self.folder / "table.tsv", file_server.row(self.server, "qg-scores", "score.npy"))
        np.save(self.ours, self.rows)
        self.assertEqual(self.compare().returncode, 2)  # only on request
        self.server.behave = {"score.npy": ["wrong"]}
        result = self.compare("--download")
        self.assertEqual(result.returncode, 2)
        self.assertRegex(result.stderr, r"\Aerror: [^\n]*SHA-256[^\n]*\n\Z")
        self.assertFalse(self.published.exists())
        result = self.compare("--download")
        self.assertEqual((result.returncode, result.stderr), (0, ""))
        self.assertIn("LorentzNet-release, licence GPL-3.0\n", result.stdout)
        self.assertEqual(self.published.read_bytes(), self.server.files["score.npy"])
        self.server.requests.clear()
        self.assertEqual(self.compare("--download").returncode, 0)
        self.assertEqual(self.server.requests, [])

    def test_what_cannot_be_compared(self):
        np.save(self.ours, self.rows)
        not_finite = self.rows.copy()
        not_finite[5, 2] = np.nan
        for rows, expected in ((self.rows[:-1], "4999"), (self.rows[::-1], "same jets in the same order"),
                               (self.rows[:, :2], "[N, 3]"), (not_finite, "finite"),
                               (self.rows[:, 2], "[N, 3]")):  # fmt: skip
            np.save(self.published, rows)
            result = self.compare()
            self.assertEqual((result.returncode, result.stdout), (2, ""))
            self.assertRegex(result.stderr, r"\Aerror: [^\n]*\n\Z")
            self.assertIn(expected, result.stderr)

    def test_published_file(self):
        """It has this form, and agrees with itself."""
        file = reference() / "qg" / "score.npy"
        if not file.exists():
            self.skipTest(f"there is no {file}")
        self.ours = self.published = file
        result = self.compare()
        self.assertEqual((result.returncode, result.stderr), (0, ""))
        self.assertIn("200000 jets", result.stdout)


if __name__ == "__main__":
    harness.main()
