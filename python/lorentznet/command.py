"""The command `lorentznet`: scores files of jets, and shows and exports networks.

Unusable input is one line on standard error and exit status 2, every other error status 1.
"""

import argparse
import io
import json
import os
import shutil
import signal
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any, NoReturn

import numpy as np

from lorentznet import Tagger, __version__, files
from lorentznet.jets import Array
from lorentznet.whole_files import write_whole

NAME = "lorentznet"
INPUT_STATUS, OTHER_STATUS = 2, 1
JETS_AT_A_TIME = 1024  # read together; the bar moves after each part
SECONDS_OF_BAR = 0.2
BAR_WIDTH = 24


class Parser(argparse.ArgumentParser):
    """Refuses arguments in one line."""

    def error(self, message: str) -> NoReturn:
        self.exit(INPUT_STATUS, f"{NAME}: {message} (see {self.prog} --help)\n")


class Progress:
    """A live line on a terminal: file, bar, jets/s and the time that is left."""

    def __init__(self, total: int):
        self._total, self._done = total, 0
        self._start = self._drawn = time.monotonic()
        self._on_terminal = sys.stderr.isatty()

    def add(self, jets: int, file: str) -> None:
        self._done += jets
        now = time.monotonic()
        if not self._on_terminal or now - self._drawn < SECONDS_OF_BAR:
            return
        self._drawn = now
        part = self._done / self._total
        filled = int(part * BAR_WIDTH)
        bar = "=" * filled + ">" * (filled < BAR_WIDTH) + " " * (BAR_WIDTH - filled - 1)
        left = (now - self._start) * (1 / part - 1)
        line = f"{file} [{bar}] {100 * part:3.0f} %  {self.speed():.0f} jets/s  {left // 60:.0f}:{left % 60:02.0f} left"
        columns = shutil.get_terminal_size().columns - 1
        sys.stderr.write("\r\033[K" + line[max(0, len(line) - columns) :])  # the file's name is cut first
        sys.stderr.flush()

    def speed(self) -> float:
        return self._done / max(time.monotonic() - self._start, 1e-9)

    def clear(self) -> None:
        if self._on_terminal:
            sys.stderr.write("\r\033[K")
            sys.stderr.flush()


def _check_writable(path: str, read: Sequence[str]) -> None:
    """Before hours of scoring: whether a file can be written there that is none of those to read."""
    folder = os.path.dirname(path) or "."
    if os.path.isdir(path):
        raise ValueError(f"{path}: is a folder")
    if not os.path.isdir(folder):
        raise ValueError(f"{path}: there is no folder {folder}")
    if not os.access(folder, os.W_OK | os.X_OK):
        raise ValueError(f"{path}: cannot write to the folder {folder}")
    for name in read:
        if os.path.exists(path) and os.path.exists(name) and os.path.samefile(path, name):
            raise ValueError(f"{path}: would replace the file {name}, which is read")


def _write_npz(path: str, arrays: dict[str, Array]) -> None:
    content = io.BytesIO()
    np.savez(content, **arrays)
    write_whole(path, content.getvalue())


def _score_file(tagger: Tagger, file: files.JetFile, threads: int, progress: Progress) -> Array:
    parts = []
    for begin in range(0, file.count, JETS_AT_A_TIME):
        try:
            jets = file.read(begin, min(begin + JETS_AT_A_TIME, file.count))
            parts.append(tagger._score(jets, threads, lambda count: progress.add(count, file.path)))
        except files.DAMAGED as error:
            raise file.fail(error, begin) from None
    return np.concatenate(parts)


def _joined(jet_files: Sequence[files.JetFile], name: str, missing: int | None) -> Array | None:
    """The arrays of all files end to end; None if no file has it."""
    found = [getattr(file, name) for file in jet_files]
    if all(values is None for values in found):
        return None
    if missing is None and any(values is None for values in found):
        have = next(file.path for file in jet_files if getattr(file, name) is not None)
        lacks = next(file.path for file in jet_files if getattr(file, name) is None)
        raise ValueError(f"{have} has the array '{name}', {lacks} has none")
    pairs = zip(jet_files, found, strict=True)
    return np.concatenate([np.full(file.count, missing) if values is None else values for file, values in pairs])


