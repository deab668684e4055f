"""scripts/gpu_checks.py tells a build for CPUs from one for GPUs, which it is to check; it needs a small tree."""

import re
import subprocess
import sys

import harness


class GpuChecksTest(harness.ProgramTest):
    def test_build_for_cpus_fails(self):
        folder = harness.OPTIONS.bin.parent
        for_gpus = re.search(r"^LORENTZNET_CUDA:BOOL=ON$", (folder / "CMakeCache.txt").read_text(), re.M)
        if for_gpus:
            self.skipTest(f"{folder} is a build for GPUs")
        json = self.folder / "gpu.json"
        command = [sys.executable, harness.PROJECT / "scripts/gpu_checks.py", "--no-build", "--build", folder,
                   "--json", json]  # fmt: skip
        result = subprocess.run(command, capture_output=True, text=True, env=harness.environment(), timeout=harness.HANG)
        self.assertEqual(result.returncode, 1, result.stdout + result.stderr)
        failed = harness.read_json(json)["failed"]
        self.assertEqual(len(failed), 1, failed)
        self.assertIn(f"{folder} is no build for GPUs", failed[0])
        self.assertIn("this build is for CPUs", failed[0])


    def test_size_of_the_tree(self):
        """All that it needs of this repository is below 60 MB: machines with GPUs are lent for minutes."""
        if not (harness.PROJECT / ".git").exists():
            self.skipTest("not a checkout")
        # Git refuses a checkout of another user, as in a container.
        listed = subprocess.run(["git", "-c", "safe.directory=*", "ls-files", "-z"], cwd=harness.PROJECT, capture_output=True,
                                text=True, check=True)  # fmt: skip
        files = [harness.PROJECT / name for name in listed.stdout.split("\0") if name]
        self.assertGreater(len(files), 100)
        self.assertLess(sum(file.stat().st_size for file in files if file.exists()), 60e6)


if __name__ == "__main__":
    harness.main()
