"""scripts/cuda_resources.py: what it reads of ptxas, its limits and its table; cuda_instructions.py: what it counts. With nvcc, if it is there, the
example kernel (tests/cuda/device/product.cu) is compiled for every architecture."""

import contextlib
import functools
import io
import json
import shutil
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path
from unittest import mock

PROJECT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(PROJECT / "scripts"))
import cuda_instructions  # noqa: E402
import cuda_resources  # noqa: E402

# Compiles a program, for seconds: once for all tests.
cuda_resources.started = functools.cache(cuda_resources.started)
NVCC = shutil.which("nvcc") or shutil.which("nvcc", path="/usr/local/cuda/bin")
KERNEL = "_ZN10lorentznet4cuda4prim6detail5startINS0_7ProductINS1_5SplitINS1_3F16EEELi72EEEEEvNT_6ParamsE"
OF_NVCC = "Cuda compilation tools, release 13.0, V13.0.88\n"
LOG = OF_NVCC + "".join(f"""ptxas info    : 0 bytes gmem
ptxas info    : Compiling entry function '{KERNEL}' for '{architecture}'
ptxas info    : Function properties for {KERNEL}
    8 bytes stack frame, 16 bytes spill stores, {spilled} bytes spill loads
ptxas info    : Used 46 registers, used 1 barriers, 8 bytes cumulative stack size, 128 bytes smem, 384 bytes cmem[0]
ptxas info    : Compile time = 12.102 ms
""" for architecture, spilled in (("sm_80", 20), ("sm_90", 24)))  # fmt: skip


# As nvdisasm prints a kernel: a loop before the one over rounds, which has two; divergent code behind the end.
SASS = f"""
//--------------------- .text.{KERNEL} --------------------------
\t.section\t.text.{KERNEL},"ax",@progbits
.text.{KERNEL}:
        /*0000*/                   MOV R1, c[0x0][0x28] ;
.L_x_0:
        /*0010*/                   FADD R1, R1, R1 ;
        /*0020*/              @!P0 BRA `(.L_x_0) ;
.L_x_1:
        /*0030*/                   HMMA.16816.F32 R4, R4, R8, RZ ;
        /*0040*/                   BRA.DIV UR4, `(.L_x_9) ;
.L_x_8:
.L_x_2:
        /*0050*/                   LDS.128 R4, [R1] ;
.L_x_3:
        /*0060*/                   HMMA.1688.F32 R4, R4, R8, R4 ;
        /*0070*/               @P1 BRA `(.L_x_3) ;
        /*0080*/              @!P2 BRA `(.L_x_2) ;
        /*0090*/               @P3 HMMA.16816.F32 R4, R4, R8, R4 ;
        /*00a0*/                   DADD R4, R4, R8 ;
        /*00b0*/               @P4 BRA `(.L_x_1) ;
        /*00c0*/                   EXIT ;
.L_x_9:
        /*00d0*/                   SHFL.BFLY PT, R4, R4, 0x1, 0x1f ;
        /*00e0*/                   BRA `(.L_x_8) ;
"""


def numbers(registers: int = 46, spilled: int = 0, shared: int = 0) -> dict:
    return {"registers": registers, "stack": 0, "spill_stores": spilled, "spill_loads": 0, "shared": shared}


def kernel(threads: int = 128, dynamic: int = 0, **of: dict) -> dict:
    return {"threads": threads, "dynamic": dynamic, "sm_80": numbers(), "sm_90": numbers()} | of


