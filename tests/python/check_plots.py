#!/usr/bin/env python3
"""scripts/plot.py: figures against scikit-learn, drawn curves, files written, errors.

    check_plots.py

Needs what `scripts/setup.sh --tests` installs.
"""

import contextlib
import io
import json
import pathlib
import subprocess
import sys
import tempfile
import unittest
from unittest import mock

import numpy as np
from sklearn.metrics import roc_auc_score, roc_curve

import figures
import harness

SCRIPTS = pathlib.Path(__file__).resolve().parents[2] / "scripts"
sys.path.insert(0, str(SCRIPTS))

import prepared  # noqa: E402

prepared.need("numpy", "matplotlib", "mplhep")

import matplotlib.image  # noqa: E402
import plot  # noqa: E402
from plots import distributions, experiments, pictures, roc, scores, style, table, training  # noqa: E402
from plots.errors import PlotError  # noqa: E402

JETS = 4000


def rows_of(seed: int, levels: int = 300) -> np.ndarray:
    return figures.random_rows(seed, JETS, levels)


def training_record(epochs: int, shift: float = 0.0) -> dict:
    falling = [0.5 - 0.01 * k + shift for k in range(epochs)]
    return {"epochs": list(range(epochs)), "lr": [1e-3 / (k + 1) for k in range(epochs)],
            "train_loss": falling, "val_loss": [x + 0.02 for x in falling],
            "train_acc": [1 - x for x in falling], "val_acc": [0.98 - x for x in falling],
            "best_val": 0.98 - falling[-1], "best_epoch": epochs - 1}  # fmt: skip


class FiguresTest(unittest.TestCase):
    def test_curve_and_figures(self):
        for levels in (2, 5, 40, 300, 10**6):
            rows = rows_of(levels, levels)
            ours = scores.of_rows(rows, "rows")
            curve = ours.roc()
            background, signal, _ = roc_curve(rows[:, 0], rows[:, 2], drop_intermediate=True)
            harness.assert_close(curve.background_efficiency, background, atol=1e-15)
            harness.assert_close(curve.signal_efficiency, signal, atol=1e-15)
            harness.assert_close(ours.figures(), figures.of_rows(rows), rtol=1e-12)

    def test_a_draw_is_a_sample(self):
        rows = rows_of(1, 60)
        ours, random = scores.of_rows(rows, "rows"), np.random.default_rng(3)
        for _ in range(10):
            copies = np.bincount(random.integers(JETS, size=JETS), minlength=JETS)
            drawn = np.repeat(rows, copies, axis=0)
            harness.assert_close(ours.figures(copies), figures.of_rows(drawn), rtol=1e-12)

    def test_weighted_figures(self):
        """As scikit-learn with sample_weight, also of a draw; equal weights change nothing."""
        random = np.random.default_rng(4)
        for levels in (3, 60, 10**6):
            rows = rows_of(levels, levels)
            weight = random.uniform(0, 2, JETS) * (random.uniform(size=JETS) > 0.2) * (1 - 0.9 * rows[:, 0])
            ours = scores.of_rows(rows, "rows", weight)
            harness.assert_close(ours.figures(), figures.of_rows(rows, weight), rtol=1e-9)
            copies = np.bincount(random.integers(JETS, size=JETS), minlength=JETS)
            harness.assert_close(ours.figures(copies), figures.of_rows(rows, weight * copies), rtol=1e-9)
            equal = scores.of_rows(rows, "rows", np.full(JETS, 0.25))
            harness.assert_close(equal.figures(), figures.of_rows(rows), rtol=1e-12)
            self.assertEqual(equal.rejection_bound, (rows[:, 0] == 0).sum())

    def test_classes(self):
        """Three classes, each against all others, with weights; and the mean, as roc_auc_score's."""
        random = np.random.default_rng(6)
        label, weight = np.arange(JETS) % 3, random.uniform(0, 3, JETS)
        p = random.dirichlet((1, 1, 1), JETS) + 0.5 * np.eye(3)[label]
        p /= p.sum(axis=1, keepdims=True)
        for of_jets in (None, weight):
            ours = scores.of_rows(np.column_stack((label, p)), "rows", of_jets)
            aucs = [roc_auc_score(label == k, p[:, k], sample_weight=of_jets) for k in range(3)]
            mean = roc_auc_score(label, p, multi_class="ovr", sample_weight=of_jets)
            accuracy = np.average(p.argmax(axis=1) == label, weights=of_jets)
            harness.assert_close(ours.figures(), [accuracy, mean, *aucs], rtol=1e-9)
            self.assertEqual(len(ours.names), 5)

    def test_intervals(self):
        ours = scores.of_rows(rows_of(2, 10**6), "rows")
        value, (low, high) = ours.figures()[0], ours.intervals[0]
        binomial = np.sqrt(value * (1 - value) / JETS)
        self.assertTrue(0.75 < (high - low) / 2 / binomial < 1.25, (low, high, binomial))
        self.assertTrue(low < value < high)
        self.assertTrue((ours.intervals[:, 0] < ours.intervals[:, 1]).all())

    def test_without_background(self):
        rows = np.array([[1, 0.1, 0.9], [1, 0.2, 0.8], [0, 0.9, 0.1], [0, 0.8, 0.2]], dtype=np.float32)
        cells = table.cells_of_one(scores.of_rows(rows, "rows"))
        self.assertEqual(cells[1:], ["1.00000 ± 0.00000", "> 2", "> 2"])

    def test_cells(self):
        self.assertEqual(table.of_interval(0.9868, 0.9866, 0.9870, 5, 9), "0.98680 ± 0.00020")
        self.assertEqual(table.of_interval(329.4, 316, 342, 1, 9), "329 ± 13")
        self.assertEqual(table.of_interval(167, 120, 333, 1, 500), "167 +166 −47")
        self.assertEqual(table.of_interval(500, 250, np.inf, 1, 500), "500 +∞ −250")
        self.assertEqual(table.of_interval(np.inf, 300, np.inf, 1, 500), "> 500")


