#!/usr/bin/env python3
"""Runs the tests of the CUDA kernels, on their emulator, under sanitizers, and shows that they find mistakes.

    scripts/emulator_checks.py [address] [thread] [mutants] [--only WORD] [--tests SPEC]

address, thread: builds everything of tests/cuda/ and tests/emulator/ with GCC's address and undefined-behaviour
sanitizers, or its thread sanitizer, to which each CUDA thread is a thread; the tests must pass silently.
mutants: makes the mistakes of tests/emulator/mutants.toml in the sources, one at a time, in a copy; tests must
fail each time. Prints a table of who has caught what. Without a word: all three.
Tests that are for every width have few here: 24, an odd number of tiles, for mutants (or those that one asks for), and
for sanitizers 96, too, whose sums are not in registers.
Exits with status 1 if a sanitizer reports anything, a test fails, or a mutant lives. Needs g++, Catch2 and Python.
"""

import argparse
import collections
import dataclasses
import functools
import os
import re
import shutil
import subprocess
import sys
import time
import tomllib
import xml.etree.ElementTree as ElementTree
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BUILD = ROOT / "build" / "emulator-checks"
# With those of the target test_cuda_kernels.
FLAGS = '-std=c++20 -Itests/emulator -Isrc -Itests -Iinclude -DLORENTZNET_SOURCE_DIR="." -DLORENTZNET_BIN_DIR="."'.split()
TREES = ("src/engine", "tests/cuda", "tests/emulator")
SOURCES = ("tests/cuda/*.cpp", "tests/emulator/*.cpp", "tests/main.cpp", "tests/support.cpp", "tests/random_network.cpp")
# What must find mistakes in the emulator, whatever kernels there are.
OF_EMULATOR = ("emulator_test", "primitives_test", "product_test")
MUTANTS_WIDTHS, SANITIZERS_WIDTHS = "24", "24,96"
# Seconds for all tests of a mutant: this only tells one that never ends.
TIME_LIMIT = 900


@dataclass
class Variant:
    """How everything is built and run."""

    name: str
    flags: list[str]
    emulator_flags: list[str] = field(default_factory=list)  # of the emulator's own sources
    run: list[str] = field(default_factory=list)
    environment: dict[str, str] = field(default_factory=dict)
    tests: str = ""  # without those that it would report


VARIANTS = {v.name: v for v in (
    # What a register may hold that nobody has set is a large number.
    Variant("plain", ["-O1", "-ftrivial-auto-var-init=pattern"]),
    # Fibers that a fault abandons leave what they had allocated.
    Variant("address", ["-O1", "-g", "-fsanitize=address,undefined", "-fno-sanitize-recover=all"],
            environment={"ASAN_OPTIONS": "detect_leaks=0"}),
    # The emulator's own memory is shared by all threads on purpose. setarch: GCC 12's thread sanitizer
    # doesn't know the random addresses of new kernels.
    Variant("thread", ["-O1", "-g", "-fsanitize=thread"],
            ["-fno-sanitize=thread", "-DLORENTZNET_EMULATOR_TSAN"], ["setarch", "-R"],
            {"TSAN_OPTIONS": "halt_on_error=1 report_thread_leaks=0"}, "~[race]"),
)}  # fmt: skip


def with_widths(variant: Variant, widths: str) -> Variant:
    """Tests of these widths alone (tests/cuda/tested_widths.h)."""
    name = f"{variant.name}-{widths.replace(',', '-')}"
    return dataclasses.replace(variant, name=name, flags=[*variant.flags, f"-DLORENTZNET_TESTED_WIDTHS={widths}"])


def jobs() -> int:
    return int(os.environ.get("CMAKE_BUILD_PARALLEL_LEVEL", os.cpu_count() or 1))


def target_flags() -> list[str]:
    """Those of test_cuda_kernels."""
    text = (ROOT / "tests" / "CMakeLists.txt").read_text()
    return re.search(r"set\(emulator_options ([^)$]*)\)", text)[1].split()


def sources(root: Path) -> list[Path]:
    """Relative to the tree's root."""
    return sorted(file.relative_to(root) for pattern in SOURCES for file in root.glob(pattern))


def is_emulator(source: Path) -> bool:
    return source.parent.name == "emulator" and not is_test(source)


def is_test(source: Path) -> bool:
    return source.stem.endswith("_test")


def compile_one(root: Path, variant: Variant, source: Path, folder: Path) -> tuple[Path, str]:
    """(object, what the compiler said if it failed)."""
    target = folder / ("-".join(source.with_suffix(".o").parts))
    flags = FLAGS + target_flags() + variant.flags + (variant.emulator_flags if is_emulator(source) else [])
    compiler = (["ccache"] if shutil.which("ccache") else []) + ["g++"]
    done = subprocess.run([*compiler, *flags, "-c", str(source), "-o", str(target)], cwd=root,
                          capture_output=True, text=True)  # fmt: skip
    return target, done.stderr if done.returncode else ""


