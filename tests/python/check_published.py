"""Scores sample jets with the published checkpoints and compares them with the peer in Python.

The folder LORENTZNET_REFERENCE has the checkpoints, by default ../shared/reference beside the project.
Without it, the output "[skipped]" makes ctest skip the test.
"""

import os
import shutil
import sys
from pathlib import Path

import numpy as np

import harness

NUM_JETS = 40  # per task
PUBLISHED = ("args.json", "best-val-model.pt", "train-result.json")


def reference() -> Path:
    named = os.environ.get("LORENTZNET_REFERENCE")
    return Path(named) if named else harness.PROJECT.parent / "shared" / "reference"


class PublishedTest(harness.ProgramTest):
    def score(self, task, *words):
        """The scores of the published checkpoint."""
        run = self.folder / "logs" / task
        run.mkdir(parents=True)
        for name in PUBLISHED:
            shutil.copy(reference() / task / name, run)
        before = harness.snapshot(run)
        self.assert_finished(harness.test_mode(task, run, *words, threads=2))
        after = harness.results(run)
        self.assertEqual({name: after[name] for name in before}, before)
        self.assertEqual(set(after) - set(before), {"score.npy", "score.npz", "test-result.json", "test-uncertainty.json"})
        return np.load(run / "score.npy")

    def assert_agrees(self, scores, jets, n_nodes, task, n_scalar):
        import peer

        run = reference() / task
        args = harness.read_json(run / "args.json")
        network = peer.load(run / "best-val-model.pt", args, n_scalar)
        logits = peer.logits(network, jets, n_nodes)
        expected = peer.torch.from_numpy(logits).softmax(1).numpy()
        harness.assert_close(scores[:, 0], [jet.label for jet in jets])
        harness.assert_close(scores[:, 1:], expected, atol=1e-5)
        # Both p0 and p1 are stored, so the difference of logits is precise even for p near 0 or 1.
        found = np.log(scores[:, 2].astype(float)) - np.log(scores[:, 1].astype(float))
        harness.assert_close(found, logits[:, 1] - logits[:, 0], atol=2e-4)

    def test_top(self):
        import peer

        file = harness.write_h5(self.folder / "test.h5", harness.top_arrays("test", count=NUM_JETS))
        jets = peer.read_top(file)
        scores = self.score("top", "--test_data", file)
        self.assert_agrees(scores, jets, peer.batch_n_nodes(jets, 32), "top", 2)

    def test_quark_gluon(self):
        import peer

        arrays = harness.qg_arrays(count=NUM_JETS)
        np.savez(self.folder / "test.npz", **arrays)
        scores = self.score("qg", "--test_data", self.folder / "test.npz")
        self.assert_agrees(scores, peer.read_qg(**arrays), [139] * NUM_JETS, "qg", 8)


def main():
    missing = [task for task in ("top", "qg")
               if not (reference() / task / "best-val-model.pt").is_file()]  # fmt: skip
    if missing:
        print(f"[skipped] no published checkpoint of {' or '.join(missing)} in {reference()}")
        return
    harness.load_torch()  # for the peer
    harness.main()


if __name__ == "__main__":
    sys.exit(main())
