"""scripts/scale_translations.py: the same network to the bit, except where a translation reached the clamp."""

import json
import shutil
import subprocess
import sys
import zipfile

import harness

SCRIPT = harness.PROJECT / "scripts" / "scale_translations.py"
torch = harness.load_torch()


class ScaleTest(harness.ProgramTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.data = harness.write_top(cls.folder / "data")
        cls.trained = harness.train("top", cls.folder, cls.data, "trained", "--n_hidden=8", "--pooling=jet", "--epochs=1")

    def scale(self, run, new, *words):
        return subprocess.run([sys.executable, SCRIPT, run, self.folder / new, *words], capture_output=True, text=True)

    def assert_scaled(self, result):
        self.assertEqual((result.returncode, result.stderr), (0, ""))

    def run_test(self, name, *words):
        run = self.folder / name
        self.assert_finished(harness.test_mode("top", run, "--datadir", self.data, *words))
        return (run / "score.npy").read_bytes()

    def state(self, name):
        return torch.load(self.folder / name / "best-val-model.pt", weights_only=True)

    def test_same_network(self):
        self.assert_scaled(self.scale(self.trained, "scaled", "--factor=64"))
        before, after = self.state("trained"), self.state("scaled")
        self.assertEqual(list(before), list(after))
        changed = [name for name in before if not torch.equal(before[name], after[name])]
        self.assertEqual(changed, [name for name in before if name.endswith("phi_x.2.weight")])
        for name in changed:
            self.assertTrue(torch.equal(before[name], 64 * after[name]), name)
        self.assertEqual(self.run_test("scaled"), self.run_test("trained"))
        with zipfile.ZipFile(self.folder / "scaled" / "best-val-model.pt") as archive:
            (name,) = (name for name in archive.namelist() if name.endswith("/lorentznet.json"))
            description = json.loads(archive.read(name))
        self.assertNotIn("tests", description)  # their scores may have changed
        args = harness.read_json(self.folder / "scaled" / "args.json")
        self.assertEqual((args["c_weight"], description["c_weight"]), (0.005 * 64, 0.005 * 64))

    def test_out_of_the_clamp(self):
        """As a published checkpoint, without a description, and in double."""
        run = self.folder / "long"
        shutil.copytree(self.trained, run)
        state = self.state("trained")
        for name in state:
            if name.endswith("phi_x.2.weight"):
                state[name] = state[name].double() * 3e5
            if name.endswith("graph_dec.3.weight"):
                state[name] *= 30
        torch.save(state, run / "best-val-model.pt")
        self.assert_scaled(self.scale(run, "free", "--factor=4194304"))
        for name in ("long", "free"):
            self.run_test(name, "--boost=0.9")
        clamped, free = (harness.read_json(self.folder / name / "boost-0.9.json")["max_change"] for name in ("long", "free"))
        self.assertGreater(clamped, 1e-3)
        self.assertLess(free, 1e-6)

    def test_refusals(self):
        for new, words, expected in (("trained", (), "trained exists"), ("new", ("--factor=3",), "2, 4, 8"),
                                     ("new", ("--factor=1",), "2, 4, 8")):  # fmt: skip
            result = self.scale(self.trained, new, *words)
            self.assertEqual(result.returncode, 2)
            self.assertIn(expected, result.stderr)
        bad = self.folder / "bad"
        shutil.copytree(self.trained, bad)
        for content, expected in ((b"no zip", "BadZipFile"), (self.hostile(), "posix.system")):
            (bad / "best-val-model.pt").write_bytes(content)
            result = self.scale(bad, "new")
            self.assertEqual(result.returncode, 2)
            self.assertRegex(result.stderr, rf"\Aerror: [^\n]*{expected}[^\n]*\n\Z")
        self.assertEqual(sorted(path.name for path in self.folder.glob("new*")), [])

    def hostile(self):
        """A checkpoint whose pickle would run a command."""
        file = self.folder / "hostile.pt"
        with zipfile.ZipFile(file, "w") as archive:
            archive.writestr("archive/data.pkl", b"cposix\nsystem\n(S'touch new'\ntR.")
        return file.read_bytes()


if __name__ == "__main__":
    harness.main()
