"""examples/root: RDataFrame on two threads over a tree of jets, with the installed library, gives the probabilities of
test mode bit for bit. Needs ROOT (scripts/requirements-root.txt); skipped without it.
"""

import re
import subprocess
import sys

import awkward as ak
import numpy as np
import uproot

import harness
import installed

ROOT_FOLDER = harness.PROJECT / ".deps" / "python-root"
JETS_IN_A_CLUSTER = 5  # of the tree: threads share a tree by its clusters


def write_tree(file, jets: installed.Jets):
    """The tree that score_tree.py reads, and a jet without constituents after the others."""
    count = np.array([len(p4) for p4 in jets.p4] + [0])
    columns = dict(zip(("E", "px", "py", "pz"), np.concatenate(jets.p4).T))
    types = dict.fromkeys(columns, "var * float64")
    if jets.pdg_id:
        columns["pdg_id"] = np.concatenate(jets.pdg_id)
        types["pdg_id"] = "var * int32"
    entries = {name: ak.unflatten(values, count) for name, values in columns.items()}
    entries["jet"] = np.arange(len(count))
    with uproot.recreate(file) as out:
        tree = out.mktree("jets", types | {"jet": "int64"})
        for first in range(0, len(count), JETS_IN_A_CLUSTER):
            tree.extend({name: values[first : first + JETS_IN_A_CLUSTER] for name, values in entries.items()})


class RootTest(installed.InstalledTest):
    components = ("tagger",)

    def score(self, task: str, checkpoint) -> subprocess.CompletedProcess:
        write_tree(self.folder / f"{task}.root", installed.sample_scores(task)[0])
        env = self.environment() | {"PYTHONPATH": str(ROOT_FOLDER), "PYTHONWARNINGS": "ignore"}
        words = [self.examples / "root" / "score_tree.py", checkpoint, f"{task}.root", f"{task}-scores.root"]
        return subprocess.run([sys.executable, *map(str, words)], env=env, cwd=self.folder, capture_output=True,
                              text=True, timeout=harness.HANG)  # fmt: skip

    def test_probabilities_of_test_mode(self):
        for task in ("top", "qg"):
            self.assert_finished(self.score(task, installed.checkpoint(task)))
            tree = uproot.open(self.folder / f"{task}-scores.root")["jets"]
            order = np.argsort(tree["jet"].array())
            found = np.array(tree["probabilities"].array(), dtype=np.float32)[order]
            expected = installed.sample_scores(task)[1]
            self.assertEqual(found.shape, (len(expected) + 1, 2))
            self.assertEqual(found[:-1].tobytes(), expected.tobytes())
            self.assertTrue(np.isnan(found[-1]).all(), "the jet without constituents")
            self.assertEqual(np.array(tree["signal"].array())[order].tobytes(), found[:, 1].tobytes())

    def test_damaged_checkpoint(self):
        damaged = self.folder / "damaged.pt"
        damaged.write_bytes(installed.checkpoint("top").read_bytes()[:-1000])
        result = self.score("top", damaged)
        self.assertNotEqual(result.returncode, 0)
        self.assertIn(f"runtime_error: {damaged}", result.stderr)

    def test_the_header_needs_no_root(self):
        """It compiles on its own, as C++17, and names no ROOT header."""
        header = self.examples / "root" / "slot_tagger.h"
        self.assertFalse(re.findall(r'#include ["<](?:ROOT|T[A-Z])', header.read_text()))
        includes = self.prefix / "include"
        installed.checked(["c++", "-std=c++17", "-Wall", "-Wextra", "-Wpedantic", "-Werror", f"-I{includes}",
                           "-fsyntax-only", "-x", "c++", header])  # fmt: skip


if __name__ == "__main__":
    if not (ROOT_FOLDER / "ROOT").is_dir():
        print(f"skipped: there is no ROOT in {ROOT_FOLDER} (scripts/setup.sh --tests)", file=sys.stderr)
        sys.exit(harness.SKIPPED)
    harness.main()