class PicturesTest(unittest.TestCase):
    def setUp(self):
        self.folder = pathlib.Path(self.enterContext(tempfile.TemporaryDirectory()))

    def experiment(self, name: str, seed: int = 1, task: str = "top", epochs: int = 6) -> pathlib.Path:
        folder = self.folder / name
        folder.mkdir()
        args = {"exp_name": name, "datadir": f"./data/{task}"}
        (folder / "args.json").write_text(json.dumps(args))
        (folder / "train-result.json").write_text(json.dumps(training_record(epochs, 0.01 * seed)))
        np.save(folder / "score.npy", rows_of(seed))
        for beta in (0.0, 0.5, 0.99):
            record = {"beta": beta, "acc": 0.84 - 0.001 * beta, "loss": 0.3}
            (folder / f"boost-{beta}.json").write_text(json.dumps(record))
        return folder

    def run_script(self, *words):
        return subprocess.run([sys.executable, SCRIPTS / "plot.py", *map(str, words)], text=True,
                              capture_output=True, check=False)  # fmt: skip

    def call_script(self, *words):
        """The same in this process, without starting Python and matplotlib again."""
        out, err = io.StringIO(), io.StringIO()
        with (mock.patch("sys.argv", ["plot.py", *map(str, words)]), contextlib.redirect_stdout(out),
              contextlib.redirect_stderr(err)):  # fmt: skip
            status = plot.main()
        return subprocess.CompletedProcess(words, status, out.getvalue(), err.getvalue())

    def assert_pictures(self, folder: pathlib.Path, *names: str):
        self.assertEqual({file.name for file in folder.iterdir()},
                         {f"{name}.{kind}" for name in names for kind in ("png", "pdf")} | {"table.txt"})  # fmt: skip
        for name in names:
            image = matplotlib.image.imread(folder / f"{name}.png")
            self.assertGreater(min(image.shape[:2]), 500, name)
            self.assertGreater((image[..., :3].min(axis=2) < 0.5).mean(), 0.005, f"{name} is blank")
            self.assertTrue((folder / f"{name}.pdf").read_bytes().startswith(b"%PDF"), name)

    def test_command(self):
        """All pictures of one experiment, and the figures in its table."""
        folder = self.experiment("one")
        result = self.run_script(folder)
        self.assertEqual((result.returncode, result.stderr), (0, ""))
        self.assert_pictures(folder / "plots", "training", "roc", "scores", "equivariance")
        row = next(line for line in result.stdout.splitlines() if line.startswith("one"))
        for value, cell in zip(figures.of_rows(rows_of(1)), row.split("  ")[-4:]):
            self.assertLess(abs(float(cell.split()[0]) - value), 0.03 * value, row)
        self.assertEqual((folder / "plots" / "table.txt").read_text().splitlines()[2], row)

    def test_several(self):
        """Two runs of a model, another one, and one tagger in each format."""
        runs = [self.experiment(f"run{k}", k) for k in (1, 2)]
        other = self.experiment("other", 3)
        rows = rows_of(4)
        np.save(self.folder / "rows.npy", rows)
        np.save(self.folder / "two.npy", rows[:, 1:])
        np.save(self.folder / "list.npy", rows[:, 2])
        np.save(self.folder / "labels.npy", rows[:, 0].astype(np.uint8))
        np.savez(self.folder / "both.npz", label=rows[:, 0], score=rows[:, 2])
        out = self.folder / "out"
        result = self.call_script(*(f"model={run}" for run in runs), other, "--out", out,
                                  "--labels", self.folder / "labels.npy",
                                  "--tagger", f"A={self.folder / 'two.npy'}",
                                  "--tagger", self.folder / "list.npy",
                                  "--tagger", f"C={self.folder / 'both.npz'}")  # fmt: skip
        self.assertEqual((result.returncode, result.stderr), (0, ""))
        self.assert_pictures(out, "training", "roc", "scores-model", "scores-other", "equivariance")
        lines = {line.split("  ")[0]: line.split("  ", 1)[1].split() for line in result.stdout.splitlines()
                 if "," in line and "±" in line}  # fmt: skip
        self.assertEqual(lines["A"], lines["C"])
        self.assertEqual(lines["A"][1:], lines["list"][1:])
        mean, deviation = (float(word) for word in np.array(lines["model (2 runs)"])[[1, 3]])
        both = [figures.of_rows(rows_of(k))[0] for k in (1, 2)]
        self.assertAlmostEqual(mean, np.mean(both), delta=1e-4)
        self.assertAlmostEqual(deviation, np.std(both, ddof=1), delta=1e-4)

    def weighted(self, name: str) -> tuple[pathlib.Path, np.ndarray, np.ndarray]:
        folder, rows = self.experiment(name), rows_of(1)
        weight = np.random.default_rng(9).uniform(0, 2, JETS) * (1 - 0.9 * (rows[:, 0] == (rows[:, 2] > 0.5)))
        np.savez(folder / "score.npz", label=rows[:, 0].astype(int), probability=rows[:, 1:], weight=weight)
        return folder, rows, weight

    def test_weighted_experiment(self):
        """The table, the ROC curve and the distributions count jets by the weights in score.npz."""
        folder, rows, weight = self.weighted("weighted")
        result = self.call_script(folder)
        self.assertEqual((result.returncode, result.stderr), (0, ""))
        row = next(line for line in result.stdout.splitlines() if line.startswith("weighted"))
        self.assertIn("4,000 (weighted)", row)
        found = [float(cell.split()[0]) for cell in row.split("  ")[-4:]]
        harness.assert_close(found, figures.of_rows(rows, weight), rtol=0.03)
        self.assertGreater(abs(found[0] - figures.of_rows(rows)[0]), 0.1)
        style.use()
        run = experiments.read_experiment("weighted", folder).scores
        axes = roc.draw({"one": [run]}, "Title").axes[0]
        background, signal, _ = roc_curve(rows[:, 0], rows[:, 2], sample_weight=weight)
        self.assertEqual(axes.get_legend().get_texts()[0].get_text(), "one, weighted")
        x, y = axes.get_lines()[0].get_data()
        harness.assert_close(np.interp([0.3, 0.6], x, 1 / y), np.interp([0.3, 0.6], signal, background), rtol=1e-6)
        axes = distributions.draw(run, ("a", "b"), "Title").axes[0]
        background = rows[:, 0] == 0
        expected, _ = np.histogram(rows[background, 2], distributions.BINS, weights=weight[background], density=True)
        harness.assert_close(axes.patches[0].get_data().values, expected, rtol=1e-9)
        self.assertIn("weighted", axes.get_legend().get_texts()[0].get_text())
        # The archive of another test is not mixed with these scores.
        np.savez(folder / "score.npz", label=1 - rows[:, 0], weight=weight)
        with self.assertRaisesRegex(PlotError, r"score\.npz: not of the same jets"):
            experiments.read_experiment("weighted", folder).scores

    def test_three_classes(self):
        """A row, a curve and a distribution for each class, and a row of the means."""
        folder = self.experiment("three")
        random = np.random.default_rng(6)
        label = np.arange(JETS) % 3
        p = random.dirichlet((1, 1, 1), JETS) + 0.3 * np.eye(3)[label]
        p /= p.sum(axis=1, keepdims=True)
        np.save(folder / "score.npy", np.column_stack((label, p)).astype(np.float32))
        result = self.call_script(folder)
        self.assertEqual((result.returncode, result.stderr), (0, ""))
        names = [f"scores-class-{k}" for k in range(3)]
        self.assert_pictures(folder / "plots", "training", "roc", *names, "equivariance")
        lines = [line for line in result.stdout.splitlines() if line.startswith("three")]
        self.assertEqual([line.split("  ")[0] for line in lines],
                         ["three, all classes", *(f"three, class {k}" for k in range(3))])  # fmt: skip
        aucs = [roc_auc_score(label == k, p[:, k]) for k in range(3)]
        found = [float(line.split("±")[0].split()[-1]) for line in lines[1:]]
        harness.assert_close(found, aucs, atol=0.01)
        self.assertAlmostEqual(float(lines[0].split("±")[1].split()[-1]), np.mean(aucs), delta=0.01)
        # Intervals of the program's own test replace the bootstrap.
        pairs = {"test_acc": [0.5, 0.6], "test_auc": [0.7, 0.8],
                 "test_auc_of_class": [[0.1 * k, 0.2 * k] for k in range(3)],
                 "test_1/eB_0.5_of_class": [[5, 6]] * 3, "test_1/eB_0.3_of_class": [[7, None]] * 3}  # fmt: skip
        (folder / "test-uncertainty.json").write_text(json.dumps(pairs))
        run = experiments.read_experiment("three", folder).scores
        harness.assert_close(run.intervals[:2], [[0.5, 0.6], [0.7, 0.8]])
        harness.assert_close(run.of_class[2].intervals[1:], [[0.2, 0.4], [5, 6], [7, np.inf]])

    def results_table(self, *folders):
        return subprocess.run([sys.executable, SCRIPTS / "results_table.py", *folders], text=True, capture_output=True)

    def test_results_table(self):
        """Weights, classes, figures without a value, and errors with their place."""
        folder, rows, weight = self.weighted("weighted")
        result = {"test_acc": 0.5, "test_auc": 0.75, "test_1/eB_0.5": None, "test_1/eB_0.3": 3}
        (folder / "test-result.json").write_text(json.dumps(result))
        of_background = weight[rows[:, 0] == 0]
        bound = round(of_background.sum() ** 2 / (of_background**2).sum())
        found = self.results_table(folder)
        self.assertEqual(found.stdout.splitlines()[2].split()[-7:],
                         ["4000", "(weighted)", "0.5000", "0.7500", ">", str(bound), "3.0"])  # fmt: skip
        result |= {"test_1/eB_0.3": None, "test_auc": None}
        (folder / "test-result.json").write_text(json.dumps(result))
        self.assertEqual(self.results_table(folder).stdout.splitlines()[2].split()[-3:], ["none"] * 3)
        result |= {"test_auc": 0.5, "test_auc_of_class": [0.5] * 3}
        (folder / "test-result.json").write_text(json.dumps(result))
        self.assertEqual(self.results_table(folder).stdout.splitlines()[2].split()[-3:], ["0.5000", "none", "none"])
        (folder / "test-result.json").write_text('{"test_acc": 1,\n "test_auc": }')
        self.assertRegex(self.results_table(folder).stderr, r"test-result\.json:2:14: ")
        with self.assertRaisesRegex(PlotError, r"test-result\.json:2:14: "):
            experiments.read_experiment("weighted", folder)

    def test_roc_curve_is_drawn(self):
        style.use()
        runs = [scores.of_rows(rows_of(seed, 10**6), "rows") for seed in (1, 2, 3)]
        figure = roc.draw({"one": runs[:1], "three": runs}, "Title")
        (axes,) = figure.axes
        background, signal, _ = roc_curve(runs[0].label, runs[0].score)
        x, y = axes.get_lines()[0].get_data()
        harness.assert_close(x, signal[background > 0], atol=1e-15)
        harness.assert_close(y, 1 / background[background > 0], rtol=1e-12)
        self.assertEqual((axes.get_yscale(), axes.get_xlabel(), axes.get_ylabel()),
                         ("log", r"Signal efficiency $\varepsilon_S$",
                          r"Background rejection $1/\varepsilon_B$"))  # fmt: skip
        labels = [text.get_text() for text in axes.get_legend().get_texts()]
        self.assertEqual(labels, ["one", "three (mean of 3 runs)", "random guess"])
        # Among thousands of points, interpolation is as good as the nearest point.
        x, mean = axes.get_lines()[1].get_data()
        half = np.abs(x - 0.5).argmin()
        each = [run.figures()[2] for run in runs]
        self.assertAlmostEqual(mean[half] / np.mean(each), 1, delta=0.02)
        (band,) = axes.collections
        heights = band.get_paths()[0].vertices
        here = heights[np.abs(heights[:, 0] - x[half]) < 1e-9][:, 1]
        self.assertAlmostEqual((here.max() - here.min()) / 2 / np.std(each, ddof=1), 1, delta=0.3)

    def test_looks_differ_without_colour(self):
        self.assertEqual(len({str(dashes) for dashes in style.DASHES}), len(style.COLOURS))

    def test_training_curves(self):
        style.use()
        run = experiments.read_experiment("one", self.experiment("one"))
        loss, accuracy, rate = training.draw({"one": [run]}, "Title").axes
        harness.assert_close(loss.get_lines()[0].get_ydata(), run.training["val_loss"], rtol=1e-7)
        harness.assert_close(loss.get_lines()[1].get_ydata(), run.training["train_loss"], rtol=1e-7)
        harness.assert_close(loss.get_lines()[0].get_xdata(), np.arange(1, 7))
        star = next(line for line in accuracy.get_lines() if line.get_marker() == "*")
        self.assertEqual((star.get_xdata()[0], star.get_ydata()[0]), (6, run.training["val_acc"][5]))
        harness.assert_close(rate.get_lines()[0].get_ydata(), run.training["lr"], rtol=1e-7)

    def test_errors(self):
        good, quarks = self.experiment("good"), self.experiment("quarks", task="qg")
        wrong = self.experiment("wrong")
        np.save(wrong / "score.npy", np.zeros((3, 2)))
        broken = self.experiment("broken")
        (broken / "train-result.json").write_text("[")
        short = self.experiment("short")
        (short / "train-result.json").write_text(json.dumps(training_record(3) | {"lr": [1]}))
        (self.folder / "empty").mkdir()
        np.save(self.folder / "labels.npy", np.arange(10) % 2)
        np.save(self.folder / "nan.npy", np.full(10, np.nan))
        np.save(self.folder / "nine.npy", np.ones(9))
        labels = ("--labels", self.folder / "labels.npy")
        for number, (words, expected) in enumerate((
            ([self.folder / "none"], ["none", "no such folder"]),
            ([self.folder / "empty"], ["empty", "no experiment"]),
            ([wrong], ["score.npy", "(3, 2)"]),
            ([broken], ["train-result.json"]),
            ([short], ["train-result.json", "different lengths"]),
            ([good, quarks], ["good", "quarks", "cannot share a picture"]),
            ([good, "--tagger", self.folder / "nan.npy", *labels], ["nan.npy", "finite"]),
            ([good, "--tagger", self.folder / "nine.npy", *labels], ["nine.npy", "9 scores", "10 labels"]),
            ([good, "--tagger", self.folder / "nine.npy"], ["nine.npy", "--labels"]),
            ([good, "--tagger", self.folder / "absent.npy"], ["absent.npy"]),
            ([good, "--tagger", f"good={good / 'score.npy'}"], ["good", "already has this name"]),
        )):  # fmt: skip
            with self.subTest(words=words):
                words = (*words, "--out", self.folder / "out")
                result = self.call_script(*words) if number else self.run_script(*words)
                self.assertEqual(result.returncode, 2, result.stderr)
                self.assertRegex(result.stderr, r"\Aerror: [^\n]+\n\Z")
                for text in expected:
                    self.assertIn(text, result.stderr)

    def test_uncertainties_of_the_programs(self):
        """Those of test-uncertainty.json are shown; null is infinity."""
        folder = self.experiment("tested")
        pairs = {"test_acc": [0.8, 0.9], "test_auc": [0.85, 0.95], "test_1/eB_0.3": [50, None], "test_1/eB_0.5": [7, 9]}
        (folder / "test-uncertainty.json").write_text(json.dumps(pairs))
        found = experiments.read_experiment("tested", folder).scores.intervals
        harness.assert_close(found, [[0.8, 0.9], [0.85, 0.95], [7, 9], [50, np.inf]])
        (folder / "test-uncertainty.json").write_text('{"test_acc": [1]}')
        with self.assertRaisesRegex(PlotError, r"test-uncertainty\.json: expected .*test_auc"):
            experiments.read_experiment("tested", folder).scores

    def test_of_one_class(self):
        with self.assertRaisesRegex(PlotError, "one class"):
            scores.of_rows(np.array([[1, 0.5, 0.5]]), "file")
        self.assertEqual(pictures.file_name("a b/c"), "a-b-c")


if __name__ == "__main__":
    unittest.main(verbosity=2)
