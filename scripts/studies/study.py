"""A study: networks that are trained, tested on the same jets, and compared. All of it is below one folder, OUT:
trainings/NAME and tests/NAME as the programs write them, logs/NAME.log, and done/NAME.json, which says what is done."""

import argparse
import functools
import hashlib
import json
import re
import shlex
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import prepared
from plots import experiments, scores
from plots.errors import PlotError
from plots.files import write_whole

from . import steps

PROJECT = Path(__file__).resolve().parents[2]
# What a study sets itself.
OWN_FLAGS = ("exp_name", "logdir", "datadir", "seed", "test_mode", "test_data", "resume", "overwrite", "out", "device",
             "download", "boost")  # fmt: skip


@dataclass(frozen=True)
class Training:
    name: str
    datadir: Path
    flags: tuple[str, ...]
    jets: int | None = None  # that it must train on


@dataclass(frozen=True)
class Network:
    """To be tested: a folder with best-val-model.pt."""

    name: str
    folder: Path


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--task", choices=("top", "qg"), default="top", help="default: top")
    parser.add_argument("--test_data", nargs="+", type=Path, required=True, metavar="FILE",
                        help="fresh jets, on which every network is tested")  # fmt: skip
    parser.add_argument("--out", type=Path, required=True, metavar="DIR",
                        help="folder of the study; the same command goes on with what is there")  # fmt: skip
    parser.add_argument("--bin", type=Path, default=PROJECT / "build" / "release" / "bin", metavar="DIR",
                        help="folder of the programs (default: build/release/bin)")  # fmt: skip
    parser.add_argument("--device", default="", help="cpu, cuda or cuda:K (default: as the programs choose)")
    parser.add_argument("--jobs", type=positive, default=1, metavar="J",
                        help="trainings and tests at a time; more than one with a thread each (default: 1)")  # fmt: skip


def add_training_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--datadir", type=Path, required=True, metavar="DIR", help="jets to train on")
    parser.add_argument("--seeds", nargs="+", type=int, default=[99], metavar="SEED", help="default: 99")


def positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text} is not a positive integer")
    return number


def parse(parser: argparse.ArgumentParser, *own_flags: str) -> tuple[argparse.Namespace, tuple[str, ...]]:
    """The options, and the flags that go to each training. own_flags: more of those that the study sets."""
    args, flags = parser.parse_known_args()
    for word in flags:
        if word.startswith("--") and word[2:].split("=")[0] in (*OWN_FLAGS, *own_flags):
            parser.error(f"{word}: the study sets this flag itself")
    return args, tuple(flags)


def need_matplotlib() -> None:
    """For the picture, when all else is done: a machine for trainings need not have it."""
    prepared.need("matplotlib", "mplhep",
                  install="`scripts/setup.sh --plots` installs it, and the same command then draws the picture")  # fmt: skip


