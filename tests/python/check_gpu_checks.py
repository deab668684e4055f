"""scripts/gpu_checks.py tells a build for CPUs from one for GPUs, which it is to check."""

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


if __name__ == "__main__":
    harness.main()
