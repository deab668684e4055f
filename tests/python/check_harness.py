"""What the tests rely on: a failure is never reported as skipped, and NaN agrees with nothing.

    python check_harness.py --tool SKIP_TOOL --build BUILD_FOLDER
"""

import argparse
import io
import json
import re
import subprocess
import sys
import textwrap
import unittest
from pathlib import Path
from unittest import mock

import numpy as np

TESTS = Path(__file__).resolve().parent


def _own_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(allow_abbrev=False)
    parser.add_argument("--tool", type=Path, required=True)
    parser.add_argument("--build", type=Path, required=True)
    options, sys.argv[1:] = parser.parse_known_args()
    options.tool = options.tool.resolve()
    return options


OWN = _own_options()

import crash_points  # noqa: E402
import harness  # noqa: E402  reads the remaining options

sys.path.insert(0, str(harness.PROJECT / "scripts"))
import gpu_checks  # noqa: E402

# Python tests by name: the expected status of a script that contains only it.
PYTHON_TESTS = {
    "passes": (0, ""),
    "skips": (harness.SKIPPED, "self.skipTest('a reason')"),
    "fails": (1, "self.fail()"),
    "ends the script": (1, "raise SystemError"),
}
CATCH_TESTS = {"passes": 0, "skips": harness.SKIPPED, "fails, then skips": 1, "skips, then fails": 1,
               "fails as often as the status of a skipped test": 1}  # fmt: skip
# Tests of other folders or of one kind of processor.
NOT_EVERYWHERE = ("python: bench", "python: crash_matrix")


def status(*command) -> int:
    return subprocess.run([str(word) for word in command], capture_output=True).returncode


