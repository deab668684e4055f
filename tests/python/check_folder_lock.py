"""The lock of an experiment's folder: what excludes what, and who is named."""

import fcntl
import os
import re
import subprocess
import time

import harness
from folder_test import RESULTS, FolderTest, names_in, wait_for

# A file system without locks.
NO_LOCKS = """
#include <errno.h>
int flock(int fd, int operation) { (void)fd, (void)operation; errno = ENOLCK; return -1; }
"""


class LockTest(FolderTest):
    def run_together(self, run, *commands):
        """Runs that wait for the same lock before they are refused."""
        programs = [self.start(run, *words) for words in commands]
        return [harness.finish(program) for program in programs]

    def test_training_excludes_all(self):
        for how in ("--resume", "--overwrite"):
            run = self.copy("busy" + how)
            training = self.start_waiting(run, how)
            before = harness.snapshot(run)
            refused = (["--resume"], ["--overwrite", *harness.SMALL], ["--test_mode"])
            for words, result in zip(refused, self.run_together(run, *refused)):
                with self.subTest(how=how, words=words):
                    self.assert_in_use(result, run, training, "training")
                    self.assertEqual("--out" in result.stderr, words == ["--test_mode"])
            self.assertEqual(harness.snapshot(run), before)
            self.stop(training)
            # The lock is gone with the process, although its file is still there.
            self.assertIn("run.lock", names_in(run))
            self.assert_finished(self.run_in(run, "--resume", "--epochs=2"))
            self.assertNotIn("run.lock", names_in(run))

    def test_test_excludes_trainings(self):
        run = self.copy("tested")
        test = self.start_waiting(run, "--test_mode")
        for result in self.run_together(run, ["--resume"], ["--overwrite", *harness.SMALL]):
            self.assert_in_use(result, run, test, "test")
        self.assert_finished(self.run_in(run, "--test_mode"))
        self.assert_in_use(self.run_in(run, "--resume"), run, test, "test")  # the other has signed off
        self.stop(test)
        self.assert_finished(self.run_in(run, "--resume"))
        self.assertNotIn("run.lock", names_in(run))

    def test_tests_write_one_after_the_other(self):
        """So that the files in the folder are of one of them."""
        run = self.copy("turns")
        (run / "score.npy").unlink()
        with open(run / "results.lock", "w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            test = self.start(run, "--test_mode", "--log_interval=1", "--batch_size=1")
            wait_for(lambda: "Batch 3/" in (run / "run.log").read_text(), "the last batch")
            time.sleep(1)
            self.assertFalse((run / "score.npy").exists())
            self.assertIsNone(test.poll())
        test.communicate(timeout=harness.HANG)
        self.assertEqual((test.returncode, (run / "score.npy").exists()), (0, True))
        self.assertTrue({"run.lock", "results.lock"}.isdisjoint(names_in(run)))

    def test_test_with_out_disturbs_nobody(self):
        run, out = self.copy("disturbed"), self.folder / "undisturbed"
        training = self.start_waiting(run, "--resume")
        before = harness.snapshot(run)
        self.assert_finished(self.run_in(run, "--test_mode", "--out", out))
        self.assertEqual(harness.snapshot(run), before)
        self.assertEqual(names_in(out), RESULTS)
        self.stop(training)
        test = self.start_waiting(run, "--test_mode", "--out", run)  # the folder itself, which is allowed
        self.assert_in_use(self.run_in(run, "--resume"), run, test, "test")

    def test_same_new_name(self):
        """Two trainings that begin at once: one is refused, whenever it comes."""
        for attempt in range(3):
            run = self.folder / f"new-{attempt}"
            both = [self.start(run, *harness.SMALL, f"--seed={seed}") for seed in (1, 2)]
            errors = [process.communicate(timeout=harness.HANG)[1] for process in both]
            statuses = [process.returncode for process in both]
            self.assertEqual(sorted(statuses), [0, 2], errors)
            self.assertRegex(errors[statuses.index(2)], rf"\Aqg_tagging: {run}: (in use by a|this experiment exists)")
            self.assertEqual(harness.read_json(run / "args.json")["seed"], 1 + statuses.index(0))
            self.assertNotIn("run.lock", names_in(run))

    def test_children_do_not_inherit(self):
        run = self.copy("children")
        process = self.start_waiting(run, "--test_mode")
        held = [int(fd.name) for fd in os.scandir(f"/proc/{process.pid}/fd")
                if os.path.basename(os.readlink(fd.path)) == "run.lock"]  # fmt: skip
        self.assertEqual(len(held), 1)
        with open(f"/proc/{process.pid}/fdinfo/{held[0]}") as info:
            flags = int(re.search(r"flags:\s*(\d+)", info.read())[1], 8)
        self.assertTrue(flags & os.O_CLOEXEC)

    def test_lock_of_another_program(self):
        run = self.copy("foreign")
        with open(run / "run.lock", "w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            self.assert_refused(self.run_in(run, "--test_mode"), f"{run}: in use by another process")
        self.assert_finished(self.run_in(run, "--test_mode"))

    def test_file_system_without_locks(self):
        (self.folder / "no_locks.c").write_text(NO_LOCKS)
        library = self.folder / "no_locks.so"
        subprocess.run([os.environ.get("CC", "cc"), "-shared", "-fPIC", "-o", library, self.folder / "no_locks.c"],
                       check=True)  # fmt: skip
        for name, words in (("free", ["--test_mode"]), ("free-new", harness.SMALL)):
            run = self.copy(name) if name == "free" else self.folder / name
            result = self.run_in(run, *words, env={"LD_PRELOAD": str(library)})
            self.assert_finished(result)
            warnings = [line for line in result.stdout.splitlines() if "cannot be locked" in line]
            self.assertEqual(len(warnings), 1, result.stdout)
            self.assertIn(f"Warning: {run}: cannot be locked: No locks available", warnings[0])
            self.assertNotIn("run.lock", names_in(run))


if __name__ == "__main__":
    harness.main()
