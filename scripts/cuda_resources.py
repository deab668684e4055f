#!/usr/bin/env python3
"""Compiles the CUDA kernels for every architecture and checks what they need of a GPU, which is not there.

    scripts/cuda_resources.py [--renew] [--source FILE] [--table FILE]

Reads registers, stack, spills and static shared memory of each kernel from ptxas, and compares them with
src/engine/cuda/resources.json. Exits with status 1 if one differs (better ones too: then --renew writes the table),
if a kernel of sm_80 or sm_90 spills more than 64 bytes (later ones are compiled by the driver, from PTX), or if its
registers allow fewer than 8 warps on a multiprocessor of sm_90.
Another nvcc than the table's has other numbers: then only the limits are checked. Needs nvcc, in PATH or in
/usr/local/cuda/bin, and no GPU.
"""

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
ALWAYS = ("sm_80", "sm_90")  # with PTX for later ones
IF_KNOWN = ("sm_100", "sm_120")  # not in every nvcc
MOST_SPILLED = 64  # bytes
FEWEST_WARPS = 8  # on a multiprocessor of sm_90
# CUDA C++ Programming Guide, technical specifications per compute capability (9.0): registers of a multiprocessor;
# a warp gets a multiple of 256.
REGISTERS, REGISTER_UNIT, MOST_WARPS = 65536, 256, 64
FIELDS = ("registers", "stack", "spill_stores", "spill_loads", "shared")
INCLUDES = ("src/engine/cuda/device", "src", "tests/cuda")


def die(text: str):
    sys.exit(f"error: {text}")


def find_nvcc() -> str:
    nvcc = shutil.which("nvcc") or shutil.which("nvcc", path="/usr/local/cuda/bin")
    if not nvcc:
        die("nvcc was found neither in PATH nor in /usr/local/cuda/bin")
    return nvcc


