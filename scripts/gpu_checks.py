#!/usr/bin/env python3
"""Runs every check that needs a GPU: builds with LORENTZNET_CUDA=ON, runs the GPU tests, scores the shipped
jets on CPU and GPU, trains on the GPU, and writes the results to one JSON file, with a list of what
could not be run. Without a GPU it only builds, links and starts the programs.

  scripts/gpu_checks.py [--json build/gpu.json] [--build build/cuda]
  scripts/gpu_checks.py --pack build/gpu-kit.tar.gz    on a machine with the Debian packages
  scripts/gpu_checks.py --unpack build/gpu-kit.tar.gz  as root on a disposable machine: adds the
                                                       packed files that are missing there
"""

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
import time
from pathlib import Path

PROJECT = Path(__file__).resolve().parent.parent
# The libraries of the build; libspdlog-dev depends on libfmt-dev.
PACKAGES = [name for name in (PROJECT / "scripts/requirements-debian.txt").read_text().splitlines()
            if not name.startswith(("#", "cmake", "ninja", "hdf5-filter"))] + ["libfmt-dev"]  # fmt: skip
GPU_TESTS = ("test_model", "test_train", "test_parallel")
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
        return result


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
    if not re.search(r"^NCCL_INCLUDE_DIR:PATH=/", (report.folder / "CMakeCache.txt").read_text(), re.M):
        report.values["not_run"].append("NCCL: its header nccl.h was not found")
    jobs = os.environ.get("CMAKE_BUILD_PARALLEL_LEVEL", os.cpu_count())
    built = report.run("build", "cmake", "--build", report.folder, "--parallel", jobs,
                       "--target", "programs", *GPU_TESTS)  # fmt: skip
    return built.returncode == 0


def gpu_name() -> str | None:
    if shutil.which("nvidia-smi") is None:
        return None
    listed = subprocess.run(["nvidia-smi", "--query-gpu=name,driver_version", "--format=csv,noheader"],
                            capture_output=True, text=True)  # fmt: skip
    return listed.stdout.splitlines()[0] if listed.returncode == 0 and listed.stdout else None


def start_without_gpu(report: Report):
    """The programs load LibTorch's GPU libraries, run on the CPU, and refuse --device cuda."""
    scored = score(report, "qg", "cpu")
    if scored is None:
        return
    refused = subprocess.run([report.folder / "bin/qg_tagging", "--device", "cuda"], capture_output=True, text=True)
    if refused.returncode != 2 or "--device" not in refused.stderr or "GPU" not in refused.stderr:
        report.values["failed"].append(f"--device cuda without a GPU: {refused.stderr}")


def test(report: Report):
    """The summary line of each program's GPU tests."""
    results = {}
    for program in GPU_TESTS:
        out = report.run(program, report.folder / "bin" / program, "gpu: *", "--reporter", "compact",
                         "--success", accepted=(0, ALL_SKIPPED)).stdout  # fmt: skip
        results[program] = (out.splitlines() or ["nothing was printed"])[-1]
        if "[skipped]" in out:
            report.values["not_run"].append(f"tests of {program}: {re.findall(r'.skipped..*', out)}")
    report.values["tests"] = results


def score(report: Report, task: str, device: str) -> dict | None:
    """Test metrics of a shipped network on the shipped jets."""
    logs = report.folder / "checks" / task / device.replace(":", "-")
    shutil.rmtree(logs, ignore_errors=True)
    shutil.copytree(PROJECT / "logs" / task / "pretrained", logs / "pretrained")
    data = "data/top/test.h5" if task == "top" else "data/qg/datasets/QG_jets.npz"
    result = report.run(f"score {task} on {device}", report.folder / f"bin/{task}_tagging", "--test_mode",
                        "--exp_name", "pretrained", "--logdir", logs, "--test_data", data,
                        "--device", device)  # fmt: skip
    file = logs / "pretrained/test-result.json"
    if result.returncode != 0:
        return None
    found = json.loads(file.read_text())
    return {key: found[key] for key in found if key.startswith("test_")}


def compare_scores(report: Report):
    """AUC on GPU and CPU agree to 1e-4."""
    for task in ("top", "qg"):
        both = {device: score(report, task, device) for device in ("cpu", "cuda")}
        report.values.setdefault("scores", {})[task] = both
        if None in both.values():
            continue
        difference = abs(both["cpu"]["test_auc"] - both["cuda"]["test_auc"])
        if not difference <= 1e-4:  # NaN differs
            report.values["failed"].append(f"AUC of {task} differs by {difference} between CPU and GPU")


def train(report: Report):
    """One epoch at full size: seconds per batch of 32."""
    result = report.run("train", report.folder / "bin/qg_tagging", "--exp_name", "speed", "--datadir", "data/qg",
                        "--epochs", 1, "--overwrite", "--logdir", report.folder / "checks/train", "--device",
                        "cuda", "--num_workers", 2, "--log_interval", 20)  # fmt: skip
    times = re.findall(r">> train.*Avg Batch Time (\S+)", result.stdout)
    report.values["seconds_of_a_training_batch"] = times[-1] if times else None
    report.values["where_the_jets_are"] = re.findall(r"Jets on .*", result.stdout)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--json", type=Path, default=PROJECT / "build/gpu.json")
    parser.add_argument("--build", type=Path, default=PROJECT / "build/cuda")
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
    if build(report):
        if report.values["gpu"] is None:
            report.values["not_run"].append("everything except building and starting the programs: there is no GPU")
            start_without_gpu(report)
        else:
            test(report)
            compare_scores(report)
            train(report)
    options.json.parent.mkdir(parents=True, exist_ok=True)
    options.json.write_text(json.dumps(report.values, indent=2) + "\n")
    print(json.dumps(report.values, indent=2))
    return 1 if report.values["failed"] else 0


if __name__ == "__main__":
    sys.exit(main())
