#!/usr/bin/env python3
"""Fuzzes what reads foreign files, with clang's libFuzzer and the address and undefined-behaviour sanitizers.

    scripts/fuzz.py [--seconds N] [--jobs N] [--build DIR] [TARGET ...]

TARGET: npy, npz, checkpoint (also training states), pickle, json, cache, hdf5, flags (tests/fuzz/targets.h);
by default all, for N seconds each (default 30), --jobs of them at a time (default 1). What an input has reached is
kept in DIR/corpus (default build/fuzz), from where the next run continues.

An input that crashes, hangs, throws what a reader must not throw or takes absurd memory is a finding: it is
made smaller and written to tests/data/fuzz/TARGET/, which the test "fuzz" replays in every build. Prints it, and the
executions of each target. Exits with status 1 if there was a finding. Needs clang 14 (the set-up's --tests).
"""

import argparse
import base64
import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from concurrent import futures
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FOUND = ROOT / "tests" / "data" / "fuzz"
SEEDS = ROOT / "tests" / "fuzz" / "seeds"
DICTIONARIES = ROOT / "tests" / "fuzz" / "dictionaries"
TARGETS = ("npy", "npz", "checkpoint", "pickle", "json", "cache", "hdf5", "flags")
# A single allocation and all memory in MB, the seconds of an input. Readers may take up to 256 MB for the arrays
# of a small checkpoint.
LIMITS = ("-malloc_limit_mb=1024", "-rss_limit_mb=3000", "-timeout=20")
# Bytes: a file of arrays may be unpacked to a thousand times its size.
LONGEST = {"npy": 4096, "npz": 16384, "pickle": 4096, "json": 8192, "cache": 16384, "flags": 4096}
ENVIRONMENT = {
    # HDF5's plugins and the tagger's kernels are not instrumented, and free nothing at the end. For speed, stacks of
    # allocations are not kept, and freed memory is for 4 MB: replay a finding without the last three to see more of it.
    "ASAN_OPTIONS": "detect_leaks=0:allocator_may_return_null=0:handle_abort=1:malloc_context_size=1:"
                    "quarantine_size_mb=4:thread_local_quarantine_size_kb=64",
    "UBSAN_OPTIONS": "print_stacktrace=1",
    "OMP_NUM_THREADS": "1",
}


def build(folder: Path) -> None:
    for command in (["cmake", "--preset", "fuzz", "-B", folder],
                    ["cmake", "--build", folder, "--target", "fuzz",
                     "--parallel", os.environ.get("CMAKE_BUILD_PARALLEL_LEVEL", str(os.cpu_count()))]):  # fmt: skip
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
        if done.returncode:
            sys.exit(f"{done.stdout}{done.stderr}\nerror: the fuzz targets were not built")