def score(words: argparse.Namespace) -> None:
    _check_writable(words.out, [*words.files, words.model])
    tagger = Tagger(words.model)
    jet_files = [files.open_jets(path, tagger.inputs) for path in words.files]
    arrays = {}
    for name, missing in (("label", -1), ("weight", None), ("id", None)):
        values = _joined(jet_files, name, missing)
        if values is not None:
            arrays[name] = values
    progress = Progress(sum(file.count for file in jet_files))
    try:
        probability = [_score_file(tagger, file, words.threads, progress) for file in jet_files]
    finally:
        progress.clear()
    speed = progress.speed()
    arrays["probability"] = np.concatenate(probability)
    _write_npz(words.out, arrays)
    print(f"{words.out}: {len(arrays['probability'])} jets ({speed:.0f} jets/s)")


def info(words: argparse.Namespace) -> None:
    tagger = Tagger(words.model)
    inputs = tagger.inputs
    takes = {"nothing": "four-momenta", "pdgid": "four-momenta and PDG ids"}
    lines: list[tuple[str, Any]] = [
        ("task", inputs.task),
        ("takes", takes.get(inputs.constituents, f"four-momenta and {inputs.scalars} scalars a particle")),
        ("classes", inputs.classes),
        ("numbers", sum(array.size for array in tagger.arrays.values())),
        ("SHA-256", tagger.fingerprint),
        ("computed with", tagger.instruction_set),
    ]
    described = tagger.metadata
    tests = described.pop("tests", [])
    lines.append(("test jets", len(tests)))
    lines += sorted((name, value) for name, value in described.items() if name != "task")
    print(words.model)
    for name, value in lines:
        print(f"  {name:<20}{value if isinstance(value, str) else json.dumps(value)}")


def export_onnx(words: argparse.Namespace) -> None:
    _check_writable(words.onnx, [words.model])
    tagger = Tagger(words.model)
    try:
        from lorentznet import onnx
    except ImportError as error:
        raise ValueError(files.one_line(error)) from None
    onnx.export(tagger, words.onnx, float32=words.float)
    print(words.onnx)


def _positive(text: str) -> int:
    if not text.isascii() or not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a positive integer")
    return int(text)


def _parser() -> Parser:
    parser = Parser(prog=NAME, description="Scores jets with LorentzNet.", allow_abbrev=False)
    parser.add_argument("--version", action="version", version=__version__)
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    def add(name: str, function: Callable[[argparse.Namespace], None], text: str) -> argparse.ArgumentParser:
        command = commands.add_parser(name, help=text, description=text, allow_abbrev=False)
        command.set_defaults(function=function)
        return command

    command = add("score", score, "score files of jets, as top_tagging and qg_tagging --test_data read them")
    command.add_argument("files", nargs="+", metavar="FILE")
    command.add_argument("--model", required=True, metavar="CHECKPOINT", help="best-val-model.pt")
    command.add_argument(
        "--out", required=True, metavar="FILE", help="an .npz file: probability [N, K]; label, weight, id"
    )
    command.add_argument(
        "--threads", type=_positive, default=1, metavar="T", help="scores do not depend on it; default: 1"
    )
    command = add("info", info, "show what a checkpoint computes")
    command.add_argument("model", metavar="CHECKPOINT")
    command = add("export-onnx", export_onnx, "write a network as an ONNX model (docs/onnx.md)")
    command.add_argument("model", metavar="CHECKPOINT")
    command.add_argument("onnx", metavar="FILE")
    command.add_argument("--float", action="store_true", help="compute all of it in float, for programs without double")
    return parser


def _refuse(status: int, error: BaseException) -> int:
    print(f"{NAME}: {files.one_line(error)}", file=sys.stderr)
    return status


def main() -> int:
    words = _parser().parse_args()
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="surrogateescape")  # names of files may hold any bytes
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))  # removes what is half written
    try:
        words.function(words)
        sys.stdout.flush()
    except BrokenPipeError:  # `lorentznet info M | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except FileNotFoundError as error:
        return _refuse(INPUT_STATUS, ValueError(f"{error.filename}: there is no such file"))
    except ValueError as error:
        return _refuse(INPUT_STATUS, error)
    except (OSError, MemoryError) as error:
        return _refuse(OTHER_STATUS, error)
    except KeyboardInterrupt:
        return 128 + signal.SIGINT
    return 0
