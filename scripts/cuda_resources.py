#!/usr/bin/env python3
"""Checks what the CUDA kernels need of a GPU, which is not there.

    scripts/cuda_resources.py [--logs FILE...] [--renew] [--source FILE...] [--table FILE]

Registers, stack, spills and static shared memory of each kernel are those that ptxas has reported, for sm_80 and sm_90
(later GPUs compile the PTX of sm_90 themselves); threads and dynamic shared memory are those with which the host starts
it, for jets of 50 particles where it depends on them (tests/tools/cuda_kernels.cpp). Compared are these with
src/engine/cuda/resources.json. Exits with status 1 if one differs (better ones too: then --renew writes the table), if
a kernel spills more than 64 bytes, if its block does not fit a multiprocessor's shared memory, or if registers and
shared memory allow fewer than 8 warps on a multiprocessor of sm_90.
--logs: what nvcc has said in a build (*.cu.log beside the objects); without them the kernels are compiled, which takes
minutes. Another nvcc than the table's has other numbers: then only the limits are checked, and what the host starts.
Needs g++, and nvcc unless there are logs, in .deps/, in PATH or in /usr/local/cuda/bin; no GPU.
"""

import argparse
import itertools
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
ARCHITECTURES = ("sm_80", "sm_90")
SOURCES = [ROOT / "src/engine/cuda" / name for name in ("kernels.cu", "training_kernels.cu")]
KERNELS = ROOT / "tests/tools/cuda_kernels.cpp"
MOST_SPILLED = 64  # bytes
FEWEST_WARPS = 8  # on a multiprocessor of sm_90
# CUDA C++ Programming Guide, technical specifications per compute capability: registers of a multiprocessor, of which a
# warp gets a multiple of 256; warps and blocks; bytes of shared memory, of which a block gets a multiple of 128 and
# the driver 1 kB for each.
REGISTERS, REGISTER_UNIT, MOST_WARPS, MOST_BLOCKS = 65536, 256, 64, 32
SHARED = {"sm_80": 164 << 10, "sm_90": 228 << 10}
SHARED_UNIT, SHARED_OF_DRIVER = 128, 1 << 10
FIELDS = ("registers", "stack", "spill_stores", "spill_loads", "shared")
STARTED = ("threads", "dynamic")
INCLUDES = ("src/engine/cuda/device", "src", "include", "tests/cuda")


def die(text: str):
    sys.exit(f"error: {text}")


def find_nvcc() -> str:
    """As cmake/Nvcc.cmake does."""
    nvcc = (shutil.which("nvcc", path=ROOT / ".deps/python/nvidia/cu13/bin") or shutil.which("nvcc")
            or shutil.which("nvcc", path="/usr/local/cuda/bin"))  # fmt: skip
    if not nvcc:
        die("nvcc was found neither in .deps/ (scripts/setup.sh --cuda) nor in PATH nor in /usr/local/cuda/bin")
    return nvcc