def compile_all(root: Path, variant: Variant, files: list[Path], folder: Path) -> tuple[dict[Path, Path], str]:
    """({source: object}, the first error of the compiler)."""
    folder.mkdir(parents=True, exist_ok=True)
    with ThreadPoolExecutor(jobs()) as pool:
        done = list(pool.map(lambda file: compile_one(root, variant, file, folder), files))
    return {file: target for file, (target, _) in zip(files, done)}, next((e for _, e in done if e), "")


@functools.cache
def tagger() -> str:
    """The library with which inference on the CPU is compared, without sanitizers."""
    folder = BUILD / "tagger"
    flags = ["-DLORENTZNET_TAGGER_ONLY=ON", "-DCMAKE_BUILD_TYPE=Release", "-DCMAKE_CXX_FLAGS_RELEASE=-O2 -DNDEBUG"]
    for command in (["cmake", "-S", ROOT, "-B", folder, *flags],
                    ["cmake", "--build", folder, "--parallel", str(jobs()), "--target", "lorentznet_tagger_static"]):  # fmt: skip
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode:
            sys.exit(f"{done.stdout}{done.stderr}\nerror: the tagger was not built")
    return str(next(folder.rglob("liblorentznet_tagger.a")))


def link(variant: Variant, objects: dict[Path, Path], program: Path) -> None:
    flags = [flag for flag in variant.flags if flag.startswith("-fsanitize")]
    files = [str(target) for target in objects.values()]
    subprocess.run(["g++", *flags, *files, tagger(), "-o", str(program)], check=True)


def build(variant: Variant, files: list[Path]) -> dict[Path, Path]:
    objects, error = compile_all(ROOT, variant, files, BUILD / variant.name)
    if error:
        sys.exit("\n".join(error.splitlines()[:20]) + "\nerror: the sources above do not compile")
    return objects


def run(variant: Variant, program: Path, *arguments: str, timeout: int | None = None) -> subprocess.CompletedProcess:
    tests = [variant.tests] if variant.tests else []
    return subprocess.run([*variant.run, str(program), *tests, *arguments], capture_output=True, text=True,
                          errors="replace", timeout=timeout, env={**os.environ, **variant.environment})  # fmt: skip


def check_sanitizer(name: str, tests: str) -> bool:
    print(f"{name} sanitizer ...", flush=True)
    begin, variant = time.monotonic(), with_widths(VARIANTS[name], SANITIZERS_WIDTHS)
    program = BUILD / variant.name / "tests"
    link(variant, build(variant, sources(ROOT)), program)
    done = run(variant, program, *([tests] if tests else []))
    silent = done.returncode == 0 and not done.stderr
    print(done.stderr + (done.stdout if not silent else done.stdout.strip().splitlines()[-1] + "\n"), end="")
    print(f"{name} sanitizer: {'silent' if silent else 'FAILED'} ({time.monotonic() - begin:.0f} s)", flush=True)
    return silent


def dependencies() -> dict[Path, set[str]]:
    """{source: all files that it is compiled from}"""
    def of(source: Path) -> set[str]:
        command = ["g++", *FLAGS, "-MM", str(source)]
        return set(subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.split())

    with ThreadPoolExecutor(jobs()) as pool:
        files = sources(ROOT)
        return dict(zip(files, pool.map(of, files)))


def mutated_tree(mutant: dict, folder: Path) -> None:
    """A copy of what is compiled, with the mistake.

    Raises ValueError unless the text to replace stands there once."""
    for tree in TREES:
        shutil.copytree(ROOT / tree, folder / tree)
    for file in (ROOT / "tests").glob("*.*"):
        shutil.copy(file, folder / "tests" / file.name)
    for tree in ("include", "src/tagger", "src/data", "src/io"):
        (folder / tree).symlink_to(ROOT / tree)
    path = folder / mutant["file"]
    text = path.read_text()
    found = text.count(mutant["find"])
    if found != 1:
        raise ValueError(f"{mutant['file']} has the text to replace {found} times, not once")
    path.write_text(text.replace(mutant["find"], mutant["replace"]))