class ResourcesTest(unittest.TestCase):
    def test_what_ptxas_says(self):
        of = {"registers": 46, "stack": 8, "spill_stores": 16, "shared": 128}
        self.assertEqual(cuda_resources.resources(LOG), {"Product<F16x3, 72>": {
            "sm_80": of | {"spill_loads": 20}, "sm_90": of | {"spill_loads": 24}}})  # fmt: skip
        self.assertEqual(cuda_resources.version_of(LOG), "13.0.88")

    def test_warps(self):
        """65,536 registers, in steps of 256 a warp; 228 kB of shared memory, and 1 kB of it for the driver; whole blocks."""
        def warps(registers: int, threads: int, shared: int = 0, dynamic: int = 0, architecture: str = "sm_90") -> int:
            return cuda_resources.warps(numbers(registers, shared=shared), kernel(threads, dynamic), architecture)

        self.assertEqual(warps(255, 128), 8)
        self.assertEqual(warps(128, 512), 16)
        self.assertEqual(warps(168, 256), 8)
        self.assertEqual(warps(255, 160), 5)  # a second block doesn't fit
        self.assertEqual(warps(16, 128), 64)
        self.assertEqual(warps(16, 32), 32)  # no more than 32 blocks
        self.assertEqual(warps(16, 128, 700, 115712 - 700), 8)
        self.assertEqual(warps(16, 128, 700, 115712 - 699), 4)
        self.assertEqual(warps(16, 128, 0, 227 << 10), 4)
        self.assertEqual(warps(16, 128, 1, 227 << 10), 0)
        self.assertEqual(warps(16, 128, 0, 163 << 10, "sm_80"), 4)
        self.assertEqual(warps(16, 128, 1, 163 << 10, "sm_80"), 0)

    def test_limits(self):
        def limits(**of) -> list[str]:
            return list(cuda_resources.beyond_limits({"k": kernel(**of)}))

        self.assertEqual(limits(), [])
        self.assertEqual(limits(sm_80=numbers(spilled=64)), [])
        self.assertEqual(limits(sm_80=numbers(spilled=65)), ["k, sm_80: spills 65 bytes, more than 64"])
        self.assertIn("255 registers and 0 bytes of shared memory allow 5 warps", limits(threads=160, sm_90=numbers(255))[0])
        self.assertEqual(limits(dynamic=115712), [])
        self.assertIn("and 115713 bytes of shared memory allow 4 warps", limits(dynamic=115713)[0])
        self.assertIn("k, sm_80: 46 registers and 170000 bytes of shared memory allow 0 warps", limits(dynamic=170000)[0])

    def test_differences(self):
        now = {"k": kernel()}
        self.assertEqual(list(cuda_resources.differences(now, now)), [])
        for before in (45, 47):
            self.assertEqual(list(cuda_resources.differences(now, {"k": kernel(sm_90=numbers(before))})),
                             [f"k, sm_90: registers {before} in the table, now 46"])  # fmt: skip
        self.assertEqual(list(cuda_resources.differences(now, {"k": kernel(dynamic=16)})),
                         ["k: dynamic 16 in the table, now 0"])  # fmt: skip
        self.assertEqual(len(list(cuda_resources.differences(now, {"k": {}}))), 2 * len(numbers()) + 2)
        self.assertEqual(list(cuda_resources.differences(now, {"other": {}})),
                         ["k: is not in the table", "other: is in the table alone"])  # fmt: skip

    def test_the_table(self):
        """It has all kernels, as the host starts them now, within the limits."""
        table = json.loads((PROJECT / "src/engine/cuda/resources.json").read_text())["kernels"]
        started = cuda_resources.started()
        self.assertEqual({name: {key: of[key] for key in cuda_resources.STARTED} for name, of in table.items()},
                         {name: of for name, of in started.items() if not name.startswith("Product<")})  # fmt: skip
        self.assertEqual(list(cuda_resources.beyond_limits(table)), [])
        self.assertIn(cuda_resources.markdown(table), (PROJECT / "docs/gpu.md").read_text())

    def run_script(self, table: Path, *words: str) -> subprocess.CompletedProcess:
        """In this process, as Python itself would: an end with a text has status 1."""
        words = ["cuda_resources.py", "--table", str(table), *map(str, words)]
        out, err = io.StringIO(), io.StringIO()
        with mock.patch("sys.argv", words), contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            try:
                status = cuda_resources.main()
            except SystemExit as end:
                print(end.code, file=sys.stderr)
                status = 1
        return subprocess.CompletedProcess(words, status, out.getvalue(), err.getvalue())

    def test_the_script_itself(self):
        folder = Path(self.enterContext(tempfile.TemporaryDirectory(prefix="lorentznet-")))
        (folder / "product.cu.log").write_text(LOG)
        words = ["--table", folder / "table.json", "--logs", folder / "product.cu.log"]
        done = subprocess.run([sys.executable, PROJECT / "scripts" / "cuda_resources.py", *words],
                              capture_output=True, text=True)  # fmt: skip
        self.assertEqual((done.returncode, done.stderr), (1, ""))
        self.assertIn("is missing; --renew writes it", done.stdout)

    def check_run(self, table: Path, *words: str) -> None:
        def run(*more: str) -> subprocess.CompletedProcess:
            return self.run_script(table, *words, *more)

        self.assertIn("is missing; --renew writes it", run().stdout)
        self.assertEqual(run("--renew").returncode, 0)
        written = json.loads(table.read_text())
        self.assertEqual(run().returncode, 0)
        written["kernels"]["Product<F16x3, 72>"]["sm_80"]["registers"] += 1
        table.write_text(json.dumps(written))
        done = run()
        self.assertEqual((done.returncode, done.stderr), (1, ""))
        self.assertIn("Product<F16x3, 72>, sm_80: registers", done.stdout)
        written["nvcc"] = "1.0"
        table.write_text(json.dumps(written))
        done = run()
        self.assertEqual(done.returncode, 0)
        self.assertIn("what ptxas says is not compared", done.stdout)
        written["kernels"]["Product<F16x3, 72>"]["threads"] += 1
        table.write_text(json.dumps(written))
        self.assertIn("Product<F16x3, 72>: threads 129 in the table, now 128", run().stdout)

    def test_logs_of_a_build(self):
        folder = Path(self.enterContext(tempfile.TemporaryDirectory(prefix="lorentznet-")))
        log = folder / "product.cu.log"
        log.write_text(LOG)
        self.check_run(folder / "table.json", "--logs", log)
        log.write_text(LOG.partition("ptxas info    : 0 bytes gmem\nptxas info    : Compiling entry function")[0])
        self.assertIn("the logs are of no kernel", self.run_script(folder / "table.json", "--logs", log).stderr)
        log.write_text(LOG.replace("sm_90", "sm_89"))
        self.assertIn("was not compiled for sm_90", self.run_script(folder / "table.json", "--logs", log).stderr)
        log.write_text(LOG.replace("7ProductI", "7PruductI"))
        self.assertIn("cuda_kernels.cpp lacks Pruduct<F16x3, 72>",
                      self.run_script(folder / "table.json", "--logs", log).stderr)  # fmt: skip

    @unittest.skipUnless(NVCC, "no nvcc")
    def test_the_example(self):
        folder = Path(self.enterContext(tempfile.TemporaryDirectory(prefix="lorentznet-")))
        table = folder / "table.json"
        done = self.run_script(table, "--source", PROJECT / "tests/cuda/device/product.cu", "--renew")
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertEqual({"Product<F16, 72>", "Product<F16x3, 72>"}, json.loads(table.read_text())["kernels"].keys())