@functools.cache
def sha256(file: Path) -> str:
    with open(file, "rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


class Study:
    def __init__(self, args: argparse.Namespace):
        self.task, self.out, self.jobs = args.task, args.out, args.jobs
        self.test_data, self.bin = args.test_data, args.bin
        self.device = ("--device", args.device) if args.device else ()
        for file in (self.program, *self.test_data):
            if not file.exists():
                raise PlotError(f"{file}: there is no such file")
        for folder in ("done", "trainings", "tests"):
            (self.out / folder).mkdir(parents=True, exist_ok=True)

    @property
    def program(self) -> Path:
        return self.bin / f"{self.task}_tagging"

    def log(self, name: str) -> Path:
        return self.out / "logs" / f"{name}.log"

    def note(self, name: str) -> dict:
        file = self.out / "done" / f"{name}.json"
        return experiments.read_json(file) if file.exists() else {}

    def add_note(self, name: str, **what) -> None:
        write_whole(self.out / "done" / f"{name}.json", (json.dumps(self.note(name) | what, indent=2) + "\n").encode())

    def trained(self, training: Training) -> Network:
        return Network(training.name, self.out / "trainings" / training.name)

    def train(self, trainings: list[Training]) -> list[str]:
        """Trains what has not been trained, and goes on with what was interrupted. A line for each failure."""
        pending = [training for training in trainings if not self._check_flags(training)]
        return steps.run_all([self._training_step(training) for training in pending], self.jobs)

    def _check_flags(self, training: Training) -> bool:
        """Whether it is finished. PlotError if what is there was trained in another way."""
        datadir = training.datadir
        if datadir.is_relative_to(self.out):  # OUT may be moved, to and from another machine
            datadir = datadir.relative_to(self.out)
        words = [str(datadir), *training.flags]
        note = self.note(training.name)
        if note.get("training", words) != words:
            raise PlotError(f"{self.out / 'trainings' / training.name}: trained with {shlex.join(note['training'])}, "
                            f"not with {shlex.join(words)}: name another --out")  # fmt: skip
        self.add_note(training.name, training=words)
        return note.get("trained", False)

    def _training_step(self, training: Training) -> steps.Step:
        logs = self.out / "trainings"
        resume = ["--resume"] if (logs / training.name / "args.json").exists() else []
        command = [self.program, "--exp_name", training.name, "--logdir", logs, "--datadir", training.datadir,
                   *self.device, *training.flags, *resume]  # fmt: skip

        def finish() -> str:
            wrong = self._wrong_jets(training)
            if not wrong:
                self.add_note(training.name, trained=True)
            return wrong

        how = "continues" if resume else "starts"
        return steps.Step(f"{training.name}: training {how}", list(map(str, command)), self.log(training.name), finish)

    def _wrong_jets(self, training: Training) -> str:
        used = re.findall(r"^ train samples: (\d+)$", self.log(training.name).read_text(errors="replace"), re.MULTILINE)
        if training.jets is not None and used and int(used[-1]) != training.jets:
            return f"the training used {used[-1]} jets instead of {training.jets}: {training.datadir} has too few"
        return ""

    def test(self, networks: list[Network], flags: tuple[str, ...] = ()) -> list[str]:
        """Tests what has not been tested with these flags, on these jets, with these weights."""
        pending = []
        for network in networks:
            files = [network.folder / "best-val-model.pt", *self.test_data]
            if not files[0].exists():
                raise PlotError(f"{files[0]}: there is no such file")
            key = [*map(sha256, files), *flags]
            if self.note(network.name).get("tested") != key:
                pending.append(self._test_step(network, flags, key))
        return steps.run_all(pending, self.jobs)

    def test_command(self, network: Network, out: Path, *flags) -> list[str]:
        return list(map(str, [self.program, "--test_mode", "--exp_name", network.folder.name, "--logdir",
                              network.folder.parent, "--out", out, *flags]))  # fmt: skip

    def _test_step(self, network: Network, flags: tuple[str, ...], key: list) -> steps.Step:
        command = self.test_command(network, self.out / "tests" / network.name, *self.device, *flags, "--test_data",
                                    *self.test_data)  # fmt: skip

        def finish() -> str:
            self.add_note(network.name, tested=key)
            return ""

        return steps.Step(f"{network.name}: test", command, self.log(f"{network.name}-test"), finish)

    def result(self, network: Network) -> experiments.Experiment:
        return experiments.read_experiment(network.name, self.out / "tests" / network.name, network.folder)

    def scores(self, network: Network) -> scores.Scores:
        found = self.result(network).scores
        if not isinstance(found, scores.Scores):
            raise PlotError(f"{self.out / 'tests' / network.name}: no scores of two classes")
        return found

    def parameters(self, network: Network) -> int:
        """As the program counts them."""
        log = self.out / "tests" / network.name / "run.log"
        found = re.findall(r"Network Size: (\d+)$", log.read_text() if log.exists() else "", re.MULTILINE)
        if not found:
            raise PlotError(f"{log}: no line 'Network Size'")
        return int(found[-1])

    def count_jets(self, file: Path) -> int:
        result = subprocess.run([self.bin / "jets", "info", "--json", file], capture_output=True, text=True)
        if result.returncode not in (0, 2) or not result.stdout:
            raise PlotError(f"{file}: {steps.last_of(result.stderr)}")
        return json.loads(result.stdout)[0]["jets"]

    def record(self, **what) -> None:
        """study.json: how the tables were made, and their numbers."""
        files = [{"file": str(file), "sha256": sha256(file)} for file in self.test_data]
        head = {"command": shlex.join(sys.argv), "task": self.task, "test_data": files}
        write_whole(self.out / "study.json", (json.dumps(head | what, indent=2) + "\n").encode())


def run_summary(study: Study, network: Network) -> dict:
    """Figures of one network with the ends of their central 68 %, and how it was trained."""
    found = study.scores(network)
    values = {name: number(value) for name, value in zip(scores.FIGURES, found.figures(), strict=True)}
    ends = {name: [number(end) for end in pair] for name, pair in zip(scores.FIGURES, found.intervals, strict=True)}
    summary = {"name": network.name, "folder": str(network.folder), **values, "intervals": ends}
    record = study.result(network).training
    if record and record.get("train_time"):
        summary |= {"epochs": len(record["train_time"]), "best_epoch": record.get("best_epoch"),
                    "training_seconds": round(sum(record["train_time"]) + sum(record["val_time"]), 1)}  # fmt: skip
    return summary


def number(value: float) -> float | None:
    """JSON has no infinity."""
    return float(value) if abs(value) < float("inf") else None


def run(main) -> int:
    """The exit status of a study: 2 for unusable input, 1 if a training or test failed."""
    try:
        return main()
    except steps.Stopped as stopped:
        print(stopped, file=sys.stderr)
        return stopped.status
    except (PlotError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
