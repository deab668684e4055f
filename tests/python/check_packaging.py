"""Files for those who package the project: versions agree, conda's recipe has its keys and its script installs what it
tests for, spack's package runs with a stand-in for spack, and the second stage of the Dockerfile has the libraries that the
programs load. What is not checked is said in these files.
"""

import os
import re
import shutil
import subprocess
import sys
import types
import unittest
from pathlib import Path

import yaml

import harness
import installed

ROOT = harness.PROJECT
PACKAGING = ROOT / "packaging"
VERSION = re.search(r"^project\(lorentznet VERSION ([0-9.]+) ", (ROOT / "CMakeLists.txt").read_text(), re.MULTILINE)[1]
PROGRAMS = ("top_tagging", "qg_tagging", "jets")


class VersionTest(unittest.TestCase):
    def test_versions(self):
        self.assertEqual(yaml.safe_load((ROOT / "CITATION.cff").read_text())["version"], VERSION)
        newest = re.search(r"^## (\S+)", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)[1]
        self.assertEqual(newest, VERSION)


class CondaTest(harness.ProgramTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.recipe = yaml.safe_load((PACKAGING / "conda" / "recipe.yaml").read_text())

    def test_keys(self):
        self.assertEqual(self.recipe["schema_version"], 1)
        self.assertEqual(self.recipe["context"]["version"], VERSION)
        self.assertEqual(self.recipe["package"], {"name": "lorentznet", "version": "${{ version }}"})
        self.assertTrue({"source", "build", "requirements", "tests", "about"} <= set(self.recipe))
        self.assertTrue({"homepage", "license", "license_file", "summary"} <= set(self.recipe["about"]))
        folder = PACKAGING / "conda"
        self.assertTrue((folder / self.recipe["source"]["path"]).samefile(ROOT))
        self.assertTrue((ROOT / self.recipe["about"]["license_file"]).is_file())
        variants = yaml.safe_load((folder / "variants.yaml").read_text())
        self.assertEqual(set(variants), {"c_stdlib", "c_stdlib_version"})

    def test_script_installs_what_the_tests_want(self):
        """Runs it in a copy of what the build reads, as rattler-build does, with $PREFIX; but with this machine's
        compiler and nlohmann-json."""
        copy, prefix = self.folder / "copy", self.folder / "prefix"
        copy.mkdir()
        for name in ("CMakeLists.txt", "cmake", "include", "src"):
            (copy / name).symlink_to(ROOT / name)
        script = " && ".join(self.recipe["build"]["script"])
        env = harness.environment(PREFIX=str(prefix), CMAKE_ARGS="", **harness.build_environment(copy))
        installed.checked(["bash", "-e", "-c", script], cwd=copy, env=env)
        (contents,) = [test["package_contents"] for test in self.recipe["tests"]]
        for name in contents["include"]:
            self.assertTrue((prefix / "include" / name).is_file(), name)
        for name in contents["lib"]:
            self.assertTrue((prefix / "lib" / f"lib{name}.so").is_file(), name)
        for name in contents["files"]:
            self.assertTrue((prefix / name).is_file(), name)


class SpackTest(unittest.TestCase):
    def test_package(self):
        """Its directives and CMake arguments, recorded by a stand-in for the module spack.package."""
        calls = {}

        def directive(name):
            return lambda *words, **options: calls.setdefault(name, []).append((words, options))

        class CMakePackage:
            def define(self, name, value):
                return f"-D{name}:{'BOOL' if isinstance(value, bool) else 'STRING'}={'ON' if value is True else value}"

        stand_in = types.ModuleType("spack.package")
        stand_in.CMakePackage = CMakePackage
        for name in ("license", "version", "depends_on", "requires", "conflicts"):
            setattr(stand_in, name, directive(name))
        file = PACKAGING / "spack" / "package.py"
        sys.modules["spack"], sys.modules["spack.package"] = types.ModuleType("spack"), stand_in
        self.addCleanup(lambda: [sys.modules.pop(name) for name in ("spack.package", "spack")])
        names = {}
        exec(compile(file.read_text(), file, "exec"), names)
        package = names["Lorentznet"]
        self.assertTrue(issubclass(package, CMakePackage) and package.__doc__ and package.homepage)
        self.assertEqual([words for words, _ in calls["version"]], [(VERSION,)])
        needed = {words[0].split("@")[0] for words, _ in calls["depends_on"]}
        self.assertEqual(needed, {"cxx", "cmake", "nlohmann-json"})
        minimum = re.search(r"cmake_minimum_required\(VERSION ([0-9.]+)\)", (ROOT / "CMakeLists.txt").read_text())[1]
        self.assertIn(f"cmake@{minimum}:", [words[0] for words, _ in calls["depends_on"]])
        self.assertEqual(package().cmake_args(), ["-DLORENTZNET_TAGGER_ONLY:BOOL=ON"])
        self.assertIn("option(LORENTZNET_TAGGER_ONLY ", (ROOT / "CMakeLists.txt").read_text())


def closure(packages: set[str]) -> set[str]:
    """These Debian packages and all that they depend on, as far as they are installed."""
    listing = installed.checked(["dpkg-query", "-W", "-f", "${Package}\t${Pre-Depends}, ${Depends}\n"]).stdout
    depends = {}
    for line in listing.splitlines():
        name, _, needs = line.partition("\t")
        depends[name] = set(re.findall(r"(?:^|[,|]) *([a-z0-9][a-z0-9.+-]*)", needs))
    found, new = set(), packages
    while new:
        found |= new
        new = set().union(*(depends.get(name, set()) for name in new)) - found
    return found


def packages_of(files: set[Path]) -> dict[Path, str]:
    """The Debian package of each file that is of one. /lib is /usr/lib: dpkg knows a file by one of both names."""
    names = {file: [file, file.resolve(), Path("/usr") / file.relative_to("/"), Path("/", *file.resolve().parts[2:])]
             for file in files}  # fmt: skip
    # Its status is 1, too, where it found some of them.
    listing = subprocess.run(["dpkg-query", "--search", *{name for some in names.values() for name in some}],
                             capture_output=True, text=True).stdout  # fmt: skip
    owner = {Path(line.rsplit(": ", 1)[1]): line.split(":")[0] for line in listing.splitlines() if ": " in line}
    return {file: owner[name] for file, some in names.items() for name in reversed(some) if name in owner}


class DockerfileTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        text = re.sub(r"\\\n", " ", (ROOT / "Dockerfile").read_text())
        cls.build, cls.final = text.split("\nFROM debian:bookworm-slim\n")
        cls.copied = {Path(word) for line in re.findall(r"COPY --from=build (.*)", cls.final)
                      for word in line.split()[:-1]}  # fmt: skip

    def test_what_it_copies_from_here_exists(self):
        lines = re.findall(r"^COPY (?!--from)(.*)", self.build + "\n" + self.final, re.MULTILINE)
        self.assertEqual(len(lines), 4)
        for word in [word for line in lines for word in line.split()[:-1]]:
            self.assertTrue((ROOT / word).exists(), word)
        self.assertIn("RUN scripts/setup.sh\n", self.build)
        for target in re.findall(r"--(?:preset|target) (\S+)", self.build):
            self.assertIn(target, (ROOT / "CMakePresets.json").read_text() + (ROOT / "apps/CMakeLists.txt").read_text())

    def test_libraries_of_the_programs(self):
        """Each is copied, or in a package of the second stage or one that these depend on."""
        if shutil.which("dpkg-query") is None or 'VERSION_CODENAME=bookworm' not in Path("/etc/os-release").read_text():
            self.skipTest("this is not the image's Debian 12")
        place = Path("/opt/lorentznet")
        self.assertTrue({place / "build/release/bin" / name for name in PROGRAMS} <= self.copied)
        installs = re.search(r"apt-get install --yes --no-install-recommends ([^&]*)&&", self.final)[1]
        packages = closure(set(installs.split()) | {"libc6"})
        deps = harness.OPTIONS.libtorch.resolve()
        libraries = {}
        for program in PROGRAMS:
            listing = installed.checked(["ldd", harness.OPTIONS.bin / program]).stdout
            self.assertNotIn("not found", listing)
            libraries[program] = list(map(Path, re.findall(r"=> (/\S+)", listing)))
        owners = packages_of({file for files in libraries.values() for file in files if not file.resolve().is_relative_to(deps)})
        for program, files in libraries.items():
            for file in files:
                with self.subTest(program=program, file=file):
                    if file.resolve().is_relative_to(deps):
                        name = Path(os.path.normpath(file)).relative_to(harness.OPTIONS.libtorch)
                        self.assertIn(place / ".deps/python" / name, self.copied)
                    else:
                        self.assertIn(owners.get(file, "no package"), packages)


if __name__ == "__main__":
    harness.main()