class StatusTest(harness.ProgramTest):
    def script(self, *bodies: str) -> Path:
        """A test script with a test of each body."""
        file = self.folder / "check_something.py"
        tests = "".join(f"    def test_{k}(self):\n        {body or 'pass'}\n" for k, body in enumerate(bodies))
        file.write_text(textwrap.dedent(f"""\
            import sys
            sys.path.insert(0, {str(TESTS)!r})
            import harness
            class SomeTest(harness.ProgramTest):
                nothing = None
            """) + tests + "harness.main()\n")  # fmt: skip
        return file

    def test_catch(self):
        for name, expected in CATCH_TESTS.items():
            self.assertEqual(status(OWN.tool, name.replace(",", "\\,")), expected, name)
        self.assertEqual(status(OWN.tool), 1)
        self.assertEqual(status(OWN.tool, "passes,skips"), 0)
        self.assertEqual(status(OWN.tool, "--throw", "-e", "skips*"), 1)

    def test_python(self):
        for name, (expected, body) in PYTHON_TESTS.items():
            self.assertEqual(status(sys.executable, self.script(body)), expected, name)
        bodies = {name: body for name, (_, body) in PYTHON_TESTS.items()}
        self.assertEqual(status(sys.executable, self.script(bodies["passes"], bodies["skips"])), 0)
        self.assertEqual(status(sys.executable, self.script(bodies["fails"], bodies["skips"])), 1)
        self.assertEqual(status(sys.executable, self.script(bodies["passes"]), "-k", "nothing like it"), 1)

    def test_ctest(self):
        """The words of ctest for the cases of SKIP_TOOL, with the properties of this project's tests."""
        (self.folder / "CTestTestfile.cmake").write_text("".join(
            f'add_test("{name}" "{OWN.tool}" [==[{name.replace(",", chr(92) + ",")}]==])\n'
            f'set_tests_properties("{name}" PROPERTIES SKIP_RETURN_CODE {harness.SKIPPED})\n'
            for name in CATCH_TESTS))  # fmt: skip
        printed = subprocess.run(["ctest"], cwd=self.folder, capture_output=True, text=True).stdout
        words = {0: "   Passed", harness.SKIPPED: r"\*\*\*Skipped", 1: r"\*\*\*Failed"}
        for name, expected in CATCH_TESTS.items():
            self.assertRegex(printed, rf"Test +#\d+: {name} \.+ *{words[expected].strip()}")

    def test_tracing(self):
        """Without ptrace, as within another tracer, scripts/crash_matrix.py says so and fails."""
        tracer = OWN.tool.with_name("failing_calls")
        if not tracer.exists():
            self.skipTest("failing_calls is for x86-64")
        (self.folder / "plan").write_text("0 none\n")
        traced = [str(word) for word in (tracer, self.folder, self.folder / "plan", self.folder / "calls")]
        done = subprocess.run([*traced, *traced, "/bin/true"], capture_output=True, text=True)
        self.assertEqual(done.returncode, crash_points.NOT_ALLOWED, done.stderr)
        self.assertNotEqual(done.returncode, harness.SKIPPED)
        self.assertRegex(done.stderr, r"\Afailing_calls: ptrace is not allowed here: .*\n\Z")
        with mock.patch.object(harness, "environment", return_value=None), self.assertRaises(SystemExit) as ended:
            with mock.patch("sys.stderr", new_callable=io.StringIO) as told:
                crash_points.ForkServer(self.folder, *traced, *traced, "/bin/true").run(["anything"], {}, 60)
        self.assertEqual(ended.exception.code, crash_points.NOT_ALLOWED)
        self.assertIn("nothing was tested", told.getvalue())

    def properties_of_tests(self) -> dict[str, dict]:
        listed = subprocess.run(["ctest", "--show-only=json-v1"], cwd=OWN.build, capture_output=True, text=True,
                                check=True)  # fmt: skip
        tests = {test["name"]: {entry["name"]: entry["value"] for entry in test["properties"]}
                 for test in json.loads(listed.stdout)["tests"]}  # fmt: skip
        self.assertGreater(len(tests), 100)
        return tests

    def test_properties(self):
        """Only the status of a test says that it was skipped; the limit of time only tells a hang."""
        for name, properties in self.properties_of_tests().items():
            if "_NOT_BUILT" in name:
                continue
            self.assertIn(properties.get("SKIP_RETURN_CODE"), (harness.SKIPPED, None), name)
            self.assertNotIn("SKIP_REGULAR_EXPRESSION", properties, name)
            self.assertNotIn("PASS_REGULAR_EXPRESSION", properties, name)
            self.assertGreaterEqual(properties["TIMEOUT"], 1800, name)

    def test_costs(self):
        """The long tests have their costs, under the names that they have."""
        tests = self.properties_of_tests()
        suites = {name.partition(":")[0] for name in tests}
        suites -= {suite for suite in suites if f"test_{suite}_NOT_BUILT" in tests}
        costs = re.findall(r'^cost\((\d+) "(.*)"\)$', (TESTS.parent / "costs" / "costs.cmake").read_text(), re.M)
        self.assertGreater(len(costs), 20)
        for seconds, name in costs:
            if name in tests:
                self.assertEqual(tests[name].get("COST"), float(seconds), name)
            else:
                self.assertTrue(name.partition(":")[0] not in suites or name in NOT_EVERYWHERE, name)


