"""--report, opened in headless Chromium."""

import importlib.util
import json
import re
import shutil
import subprocess
import sys

import numpy as np

import harness

BROWSERS = ("chromium-headless-shell", "chromium")
# Records in the loaded page the sizes of its pictures as decoded by the browser.
PROBE = """<script>addEventListener("load", () => { document.body.dataset.pictures =
JSON.stringify([...document.images].map(i => [i.id, i.naturalWidth, i.naturalHeight])) });</script>"""


class ReportTest(harness.ProgramTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.data = harness.write_data("qg", cls.folder / "data")
        cls.trained = harness.train("qg", cls.folder, cls.data, "trained")
        np.savez(cls.folder / "test.npz", **harness.qg_arrays(count=600))

    def browser(self):
        found = next(filter(None, map(shutil.which, BROWSERS)), None)
        if found is None:
            self.skipTest("there is no Chromium")
        return found

    def page(self, file):
        """The DOM of the report once its pictures are loaded."""
        copy = self.folder / "page.html"
        copy.write_text(file.read_text().replace("</body>", PROBE + "</body>"))
        result = subprocess.run([self.browser(), "--no-sandbox", "--disable-gpu", "--virtual-time-budget=2000",
                                 "--dump-dom", copy.as_uri()], text=True, capture_output=True, timeout=harness.HANG)  # fmt: skip
        self.assertEqual(result.returncode, 0, result.stderr)
        return result.stdout

    def test_report(self):
        result = harness.test_mode("qg", self.trained, "--test_data", self.folder / "test.npz", "--boost=0,0.9",
                                   "--equivariance=4", "--report")  # fmt: skip
        self.assert_finished(result)
        report = self.trained / "report.html"
        self.assertIn(f"Report: {report}\n", result.stdout)
        text = report.read_text()
        self.assertNotRegex(text, r"(src|href)=\"(?!data:)")  # the file is self-contained
        page = self.page(report)
        pictures = json.loads(re.search(r"data-pictures=\"([^\"]*)\"", page)[1].replace("&quot;", '"'))
        self.assertEqual([name for name, *_ in pictures], ["training", "roc", "scores", "equivariance", "symmetry"])
        for name, width, height in pictures:
            self.assertGreater(min(width, height), 500, name)
        test = harness.read_json(self.trained / "test-result.json")
        cells = dict(re.findall(r"<(?:td|span)[^>]* id=\"([a-z0-9-]+)\"[^>]*>([^<]*)<", page))
        self.assertEqual(cells["jets"], "600")
        self.assertEqual(cells["loss"], f"{test['test_loss']:.4f}")
        for cell, key in (("accuracy", "test_acc"), ("auc", "test_auc"), ("rejection-50", "test_1/eB_0.5"),
                          ("rejection-30", "test_1/eB_0.3")):  # fmt: skip
            value = cells[cell].split()[0]
            last_digit = 10.0 ** -len(value.partition(".")[2])
            self.assertAlmostEqual(float(value), test[key], delta=0.5001 * last_digit)
        args = harness.read_json(self.trained / "args.json")
        for name in ("n_hidden", "lr", "epochs"):
            self.assertRegex(page, rf"<td>{name}</td><td>{args[name]}</td>")
        for words in ("0.9156", "42.4 ± 0.4", "LibTorch", "Test jets</td><td>600", "Kernel</td><td>fused"):
            self.assertIn(words, page)

    def test_scripts_are_not_there(self):
        """Reported before the test, not after it."""
        before = harness.snapshot(self.trained)
        result = harness.test_mode("qg", self.trained, "--report", "--datadir", self.data,
                                   env={"LORENTZNET_SCRIPTS": str(self.folder)})  # fmt: skip
        self.assert_harmless(result, self.trained, before, "--report", "report.py", "LORENTZNET_SCRIPTS")

    def test_packages_are_not_there(self):
        if importlib.util.find_spec("matplotlib") is not None:
            self.skipTest("this Python has its own matplotlib")
        scripts = self.folder / "scripts"
        shutil.copytree(harness.PROJECT / "scripts", scripts)  # without .deps beside it
        before = harness.snapshot(self.trained)
        result = harness.test_mode("qg", self.trained, "--report", "--datadir", self.data,
                                   env={"LORENTZNET_SCRIPTS": str(scripts), "PYTHONPATH": ""})  # fmt: skip
        self.assert_harmless(result, self.trained, before, "--report", "setup.sh --plots")


if __name__ == "__main__":
    sys.exit(harness.main())
