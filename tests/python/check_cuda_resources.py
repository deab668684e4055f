"""scripts/cuda_resources.py: what it reads of ptxas, its limits and its table. With nvcc, if it is there, the
example kernel (tests/cuda/device/product.cu) is compiled for every architecture."""

import json
import shutil
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(PROJECT / "scripts"))
import cuda_resources  # noqa: E402

NVCC = shutil.which("nvcc") or shutil.which("nvcc", path="/usr/local/cuda/bin")
KERNEL = "_ZN10lorentznet4cuda4prim6detail5startINS0_7ProductINS1_5SplitINS1_3F16EEELi72EEEEEvNT_6ParamsE"
LOG = f"""ptxas info    : 0 bytes gmem
ptxas info    : Compiling entry function '{KERNEL}' for 'sm_90'
ptxas info    : Function properties for {KERNEL}
    8 bytes stack frame, 16 bytes spill stores, 24 bytes spill loads
ptxas info    : Used 46 registers, used 1 barriers, 8 bytes cumulative stack size, 128 bytes smem, 384 bytes cmem[0]
ptxas info    : Compile time = 12.102 ms
"""


def kernel(registers: int = 46, spilled: int = 0) -> dict:
    return {"registers": registers, "stack": 0, "spill_stores": spilled, "spill_loads": 0, "shared": 0}


class ResourcesTest(unittest.TestCase):
    def test_what_ptxas_says(self):
        self.assertEqual(cuda_resources.resources(LOG), {"Product<F16x3, 72>": {
            "registers": 46, "stack": 8, "spill_stores": 16, "spill_loads": 24, "shared": 128}})  # fmt: skip

    def test_warps(self):
        """65,536 registers, in steps of 256 a warp, and whole blocks."""
        self.assertEqual(cuda_resources.warps(255, 128), 8)
        self.assertEqual(cuda_resources.warps(128, 512), 16)
        self.assertEqual(cuda_resources.warps(168, 256), 8)
        self.assertEqual(cuda_resources.warps(255, 160), 5)  # a second block doesn't fit
        self.assertEqual(cuda_resources.warps(16, 128), 64)

    def test_limits(self):
        def limits(threads: int, **of: dict) -> list[str]:
            return list(cuda_resources.beyond_limits({"k": {"sm_80": kernel(), "sm_90": kernel()} | of}, {"k": threads}))

        self.assertEqual(limits(128), [])
        self.assertEqual(limits(128, sm_80=kernel(spilled=64)), [])
        self.assertEqual(limits(128, sm_80=kernel(spilled=65)), ["k, sm_80: spills 65 bytes, more than 64"])
        self.assertIn("255 registers allow 5 warps", limits(160, sm_90=kernel(255))[0])

    def test_differences(self):
        now = {"k": {"sm_90": kernel(46)}}
        self.assertEqual(list(cuda_resources.differences(now, now)), [])
        for before in (45, 47):
            self.assertEqual(list(cuda_resources.differences(now, {"k": {"sm_90": kernel(before)}})),
                             [f"k, sm_90: registers {before} in the table, now 46"])  # fmt: skip
        self.assertEqual(len(list(cuda_resources.differences(now, {"k": {}}))), len(kernel()))
        self.assertEqual(list(cuda_resources.differences(now, {"other": {}})),
                         ["k: is not in the table", "other: is in the table alone"])  # fmt: skip

    @unittest.skipUnless(NVCC, "no nvcc")
    def test_the_example(self):
        folder = Path(self.enterContext(tempfile.TemporaryDirectory(prefix="lorentznet-")))
        table = folder / "table.json"

        def run(*words: str) -> subprocess.CompletedProcess:
            return subprocess.run([sys.executable, PROJECT / "scripts" / "cuda_resources.py", "--table", table, "--source",
                                   PROJECT / "tests/cuda/device/product.cu", *words], capture_output=True, text=True)  # fmt: skip

        self.assertIn("is missing; --renew writes it", run().stdout)
        self.assertEqual(run("--renew").returncode, 0)
        written = json.loads(table.read_text())
        self.assertLessEqual({"Product<F16, 72>", "Product<F16x3, 72>"}, written["kernels"].keys())
        written["kernels"]["Product<F16, 72>"]["sm_80"]["registers"] += 1
        table.write_text(json.dumps(written))
        done = run()
        self.assertEqual((done.returncode, done.stderr), (1, ""))
        self.assertIn("Product<F16, 72>, sm_80: registers", done.stdout)
        written["nvcc"] = "1.0"
        table.write_text(json.dumps(written))
        done = run()
        self.assertEqual(done.returncode, 0)
        self.assertIn("only the limits are checked", done.stdout)


if __name__ == "__main__":
    unittest.main()