class GpuChecksTest(harness.ProgramTest):
    def test_compare_scores(self):
        """AUCs that are no numbers do not agree."""
        for auc, expected in ((0.5, 0), (float("nan"), 2)):
            report = gpu_checks.Report(self.folder)
            with mock.patch.object(gpu_checks, "score", return_value={"test_auc": auc}):
                gpu_checks.compare_scores(report)
            self.assertEqual(len(report.values["failed"]), expected, report.values)

    def failures_of_half(self, differences: list[float]) -> list[str]:
        """What is said of scores of --kernel half that differ like this from those in float."""
        report = gpu_checks.Report(self.folder)

        def write_scores(report, task, device, kernel="auto"):
            file = gpu_checks.score_folder(report, task, device, kernel) / "pretrained/score.npy"
            file.parent.mkdir(parents=True, exist_ok=True)
            p1 = np.full(len(differences), 0.25) + (differences if kernel == "half" else 0)
            np.save(file, np.stack([np.ones_like(p1), 1 - p1, p1], axis=1))
            return {"test_auc": 0.5}

        with mock.patch.object(gpu_checks, "score", write_scores), \
                mock.patch.object(gpu_checks, "has_kernels", return_value=True):  # fmt: skip
            gpu_checks.compare_scores(report)
            gpu_checks.compare_half(report)
        return report.values["failed"]

    def test_compare_half(self):
        """Scores of 16 bits are those in float within errors of 16 bits, and not without any."""
        top = r"scores of top with --kernel half differ by \S+, not by 1e-06 to 0\.02"
        qg = r"scores of qg with --kernel half differ by \S+, not by 1e-06 to 0\.0024"
        for differences, expected in (([1e-5, -1e-4, 0], ()), ([2e-3, 0, 0], ()), ([0, 0, 0], (top, qg)),
                                      ([1e-7, 0, 0], (top, qg)), ([0, 3e-3, 0], (qg,)), ([1e-2, 0, 0], (qg,)),
                                      ([0, 3e-2, 0], (top, qg)), ([0, np.nan, 0], (top, qg))):  # fmt: skip
            failed = self.failures_of_half(differences)
            self.assertEqual(len(failed), len(expected), (differences, failed))
            for line, pattern in zip(failed, expected):
                self.assertRegex(line, pattern)

    def failures_of_repeat(self, trainings: dict[str, tuple[dict, list]]) -> list[str]:
        """What is said of trainings with these bits and losses, by kernel."""
        report = gpu_checks.Report(self.folder)
        with mock.patch.object(gpu_checks, "repeated", lambda report, kernel: trainings[kernel]), \
                mock.patch.object(gpu_checks, "has_kernels", return_value="half" in trainings):  # fmt: skip
            gpu_checks.repeat(report)
        return report.values["failed"]

    def test_repeat(self):
        """Each kernel has the same bits in all its trainings; products of 16 bits have other losses."""
        same = {run: "a" for run in ("once", "again", "resumed")}
        good = {"plain": (same, [0.5]), "auto": (same, [0.5]), "half": (same, [0.51])}
        self.assertEqual(self.failures_of_repeat(good), [])
        self.assertEqual(self.failures_of_repeat({kernel: good[kernel] for kernel in ("plain", "auto")}), [])
        for bits in (same | {"resumed": "b"}, same | {"again": None}):
            for kernel in good:
                failed = self.failures_of_repeat(good | {kernel: (bits, [0.4])})
                self.assertEqual(len(failed), 1, failed)
        failed = self.failures_of_repeat(good | {"half": (same, [0.5])})
        self.assertEqual(failed, ["a training with --kernel half has the losses of one in float: [0.5]"])


class ComparisonTest(unittest.TestCase):
    def test_close(self):
        harness.assert_close([1, 2], [1, 2])
        harness.assert_close([1, 2], [1, 2.1], atol=0.11)
        harness.assert_close([1, 2], [1, 2.1], rtol=0.06)
        for found, expected in (([1, 2], [1, 2.1]), ([1, np.nan], [1, np.nan]), ([1, np.nan], [1, 2]),
                                ([1, 2], [1, np.nan])):  # fmt: skip
            with self.assertRaises(AssertionError, msg=(found, expected)):
                harness.assert_close(found, expected, atol=0.05)

    def test_nothing_else_compares_numbers(self):
        """numpy's assert_allclose and assert_array_equal accept NaN in both."""
        for file in sorted(TESTS.glob("*.py")):
            found = [line for line in file.read_text().splitlines()
                     if re.search(r"np\.testing\.|\ballclose\(|\barray_equal\(", line)]  # fmt: skip
            if file.name not in ("harness.py", Path(__file__).name):
                self.assertEqual(found, [], file.name)


if __name__ == "__main__":
    harness.main()
