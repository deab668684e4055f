"""Imports a CUDA build of torch on a machine without the CUDA libraries.

The wheel's shared libraries need cuBLAS, cuDNN and others, which a CPU computation never calls. Each
missing library is replaced by an empty one; lazy binding never looks up its functions.
"""

import ctypes
import os
import re
import subprocess
import sys
from pathlib import Path


def missing_libraries(torch_folder: Path) -> list[str]:
    """Shared libraries that torch needs but neither its wheel nor the system has."""
    own = sorted((torch_folder / "lib").glob("*.so*"))
    present = {file.name for file in own}
    present |= {file.name for file in (torch_folder.parent / "nvidia").rglob("*.so*")}
    dynamic = subprocess.run(
        ["readelf", "-d", *own], check=True, capture_output=True, text=True
    ).stdout
    needed = set(re.findall(r"\(NEEDED\).*\[(.+)\]", dynamic)) - present
    return sorted(name for name in needed if not _loads(name))


def import_torch(libtorch_parent: Path, stub_dir: Path):
    """Imports and returns the torch in `libtorch_parent`. Builds missing libraries with the C compiler in
    `stub_dir`, once."""
    stub_dir.mkdir(parents=True, exist_ok=True)
    for name in missing_libraries(libtorch_parent / "torch"):
        ctypes.CDLL(str(_stub(name, stub_dir)), mode=ctypes.RTLD_GLOBAL)
    sys.path.insert(0, str(libtorch_parent))
    flags = sys.getdlopenflags()
    sys.setdlopenflags(os.RTLD_LAZY | os.RTLD_GLOBAL)
    try:
        import torch
    finally:
        sys.setdlopenflags(flags)
    return torch


def _loads(name: str) -> bool:
    try:
        ctypes.CDLL(name)
    except OSError:
        return False
    return True


def _stub(name: str, folder: Path) -> Path:
    library = folder / name
    if not library.exists():
        # Built under a temporary name, because tests that run at the same time share the folder.
        partial = folder / f"{name}.{os.getpid()}.partial"
        compiler = os.environ.get("CC", "cc")
        subprocess.run(
            [compiler, "-shared", f"-Wl,-soname,{name}", "-o", partial, "-x", "c", os.devnull],
            check=True,
        )
        partial.replace(library)
    return library
