#!/usr/bin/env python3
"""Counts the instructions an edge of the CUDA kernels that compute the edges, at the published width, by class, and
estimates what bounds their time. Prints the table of docs/gpu.md.

    scripts/cuda_instructions.py CUBIN...

Reads what nvdisasm prints of files that nvcc has made (-arch=sm_90 -cubin, of src/engine/cuda/kernels.cu and
training_kernels.cu). Counted is the loop over rounds, the smallest one with all products of tensor cores, its inner loops
as often as they run; code behind a branch counts as if it always ran, but the loops over the jets of a tile run once.
Bounds are clocks of a multiprocessor an edge if nothing else took time: no kernel reaches them.
Needs nvdisasm, in PATH (PyPI: nvidia-cuda-nvdisasm), and no GPU.
"""

import argparse
import math
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
import cuda_resources  # noqa: E402

# Classes of instructions, by the beginning of their names.
CLASSES = {
    "tensor cores": ("HMMA",),
    "float": ("FFMA", "FADD", "FMUL", "FSETP", "FSEL", "FMNMX", "FCHK", "MUFU"),
    "double": ("DFMA", "DADD", "DMUL", "DSETP"),
    "conversions": ("F2F", "F2FP", "I2F", "F2I", "HADD2", "HMUL2", "HFMA2", "PRMT"),
    "shared memory": ("LDS", "STS", "LDSM", "MOVM"),
    "global memory": ("LDG", "STG", "LD", "ST", "LDL", "STL", "LDC", "ULDC"),
    "exchanges": ("SHFL", "VOTE", "BAR", "WARPSYNC", "BSYNC", "BSSY"),
}
OTHER = "integers, moves, branches"


@dataclass
class Rounds:
    """A kernel's loop over rounds: edges of a warp in one, and how often its inner loops run, in their order."""

    edges: int
    trips: list[float]


KERNELS = {
    # Steps of the product of phi_e, and twice two of that of phi_x, where they are not unrolled.
    "EdgeForward<F16x3, 72, 2, true, false>": Rounds(32, [4, 2]),
    "EdgeForward<F16, 72, 2, true, false>": Rounds(32, []),
    "EdgeForward<Bf16x3, 72, 2, true, true>": Rounds(32, [4, 2]),
    # Steps of phi_e, or pairs of them; then for each of two products units of the sums over edges, 10 for 8 warps, and the warps that hand
    # in edges; jets of a tile, for each pair of columns.
    "EdgeBackward<Bf16x3, 72, true>": Rounds(16, [4, 1.25, 8, 1.25, 8, 1, 1, 1, 1, 1]),
    "EdgeBackward<Bf16, 72, true>": Rounds(16, [2, 1.25, 8, 1.25, 8, 1, 1, 1, 1, 1]),
}  # fmt: skip
# Of a multiprocessor of sm_90. Clocks of mma.m16n8k16: 2,048 products, of 2,048 a clock, of which mma.sync reaches two
# thirds. Instructions that start in a clock, bytes of the L1 cache and shared memory, warps' instructions in double.
CLOCKS_OF_PRODUCT, STARTED, L1_BYTES, DOUBLES = 1.5, 4, 128, 2


@dataclass
class Loop:
    first: int
    last: int


def name_of(section: str) -> str:
    mangled = re.search(r"\.text\.(\S+?):?$", section, re.M)[1]
    return cuda_resources.demangled(cuda_resources.output_of("c++filt", mangled).strip())


def sections(text: str) -> dict[str, list[str]]:
    """{kernel: its lines}"""
    parts = re.split(r"^//-+ (?=\.text\.)", text, flags=re.M)[1:]
    return {name_of(part.splitlines()[0].split()[0]): part.splitlines() for part in parts}


def opcode(line: str) -> str:
    """Empty if the line has no instruction."""
    found = re.search(r"/\*[0-9a-f]{4,}\*/\s+(?:@!?U?P\w+ )?\s*([A-Z]\w*)", line)
    return found[1] if found else ""


