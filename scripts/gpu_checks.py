#!/usr/bin/env python3
"""Runs every check that needs a GPU: builds with LORENTZNET_CUDA=ON, runs the GPU tests, scores the shipped
jets on CPU and GPU, trains on the GPU, twice and interrupted to the same bits, moves a training from the CPU to
the GPU and back, starts ranks that can't share it, measures jets a second and memory, and writes the results to one JSON file, with a list of what could not be run. Without a GPU
it only builds, links and starts the programs. A build for CPUs fails.

  scripts/gpu_checks.py [--json build/gpu.json] [--build build/cuda] [--no-build]
  scripts/gpu_checks.py --pack build/gpu-kit.tar.gz    on a machine with the Debian packages
  scripts/gpu_checks.py --unpack build/gpu-kit.tar.gz  as root on a disposable machine: adds the
                                                       packed files that are missing there
"""

import argparse
import hashlib
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import tarfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
import gpu_rates  # noqa: E402

PROJECT = Path(__file__).resolve().parent.parent
# The libraries of the build; libspdlog-dev depends on libfmt-dev.
PACKAGES = [name for name in (PROJECT / "scripts/requirements-debian.txt").read_text().splitlines()
            if not name.startswith(("#", "cmake", "ninja", "hdf5-filter"))] + ["libfmt-dev"]  # fmt: skip
GPU_TESTS = ("test_model", "test_train", "test_parallel")
KERNELS = ("test_gpu_kernels", "cuda_bench")
# By how much a jet's score may change when operands of products have f16's 11 bits instead of 22. How far is the network's
# doing: of the 1,000 shipped top jets one changes by 5.2e-3 when the shipped network's weights are rounded to f16 and all
# else stays float, on a CPU; the kernels on an H100 change one by 4.6e-3 (of the 5,000 quark/gluon jets, by 5.4e-4). Four times
# that is allowed, which bf16, with 8 times the roundoff, would exceed. Below 1e-6, which is what 22 bits change, operands
# had no 11 bits.
HALF_DIFFERENCES = {"top": (1e-6, 0.02), "qg": (1e-6, 0.0024)}
ALL_SKIPPED = 4  # exit status of a test program (tests/main.cpp)
# Never packed: every system has these, in versions that match each other.
OF_THE_SYSTEM = re.compile(r"/(lib(c|m|dl|rt|pthread|resolv|stdc\+\+|gcc_s)\.so|ld-linux)")


def files_of_packages() -> set[str]:
    """Headers, libraries and CMake files of PACKAGES, and the shared libraries that they need."""
    listed = subprocess.run(["dpkg", "-L", *PACKAGES], capture_output=True, text=True, check=True)
    files = {file for file in listed.stdout.split()
             if not file.endswith(".a") and not file.startswith(("/usr/share/doc", "/usr/share/man"))
             and not Path(file).is_dir()}  # fmt: skip
    for library in [file for file in files if re.search(r"\.so(\.|$)", file)]:
        needed = subprocess.run(["ldd", library], capture_output=True, text=True, check=True)
        for path in re.findall(r"=> (/\S+)", needed.stdout):
            if not OF_THE_SYSTEM.search(path):
                files |= {path, os.path.realpath(path)}
        files.add(os.path.realpath(library))
    return files


def pack(archive: Path):
    with tarfile.open(archive, "w:gz") as tar:
        for file in sorted(files_of_packages()):
            tar.add(file, recursive=False)
    print(f"{archive}: {archive.stat().st_size / 1e6:.1f} MB")


def unpack(archive: Path):
    with tarfile.open(archive) as tar:
        missing = [m for m in tar if not os.path.lexists("/" + m.name)]
        tar.extractall("/", missing, filter="tar")
    subprocess.run(["ldconfig"], check=True)
    print(f"{len(missing)} missing files added")


class Report:
    """What was run, the results, and what could not be run."""

    def __init__(self, folder: Path):
        self.folder = folder  # the build folder
        self.values = {"not_run": [], "failed": []}

    def run(self, what: str, *command, accepted=(0,), **options) -> subprocess.CompletedProcess:
        print(f"==> {what} ...", flush=True)
        start = time.monotonic()
        result = subprocess.run([str(word) for word in command], capture_output=True, text=True,
                                cwd=PROJECT, **options)  # fmt: skip
        self.values.setdefault("seconds", {})[what] = round(time.monotonic() - start, 1)
        if result.returncode not in accepted:
            self.values["failed"].append(what)
            print((result.stdout + result.stderr)[-4000:], flush=True)
        for line in re.findall(r"^Kernel: .*", result.stdout, re.M):
            self.values.setdefault("kernels", {})[what] = line
            if "the CUDA kernels" in line:  # differ from the plain one, or fail: it took that one
                self.values["failed"].append(f"{what}: {line}")
        return result

    def write(self, file: Path):
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(self.values, indent=2) + "\n")

    def found(self, name: str) -> bool:
        """Whether CMake has found a file or folder of this name in its cache."""
        cache = (self.folder / "CMakeCache.txt").read_text()
        return re.search(rf"^{name}:\w+=/", cache, re.M) is not None


