"""Read-only folders and full disks: one line of error, and existing files stay intact.

The file systems are small tmpfs mounts, which need root; other users run only the tests with a limit on
the size of files.
"""

import resource
import shutil
import signal
import subprocess
import sys

import numpy as np

import harness

torch = harness.load_torch()


def limit_files(size):
    """Options of subprocess: writing a file beyond `size` bytes fails as on a full disk."""

    def limit():
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))

    return {"preexec_fn": limit, "restore_signals": False}


def mount(test, place, size):
    """Mounts an empty file system of `size` on the new folder `place` until the test ends."""
    place.mkdir()
    words = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", place]
    if shutil.which("mount") is None or subprocess.run(words, capture_output=True).returncode:
        test.skipTest("this user cannot mount a tmpfs")
    test.addCleanup(subprocess.run, ["umount", place], check=True)
    return place


def remount(place, option):
    subprocess.run(["mount", "-o", f"remount,{option}", place], check=True)


class DiskTest(harness.TrainedTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        # The same training without interruption, with more epochs.
        cls.whole = harness.train("qg", cls.folder, cls.data, "whole", "--epochs=6")

    def run_in(self, logdir, *words, **options):
        return harness.run("qg", "--logdir", logdir, "--datadir", self.data, "--device=cpu", *words, **options)

    def mount(self, name, size):
        """A file system of `size` with the experiment "kept" in it."""
        place = mount(self, self.folder / name, size)
        harness.restore(place / "kept", self.good)
        return place

    def assert_whole(self, run):
        """Every file in `run` is complete."""
        for file in sorted(run.iterdir()):
            if file.suffix == ".json":
                harness.read_json(file)
            elif file.suffix == ".pt":
                torch.load(file, weights_only=True)
            elif not harness.is_record_of_time(file.name):
                self.assertIn(file.name, ("score.npy", "score.npz"))
                arrays = np.load(file)
                if file.suffix == ".npz":
                    self.assertIn("logits", {name: arrays[name] for name in arrays})

    def assert_goes_on(self, logdir):
        """With --resume the training ends like the uninterrupted one."""
        result = self.run_in(logdir, "--exp_name=kept", "--resume", "--epochs=6")
        self.assert_finished(result)
        for name, content in harness.snapshot(self.whole).items():
            if name in ("score.npy", "score.npz") or (name.endswith(".pt") and name != "training-state.pt"):
                self.assertEqual((logdir / "kept" / name).read_bytes(), content, name)

    def test_no_folder(self):
        """A regular file in place of a folder."""
        (self.folder / "file").write_text("")
        for logdir, name in ((self.folder / "file", "run"), (self.folder / "file" / "x", "run"),
                             (self.folder, "file")):  # fmt: skip
            with self.subTest(logdir=logdir):
                result = self.run_in(logdir, *harness.SMALL, "--exp_name", name)
                self.assert_refused(result, self.folder / "file")
                self.assertEqual((self.folder / "file").read_text(), "")

    def test_read_only(self):
        logdir = self.mount("read-only", "2m")
        remount(logdir, "ro")
        for words in (["--exp_name=new", *harness.SMALL],
                      ["--exp_name=kept", *harness.SMALL, "--overwrite"],
                      ["--exp_name=kept", "--resume", "--epochs=3"],
                      ["--exp_name=kept", "--test_mode"]):  # fmt: skip
            with self.subTest(words=words):
                result = self.run_in(logdir, *words)
                self.assert_harmless(result, logdir / "kept", self.good, logdir)

    def test_full_disk(self):
        """The training "kept" continues until the disk is full, and to the end once there is more space."""
        sizes = sum(-(-len(content) // 4096) * 4 for content in self.good.values())
        state = -(-len(self.good["training-state.pt"]) // 4096) * 4
        model = -(-len(self.good["best-val-model.pt"]) // 4096) * 4
        for room in (4, model + 4, model + state - 4, 4 * model + state):
            with self.subTest(room=room):
                logdir = self.mount(f"full-{room}", f"{sizes + room}k")
                result = self.run_in(logdir, "--exp_name=kept", "--resume", "--epochs=6")
                self.assert_refused(result, logdir / "kept", "space")
                self.assert_whole(logdir / "kept")
                remount(logdir, "size=8m")
                self.assert_goes_on(logdir)

    def test_full_disk_in_a_test(self):
        logdir = self.mount("full-test", "8m")
        self.fill(logdir, leave=0)
        result = self.run_in(logdir, "--exp_name=kept", "--test_mode")
        self.assert_harmless(result, logdir / "kept", self.good, logdir / "kept", "space")

    def fill(self, logdir, leave):
        with open(logdir / "filler", "ab", buffering=0) as filler:
            while shutil.disk_usage(logdir).free > leave:
                filler.write(bytes(4096))

    def test_full_disk_for_a_new_run(self):
        logdir = self.mount("full-new", "8m")
        self.fill(logdir, leave=4096)
        result = self.run_in(logdir, "--exp_name=new", *harness.SMALL)
        self.assert_refused(result, logdir / "new", "space")
        self.assert_whole(logdir / "new")

    def test_limited_files(self):
        """A limit between the sizes of best-val-model.pt and training-state.pt."""
        limit = len(self.good["training-state.pt"]) - 100
        self.assertGreater(limit, len(self.good["best-val-model.pt"]))
        logdir = self.folder / "limited"
        harness.restore(logdir / "kept", self.good)
        result = self.run_in(logdir, "--exp_name=kept", "--resume", "--epochs=6",
                             **limit_files(limit))  # fmt: skip
        self.assert_refused(result, logdir / "kept" / "training-state.pt", "large")
        self.assert_whole(logdir / "kept")
        state = (logdir / "kept" / "training-state.pt").read_bytes()
        self.assertEqual(state, self.good["training-state.pt"])
        self.assert_goes_on(logdir)

    def test_limited_test(self):
        result = self.run_in(self.folder, "--exp_name=kept", "--test_mode",
                             **limit_files(16))  # fmt: skip
        self.assert_harmless(result, self.kept, self.good, self.kept)


class CacheTest(harness.ProgramTest):
    """Jets that take 67 MB in their file, so that they are cached, and 1.1 MB in the cache."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.kept = harness.train("top", cls.folder, harness.write_top(cls.folder / "small"), "kept", "--epochs=1")
        cls.data = cls.folder / "large"
        cls.data.mkdir()
        X = np.zeros((10500, 200, 4))
        X[:, :3] = np.tile(harness.top_arrays("test")["Pmu"][:, :3], (525, 1, 1))
        np.savez(cls.data / "test.npz", X=X, y=np.arange(10500) % 2)
        cls.expected = cls.score(cls, "--no_cache")

    def score(self, *words, **options):
        """The scores; self.output is what was printed."""
        result = harness.test_mode("top", self.kept, "--datadir", self.data, "--batch_size=100", *words, **options)
        if result.returncode != 0 or result.stderr:
            raise AssertionError(result.stderr)
        self.output = result.stdout
        return (self.kept / "score.npy").read_bytes()

    def cached(self):
        return sorted(path.name for path in (self.data / ".lorentznet-cache").iterdir())

    def assert_uncached(self, folder, reason, **options):
        """Same scores, and one line that names the folder of the cache and the reason."""
        self.assertEqual(self.score(**options), self.expected)
        lines = [line for line in self.output.splitlines() if "the cache of jets" in line]
        self.assertEqual(len(lines), 1, self.output)
        self.assertRegex(lines[0], rf"\A{folder}: .* cannot be written \({reason}\).*LORENTZNET_CACHE.*--no_cache")
        self.assertEqual(list(folder.iterdir()) if folder.is_dir() else [], [])

    def test_limited_files(self):
        folder = self.data / ".lorentznet-cache"
        self.assert_uncached(folder, "File too large", **limit_files(500_000))

    def test_no_folder(self):
        (self.folder / "file").write_text("")
        self.assert_uncached(self.folder / "file", "Not a directory",
                             env={"LORENTZNET_CACHE": str(self.folder / "file")})  # fmt: skip

    def test_full_disk(self):
        place = mount(self, self.folder / "full", "64k")
        self.assert_uncached(place, "No space left on device", env={"LORENTZNET_CACHE": str(place)})

    def test_read_only(self):
        place = mount(self, self.folder / "read-only", "2m")
        remount(place, "ro")
        self.assert_uncached(place, "Read-only file system", env={"LORENTZNET_CACHE": str(place)})

    def test_damaged(self):
        self.addCleanup(shutil.rmtree, self.data / ".lorentznet-cache")
        self.assertEqual(self.score(), self.expected)
        [name] = self.cached()
        for damage in (False, True, False):
            with self.subTest(damage=damage):
                cache = self.data / ".lorentznet-cache" / name
                if damage:
                    content = bytearray(cache.read_bytes())
                    content[len(content) // 2] ^= 1
                    cache.write_bytes(content)
                self.assertEqual(self.score(), self.expected)
                self.assertEqual(f"{cache}: the cache is damaged: " in self.output, damage, self.output)
                self.assertEqual(self.cached(), [name])


if __name__ == "__main__":
    sys.exit(harness.main())
