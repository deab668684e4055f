"""The Python package, as pip installs it: examples of docstrings, of the README and of docs/python.md; what the wheel holds."""

import contextlib
import doctest
import errno
import importlib
import io
import json
import logging
import os
import re
import subprocess
import unittest.mock
import zipfile

import numpy as np

import file_server
import harness
import python_package
from package_test import PRETRAINED, PackageTest, command, with_test_packages

import lorentznet

MOST_MEGABYTES = 3
LIBRARIES = {"libc.so.6", "libm.so.6", "libstdc++.so.6", "libgcc_s.so.1", "ld-linux-x86-64.so.2", "libpthread.so.0"}


class ExamplesTest(PackageTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.enterClassContext(contextlib.chdir(harness.PROJECT))
        server = file_server.start(cls)
        file_server.serve_network(server, PRETRAINED["top"], cls.folder)
        table = file_server.network_table(server, "top", cls.folder / "table.tsv")
        cls.enterClassContext(unittest.mock.patch.dict(os.environ, {
            "LORENTZNET_PUBLISHED_FILES": str(table), "XDG_CACHE_HOME": str(cls.folder / "cache"), "no_proxy": "*"}))  # fmt: skip

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


class PublishedTest(PackageTest):
    def setUp(self):
        self.server = file_server.start(self)
        file_server.serve_network(self.server, PRETRAINED["qg"], self.folder)
        self.cache = self.folder / self.id() / "cache"
        self.place = self.cache / "lorentznet" / "published" / "qg"
        self.table = file_server.network_table(self.server, "qg", self.folder / "table.tsv")
        self.enterContext(unittest.mock.patch.dict(os.environ, {
            "LORENTZNET_PUBLISHED_FILES": str(self.table), "XDG_CACHE_HOME": str(self.cache), "no_proxy": "*"}))  # fmt: skip

    def assert_scores_as_the_shipped_one(self, tagger):
        p4 = np.zeros((1, 1, 4)) + [10, 6, 0, 8]
        self.assert_same(tagger(p4, pdgid=[[22]]), self.qg(p4, pdgid=[[22]]))

    def test_into_the_cache(self):
        with self.assertLogs("lorentznet", logging.WARNING) as logs:
            tagger = lorentznet.Tagger.published("qg")
        self.assertEqual([record.getMessage() for record in logs.records],
                         [f"Downloading the published network into {self.place}; it is of "
                          "https://github.com/sdogsq/LorentzNet-release, licence GPL-3.0"])  # fmt: skip
        self.assertEqual(sorted(file.name for file in self.place.iterdir()), ["args.json", "best-val-model.pt"])
        self.assert_scores_as_the_shipped_one(tagger)
        self.server.requests.clear()
        with self.assertNoLogs("lorentznet"):
            self.assert_scores_as_the_shipped_one(lorentznet.Tagger.published("qg"))
        self.assertEqual(self.server.requests, [])

    def test_into_a_folder(self):
        place = self.folder / "networks" / "mine"
        place.mkdir(parents=True)
        (place / "args.json").write_bytes(self.server.files["args.json"])
        self.server.behave = {"best-val-model.pt": ["cut", 503]}
        self.assert_scores_as_the_shipped_one(lorentznet.Tagger.published("qg", directory=place))
        self.assertNotIn("args.json", [path[1:].split("?")[0] for path, _ in self.server.requests])
        self.assertFalse(self.cache.exists())

    def test_home(self):
        for base in ("", "relative"):  # the latter is invalid
            home = self.folder / f"home {base}"
            with unittest.mock.patch.dict(os.environ, {"XDG_CACHE_HOME": base, "HOME": str(home)}):
                lorentznet.Tagger.published("qg")
            self.assertTrue((home / ".cache/lorentznet/published/qg/best-val-model.pt").exists(), base)

    def test_both_or_neither(self):
        for plan, error, reason in ((404, OSError, "404"), ("wrong", ValueError, "SHA-256"), ("page", ValueError, "bytes")):
            with self.subTest(plan=plan):
                self.server.behave = {"best-val-model.pt": [plan]}
                with self.assertRaisesRegex(error, f"best-val-model.pt.*{reason}"):
                    lorentznet.Tagger.published("qg")
                self.assertFalse(self.cache.exists())
        self.place.mkdir(parents=True)
        renames = [None, OSError(errno.ENOSPC, "full")]
        with unittest.mock.patch("os.replace", side_effect=renames), self.assertRaisesRegex(OSError, "full"):
            lorentznet.Tagger.published("qg")
        self.assertEqual(list(self.place.iterdir()), [])

    def test_another_network_is_not_the_published_one(self):
        with self.assertRaisesRegex(ValueError, "args.json: is not the published file"):
            lorentznet.Tagger.published("qg", PRETRAINED["top"])
        self.assertEqual(self.server.requests, [])

    def test_what_is_not_published(self):
        with self.assertRaisesRegex(ValueError, "'higgs', expected 'top' or 'qg'"):
            lorentznet.Tagger.published("higgs")
        with self.assertRaisesRegex(ValueError, "no files of the set 'top-network'"):
            lorentznet.Tagger.published("top")
        self.table.write_text(self.table.read_text().replace("http:", "file:"))
        with self.assertRaisesRegex(ValueError, "neither http nor https"):
            lorentznet.Tagger.published("qg")

    def test_table_of_the_package(self):
        del os.environ["LORENTZNET_PUBLISHED_FILES"]
        from lorentznet import published

        files = {file.name: file for file in published.published_files("top-network")}
        self.assertEqual((files["args.json"].size, files["best-val-model.pt"].size), (430, 947891))
        self.assertIn("/14bbe783767a7ff73c4afc15e3e9557414088439/", files["best-val-model.pt"].url)


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
        self.assertIn("published_files.tsv", names)
        libraries = names - sources - {"py.typed", "published_files.tsv"}
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