def prefix_of_libtorch() -> str:
    """Where CMake finds LibTorch; empty if the environment or .deps of this repository has one, else this
    machine's Python."""
    if os.environ.get("CMAKE_PREFIX_PATH") or (PROJECT / ".deps/python/torch").exists():
        return ""
    code = "import importlib.util as u; print(u.find_spec('torch').submodule_search_locations[0])"
    return subprocess.run(["python3", "-c", code], capture_output=True, text=True).stdout.strip()


def build(report: Report) -> bool:
    """Builds the programs and the tests that use a GPU."""
    prefix = prefix_of_libtorch()
    configured = report.run("configure", "cmake", "--preset", "cuda", "-B", report.folder,
                            "-DLORENTZNET_WERROR=ON",
                            *([f"-DCMAKE_PREFIX_PATH={prefix}"] if prefix else []))  # fmt: skip
    if configured.returncode != 0:
        return False
    if not report.found("NCCL_INCLUDE_DIR"):
        report.values["not_run"].append("NCCL: its header nccl.h was not found")
    jobs = os.environ.get("CMAKE_BUILD_PARALLEL_LEVEL", os.cpu_count())
    built = report.run("build", "cmake", "--build", report.folder, "--parallel", jobs,
                       "--target", "programs", *GPU_TESTS, *kernel_targets(report))  # fmt: skip
    return built.returncode == 0


def kernel_targets(report: Report) -> tuple[str, ...]:
    """Without a GPU the benchmark alone, which no other build compiles; the emulator compiles the tests."""
    if not has_kernels(report):
        return ()
    return KERNELS if gpu_name() else ("cuda_bench",)


def has_kernels(report: Report) -> bool:
    """Whether nvcc was found, so that there are CUDA kernels (cmake/Nvcc.cmake)."""
    return report.found("NVCC_PROGRAM") and report.found("CUDART_LIBRARY")


def resources(report: Report):
    """The build's kernels need no more registers and memory than the table says."""
    if not has_kernels(report):
        return
    logs = [report.folder / f"src/{name}.cu.log" for name in ("kernels", "training_kernels")]
    done = report.run("cuda_resources", PROJECT / "scripts/cuda_resources.py", "--logs", *logs)
    report.values["resources"] = last_line(done.stdout) if done.returncode else "as src/engine/cuda/resources.json has them"


def last_line(text: str) -> str:
    return (text.strip().splitlines() or ["nothing was printed"])[-1]


def kernels(report: Report):
    """The tests that the emulator runs elsewhere, and the kernels' speed."""
    if not has_kernels(report):
        report.values["not_run"].append("CUDA kernels: nvcc was not found")
        return
    tests = report.run("test_gpu_kernels", report.folder / "bin/test_gpu_kernels").stdout
    report.values["tests"]["test_gpu_kernels"] = last_line(tests)
    report.values["cuda_bench"] = report.run("cuda_bench", report.folder / "bin/cuda_bench").stdout.splitlines()


def is_for_gpus(report: Report) -> bool:
    """Whether the programs are a build for GPUs, found out by hiding the GPUs from one."""
    refused = subprocess.run([report.folder / "bin/qg_tagging", "--device", "cuda"], capture_output=True, text=True,
                             env=os.environ | {"CUDA_VISIBLE_DEVICES": ""})  # fmt: skip
    if refused.returncode == 2 and "--device cuda: there is no GPU" in refused.stderr:
        return True
    report.values["failed"].append(f"{report.folder} is no build for GPUs: {refused.stderr.strip()}")
    return False


def gpu_name() -> str | None:
    if shutil.which("nvidia-smi") is None:
        return None
    listed = subprocess.run(["nvidia-smi", "--query-gpu=name,driver_version", "--format=csv,noheader"],
                            capture_output=True, text=True)  # fmt: skip
    return listed.stdout.splitlines()[0] if listed.returncode == 0 and listed.stdout else None


def start_without_gpu(report: Report):
    """The programs load LibTorch's GPU libraries and run on the CPU."""
    score(report, "qg", "cpu")


def test(report: Report):
    """The summary line of each program's GPU tests."""
    results = {}
    for program in GPU_TESTS:
        out = report.run(program, report.folder / "bin" / program, "gpu: *", "--reporter", "compact",
                         "--success", accepted=(0, ALL_SKIPPED)).stdout  # fmt: skip
        results[program] = last_line(out)
        for reason in sorted(set(re.findall(r"\[skipped\] (.*)", out))):
            # Published values are not everywhere; there is a GPU.
            where = "not_run" if reason.startswith("no reference folder") else "failed"
            report.values[where].append(f"a test of {program}: {reason}")
    report.values["tests"] = results


