"""Which kernel is used, that all kernels agree, and which choices are refused."""

import itertools
import json
import os
import shutil
import sys

import numpy as np

import harness

AVX2 = {"avx2", "fma", "bmi1", "bmi2", "f16c", "movbe"}
FLAGS_OF_ISA = {
    "portable": set(),
    "avx2": AVX2,
    "avx512": AVX2 | {"avx512f", "avx512bw", "avx512cd", "avx512dq", "avx512vl"},
}
TEST_JETS = 400  # of a small network
# Few, because the networks have full size.
SCORED_JETS = 40
FEW_JETS = 10  # of the plain and the portable kernel, which are slow
BATCHED_JETS = 110
ALL_JETS = os.environ.get("LORENTZNET_ALL_JETS") == "1"  # as in .ci/run: minutes of the portable kernel


def processor_flags() -> set[str]:
    with open("/proc/cpuinfo") as file:
        return {word for line in file if line.startswith("flags") for word in line.split()}


SHIPPED = ("pretrained", "fast")
HERE = [isa for isa, flags in FLAGS_OF_ISA.items() if flags <= processor_flags()]


class KernelTest(harness.ProgramTest):
    """With copies of the shipped networks and a few of the shipped jets."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.jets, cls.few = cls.write_jets("test", SCORED_JETS), cls.write_jets("few", FEW_JETS)
        for task in cls.jets:
            for name in SHIPPED:
                shutil.copytree(harness.PROJECT / "logs" / task / name, cls.experiment(task, name))

    @classmethod
    def write_jets(cls, name, count):
        """Files of the first jets of the samples."""
        np.savez(cls.folder / f"{name}.npz", **harness.qg_arrays(count=count))
        return {"top": harness.write_h5(cls.folder / f"{name}.h5", harness.top_arrays("test", count=count)),
                "qg": cls.folder / f"{name}.npz"}  # fmt: skip

    @classmethod
    def experiment(cls, task, name="pretrained"):
        return cls.folder / "logs" / task / name

    def score(self, task, *words, name="pretrained", isa="", jets=None):
        return harness.test_mode(task, self.experiment(task, name), "--test_data", jets or self.jets[task], *words,
                                 env={"LORENTZNET_ISA": isa})  # fmt: skip

    def train(self, name, *words, isa=""):
        return harness.run("top", *harness.SMALL, "--datadir", self.folder / "data", "--logdir",
                           self.folder / "logs" / "top", "--exp_name", name, *words,
                           env={"LORENTZNET_ISA": isa})  # fmt: skip

    def assert_kernel(self, result, expected):
        """It finished, and one line names the kernel."""
        self.assert_finished(result)
        lines = [line for line in result.stdout.splitlines() if line.startswith("Kernel: ")]
        self.assertEqual(lines, [f"Kernel: {expected}"])

    def scores_of(self, task, expected, *words, name="pretrained", **options):
        file = self.experiment(task, name) / "score.npy"
        file.unlink(missing_ok=True)
        self.assert_kernel(self.score(task, *words, name=name, **options), expected)
        return np.load(file)

    def test_same_scores(self):
        for task, name in itertools.product(self.jets, SHIPPED):
            of = {"name": name, "jets": self.few[task]}
            plain = self.scores_of(task, "plain", "--kernel=plain", isa="is not read", **of)
            self.assertEqual(plain.shape, (FEW_JETS, 3))
            fused = [self.scores_of(task, f"fused {isa}", "--kernel=fused", isa=isa, **of) for isa in HERE]
            harness.assert_close(fused[0], plain, atol=1e-5)
            for other in fused[1:]:
                self.assertEqual(other.tobytes(), fused[0].tobytes())

    def test_same_bits_with_all_instruction_sets(self):
        """score.npy of all shipped jets, byte by byte, in batches of different sizes and several threads.

        Without LORENTZNET_ALL_JETS of the first BATCHED_JETS test jets, and not with the portable kernel.
        """
        for task, file in self.write_jets("batched", BATCHED_JETS).items():
            files = [file]
            if ALL_JETS:
                folder = harness.PROJECT / "data" / {"top": "top", "qg": "qg/datasets"}[task]
                files = sorted(path for path in folder.iterdir() if path.suffix in (".h5", ".npz"))
            self.assertTrue(files)
            scores = set()
            for isa, size in zip(reversed(HERE), (100, 1, 32)):
                if isa == "portable" and not ALL_JETS:
                    continue
                result = harness.test_mode(task, self.experiment(task), f"--batch_size={size}", "--test_data",
                                           *files, threads=2, env={"LORENTZNET_ISA": isa})  # fmt: skip
                self.assert_kernel(result, f"fused {isa}")
                scores.add((self.experiment(task) / "score.npy").read_bytes())
            self.assertEqual(len(scores), 1)

    def test_scores_are_of_jets_not_of_batches(self):
        """With --pooling jet, as in the shipped networks, the batch size does not change a bit."""
        for task in self.jets:
            of_one = self.scores_of(task, f"fused {HERE[-1]}", "--batch_size=1")
            for size in (16, 40):
                scores = self.scores_of(task, f"fused {HERE[-1]}", f"--batch_size={size}")
                harness.assert_close(scores, of_one)

    def test_best_by_default(self):
        result = self.score("qg")
        self.assert_kernel(result, f"fused {HERE[-1]}")

    def test_instruction_sets_that_are_not_here(self):
        """Refused before any data is read: the folder does not exist."""
        for isa in ("sse2", "AVX2", *(isa for isa in FLAGS_OF_ISA if isa not in HERE)):
            before = harness.snapshot(self.folder)
            for result in (self.score("qg", isa=isa),
                           self.train("new", "--n_hidden=8", "--datadir=none", isa=isa)):
                self.assertEqual(result.stdout, "")
                self.assert_harmless(result, self.folder, before, "LORENTZNET_ISA", f"'{isa}'")

    def with_args(self, name, **changed):
        """Copies the top network with changes in args.json, which alone says what the copy computes."""
        shutil.copytree(self.experiment("top"), self.experiment("top", name))
        harness.without_description(self.experiment("top", name) / "best-val-model.pt")
        file = self.experiment("top", name) / "args.json"
        file.write_text(json.dumps(harness.read_json(file) | changed))

    def test_what_fused_cannot_do(self):
        self.with_args("float", coordinates="float")
        self.assert_kernel(self.score("top", name="float", jets=self.few["top"]), "plain (coordinates in float)")
        before = harness.snapshot(self.folder)
        result = self.score("top", "--kernel=fused", name="float")
        self.assert_harmless(result, self.folder, before, "--kernel", "fused", "coordinates in float")
        result = self.train("new", "--kernel=fused", "--n_hidden=257")
        self.assert_harmless(result, self.folder, before, "--kernel fused", 257, "above 256")

    def test_training(self):
        """Both kernels give the same loss, until rounding errors have grown."""
        harness.write_top(self.folder / "data",
                          train=harness.top_arrays("train", count=256),
                          test=harness.top_arrays("test", count=TEST_JETS))  # fmt: skip
        records = {}
        for kernel in ("plain", "fused"):
            result = self.train(kernel, f"--kernel={kernel}", "--n_hidden=8", "--epochs=4",
                                "--warmup_epochs=1", "--lr=0.003", "--pooling=jet")  # fmt: skip
            self.assert_kernel(result, kernel if kernel == "plain" else f"fused {HERE[-1]}")
            records[kernel] = harness.read_json(self.experiment("top", kernel) / "test-result.json")
        plain, fused = records.values()
        for loss in ("train_loss", "val_loss"):
            harness.assert_close(fused[loss][0], plain[loss][0], rtol=1e-3)
        self.assertGreater(plain["test_acc"], 0.7)  # it has learned something
        three_deviations = 3 * np.sqrt(0.25 / TEST_JETS)
        self.assertAlmostEqual(fused["test_acc"], plain["test_acc"], delta=three_deviations)


if __name__ == "__main__":
    sys.exit(harness.main())