def output_of(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        die(f"{' '.join(command)} failed:\n{done.stderr or done.stdout}")
    return done.stdout + done.stderr


def version_of(nvcc: str) -> str:
    return re.search(r"V(\d+\.\d+\.\d+)", output_of(nvcc, "--version"))[1]


def architectures(nvcc: str) -> list[str]:
    known = output_of(nvcc, "--list-gpu-code").split()
    return [*ALWAYS, *(name for name in IF_KNOWN if name in known)]


def compile_for(nvcc: str, source: Path, *flags: str) -> str:
    folders = [f"-I{ROOT / folder}" for folder in INCLUDES]
    return output_of(nvcc, "-std=c++20", *folders, *flags, str(source))


def demangled(name: str) -> str:
    """A kernel's name as we write it: EdgeForward<F16x3, 72>."""
    text = output_of("c++filt", name).strip()
    inner = re.search(r"start<(.*)>\(", text)
    text = inner[1] if inner else text
    text = re.sub(r"lorentznet::cuda::(prim::)?|\((?:int|bool|unsigned int)\)", "", text)
    return re.sub(r"Split<(\w+)\s*>", r"\1x3", text).strip()


def resources(log: str) -> dict[str, dict[str, int]]:
    """What ptxas -v says of each kernel."""
    found: dict[str, dict[str, int]] = {}
    for part in re.split(r"Compiling entry function '", log)[1:]:
        name = part.partition("'")[0]
        body = part.partition("Function properties for " + name)[2]
        stack, stores, loads = map(int, re.search(
            r"(\d+) bytes stack frame, (\d+) bytes spill stores, (\d+) bytes spill loads", body).groups())  # fmt: skip
        registers = int(re.search(r"Used (\d+) registers", body)[1])
        shared = re.search(r"(\d+) bytes smem", body)
        found[demangled(name)] = dict(zip(FIELDS, (registers, stack, stores, loads, int(shared[1]) if shared else 0)))
    return found


def threads_of(ptx: str) -> dict[str, int]:
    """The most threads of a block of each kernel (__launch_bounds__)."""
    entries = re.findall(r"\.entry (\w+)\(.*?\)\s*\.maxntid (\d+)", ptx, re.DOTALL)
    return {demangled(name): int(threads) for name, threads in entries}


def measure(nvcc: str, source: Path) -> tuple[dict, dict[str, int]]:
    """({kernel: {architecture: {field: number}}}, {kernel: threads of a block})."""
    names = architectures(nvcc)
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(
            int(os.environ.get("CMAKE_BUILD_PARALLEL_LEVEL", os.cpu_count()))) as pool:  # fmt: skip
        logs = pool.map(lambda name: compile_for(nvcc, source, f"-arch={name}", "-cubin", "-Xptxas", "-v", "-o",
                                                 f"{folder}/{name}"), names)  # fmt: skip
        compile_for(nvcc, source, "-arch=compute_90", "-ptx", "-o", f"{folder}/ptx")
        threads = threads_of(Path(f"{folder}/ptx").read_text())
        found: dict = {}
        for name, log in zip(names, logs):
            for kernel, numbers in resources(log).items():
                found.setdefault(kernel, {})[name] = numbers
    if not found:
        die(f"{source} has no kernel")
    return found, threads


def warps(registers: int, threads: int) -> int:
    """Warps on a multiprocessor of sm_90, as far as registers decide it."""
    each = -(-threads // 32)
    unit = -(-registers * 32 // REGISTER_UNIT) * REGISTER_UNIT
    return min(REGISTERS // (unit * each) * each, MOST_WARPS)


def beyond_limits(found: dict, threads: dict[str, int]):
    for kernel, by_name in found.items():
        for name, numbers in by_name.items():
            spilled = max(numbers["spill_stores"], numbers["spill_loads"])
            if name in ALWAYS and spilled > MOST_SPILLED:
                yield f"{kernel}, {name}: spills {spilled} bytes, more than {MOST_SPILLED}"
        if (count := warps(by_name["sm_90"]["registers"], threads[kernel])) < FEWEST_WARPS:
            yield (f"{kernel}, sm_90: {by_name['sm_90']['registers']} registers allow {count} warps on a "
                   f"multiprocessor, fewer than {FEWEST_WARPS}")  # fmt: skip


def differences(found: dict, table: dict):
    for kernel in sorted({*found, *table}):
        if kernel not in found or kernel not in table:
            yield f"{kernel}: is {'not in the table' if kernel in found else 'in the table alone'}"
            continue
        for name in found[kernel]:
            for key, now in found[kernel][name].items():
                before = table[kernel].get(name, {}).get(key)
                if now != before:
                    yield f"{kernel}, {name}: {key} {before} in the table, now {now}"


def print_table(found: dict, threads: dict[str, int]) -> None:
    print(f"{'kernel':50} {'arch':7} registers  stack spilled shared  warps (sm_90)")
    for kernel, by_name in sorted(found.items()):
        for name, n in by_name.items():
            count = warps(n["registers"], threads[kernel]) if name == "sm_90" else ""
            spilled = max(n["spill_stores"], n["spill_loads"])
            print(f"{kernel:50} {name:7} {n['registers']:9} {n['stack']:6} {spilled:7} {n['shared']:6}  {count}")


def text_of(version: str, found: dict) -> str:
    """One line a kernel and architecture, so that a change is a line."""
    kernels = []
    for kernel, by_name in sorted(found.items()):
        lines = ",\n".join(f"      {json.dumps(name)}: {json.dumps(n)}" for name, n in by_name.items())
        kernels.append(f"    {json.dumps(kernel)}: {{\n{lines}\n    }}")
    return f'{{\n  "nvcc": "{version}",\n  "kernels": {{\n' + ",\n".join(kernels) + "\n  }\n}\n"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, allow_abbrev=False,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)  # fmt: skip
    parser.add_argument("--renew", action="store_true", help="write the table")
    parser.add_argument("--source", type=Path, default=ROOT / "src/engine/cuda/kernels.cu", help="what to compile")
    parser.add_argument("--table", type=Path, default=ROOT / "src/engine/cuda/resources.json")
    arguments = parser.parse_args()
    nvcc = find_nvcc()
    version = version_of(nvcc)
    found, threads = measure(nvcc, arguments.source)
    print_table(found, threads)
    problems = list(beyond_limits(found, threads))
    if arguments.renew:
        arguments.table.write_text(text_of(version, found))
    elif not arguments.table.exists():
        problems.append(f"{arguments.table} is missing; --renew writes it")
    else:
        table = json.loads(arguments.table.read_text())
        if table["nvcc"] != version:
            print(f"the table is of nvcc {table['nvcc']}, this is {version}: only the limits are checked")
        else:
            changed = list(differences(found, table["kernels"]))
            problems += changed + (["if this is meant, renew the table with --renew"] if changed else [])
    for problem in problems:
        print(problem)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