def score_folder(report: Report, task: str, device: str, kernel: str = "auto") -> Path:
    return report.folder / "checks" / task / f"{device.replace(':', '-')}-{kernel}"


def score(report: Report, task: str, device: str, kernel: str = "auto") -> dict | None:
    """Test metrics of a shipped network on the shipped jets."""
    logs = score_folder(report, task, device, kernel)
    shutil.rmtree(logs, ignore_errors=True)
    shutil.copytree(PROJECT / "logs" / task / "pretrained", logs / "pretrained")
    data = "data/top/test.h5" if task == "top" else "data/qg/datasets/QG_jets.npz"
    result = report.run(f"score {task} on {device}, {kernel}", report.folder / f"bin/{task}_tagging", "--test_mode",
                        "--exp_name", "pretrained", "--logdir", logs, "--test_data", data,
                        "--device", device, "--kernel", kernel)  # fmt: skip
    file = logs / "pretrained/test-result.json"
    if result.returncode != 0:
        return None
    found = json.loads(file.read_text())
    return {key: found[key] for key in found if key.startswith("test_")}


def compare_scores(report: Report):
    """AUC on GPU and CPU agree to 1e-4; those of products of 16 bits have the errors of 16 bits."""
    for task in ("top", "qg"):
        both = {device: score(report, task, device) for device in ("cpu", "cuda")}
        report.values.setdefault("scores", {})[task] = both
        if None in both.values():
            continue
        difference = abs(both["cpu"]["test_auc"] - both["cuda"]["test_auc"])
        if not difference <= 1e-4:  # NaN differs
            report.values["failed"].append(f"AUC of {task} differs by {difference} between CPU and GPU")


def compare_half(report: Report):
    """The scores of --kernel half are those of the kernels in float within HALF_DIFFERENCES."""
    if not has_kernels(report):
        return
    import numpy as np  # where there is a GPU, LibTorch is Python's, and so is numpy

    for task in ("top", "qg"):
        if score(report, task, "cuda", "half") is None:
            continue
        files = [score_folder(report, task, "cuda", kernel) / "pretrained/score.npy" for kernel in ("auto", "half")]
        found, half = (np.load(file)[:, 1:] for file in files)
        difference = float(np.max(np.abs(found - half)))
        report.values.setdefault("differences_of_half", {})[task] = difference
        least, most = HALF_DIFFERENCES[task]
        if not least <= difference <= most:  # NaN is no difference
            report.values["failed"].append(f"scores of {task} with --kernel half differ by {difference}, "
                                           f"not by {least} to {most}")  # fmt: skip


def repeat(report: Report):
    """A training has the same bits again, and when it was interrupted; with the kernels of our own they are compared
    with LibTorch's operators, too."""
    losses = {}
    for kernel in ("plain", "auto", "half") if has_kernels(report) else ("plain", "auto"):
        bits, losses[kernel] = repeated(report, kernel)
        report.values.setdefault("bits_of_a_training", {})[kernel] = bits
        if None in bits.values() or len(set(bits.values())) != 1:
            report.values["failed"].append(f"a training repeated and resumed on the GPU: score.npy differs: {bits}")
    report.values["losses_of_a_training"] = losses
    if "half" in losses and losses["half"] == losses["auto"]:
        report.values["failed"].append(f"a training with --kernel half has the losses of one in float: {losses['half']}")


def repeated(report: Report, kernel: str) -> tuple[dict, list]:
    """The bits of the scores after each of three trainings, and the losses of the first one's epochs."""
    words = ["--datadir", "data/qg", "--num_data", 1000, "--n_layers", 3, "--kernel", kernel, "--device", "cuda",
             "--logdir", report.folder / "checks/repeat"]  # fmt: skip
    bits, losses = {}, []
    for run, until in {"once": [2], "again": [2], "resumed": [1, 2]}.items():
        name = f"{kernel}-{run}"
        for epochs in until:
            how = "--resume" if epochs > until[0] else "--overwrite"
            report.run(f"train {name}", report.folder / "bin/qg_tagging", *words, "--exp_name", name, "--epochs", epochs,
                       how)  # fmt: skip
        folder = report.folder / "checks/repeat" / name
        scores = folder / "score.npy"
        bits[run] = hashlib.sha256(scores.read_bytes()).hexdigest() if scores.exists() else None
        if run == "once" and scores.exists():
            losses = json.loads((folder / "train-result.json").read_text())["train_loss"]
    return bits, losses


