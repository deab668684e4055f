"""--boost along each axis, in random directions and with rotations, and the study of --equivariance."""

import shutil
import sys

import numpy as np

import harness

torch = harness.load_torch()

BETAS = (0.5, 0.9, 0.99999)
SHIPPED_JETS = 40
VARIANTS = {f"{precision}, {clamp}" for precision in ("float", "mixed", "double") for clamp in ("clamp", "no clamp")}


class EquivarianceTest(harness.ProgramTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.data = harness.write_top(cls.folder / "data")
        cls.trained = harness.train("top", cls.folder, cls.data, "trained", "--n_hidden=8", "--pooling=jet")

    def scaled(self, name: str, factor: float):
        """A copy of the experiment whose translations are `factor` times as long."""
        run = self.folder / name
        shutil.copytree(self.trained, run)
        state = torch.load(run / "best-val-model.pt", weights_only=True)
        for key in state:
            if key.endswith("phi_x.2.weight"):
                state[key] *= factor
        torch.save(state, run / "best-val-model.pt")
        return run

    def run_test(self, name: str, *words):
        self.assert_finished(harness.test_mode("top", self.folder / name, "--datadir", self.data, *words))

    def study(self, name: str, *words):
        self.run_test(name, "--boost", ",".join(map(str, BETAS)), "--equivariance=12", *words)
        return harness.read_json(self.folder / name / "equivariance.json")

    def shift(self, study, beta, variant):
        frame = next(frame for frame in study["frames"] if frame["beta"] == beta)
        return frame["variants"][variant]["rms_shift"]

    def test_without_clamp_reached(self):
        """Translations far below the clamp: only rounding changes the scores."""
        study = self.study(self.scaled("short", 1).name)
        self.assertEqual((study["jets"], study["axis"], study["rotated"]), (12, "x", False))
        self.assertEqual([frame["beta"] for frame in study["frames"]], [0, *BETAS])
        for frame in study["frames"]:
            self.assertAlmostEqual(frame["gamma"] * np.sqrt(1 - frame["beta"] ** 2), 1, places=9)
            self.assertEqual(set(frame["variants"]), VARIANTS)
        self.assertLess(self.shift(study, 0.5, "double, clamp"), 1e-9)
        self.assertLess(self.shift(study, 0.9, "mixed, clamp"), 1e-5)
        for beta in BETAS:
            self.assertGreater(self.shift(study, beta, "float, no clamp"), 0)
            self.assertLess(self.shift(study, beta, "double, no clamp"), self.shift(study, beta, "float, no clamp"))
        self.assertEqual(self.shift(study, 0, "double, clamp"), 0)

    def test_with_clamp_reached(self):
        """Long translations: only the clamp breaks the symmetry."""
        study = self.study(self.scaled("long", 3e5).name)
        at_rest = study["frames"][0]["variants"]
        self.assertGreater(at_rest["double, clamp"]["clamped"], 0.05)
        self.assertEqual(at_rest["double, clamp"]["clamped"] <= 1, True)
        clamped, free = (self.shift(study, 0.5, f"double, {clamp}") for clamp in ("clamp", "no clamp"))
        self.assertGreater(clamped, 1e-6)
        self.assertLess(free, 1e-3 * clamped)

    def test_frames(self):
        """Other axes, random directions, rotations: without the clamp the scores stay the same."""
        run = self.scaled("frames", 1)
        self.run_test("frames")
        at_rest = np.load(run / "score.npy")
        found = {}
        for words in ((), ("--boost_axis=y",), ("--boost_axis=z",), ("--boost_axis=random",), ("--rotate",),
                      ("--boost_axis=random", "--seed=5")):  # fmt: skip
            study = self.study("frames", *words)
            self.assertLess(self.shift(study, 0.9, "double, no clamp"), 1e-9, words)
            found[words] = self.shift(study, 0.99999, "float, no clamp")
            record = harness.read_json(run / "boost-0.9.json")
            test = harness.read_json(run / "test-result.json")
            self.assertAlmostEqual(record["loss"], test["test_loss"], delta=1e-3)
            self.assertEqual(record.get("rotated", False), "--rotate" in words)
        # The frames differ: each has its own rounding.
        self.assertEqual(len(set(found.values())), len(found), found)
        harness.assert_close(np.load(run / "score.npy"), at_rest)

    def change_at_boost(self, task, network, jets):
        """The largest change of a probability at beta = .99 in random directions."""
        out = self.folder / "shipped" / network
        out.parent.mkdir(parents=True, exist_ok=True)
        self.assert_finished(harness.test_mode(task, harness.PROJECT / "logs" / network, "--boost=0.99", "--boost_axis=random",
                                               "--test_data", jets, "--out", out))  # fmt: skip
        return harness.read_json(out / "boost-0.99.json")["max_change"]

    def test_shipped_fast_network(self):
        """Its translations stay clear of the clamp, those of the network of full size do not."""
        jets = harness.write_h5(self.folder / "shipped.h5", harness.top_arrays("test", count=SHIPPED_JETS))
        self.assertLess(self.change_at_boost("top", "top/fast", jets), 1e-6)
        self.assertGreater(self.change_at_boost("top", "top/pretrained", jets), 1e-3)

    def test_shipped_invariant_network(self):
        """Quark/gluon jets with beams."""
        file = harness.write_qg(self.folder / "shipped-qg", harness.qg_arrays(count=SHIPPED_JETS)) / "datasets/QG_jets.npz"
        self.assert_finished(harness.quark_gluon_with_beams(file, "--outdir", self.folder / "beams", "--test"))
        self.assertLess(self.change_at_boost("top", "qg/invariant", self.folder / "beams" / "test.npz"), 1e-6)
        self.assertGreater(self.change_at_boost("qg", "qg/fast", file), 1e-3)

    def test_refusals(self):
        for words, expected in ((["--boost_axis=w", "--boost=0.5"], ["--boost_axis", "w", "random"]),
                                (["--rotate"], ["--rotate", "--boost"]),
                                (["--equivariance=5"], ["--equivariance", "--boost"]),
                                (["--equivariance=0", "--boost=0.5"], ["--equivariance", "at least 1"]),
                                (["--boost=1"], ["--boost", "velocity"])):  # fmt: skip
            self.assert_refused(harness.test_mode("top", self.trained, *words), *expected)


if __name__ == "__main__":
    sys.exit(harness.main())
