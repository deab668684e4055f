"""What scripts/nightly.sh, sanitized.sh and threads.sh say if something they run fails; with stand-ins for it."""

import os
import re
import shutil
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

import harness

SCRIPTS = harness.PROJECT / "scripts"


class NightlyTest(unittest.TestCase):
    """With stand-ins for what it runs."""

    def setUp(self):
        self.root = Path(self.enterContext(tempfile.TemporaryDirectory(prefix="lorentznet-")))
        (self.root / "scripts").mkdir()
        for name in ("nightly.sh", "lib.sh"):
            shutil.copy(SCRIPTS / name, self.root / "scripts")
        for name in ("sanitized.sh", "threads.sh", "emulator_checks.py", "fuzz.py", "crash_matrix.py", "long_run.py"):
            self.stand_in(f"scripts/{name}", f"echo 'this is {name}'")
        # No build, and no Python but the stand-ins.
        for name in ("cmake", "python3"):
            self.stand_in(f"bin/{name}", f"echo {name} \"$@\"")

    def stand_in(self, name: str, text: str):
        file = self.root / name
        file.parent.mkdir(exist_ok=True)
        file.write_text(f"#!/bin/sh\n{text}\n")
        file.chmod(0o755)

    def nightly(self, *parts):
        env = os.environ | {"PATH": f"{self.root / 'bin'}:{os.environ['PATH']}"}
        return subprocess.run(["bash", "nightly.sh", *parts], cwd=self.root / "scripts", env=env, capture_output=True,
                              text=True)  # fmt: skip

    def summary(self, result) -> dict[str, str]:
        """{part: outcome} of the lines after the last step, each of which names its log."""
        lines = result.stdout.partition("==> summary of ")[2].splitlines()[1:-1]
        found = {}
        for line in lines:
            match = re.fullmatch(r"(\w+) +(passed|FAILED \(\d+\)) +\d+ s  (build/nightly/\w+\.log)", line)
            self.assertTrue(match, line)
            self.assertTrue((self.root / match[3]).exists(), line)
            found[match[1]] = match[2]
        return found

    def test_all_pass(self):
        result = self.nightly()
        self.assertEqual((result.returncode, result.stderr), (0, ""), result.stdout)
        parts = ("sanitizers", "threads", "emulator", "fuzzing", "corruption", "crashes", "long_run")
        self.assertEqual(self.summary(result), dict.fromkeys(parts, "passed"))
        self.assertEqual((self.root / "build" / "nightly" / "fuzzing.log").read_text(), "this is fuzz.py\n")
        self.assertTrue(result.stdout.endswith("==> 0 of 7 parts failed\n"))

    def test_one_fails(self):
        self.stand_in("scripts/fuzz.py", "echo found; exit 3")
        result = self.nightly("threads", "fuzzing", "long_run")
        self.assertEqual(result.returncode, 1)
        self.assertEqual(self.summary(result), {"threads": "passed", "fuzzing": "FAILED (3)", "long_run": "passed"})
        self.assertTrue(result.stdout.endswith("==> 1 of 3 parts failed\n"))

    def test_no_build(self):
        """What needs the programs fails without them, and does not run with old ones."""
        self.stand_in("bin/cmake", "echo 'no compiler' >&2; exit 1")
        result = self.nightly("crashes", "threads")
        self.assertEqual(self.summary(result), {"crashes": "FAILED (1)", "threads": "passed"})
        self.assertNotIn("crash_matrix", (self.root / "build" / "nightly" / "crashes.log").read_text())

    def test_unknown_part(self):
        result = self.nightly("threads", "none")
        self.assertEqual((result.returncode, result.stdout), (1, ""))
        self.assertIn("none is not one of", result.stderr)


class SanitizersTest(unittest.TestCase):
    """The scripts that run tests under sanitizers, with stand-ins for those: one that fails is seen."""

    PROGRAMS = ("test_data", "test_report", "test_train", "test_kernels", "test_parallel")

    def run_script(self, *words, failing: str = "") -> int:
        with tempfile.TemporaryDirectory(prefix="lorentznet-") as folder:
            root = Path(folder)
            (root / "scripts").mkdir()
            for name in (words[0], "lib.sh"):
                shutil.copy(SCRIPTS / name, root / "scripts")
            for name in ("bin/cmake", "bin/ctest", *(f"build/threads/bin/{program}" for program in self.PROGRAMS)):
                (root / name).parent.mkdir(parents=True, exist_ok=True)
                # A program fails if its command line has this word.
                (root / name).write_text(f'#!/bin/sh\ncase "$0 $*" in *{failing or "nothing"}*) exit 3;; esac\n')
                (root / name).chmod(0o755)
            env = os.environ | {"PATH": f"{root / 'bin'}:{os.environ['PATH']}"}
            return subprocess.run(["bash", root / "scripts" / words[0], *words[1:]], env=env, capture_output=True).returncode

    def test_seen(self):
        for words in (["sanitized.sh"], ["sanitized.sh", "--quick"]):
            self.assertEqual(self.run_script(*words), 0)
            for failing in ("--build", "python", "-E' '^python" if len(words) == 1 else "'^(io'"):
                with self.subTest(words=words, failing=failing):
                    self.assertEqual(self.run_script(*words, failing=failing), 1)
        self.assertEqual(self.run_script("threads.sh"), 0)
        for failing in ("--build", "ctest", *self.PROGRAMS):
            with self.subTest(failing=failing):
                self.assertEqual(self.run_script("threads.sh", failing=failing), 1)

    def test_long_ones_exist(self):
        """A test that is renamed would come back into continuous integration, with its minutes."""
        lines = re.search(r"LONG=\((.*?)\n\)", (SCRIPTS / "sanitized.sh").read_text(), re.DOTALL)[1].split("\n")[1:]
        self.assertGreater(len(lines), 0)
        for floor, name in (line.strip(" '").split(":", 1) for line in lines):
            sources = "".join(file.read_text() for file in (harness.PROJECT / "tests" / floor).glob("*.cpp"))
            cases = re.sub(r'"\s*"', "", sources)  # a name on two lines
            self.assertEqual(cases.count(f'TEST_CASE("{name}'), 1, f"{floor}: {name}")


if __name__ == "__main__":
    sys.exit(harness.main())