def rates(report: Report):
    """Jets a second of the programs, and the GPU's memory that they use."""
    report.values["rates"] = gpu_rates.measure(report.folder / "bin", PROJECT / "logs/qg",
                                               report.folder / "checks/rates")  # fmt: skip


def train(report: Report):
    """One epoch at full size: seconds per batch of 32."""
    result = report.run("train", report.folder / "bin/qg_tagging", "--exp_name", "speed", "--datadir", "data/qg",
                        "--epochs", 1, "--overwrite", "--logdir", report.folder / "checks/train", "--device",
                        "cuda", "--num_workers", 2, "--log_interval", 20)  # fmt: skip
    times = re.findall(r">> train.*Avg Batch Time (\S+)", result.stdout)
    report.values["seconds_of_a_training_batch"] = times[-1] if times else None
    report.values["where_the_jets_are"] = re.findall(r"Jets on .*", result.stdout)


def expect(report: Report, what: str, found: list[tuple[int, str]], status: int, text: str):
    """Whether processes, by status and output, end with `status` and say `text` between them."""
    if any(own != status for own, _ in found) or text not in "".join(output for _, output in found):
        report.values["failed"].append(f"{what}: expected status {status} and '{text}', found {found}")


def move(report: Report):
    """A training goes from the CPU to the GPU and back, and says so."""
    words = ["--exp_name", "moving", "--logdir", report.folder / "checks/move"]
    first = ["--datadir", "data/qg", "--num_data", 500, "--n_hidden", 16, "--n_layers", 2, "--overwrite"]
    lines = {}
    for epochs, device, more in ((1, "cpu", first), (2, "cuda", ["--resume"]), (3, "cpu", ["--resume"])):
        what = f"epoch {epochs} on {device}"
        result = report.run(what, report.folder / "bin/qg_tagging", *words, *more, "--epochs", epochs,
                            "--device", device)  # fmt: skip
        lines[what] = re.findall(r"The training moves.*|Train loss.*", result.stdout)
        text = {2: "from the CPU to a GPU", 3: "from a GPU to the CPU"}.get(epochs, "Train loss")
        expect(report, what, [(result.returncode, result.stdout)], 0, text)
    report.values["a_training_that_moves"] = lines


def run_ranks(report: Report, of_each: list[dict[str, str]], device: list[str]) -> list[tuple[int, str]]:
    """Status and stderr of ranks on this machine, each with its own variables."""
    command = [str(report.folder / "bin/qg_tagging"), "--datadir", "data/qg", "--logdir",
               str(report.folder / "checks/ranks"), "--exp_name", "run", "--overwrite", "--epochs", "1", *device]
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    common = {"WORLD_SIZE": str(len(of_each)), "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port, "LOCAL_RANK": "0"}
    processes = [subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, cwd=PROJECT,
                                  env=os.environ | common | {"RANK": str(rank)} | own)
                 for rank, own in enumerate(of_each)]  # fmt: skip
    found = []
    for process in processes:
        try:
            errors = process.communicate(timeout=60)[1]
        except subprocess.TimeoutExpired:
            process.kill()
            errors = process.communicate()[1] + " (still running after 60 s)"
        found.append((process.returncode, errors))
    return found


def share(report: Report):
    """Ranks that can't work together end at once and say why."""
    same = run_ranks(report, [{}, {}], ["--device", "cuda:0"])
    expect(report, "two ranks on one GPU", same, 2, "ranks 0 and 1 have the same GPU")
    mixed = run_ranks(report, [{}, {"CUDA_VISIBLE_DEVICES": ""}], [])
    expect(report, "a rank without a GPU", mixed, 2, "rank 1 has no GPU, rank 0 has")
    report.values["ranks"] = {"two on one GPU": same, "one without a GPU": mixed}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--json", type=Path, default=PROJECT / "build/gpu.json")
    parser.add_argument("--build", type=Path, default=PROJECT / "build/cuda")
    parser.add_argument("--no-build", action="store_true", help="the programs and tests are there")
    parser.add_argument("--pack", type=Path)
    parser.add_argument("--unpack", type=Path)
    options = parser.parse_args()
    if options.pack or options.unpack:
        if options.pack:
            pack(options.pack)
        else:
            unpack(options.unpack)
        return 0
    report = Report(options.build.resolve())
    report.values["gpu"] = gpu_name()
    if (options.no_build or build(report)) and is_for_gpus(report):
        resources(report)
        if report.values["gpu"] is None:
            report.values["not_run"].append("everything except building and starting the programs: there is no GPU")
            start_without_gpu(report)
        else:
            for part in (test, kernels, compare_scores, compare_half, train, repeat, move, share, rates):
                part(report)
                report.write(options.json)  # a machine may be taken away
    report.write(options.json)
    print(json.dumps(report.values, indent=2))
    return 1 if report.values["failed"] else 0


if __name__ == "__main__":
    sys.exit(main())
