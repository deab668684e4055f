#!/usr/bin/env python3
"""Checks that each file includes only headers of its own floor and of the floors below it.

    scripts/check_floors.py [--root DIR]

A floor is a folder of src/; a public header (include/lorentznet/*.h) belongs to the floor that
PUBLIC_HEADERS names. docs/architecture.md explains what each floor owns. Exits with status 1 and
one line per violation. Needs nothing but Python.
"""

import argparse
import re
import sys
from pathlib import Path

# Each floor with the floors that it may use, from bottom to top.
BELOW = {
    "io": "",
    "data": "io",
    "engine": "io",
    "tagger": "io data engine",
    "report": "io data",
    "parallel": "io",
    "kernels": "io data engine parallel",
    "model": "io data engine tagger parallel kernels",
    "train": "io data engine tagger report parallel kernels model",
    "console": "io",
    "fetch": "io",
    "info": "io data report fetch",
    "app": "io data engine tagger report parallel kernels model train console fetch info",
}
USES_TORCH = {"parallel", "kernels", "model", "train", "app"}
ANY_PUBLIC_HEADER = {"console"}  # it shows what the public interface reports
PUBLIC_HEADERS = {
    "error": "io",
    "jets": "data",
    "readers": "data",
    "task": "data",
    "isa": "engine",
    "checkpoint": "tagger",
    "tagger": "tagger",
    "c": "tagger",
    "metrics": "report",
    "records": "report",
    "communicator": "parallel",
    "batch": "model",
    "lorentznet": "model",
    "evaluate": "train",
    "trainer": "train",
}
TORCH = ("ATen/", "torch/", "c10/", "caffe2/")
INCLUDE = re.compile(r'\s*#\s*include\s*(?:"([^"]+)"|<([^>]+)>)')


def allowed(floor: str) -> set[str]:
    return {floor, *BELOW[floor].split()}


def problem(root: Path, floor: str, is_public: bool, name: str) -> str | None:
    """What is wrong with a file of `floor` that includes `name`."""
    first, _, rest = name.partition("/")
    if name.startswith(TORCH) or uses_torch(root / "src" / name):
        return None if floor in USES_TORCH else f"includes {name}, but {floor} must not use LibTorch"
    if first == "lorentznet":
        owner = PUBLIC_HEADERS.get(rest.removesuffix(".h"))
        if owner is None:
            return f"includes {name}, which is no public header"
        if owner in allowed(floor) or (floor in ANY_PUBLIC_HEADER and not is_public):
            return None
    elif not (root / "src" / first).is_dir():
        return None  # of another library, or beside this file
    elif is_public:
        return f"includes {name}, which is no public header"
    elif first in allowed(floor):
        return None
    return f"includes {name}, which is above {floor}"


def uses_torch(file: Path) -> bool:
    """Whether a header in src/ itself, which is on no floor, includes LibTorch."""
    return file.parent.name == "src" and file.is_file() and any(
        name.startswith(TORCH) for _, name in includes(file))  # fmt: skip


def includes(file: Path):
    """(line number, name) of each #include."""
    for number, line in enumerate(file.read_text().splitlines(), 1):
        if found := INCLUDE.match(line):
            yield number, found[1] or found[2]


def files_of(root: Path):
    """(file, its floor or None, whether it is a public header)."""
    for file in sorted((root / "include" / "lorentznet").glob("*.h")):
        yield file, PUBLIC_HEADERS.get(file.stem), True
    for file in sorted((root / "src").rglob("*")):
        parts = file.relative_to(root / "src").parts
        if len(parts) > 1 and file.suffix in (".h", ".cpp", ".cu", ".cuh", ".inc"):
            yield file, parts[0] if parts[0] in BELOW else None, False


def violations(root: Path):
    for file, floor, is_public in files_of(root):
        where = file.relative_to(root)
        if floor is None:
            kind = "is not in the table of public headers" if is_public else "is on no floor"
            yield f"{where}:1: {kind} (scripts/check_floors.py)"
            continue
        for number, name in includes(file):
            if text := problem(root, floor, is_public, name):
                yield f"{where}:{number}: {text}"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, allow_abbrev=False,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)  # fmt: skip
    parser.add_argument("--root", type=Path, default=Path(__file__).resolve().parent.parent,
                        help="the tree to check (default: this one)")  # fmt: skip
    found = list(violations(parser.parse_args().root))
    for line in found:
        print(line)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
