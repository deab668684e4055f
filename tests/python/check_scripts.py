"""The scripts that the README and the documents name, under a Python that lacks packages: one line, no traceback."""

import os
import re
import shutil
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[2]
DOCUMENTS = [PROJECT / "README.md", PROJECT / "CONTRIBUTING.md", *PROJECT.glob("docs/*.md"),
             *(PROJECT / folder / "README.md" for folder in ("data", "logs", "bench"))]  # fmt: skip
# Arguments with which each starts, and what its error must name without packages; None: it needs none.
SCRIPTS = {
    "scripts/plot.py": (["none"], "setup.sh --plots"),
    "scripts/report.py": (["none"], "setup.sh --plots"),
    "scripts/compare_scores.py": (["none", "none"], "setup.sh --plots"),
    "scripts/root_to_jets.py": (["none", "--tree=t", "--p4", "E", "x", "y", "z", "--out=none"], "pip install uproot"),
    "scripts/simulate_top.py": (["--train=10"], "requirements-simulation.txt"),
    "scripts/simulate_quark_gluon.py": (["--jets=10"], "requirements-simulation.txt"),
    "scripts/compare_published.py": (["none", "none"], "setup.sh --plots"),
    "scripts/learning_curve.py": (["--help"], "setup.sh --plots"),
    "scripts/network_sizes.py": (["--help"], "setup.sh --plots"),
    "scripts/boost_table.py": (["--help"], "setup.sh --plots"),
    "scripts/scale_translations.py": (["none", "none"], "setup.sh --plots"),
    "scripts/quark_gluon_with_beams.py": (["none", "--outdir=none"], "setup.sh --plots"),
    "scripts/results_table.py": (["none"], None),
    "scripts/check_floors.py": ([], None),
    "scripts/gpu_checks.py": (["--help"], None),
    "scripts/emulator_checks.py": (["--help"], None),
    "scripts/fuzz.py": (["--help"], None),
    "scripts/long_run.py": (["--help"], None),
    "scripts/crash_matrix.py": (["--help"], None),
    "scripts/cuda_resources.py": (["--help"], None),
    "scripts/cuda_instructions.py": (["--help"], None),
    "bench/reading.py": (["--folder=none"], "pip install"),
    "bench/check_bench.py": (["--help"], None),
    "bench/onnx_runtime.py": (["speed"], "pip install"),
}  # fmt: skip


class ScriptsTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        """A copy of the scripts, without .deps beside them."""
        cls.root = Path(cls.enterClassContext(tempfile.TemporaryDirectory(prefix="lorentznet-")))
        for folder in ("scripts", "bench"):
            shutil.copytree(PROJECT / folder, cls.root / folder)

    def run_bare(self, script, *words, options=("-S", "-E")):
        """With a Python that has nothing but its own library."""
        env = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
        return subprocess.run([sys.executable, *options, self.root / script, *words], text=True, capture_output=True,
                              env=env, cwd=self.root)  # fmt: skip

    def prepared(self, numpy: str, python: str):
        """What setup.sh --plots leaves, with this numpy, for a Python that is this shell script."""
        folder = self.root / ".deps" / "python-plots"
        self.addCleanup(shutil.rmtree, folder.parent)
        for name in ("numpy", "matplotlib", "mplhep"):
            (folder / name).mkdir(parents=True)
            (folder / name / "__init__.py").write_text(numpy if name == "numpy" else "")
        other = folder / "other-python"
        other.write_text("#!/bin/sh\n" + python)
        other.chmod(0o755)
        (folder / ".python").write_text(f"{other}\n")

    def test_all_named(self):
        named = set()
        for document in DOCUMENTS:
            named |= set(re.findall(r"\b((?:scripts|bench)/[a-z_]+\.py)\b", document.read_text()))
        self.assertGreater(len(named), 6)
        self.assertEqual(named - set(SCRIPTS), set())

    def test_flags_of_the_emulator(self):
        """emulator_checks.py reads them where test_cuda_kernels gets them."""
        code = "import emulator_checks; print(*emulator_checks.target_flags())"
        result = subprocess.run([sys.executable, "-c", code], cwd=PROJECT / "scripts", text=True, capture_output=True)
        self.assertIn("-ffp-contract=off", result.stdout, result.stderr)

    def test_without_packages(self):
        for script, (words, expected) in SCRIPTS.items():
            for options in (("-S", "-E"), ("-S", "-I")):
                with self.subTest(script=script, options=options):
                    result = self.run_bare(script, *words, options=options)
                    self.assertNotIn("Traceback", result.stderr)
                    if expected is None:
                        continue
                    self.assertIn(result.returncode, (1, 2))
                    self.assertRegex(result.stderr, r"\A[^\n]+\n\Z")
                    self.assertIn(expected, result.stderr)
                    self.assertFalse((self.root / "none").exists())

    def test_python_of_setup(self):
        """Packages for another Python: the script starts again with that one, once."""
        self.prepared("raise ImportError('for another Python')", 'echo "other: $*"; exit 7')
        for script in ("scripts/plot.py", "scripts/report.py", "scripts/compare_scores.py"):
            with self.subTest(script=script):
                result = self.run_bare(script, "a b")
                self.assertEqual((result.returncode, result.stdout), (7, f"other: {self.root / script} a b\n"))

    def test_python_of_setup_is_broken(self):
        self.prepared("raise ImportError('for another Python')", f'exec {sys.executable} -S -E "$@"')
        result = self.run_bare("scripts/plot.py", "none")
        self.assertEqual((result.returncode, result.stdout), (1, ""))
        self.assertRegex(result.stderr, r"\Aerror: this Python cannot load numpy; [^\n]*setup\.sh --plots[^\n]*\n\Z")
        (self.root / ".deps" / "python-plots" / "other-python").unlink()
        self.assertIn("setup.sh --plots", self.run_bare("scripts/plot.py", "none").stderr)

    def test_old_python(self):
        code = ("import runpy, sys; sys.version_info = (3, 9, 2, 'final', 0); sys.argv = ['plot.py', 'none']; "
                f"runpy.run_path({str(self.root / 'scripts' / 'plot.py')!r}, run_name='__main__')")  # fmt: skip
        result = subprocess.run([sys.executable, "-S", "-E", "-c", code], text=True, capture_output=True)
        self.assertEqual(result.returncode, 1)
        self.assertRegex(result.stderr, r"\Aerror: Python 3\.11 or newer is needed, this is 3\.9; [^\n]+\n\Z")


if __name__ == "__main__":
    unittest.main(verbosity=2)
