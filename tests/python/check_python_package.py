"""The Python package, as pip installs it: examples of docstrings, of the README and of docs/python.md; what the wheel holds."""

import contextlib
import doctest
import importlib
import io
import json
import re
import subprocess
import zipfile

import numpy as np

import harness
import python_package
from package_test import PackageTest, command, with_test_packages

import lorentznet

MOST_MEGABYTES = 3
LIBRARIES = {"libc.so.6", "libm.so.6", "libstdc++.so.6", "libgcc_s.so.1", "ld-linux-x86-64.so.2", "libpthread.so.0"}


class ExamplesTest(PackageTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.enterClassContext(contextlib.chdir(harness.PROJECT))

    def test_docstrings(self):
        examples = 0
        for name in ("lorentznet", "lorentznet.jets", "lorentznet.tagger"):
            result = doctest.testmod(importlib.import_module(name))
            self.assertEqual(result.failed, 0, name)
            examples += result.attempted
        properties = [value for value in vars(lorentznet.Tagger).values() if isinstance(value, property)]
        for thing in (lorentznet, lorentznet.Tagger, lorentznet.Tagger.__call__, lorentznet.JetError, *properties):
            self.assertIn(">>> ", thing.__doc__, thing)
        self.assertGreater(examples, 20)

    def test_readme(self):
        readme = (harness.PROJECT / "README.md").read_text()
        (example,) = re.findall(r"```python\n(.*?)```", readme, re.DOTALL)
        names = {}
        exec(compile(example, "README.md", "exec"), names)
        self.assert_same(names["probability"], self.top(names["p4"]))

    def few_of_the_sample(self):
        """Files with the first jets of those that the page names."""
        few = {f"data/top/{split}.h5": harness.write_h5(self.folder / f"{split}.h5", harness.top_arrays(split, count=20))
               for split in ("val", "test")}  # fmt: skip
        few["data/qg/datasets/QG_jets.npz"] = self.folder / "few.npz"
        np.savez(self.folder / "few.npz", **harness.qg_arrays(count=20))
        return few

    def test_page(self):
        page = (harness.PROJECT / "docs" / "python.md").read_text()
        blocks = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
        self.assertGreaterEqual(len(blocks), 4)
        names, printed = {}, io.StringIO()
        with contextlib.redirect_stdout(printed):
            for block in blocks:
                exec(compile(block, "docs/python.md", "exec"), names)
        self.assertRegex(printed.getvalue(), r"\Ajet 1: more momentum than energy.* = \(10, 20, 0, 0\)\n\Z")
        shell = "\n".join(re.findall(r"```sh\n(.*?)```", page, re.DOTALL))
        commands = [line for line in shell.splitlines() if line.startswith("lorentznet ")]
        self.assertGreaterEqual(len(commands), 2)
        places = {name: self.folder / name for name in ("scores.npz", "model.onnx")} | self.few_of_the_sample()
        self.assertLessEqual(set(places), set(shell.split()))
        for line in commands:
            words = line.split()[1:]
            words = [str(places.get(word, word)) for word in words]
            self.assert_finished(command(*words, env=with_test_packages()))


class WheelTest(harness.ProgramTest):
    def wheel(self):
        (wheel,) = (python_package.FOLDER / "wheel").glob("*.whl")
        return wheel

    def test_contents(self):
        self.assertLess(self.wheel().stat().st_size, MOST_MEGABYTES * 1e6)
        with zipfile.ZipFile(self.wheel()) as archive:
            names = {name.split("/", 1)[1] for name in archive.namelist() if name.startswith("lorentznet/")}
            others = {name.split("/")[0] for name in archive.namelist()} - {"lorentznet"}
            (metadata,) = (name for name in archive.namelist() if name.endswith("/METADATA"))
            text = archive.read(metadata).decode()
        self.assertTrue(all(name.endswith(".dist-info") for name in others), others)
        self.assertLessEqual({"__init__.py", "py.typed", "_tagger.pyi"}, names)
        sources = {str(file.relative_to(harness.PROJECT / "python" / "lorentznet"))
                   for file in (harness.PROJECT / "python" / "lorentznet").glob("*.py*")}  # fmt: skip
        libraries = names - sources - {"py.typed"}
        self.assertEqual(len(libraries), 1, libraries)
        needed = re.findall(r"^Requires-Dist: (.*)$", text, re.MULTILINE)
        self.assertEqual([line for line in needed if "extra ==" not in line], ["numpy>=1.23"])
        cmake = (harness.PROJECT / "CMakeLists.txt").read_text()
        version = re.search(r"project\(lorentznet VERSION ([\d.]+)", cmake)[1]
        self.assertIn(f"Version: {version}\n", text)
        self.assertEqual(lorentznet.__version__, version)

    def test_libraries(self):
        (library,) = (python_package.venv() / "lib").glob("python3*/site-packages/lorentznet/_tagger.*.so")
        result = subprocess.run(["readelf", "-d", library], capture_output=True, text=True, check=True)
        needed = set(re.findall(r"\(NEEDED\).*\[(.*)\]", result.stdout))
        self.assertLessEqual({"libc.so.6"}, needed)
        self.assertLessEqual(needed, LIBRARIES)

    def test_import(self):
        """It takes little longer than numpy's: nothing else of weight is imported."""
        code = "import json, sys; import lorentznet; print(json.dumps(sorted(sys.modules)))"
        modules = json.loads(python_package.run(python_package.python(), "-c", code).stdout)
        self.assertEqual({"torch", "awkward", "h5py", "onnx", "argparse", "concurrent"} & set(modules), set())

    def test_stubs(self):
        from lorentznet import _tagger

        stub = (harness.PROJECT / "python" / "lorentznet" / "_tagger.pyi").read_text()
        methods = {name for name in vars(_tagger.Network) if not name.startswith("_")}
        self.assertEqual(set(re.findall(r"^    def (?!__)(\w+)", stub, re.MULTILINE)), methods)
        functions = {name for name in vars(_tagger) if not name.startswith("_")} - {"Network"}
        self.assertEqual(set(re.findall(r"^def (\w+)", stub, re.MULTILINE)), functions)


if __name__ == "__main__":
    harness.main()
