"""The Python package as a user installs it: `pip install .` into a new virtual environment, once for all tests.

Packages come from pip's default index. The folder is beside the stand-in libraries, in the build folder.
"""

import fcntl
import functools
import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

import harness

FOLDER = harness.OPTIONS.stubs.resolve().parent / "python-package"
SOURCES = ("python", "src", "include", "cmake", "CMakeLists.txt", "pyproject.toml", "README.md",
           "data/published_files.tsv")  # fmt: skip


def key() -> str:
    """Changes with what the package is built from."""
    digest = hashlib.sha256(sys.version.encode())
    for source in SOURCES:
        path = harness.PROJECT / source
        for file in sorted(path.rglob("*")) if path.is_dir() else [path]:
            if file.is_file() and file.suffix != ".pyc":
                digest.update(str(file).encode() + file.read_bytes())
    return digest.hexdigest()


def clean_environment(**more: str) -> dict[str, str]:
    """Without the packages of the tests; pip compiles no module that may never be imported."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    return kept | harness.build_environment(harness.PROJECT) | {"PIP_NO_COMPILE": "1"} | more


def run(*command, **options) -> subprocess.CompletedProcess:
    return subprocess.run([str(word) for word in command], env=clean_environment(), capture_output=True, text=True,
                          timeout=1200, **options)  # fmt: skip


def _make_venv(folder: Path) -> list:
    """Makes it, and returns the command of a pip that installs into it: this Python's own, which need not be unpacked
    first, if it can (from 22.3), else the environment's."""
    python = folder / "bin" / "python"
    run(sys.executable, "-m", "venv", "--without-pip", folder, check=True)
    pip = [sys.executable, "-m", "pip", "--python", python]
    if run(*pip, "--version").returncode == 0:
        return pip
    run(sys.executable, "-m", "venv", "--clear", folder, check=True)
    return [python, "-m", "pip"]


def _pip(pip: list, *words) -> None:
    result = run(*pip, "--disable-pip-version-check", *words)
    if result.returncode != 0:
        raise RuntimeError(f"pip {' '.join(map(str, words))}: {result.stdout[-2000:]}{result.stderr[-2000:]}")


@functools.cache
def venv() -> Path:
    """The virtual environment, with the package in it; `FOLDER` also has its wheel. Tests that run at the same time
    wait for the first."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    with open(FOLDER / "lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        done, folder = FOLDER / "installed", FOLDER / "venv"
        if not done.exists() or done.read_text() != key():
            done.unlink(missing_ok=True)
            shutil.rmtree(folder, ignore_errors=True)
            shutil.rmtree(FOLDER / "wheel", ignore_errors=True)
            pip = _make_venv(folder)
            # As `pip install .` does, which keeps no wheel. The build folder stays, as for the programs: what has not
            # changed is not compiled again. It is as deep as others in which the tagger is built (build_environment).
            build = harness.PROJECT / "build" / f"python-package-{FOLDER.parent.name}"
            _pip(pip, "wheel", "--no-deps", f"--config-settings=build-dir={build}", "--wheel-dir", FOLDER / "wheel",
                 harness.PROJECT)  # fmt: skip
            _pip(pip, "install", *(FOLDER / "wheel").iterdir())
            done.write_text(key())
    return folder


def python() -> Path:
    return venv() / "bin" / "python"


def make_importable() -> None:
    """From here on this process imports the package, with the numpy that it has already."""
    (site,) = (venv() / "lib").glob("python3*/site-packages")
    sys.path.append(str(site))


if __name__ == "__main__":
    print(venv())