def verdict(variant: Variant, program: Path) -> str | None:
    """Who has caught the mutant: the first test case that fails, and how. None if all pass."""
    try:
        done = run(variant, program, "--abort", "--reporter", "xml", timeout=TIME_LIMIT)
    except subprocess.TimeoutExpired:
        return f"no end within {TIME_LIMIT} s"
    if done.returncode == 0:
        return None
    reports = [line for line in done.stderr.splitlines() if re.search("ERROR: |WARNING: |runtime error", line)]
    case = done.stdout.rpartition('<TestCase name="')[2].partition('"')[0]
    try:
        failed = next(c for c in ElementTree.fromstring(done.stdout).iter("TestCase")
                      if c.find("OverallResult").get("success") == "false")  # fmt: skip
        case = failed.get("name")
        thrown = [e.text.strip() for kind in ("Exception", "FatalErrorCondition") for e in failed.iter(kind)]
        values = [e.findtext("Expanded").strip() for e in failed.iter("Expression") if e.get("success") == "false"]
        reports = thrown + reports + values
    except ElementTree.ParseError:  # a sanitizer has ended the program
        pass
    how = " ".join((reports or [f"exit status {done.returncode}"])[0].split())
    return f"“{case}”: {how[:150]}"


class Mutants:
    """Tries mutants. What doesn't depend on the mistake is built once."""

    def __init__(self):
        self.dependencies = dependencies()
        self.objects: dict[str, dict[Path, Path]] = collections.defaultdict(dict)
        self.passing: set[tuple[str, tuple[Path, ...]]] = set()

    def files(self, mutant: dict) -> tuple[list[Path], list[Path]]:
        """(sources of the program that is to find it, those of them that are compiled from the mutated file)"""
        affected = [file for file, used in self.dependencies.items() if mutant["file"] in used]
        if "emulator" in mutant["file"] or "engine/cuda/device" in mutant["file"]:
            tests = [file for file in self.dependencies if file.stem in OF_EMULATOR]
        else:
            tests = [file for file in affected if is_test(file) and file.stem in mutant.get("tests", [file.stem])]
        files = [file for file in self.dependencies if file in tests or not is_test(file)]
        return files, [file for file in affected if file in files]

    def objects_of(self, variant: Variant, files: list[Path]) -> dict[Path, Path]:
        """Without a mistake all tests have to pass: who fails anyway catches nothing."""
        known = self.objects[variant.name]
        known.update(build(variant, [file for file in files if file not in known]))
        objects = {file: known[file] for file in files}
        if (variant.name, tuple(files)) not in self.passing:
            program = BUILD / variant.name / "tests"
            link(variant, objects, program)
            if caught := verdict(variant, program):
                sys.exit(f"error: without any mutant, a test fails ({variant.name}): {caught}")
            self.passing.add((variant.name, tuple(files)))
        return objects

    def attempt(self, mutant: dict) -> tuple[str | None, str]:
        """(who has caught it, why it could not be tried)."""
        variant = with_widths(VARIANTS[mutant.get("with", "plain")], mutant.get("widths", MUTANTS_WIDTHS))
        folder = BUILD / "mutant"
        shutil.rmtree(folder, ignore_errors=True)
        try:
            mutated_tree(mutant, folder)
        except (ValueError, OSError) as error:
            return None, str(error)
        files, affected = self.files(mutant)
        if not affected:
            return None, f"nothing is compiled from {mutant['file']}"
        objects = self.objects_of(variant, files)
        changed, error = compile_all(folder, variant, affected, folder / "objects")
        if error:
            return None, "does not compile: " + error.strip().splitlines()[-1]
        link(variant, objects | changed, folder / "program")
        return verdict(variant, folder / "program"), ""


def check_mutants(only: str) -> bool:
    mutants = tomllib.loads((ROOT / "tests" / "emulator" / "mutants.toml").read_text())["mutant"]
    mutants = [m for m in mutants if only in m["name"] or only in m["file"]]
    begin, tried = time.monotonic(), Mutants()
    bad = 0
    for mutant in mutants:
        caught, problem = tried.attempt(mutant)
        bad += caught is None
        text = f"caught by {caught}" if caught else f"NOT TRIED: {problem}" if problem else "LIVES"
        print(f"{Path(mutant['file']).name}: {mutant['name']}: {text}", flush=True)
    print(f"{len(mutants) - bad} of {len(mutants)} mutants caught ({time.monotonic() - begin:.0f} s)")
    return bad == 0 and bool(mutants)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, allow_abbrev=False,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)  # fmt: skip
    parser.add_argument("checks", nargs="*", metavar="address | thread | mutants")
    parser.add_argument("--only", default="", help="only mutants with this word in their name or file")
    parser.add_argument("--tests", default="", help="only these tests, as Catch2 takes them; for the sanitizers")
    arguments = parser.parse_args()
    checks = arguments.checks or ["address", "thread", "mutants"]
    if unknown := set(checks) - {"address", "thread", "mutants"}:
        parser.error(f"there is no check {', '.join(sorted(unknown))}")
    good = [check_sanitizer(name, arguments.tests) for name in checks if name != "mutants"]
    if "mutants" in checks:
        good.append(check_mutants(arguments.only))
    return 0 if all(good) else 1


if __name__ == "__main__":
    sys.exit(main())
