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
    """A preexec_fn of subprocess: writing a file beyond `size` bytes fails as on a full disk."""

    def limit():
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))

    return limit


class DiskTest(harness.TrainedTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        # The same training without interruption, with more epochs.
        cls.whole = harness.train("qg", cls.folder, cls.data, "whole", "--epochs=6")

    def run_in(self, logdir, *words, **options):
        return harness.run("qg", "--logdir", logdir, "--datadir", self.data, "--device=cpu", *words,
                           restore_signals=False, **options)  # fmt: skip

    def mount(self, name, size):
        """A file system of `size` with the experiment "kept" in it."""
        place = self.folder / name
        place.mkdir()
        mount = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", place]
        if shutil.which("mount") is None or subprocess.run(mount, capture_output=True).returncode:
            self.skipTest("this user cannot mount a tmpfs")
        self.addCleanup(subprocess.run, ["umount", place], check=True)
        harness.restore(place / "kept", self.good)
        return place

    def remount(self, place, option):
        subprocess.run(["mount", "-o", f"remount,{option}", place], check=True)

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
        self.remount(logdir, "ro")
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
                self.remount(logdir, "size=8m")
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
                             preexec_fn=limit_files(limit))  # fmt: skip
        self.assert_refused(result, logdir / "kept" / "training-state.pt", "large")
        self.assert_whole(logdir / "kept")
        state = (logdir / "kept" / "training-state.pt").read_bytes()
        self.assertEqual(state, self.good["training-state.pt"])
        self.assert_goes_on(logdir)

    def test_limited_test(self):
        result = self.run_in(self.folder, "--exp_name=kept", "--test_mode",
                             preexec_fn=limit_files(16))  # fmt: skip
        self.assert_harmless(result, self.kept, self.good, self.kept)


if __name__ == "__main__":
    sys.exit(harness.main())
