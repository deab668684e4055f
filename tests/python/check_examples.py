"""The programs in examples/, built as a user would from the installed library: the probabilities of test mode, bit for
bit, and one line for what cannot be scored. The pages that show them show them as they are.
"""

import re
import shutil
import subprocess

import numpy as np

import harness
import installed

WARNINGS = "-Wall -Wextra -Werror"
CATCHES = """
#include <lorentznet/tagger.h>
#include <cstdio>
int main(int, char** argv) try {
  lorentznet::Tagger::open(argv[1]);
} catch (const lorentznet::InputError& error) {
  std::puts(error.what());
  return 2;
}
"""


class ExamplesTest(installed.InstalledTest):
    components = ("tagger",)

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.text = {task: cls.folder / f"{task}.txt" for task in ("top", "qg")}
        for task, file in cls.text.items():
            file.write_text("".join(installed.sample_scores(task)[0].text()))

    @classmethod
    def cmake_build(cls, name: str, flags: str):
        """Builds examples/NAME by its CMakeLists.txt; the program has the name of its target."""
        folder = cls.examples / name
        installed.checked(["cmake", "-S", folder, "-B", folder / "build", f"-DCMAKE_PREFIX_PATH={cls.prefix}",
                           f"-DCMAKE_CXX_FLAGS={flags}"])  # fmt: skip
        installed.checked(["cmake", "--build", folder / "build"])
        return folder / "build"

    def run_program(self, program, *words) -> subprocess.CompletedProcess:
        # Without LD_LIBRARY_PATH: a program finds the library by its run path.
        env = {name: value for name, value in harness.environment().items() if name != "LD_LIBRARY_PATH"}
        return subprocess.run([program, *map(str, words)], env=env, capture_output=True, text=True,
                              timeout=harness.HANG)  # fmt: skip

    def assert_same_bits(self, result: subprocess.CompletedProcess, task: str):
        self.assertEqual(result.returncode, 0, result.stderr)
        found, expected = installed.probabilities_in(result.stdout), installed.sample_scores(task)[1]
        self.assertEqual(found.shape, expected.shape)
        self.assertEqual(found.tobytes(), expected.tobytes())

    def assert_says(self, result: subprocess.CompletedProcess, *expected):
        """Status 2 and one line on stderr."""
        self.assertEqual(result.returncode, 2, (result.stdout, result.stderr))
        self.assertRegex(result.stderr, r"\A[^\n]+\n\Z")
        for text in expected:
            self.assertIn(str(text), result.stderr)

    def assert_names_bad_input(self, program, jets_file, *words):
        """`program` reads top jets; `words` are its further arguments."""
        damaged = self.folder / "damaged.pt"
        damaged.write_bytes(installed.checkpoint("top").read_bytes()[:-1000])
        self.assert_says(self.run_program(program, damaged, jets_file, *words), damaged)
        cut = self.folder / "cut.txt"
        cut.write_text(" ".join(jets_file.read_text().split()[:-1]))
        for file in (cut, self.folder / "nowhere.txt"):
            self.assert_says(self.run_program(program, installed.checkpoint("top"), file, *words))

    def test_cpp(self):
        for flags in (f"-O0 -g {WARNINGS}", f"-O3 -march=native -ffast-math {WARNINGS}"):
            program = self.cmake_build("cpp", flags) / "score_jets"
            self.assert_same_bits(self.run_program(program, installed.checkpoint("top"), self.text["top"]), "top")
        self.assert_names_bad_input(program, self.text["top"])
        empty = self.folder / "empty.txt"
        empty.write_text("0\n")
        self.assert_says(self.run_program(program, installed.checkpoint("top"), empty), "constituents")
        self.assert_says(self.run_program(program, installed.checkpoint("qg"), self.text["top"]))

    def test_c(self):
        for compiler in ("gcc", "clang"):
            if shutil.which(compiler) is None:
                continue
            folder = self.examples / "c"
            installed.checked(["make", "--always-make", "-C", folder, f"CC={compiler}",
                               f"CFLAGS=-std=c99 -Wpedantic {WARNINGS}"], env=self.environment())  # fmt: skip
            for task, file in self.text.items():
                result = self.run_program(folder / "score_jets", installed.checkpoint(task), file)
                self.assert_same_bits(result, task)
        self.assert_names_bad_input(folder / "score_jets", self.text["top"])

    def test_event_loop(self):
        program = self.cmake_build("event_loop", f"-O2 {WARNINGS}") / "event_loop"
        for task, file in self.text.items():
            expected = installed.sample_scores(task)[1]
            tagged = np.count_nonzero(expected[:, 1] > 0.5)
            for threads, jets_per_event in ((1, 1), (2, 4), (8, 3), (3, 1000)):
                result = self.run_program(program, installed.checkpoint(task), file, threads, jets_per_event)
                self.assert_same_bits(result, task)
                events = -(-len(expected) // jets_per_event)
                self.assertEqual(result.stderr, f"{len(expected)} jets in {events} events: {tagged} tagged, "
                                                "0 not scored\n")  # fmt: skip
        self.assert_names_bad_input(program, self.text["top"], 2, 4)

    def test_bad_jets_among_others(self):
        program = self.cmake_build("event_loop", f"-O2 {WARNINGS}") / "event_loop"
        jets, expected = installed.sample_scores("top")
        file = self.folder / "bad.txt"
        first, *rest = jets.text()
        file.write_text("".join([first, "0\n", "1\n1.0 3.0 4.0 0.0\n", *rest]))
        result = self.run_program(program, installed.checkpoint("top"), file, 2, 3)
        found = installed.probabilities_in(result.stdout)
        self.assertTrue(np.isnan(found[1:3]).all())
        self.assertEqual(np.delete(found, [1, 2], axis=0).tobytes(), expected.tobytes())
        lines = result.stderr.splitlines()
        self.assertEqual([line.split(":")[0] for line in lines[:2]], ["jet 1", "jet 2"])
        self.assertIn("energy", lines[1])
        self.assertIn("2 not scored", lines[2])

    def test_error_is_caught_by_its_type(self):
        """Although the library shows nothing but its interface."""
        source = self.folder / "catch.cpp"
        source.write_text(CATCHES)
        flags = installed.checked(["pkg-config", "--cflags", "--libs", "lorentznet"], env=self.environment()).stdout.split()
        run_path = next(flag for flag in flags if flag.startswith("-L")).replace("-L", "-Wl,-rpath,")
        for compiler in ("g++", "clang++"):
            if shutil.which(compiler) is None:
                continue
            installed.checked([compiler, "-std=c++20", source, "-o", self.folder / "catch", *flags, run_path])
            result = self.run_program(self.folder / "catch", self.folder / "nowhere.pt")
            self.assertEqual((result.returncode, result.stdout.count("nowhere.pt")), (2, 1), result.stderr)

    def test_jets_that_come_along(self):
        """top.txt and quark_gluon.txt are the first two jets of the samples."""
        for task, name in (("top", "top.txt"), ("qg", "quark_gluon.txt")):
            self.assertEqual((installed.EXAMPLES / name).read_text(), "".join(installed.sample_scores(task)[0].text()[:2]), name)

    def test_pages_show_them_as_they_are(self):
        """Each block of docs/embedding.md that begins with an example's first line is that file."""
        page = (harness.PROJECT / "docs" / "embedding.md").read_text()
        blocks = re.findall(r"```(?:cpp|c|python|cmake|makefile)\n(.*?)```", page, re.DOTALL)
        for name in ("cpp/score_jets.cpp", "cpp/CMakeLists.txt", "c/score_jets.c", "c/Makefile", "root/score_tree.py"):
            self.assertIn((installed.EXAMPLES / name).read_text(), blocks, name)


if __name__ == "__main__":
    harness.main()
