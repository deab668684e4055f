"""scripts/long_run.py in short: one disturbance of each kind, and its judgement of how ranks end."""

import subprocess
import sys
import unittest

import harness

SCRIPTS = harness.PROJECT / "scripts"
sys.path.insert(0, str(SCRIPTS))
import long_run  # noqa: E402

long_run.import_tests()


class LongRunTest(unittest.TestCase):
    def test_short(self):
        result = subprocess.run(
            [sys.executable, SCRIPTS / "long_run.py", "--disturbances=6", "--epochs=14", "--seed=1",
             "--bin", harness.OPTIONS.bin], capture_output=True, text=True, timeout=harness.HANG)  # fmt: skip
        self.assertEqual((result.returncode, result.stderr), (0, ""), result.stdout)
        kinds = ", ".join(f"1 {kind}" for kind in long_run.KINDS)
        self.assertRegex(result.stdout, rf"\n6 disturbances \({kinds}\) in \d+ s: the same bits as undisturbed\n\Z")

    def test_judgement(self):
        """What a disturbed training must not do."""
        line = "rank 1: no"
        for kind, statuses, errors, output, good in (
            ("kill one", [1, -9], [line], "", True),
            ("kill one", [1, -9], [], "", True),
            ("kill one", [1, -9], [line, line], "", False),  # two lines
            ("kill one", [1, -11], [line], "", False),  # a crash
            ("kill one", [0, -9], [line], "", False),  # one goes on alone
            ("kill one", [1, 1], [line], "", False),  # nothing was killed
            ("kill all", [-9, -9], [], "", True),
            ("kill all", [-9, 1], [line], "", False),
            ("terminate", [143, 143], [], "continue with --resume", True),
            ("terminate", [143, 143], [], "", False),
            ("terminate", [0, 143], [], "--resume", False),
            ("full disk", [2, 2], ["run: No space left on device"], "", True),
            ("full disk", [2, 2], ["run: bad"], "", False),
            ("full disk", [0, 0], [], "", False),  # as if it had been saved
        ):  # fmt: skip
            with self.subTest(kind=kind, statuses=statuses, errors=errors):
                wrong = long_run.wrong_with(kind, long_run.End(statuses, output, errors))
                self.assertEqual(wrong is None, good, wrong)


if __name__ == "__main__":
    sys.exit(harness.main())