class InstructionsTest(unittest.TestCase):
    def setUp(self):
        found = cuda_instructions.sections(SASS)
        self.assertEqual(list(found), ["Product<F16x3, 72>"])
        self.lines = found["Product<F16x3, 72>"]
        self.often = cuda_instructions.weights(self.lines, cuda_instructions.Rounds(16, [3, 5]))

    def test_counts(self):
        """Of lanes an edge: 32 / 16 for each of a warp, inner loops as often as they run."""
        counts = cuda_instructions.count(self.lines, self.often)
        self.assertEqual({name: n for name, n in counts.items() if n}, {
            "tensor cores": 2 * (2 + 3 * 5), "double": 2, "shared memory": 2 * 3,
            cuda_instructions.OTHER: 2 * (2 + 3 + 3 * 5)})  # fmt: skip

    def test_bounds(self):
        bounds = cuda_instructions.bounds(self.lines, self.often)
        self.assertEqual(bounds["tensor cores"], 1.5 * (2 + .5 * 15) / 16)
        self.assertEqual(bounds["starting instructions"], (17 + 1 + 3 + 20) / 16 / 4)
        self.assertEqual(bounds["L1 and shared memory"], 3 * 4 / 16)
        self.assertEqual(bounds["double"], 1 / 16 / 2)

    def test_other_loops_than_expected(self):
        with self.assertRaisesRegex(ValueError, "2 loops in the one over rounds, not 1"):
            cuda_instructions.weights(self.lines, cuda_instructions.Rounds(16, [3]))


if __name__ == "__main__":
    unittest.main()