def loops(lines: list[str]) -> list[Loop]:
    """From a label to the last conditional branch back to it; divergent code behind the kernel's end has others."""
    places = {found[1]: k for k, line in enumerate(lines) if (found := re.match(r"(\.L_x_\w+):", line))}
    last: dict[int, int] = {}
    for k, line in enumerate(lines):
        branch = re.search(r"@!?U?P\w+ BRA(?:\.U)? `\((\.L_x_\w+)\)", line)
        if branch and places.get(branch[1], k) < k:
            last[places[branch[1]]] = k
    return [Loop(first, end) for first, end in sorted(last.items())]


def class_of(code: str) -> str:
    return next((name for name, codes in CLASSES.items() if code in codes), OTHER)


def weights(lines: list[str], rounds: Rounds) -> dict[int, float]:
    """{line of an instruction of the loop over rounds: how often it runs for an edge}, by a warp."""
    products = [k for k, line in enumerate(lines) if opcode(line) == "HMMA"]
    found = loops(lines)
    around = [loop for loop in found if loop.first < products[0] and products[-1] < loop.last]
    main = min(around, key=lambda loop: loop.last - loop.first)
    inner = [loop for loop in found if main.first < loop.first and loop.last < main.last]
    if len(inner) != len(rounds.trips):
        raise ValueError(f"{len(inner)} loops in the one over rounds, not {len(rounds.trips)}")
    often = {}
    for k in range(main.first, main.last + 1):
        if opcode(lines[k]):
            trips = [n for loop, n in zip(inner, rounds.trips) if loop.first <= k <= loop.last]
            often[k] = math.prod(trips) / rounds.edges
    return often


def bytes_of(line: str) -> int:
    """Bytes that an instruction moves from or to the L1 cache or shared memory, a lane."""
    if class_of(opcode(line)) not in ("shared memory", "global memory") or opcode(line) in ("LDC", "ULDC"):
        return 0
    found = re.search(r"\.(128|64)\b", line)
    return int(found[1]) // 8 if found else 4


def bounds(lines: list[str], often: dict[int, float]) -> dict[str, float]:
    """Clocks of a multiprocessor an edge."""
    products = sum(n * (.5 if ".1688." in lines[k] else 1) for k, n in often.items() if opcode(lines[k]) == "HMMA")
    return {"tensor cores": CLOCKS_OF_PRODUCT * products,
            "starting instructions": sum(often.values()) / STARTED,
            "L1 and shared memory": sum(n * bytes_of(lines[k]) * 32 / L1_BYTES for k, n in often.items()),
            "double": sum(n / DOUBLES for k, n in often.items() if class_of(opcode(lines[k])) == "double")}  # fmt: skip


def count(lines: list[str], often: dict[int, float]) -> dict[str, float]:
    """{class: instructions of lanes an edge}"""
    counts = dict.fromkeys([*CLASSES, OTHER], 0.0)
    for k, n in often.items():
        counts[class_of(opcode(lines[k]))] += 32 * n
    return counts


def table(found: dict[str, list[str]]) -> str:
    """In Markdown. {kernel: its lines}"""
    names = [name for name in KERNELS if name in found]
    often = {name: weights(found[name], KERNELS[name]) for name in names}
    rows = [["an edge", *(f"`{name}`" for name in names)], ["---"] * (len(names) + 1)]
    counts = [count(found[name], often[name]) for name in names]
    for of in [*CLASSES, OTHER]:
        rows.append([of, *(f"{each[of]:,.0f}" for each in counts)])
    rows.append(["all instructions", *(f"{sum(each.values()):,.0f}" for each in counts)])
    clocks = [bounds(found[name], often[name]) for name in names]
    rows += [[f"bound by {of}, clocks (estimate)", *(f"{each[of]:.1f}" for each in clocks)] for of in clocks[0]]
    return "\n".join("| " + " | ".join(row) + " |" for row in rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, allow_abbrev=False,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)  # fmt: skip
    parser.add_argument("cubins", type=Path, nargs="+", metavar="CUBIN")
    arguments = parser.parse_args()
    if not shutil.which("nvdisasm"):
        sys.exit("error: there is no nvdisasm in PATH (PyPI: nvidia-cuda-nvdisasm)")
    found: dict[str, list[str]] = {}
    for cubin in arguments.cubins:
        found |= sections(cuda_resources.output_of("nvdisasm", "-c", str(cubin)))
    if missing := KERNELS.keys() - found.keys():
        sys.exit(f"error: the files lack {', '.join(sorted(missing))}")
    print(table(found))


if __name__ == "__main__":
    main()
