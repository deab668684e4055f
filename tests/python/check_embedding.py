"""A source archive, unpacked, configures, builds and installs the tagger without a network by the commands of
docs/embedding.md, and its examples print the probabilities of test mode. The page's Python example does too.
"""

import contextlib
import io
import json
import re
import subprocess
import tarfile
import unittest
import zipfile

import numpy as np

import harness
import installed
import python_package

PAGE = (harness.PROJECT / "docs" / "embedding.md").read_text()
JETS = 2  # in each of the files that come along
NO_NETWORK = ["unshare", "--map-root-user", "--net"]


def git(*words) -> str:
    return installed.checked(["git", "-C", harness.PROJECT, *words]).stdout.strip()


def can_leave_network() -> bool:
    try:
        return subprocess.run([*NO_NETWORK, "true"], capture_output=True).returncode == 0
    except FileNotFoundError:
        return False


class EmbeddingTest(harness.ProgramTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        if not (harness.PROJECT / ".git").exists():
            raise unittest.SkipTest("not a git checkout, so no archive can be made")
        # What is tracked, as it is now.
        commit = git("stash", "create") or "HEAD"
        script = harness.PROJECT / "scripts" / "source_archive.sh"
        installed.checked([script, commit, cls.folder])
        (cls.archive,) = cls.folder.glob("lorentznet-*.tar.gz")
        first = cls.archive.read_bytes()
        installed.checked([script, commit, cls.folder])
        assert cls.archive.read_bytes() == first, "the same commit gives the same bytes"
        with tarfile.open(cls.archive) as archive:
            archive.extractall(cls.folder, filter="data")
        cls.tree = cls.folder / cls.archive.name.removesuffix(".tar.gz")

    def test_commands(self):
        """In the unpacked archive: from its configuration to what the programs print."""
        # check_root.py runs the ROOT example.
        blocks = [block for block in re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL) if "score_tree.py" not in block]
        self.assertEqual(len(blocks), 4)
        home = self.folder / "home"
        home.mkdir()
        network = NO_NETWORK if can_leave_network() else []
        env = harness.environment(HOME=str(home), **harness.build_environment(self.tree))
        result = subprocess.run([*network, "bash", "-e", "-o", "pipefail", "-c", "".join(blocks)], cwd=self.tree,
                                env=env, capture_output=True, text=True)  # fmt: skip
        self.assertEqual(result.returncode, 0, result.stdout + result.stderr)
        self.assertNotIn("warning:", result.stderr)
        printed = [line for line in result.stdout.splitlines() if re.fullmatch(r"[0-9.e-]+ [0-9.e-]+", line)]
        expected = np.concatenate([installed.sample_scores(task)[1][:JETS] for task in ("top", "qg")])
        self.assertEqual(installed.probabilities_in("\n".join(printed)).tobytes(), expected.tobytes())

    def test_archive_holds_what_is_tracked(self):
        found = {str(file.relative_to(self.tree)) for file in self.tree.rglob("*") if file.is_file()
                 and not file.is_relative_to(self.tree / "build")}  # fmt: skip
        made = {"recorded.txt", "examples/c/score_jets"}  # by the commands
        self.assertEqual(found - made, set(git("ls-files").splitlines()))


def first_cells(heading: str) -> list[str]:
    """The words in code in the first column of the table below a heading of the page."""
    section = PAGE.split(f"## {heading}\n", 1)[1].split("\n## ", 1)[0]
    rows = [row for row in section.splitlines() if row.startswith("| `")]
    return [word for row in rows for word in re.findall(r"`(\w+)`", row.split("|")[1])]


def keys_of(checkpoint) -> set[str]:
    with zipfile.ZipFile(checkpoint) as archive:
        (entry,) = [name for name in archive.namelist() if name.endswith("lorentznet.json")]
        return set(json.loads(archive.read(entry)))


class TablesTest(harness.TrainedTest):
    def test_keys_of_a_model_file(self):
        named = set(first_cells("What does a model file hold?"))
        self.assertEqual(keys_of(self.kept / "best-val-model.pt"), named)
        for task in ("top", "qg"):
            self.assertLessEqual(keys_of(installed.checkpoint(task)), named)

    def test_statuses(self):
        """Those of tagger.h, in its order."""
        header = (harness.PROJECT / "include" / "lorentznet" / "tagger.h").read_text()
        (enumeration,) = re.findall(r"enum class JetStatus [^{]*{(.*?)}", header, re.DOTALL)
        found = re.findall(r"^\s*(k\w+)", enumeration, re.MULTILINE)
        self.assertEqual(first_cells("Which errors are there?"), found)


class PythonTest(unittest.TestCase):
    def test_python(self):
        """The page's Python example gives the probabilities of the first jet."""
        (example,) = [block for block in re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL) if "lorentznet.Tagger(" in block]
        python_package.make_importable()
        names = {}
        with contextlib.chdir(harness.PROJECT), contextlib.redirect_stdout(io.StringIO()) as printed:
            exec(compile(example, "docs/embedding.md", "exec"), names)
        self.assertEqual(names["probabilities"].tobytes(), installed.sample_scores("top")[1][:1].tobytes())
        self.assertTrue(printed.getvalue())


if __name__ == "__main__":
    harness.main()