def output_of(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        die(f"{' '.join(command)} failed:\n{done.stderr or done.stdout}")
    return done.stdout + done.stderr


def compile_for(nvcc: str, source: Path, architecture: str) -> str:
    """What nvcc says of itself and of the kernels, as a build writes it into a log."""
    folders = [f"-I{ROOT / folder}" for folder in INCLUDES]
    with tempfile.TemporaryDirectory() as folder:
        return output_of(nvcc, "--version") + output_of(
            nvcc, "-std=c++20", "--expt-relaxed-constexpr", *folders, f"-arch={architecture}", "-cubin",
            "-Xptxas", "-v", "-o", f"{folder}/cubin", str(source))  # fmt: skip


def compile_all(sources: list[Path]) -> list[str]:
    nvcc = find_nvcc()
    with ThreadPoolExecutor(int(os.environ.get("CMAKE_BUILD_PARALLEL_LEVEL", os.cpu_count()))) as pool:
        return list(pool.map(lambda pair: compile_for(nvcc, *pair), itertools.product(sources, ARCHITECTURES)))


def version_of(log: str) -> str:
    found = re.search(r"V(\d+\.\d+\.\d+)", log)
    return found[1] if found else die("nvcc's version is not in its log")


def demangled(name: str) -> str:
    """A kernel's name, as c++filt or g++ writes it, as we do: EdgeForward<F16x3, 72>."""
    inner = re.search(r"start<(.*)>\(", name)
    text = inner[1] if inner else name
    text = re.sub(r"lorentznet::cuda::(prim::)?|\((?:int|bool|unsigned int)\)", "", text)
    return re.sub(r"Split<(\w+)\s*>", r"\1x3", text).strip()


def resources(log: str) -> dict[str, dict[str, dict[str, int]]]:
    """{kernel: {architecture: {field: number}}}, as ptxas -v tells them."""
    found: dict = {}
    parts = re.split(r"Compiling entry function '", log)[1:]
    mangled = [part.partition("'")[0] for part in parts]
    names = output_of("c++filt", *mangled).splitlines() if parts else []
    for part, of_linker, name in zip(parts, mangled, names, strict=True):
        architecture = re.search(r"for '(\w+)'", part)[1]
        body = part.partition("Function properties for " + of_linker)[2]
        stack, stores, loads = map(int, re.search(
            r"(\d+) bytes stack frame, (\d+) bytes spill stores, (\d+) bytes spill loads", body).groups())  # fmt: skip
        registers = int(re.search(r"Used (\d+) registers", body)[1])
        shared = re.search(r"(\d+) bytes smem", body)
        numbers = dict(zip(FIELDS, (registers, stack, stores, loads, int(shared[1]) if shared else 0)))
        found.setdefault(demangled(name), {})[architecture] = numbers
    return found


def started() -> dict[str, dict[str, int]]:
    """{kernel: {"threads": of a block, "dynamic": bytes of shared memory}}, as the host starts it."""
    with tempfile.TemporaryDirectory() as folder:
        program = f"{folder}/kernels"
        flags = [f"-I{ROOT / path}" for path in ("tests/emulator", "tests/cuda", "src", "include")]
        output_of("g++", "-std=c++20", "-w", *flags, str(KERNELS), "-o", program)
        rows = [line.split("\t") for line in output_of(program).splitlines()]
    return {demangled(name): dict(zip(STARTED, map(int, numbers))) for name, *numbers in rows}


def measure(logs: list[str], of_host: dict[str, dict[str, int]]) -> dict:
    """{kernel: {"threads", "dynamic": number, architecture: {field: number}}}"""
    found: dict = {}
    for log in logs:
        for kernel, by_name in resources(log).items():
            if kernel not in of_host:
                die(f"{KERNELS.relative_to(ROOT)} lacks {kernel}")
            found.setdefault(kernel, dict(of_host[kernel])).update(by_name)
    if not found:
        die("the logs are of no kernel")
    for kernel, of in found.items():
        if missing := [name for name in ARCHITECTURES if name not in of]:
            die(f"{kernel} was not compiled for {missing[0]}")
    return found


def warps(numbers: dict[str, int], of_host: dict[str, int], architecture: str) -> int:
    """On a multiprocessor, as far as registers and shared memory decide it; 0 if a block does not fit."""
    each = -(-of_host["threads"] // 32)
    unit = -(-numbers["registers"] * 32 // REGISTER_UNIT) * REGISTER_UNIT
    shared = -(-(numbers["shared"] + of_host["dynamic"]) // SHARED_UNIT) * SHARED_UNIT + SHARED_OF_DRIVER
    blocks = min(REGISTERS // (unit * each), SHARED[architecture] // shared, MOST_WARPS // each, MOST_BLOCKS)
    return blocks * each


def beyond_limits(found: dict):
    for kernel, of in found.items():
        for name in ARCHITECTURES:
            spilled = max(of[name]["spill_stores"], of[name]["spill_loads"])
            if spilled > MOST_SPILLED:
                yield f"{kernel}, {name}: spills {spilled} bytes, more than {MOST_SPILLED}"
            count, fewest = warps(of[name], of, name), FEWEST_WARPS if name == "sm_90" else 1
            if count < fewest:
                shared = of[name]["shared"] + of["dynamic"]
                yield (f"{kernel}, {name}: {of[name]['registers']} registers and {shared} bytes of shared memory allow "
                       f"{count} warps on a multiprocessor, fewer than {fewest}")  # fmt: skip


def differences(found: dict, table: dict):
    for kernel in sorted({*found, *table}):
        if kernel not in found or kernel not in table:
            yield f"{kernel}: is {'not in the table' if kernel in found else 'in the table alone'}"
            continue
        for key in STARTED:
            if found[kernel][key] != table[kernel].get(key):
                yield f"{kernel}: {key} {table[kernel].get(key)} in the table, now {found[kernel][key]}"
        for name in ARCHITECTURES:
            for key, now in found[kernel][name].items():
                before = table[kernel].get(name, {}).get(key)
                if now != before:
                    yield f"{kernel}, {name}: {key} {before} in the table, now {now}"


def print_table(found: dict) -> None:
    print(f"{'kernel':50} {'arch':6} threads registers  stack spilled shared  warps a multiprocessor")
    for kernel, of in sorted(found.items()):
        for name in ARCHITECTURES:
            n = of[name]
            spilled = max(n["spill_stores"], n["spill_loads"])
            print(f"{kernel:50} {name:6} {of['threads']:7} {n['registers']:9} {n['stack']:6} {spilled:7} "
                  f"{n['shared'] + of['dynamic']:6}  {warps(n, of, name)}")  # fmt: skip


def text_of(version: str, found: dict) -> str:
    """One line a kernel and architecture, so that a change is a line."""
    kernels = []
    for kernel, of in sorted(found.items()):
        lines = [", ".join(f"{json.dumps(key)}: {of[key]}" for key in STARTED)]
        lines += [f"{json.dumps(name)}: {json.dumps(of[name])}" for name in ARCHITECTURES]
        kernels.append(f"    {json.dumps(kernel)}: {{\n      " + ",\n      ".join(lines) + "\n    }")
    return f'{{\n  "nvcc": "{version}",\n  "kernels": {{\n' + ",\n".join(kernels) + "\n  }\n}\n"


def markdown(found: dict) -> str:
    """docs/gpu.md's table: the kernels of the edges by width, and then the most of all kernels."""
    widths = sorted({int(found[1]) for name in found for found in re.finditer(r"^Pool<(\d+), false>", name)})
    rows = [f"| H | {' | '.join(map(str, widths))} |", "|---" * (len(widths) + 1) + "|"]
    for title, pattern in {
            "`EdgeForward`, f16x3": r"EdgeForward<F16x3, {}, \d, true, false>",
            "`EdgeForward`, f16": r"EdgeForward<F16, {}, \d, true, false>",
            "`EdgeForward`, training, bf16x3": r"EdgeForward<Bf16x3, {}, \d, true, true>",
            "`EdgeForward`, training, bf16": r"EdgeForward<Bf16, {}, \d, true, true>",
            "`EdgeBackward`, bf16x3": r"EdgeBackward<Bf16x3, {}, true>",
            "`EdgeBackward`, bf16": r"EdgeBackward<Bf16, {}, true>"}.items():  # fmt: skip
        cells = []
        for width in widths:
            of = next(of for name, of in found.items() if re.fullmatch(pattern.format(width), name))
            n = of["sm_90"]
            shared = (n["shared"] + of["dynamic"]) / 1024
            cells.append(f"{n['registers']}, {shared:.0f} kB, {warps(n, of, 'sm_90')}")
        rows.append(f"| {title} | {' | '.join(cells)} |")
    for name in ARCHITECTURES:
        spills, kernel = max((max(of[name]["spill_stores"], of[name]["spill_loads"]), k) for k, of in found.items())
        rows += ["", f"Of {len(found)} kernels `{kernel}` spills most on {name}: {spills} bytes."]
    fewest, kernel = min((warps(of["sm_90"], of, "sm_90"), k) for k, of in found.items())
    rows += ["", f"The fewest warps on a multiprocessor of sm_90 are {fewest} (`{kernel}`, for one)."]
    return "\n".join(rows) + "\n"


def compare(version: str, found: dict, file: Path) -> list[str]:
    """How the table differs."""
    if not file.exists():
        return [f"{file} is missing; --renew writes it"]
    table = json.loads(file.read_text())
    changed = list(differences(found, table["kernels"]))
    if table["nvcc"] != version:
        print(f"the table is of nvcc {table['nvcc']}, this is {version}: what ptxas says is not compared")
        changed = [text for text in changed if ", sm_" not in text]
    return changed + (["if this is meant, renew the table with --renew"] if changed else [])


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, allow_abbrev=False,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)  # fmt: skip
    parser.add_argument("--logs", type=Path, nargs="+", help="what nvcc has said in a build")
    parser.add_argument("--renew", action="store_true", help="write the table")
    parser.add_argument("--source", type=Path, nargs="+", default=SOURCES, help="what to compile")
    parser.add_argument("--table", type=Path, default=ROOT / "src/engine/cuda/resources.json")
    arguments = parser.parse_args()
    logs = [file.read_text() for file in arguments.logs] if arguments.logs else compile_all(arguments.source)
    version = version_of(logs[0])
    found = measure(logs, started())
    print_table(found)
    problems = list(beyond_limits(found))
    if arguments.renew:
        arguments.table.write_text(text_of(version, found))
    else:
        problems += compare(version, found, arguments.table)
    for problem in problems:
        print(problem)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
