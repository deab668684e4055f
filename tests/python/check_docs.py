"""The Python code of docs/network-input.md: its own assertions, and the nodes and scalars that it computes against the
values of the Python program.
"""

import re
import unittest

import numpy as np

import harness

PAGE = harness.PROJECT / "docs" / "network-input.md"


class NetworkInputTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        blocks = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
        assert len(blocks) == 3, len(blocks)
        cls.code = {}
        for block in blocks:
            exec(compile(block, PAGE.name, "exec"), cls.code)

    def golden(self, name):
        with np.load(harness.PROJECT / "tests" / "data" / name) as arrays:
            return dict(arrays)

    def test_top_nodes(self):
        golden = self.golden("top_train.npz")
        for jet, towers in enumerate(golden["towers"]):
            p4, scalars = self.code["top_nodes"](towers[towers[:, 0] != 0].astype(np.float64))
            nodes = len(p4)
            harness.assert_close(p4, golden["p4"][jet, :nodes])
            harness.assert_close(scalars, golden["scalars"][jet, :nodes], atol=1e-6)

    def test_quark_gluon_four_momenta(self):
        golden = self.golden("qg_train.npz")
        masses = {11: 0.000511, 13: 0.10566, 22: 0, 130: 0.49761, 211: 0.13957, 321: 0.49368, 2112: 0.93957,
                  2212: 0.93827}  # fmt: skip
        ids = list(masses)
        for jet, rows in enumerate(golden["X"]):
            for place, (pT, y, phi, pdg) in enumerate(rows[rows[:, 0] > 0].astype(np.float64)):
                p = self.code["qg_four_momentum"](pT, y, phi, masses[abs(int(pdg))])
                harness.assert_close(p, golden["p4"][jet, place], rtol=1e-12, atol=1e-12 * p[0])
                self.assertEqual(golden["scalars"][jet, place].tolist(), [float(k == abs(pdg)) for k in ids])


if __name__ == "__main__":
    harness.main()