class Fuzzer:
    """One target: its program and folders."""

    def __init__(self, build: Path, target: str):
        self.target, self.program = target, build / "bin" / f"fuzz_{target}"
        self.corpus, self.artifacts = build / "corpus" / target, build / "artifacts" / target
        self.log = build / f"{target}.log"
        self.known = FOUND / target
        for folder in (self.corpus, self.artifacts):
            folder.mkdir(parents=True, exist_ok=True)

    def call(self, *arguments, log: Path) -> int:
        # In memory, and removed here: libFuzzer ends without destructors.
        memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
        with log.open("w") as out, tempfile.TemporaryDirectory(prefix="lorentznet-", dir=memory) as folder:
            return subprocess.run([self.program, *LIMITS, *map(str, arguments)], stdout=out, stderr=out,
                                  env=os.environ | ENVIRONMENT | {"TMPDIR": folder}).returncode  # fmt: skip

    def fuzz(self, seconds: int) -> int:
        """The number of executions."""
        words = [f"-max_total_time={seconds}", f"-artifact_prefix={self.artifacts}/", "-print_final_stats=1"]
        if self.target in LONGEST:
            words.append(f"-max_len={LONGEST[self.target]}")
        dictionary = DICTIONARIES / self.target
        if dictionary.exists():
            words.append(f"-dict={dictionary}")
        folders = [folder for folder in (self.corpus, SEEDS / self.target, self.known) if folder.is_dir()]
        if self.call(*words, *folders, log=self.log) == 0:
            for artifact in self.artifacts.iterdir():  # of the child that opens an HDF5 file first, which may crash
                artifact.unlink()
        text = self.log.read_text(errors="replace")
        counted = re.search(r"stat::number_of_executed_units: (\d+)", text) or re.search(r".*^#(\d+)", text, re.M | re.S)
        if counted is None:
            sys.exit(f"{text}\nerror: fuzz_{self.target} did not run")
        return int(counted[1])

    def run(self, seconds: int) -> tuple[int, float, list[Path]]:
        """Executions, seconds and findings."""
        start = time.monotonic()
        executions = self.fuzz(seconds)
        return executions, time.monotonic() - start, self.findings()

    def findings(self) -> list[Path]:
        """Makes what the program has left smaller and moves it to the tests' data."""
        moved = []
        for artifact in sorted(self.artifacts.iterdir()):
            smaller = self.artifacts.parent / f"{self.target}.smaller"
            self.call("-minimize_crash=1", "-max_total_time=30", f"-exact_artifact_path={smaller}", artifact,
                      log=self.log.with_suffix(".smaller.log"))  # fmt: skip
            content = (smaller if smaller.exists() else artifact).read_bytes()
            kind = artifact.name.partition("-")[0]  # crash, timeout, oom, leak
            place = self.known / f"{kind}-{hashlib.sha256(content).hexdigest()[:12]}"
            self.known.mkdir(parents=True, exist_ok=True)
            place.write_bytes(content)
            artifact.unlink()
            smaller.unlink(missing_ok=True)
            moved.append(place)
        return moved

    def summary(self) -> str:
        """What libFuzzer and the sanitizer said of a finding."""
        text = self.log.read_text(errors="replace")
        lines = [line for line in text.splitlines() if re.search(r"SUMMARY:|runtime error:|what\(\)|ERROR: libFuzzer", line)]
        return "\n".join(f"    {line}" for line in lines[:6])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("targets", nargs="*", metavar="TARGET", default=[], help="default: all")
    parser.add_argument("--seconds", type=int, default=30, help="of each target (default: 30)")
    parser.add_argument("--jobs", type=int, default=1, metavar="N", help="targets at a time (default: 1)")
    parser.add_argument("--build", type=Path, default=ROOT / "build" / "fuzz", help="default: build/fuzz")
    arguments = parser.parse_args()
    unknown = set(arguments.targets) - set(TARGETS)
    if unknown:
        parser.error(f"{unknown.pop()} is not one of {', '.join(TARGETS)}")
    if shutil.which("clang++-14") is None:
        sys.exit("error: clang++-14 is needed (Debian: clang-14 and libclang-rt-14-dev); scripts/setup.sh --tests installs it")
    folder = arguments.build.resolve()
    build(folder)
    total, found = 0, []
    print(f"{'target':12s} {'executions':>12s} {'seconds':>8s}")
    with futures.ThreadPoolExecutor(arguments.jobs) as pool:
        fuzzers = [Fuzzer(folder, target) for target in arguments.targets or TARGETS]
        for fuzzer, (executions, seconds, findings) in zip(
            fuzzers, pool.map(lambda fuzzer: fuzzer.run(arguments.seconds), fuzzers)
        ):
            total += executions
            print(f"{fuzzer.target:12s} {executions:12,d} {seconds:8.0f}", flush=True)
            for file in findings:
                found.append(file)
                print(f"  finding: {file.relative_to(ROOT)} (log: {fuzzer.log})\n{fuzzer.summary()}\n"
                      f"    its bytes in base64: {base64.b64encode(file.read_bytes()).decode()}", flush=True)  # fmt: skip
    print(f"{'all':12s} {total:12,d}; {len(found)} findings")
    sys.exit(1 if found else 0)


if __name__ == "__main__":
    main()
