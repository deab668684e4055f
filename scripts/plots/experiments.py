"""The files that the programs write into the folder of an experiment."""

from dataclasses import dataclass, field
import json
from functools import cached_property
from pathlib import Path

from . import origin, scores
from .errors import PlotError

CLASSES = {"top": ("QCD jets", "top jets"), "qg": ("gluon jets", "quark jets"),
           "": ("background", "signal")}  # fmt: skip
TITLES = {"top": "top tagging", "qg": "quark/gluon tagging", "": "jet tagging"}


def read_json(file: Path) -> dict:
    try:
        value = json.loads(file.read_text())
    except json.JSONDecodeError as error:
        raise PlotError(f"{file}:{error.lineno}:{error.colno}: {error.msg}") from error
    except (OSError, ValueError) as error:
        raise PlotError(f"{file}: {error}") from error
    if not isinstance(value, dict):
        raise PlotError(f"{file}: not a JSON object")
    return value


@dataclass
class Experiment:
    """One run; files missing in its folder are None or empty."""

    label: str
    folder: Path
    args: dict | None = None
    training: dict | None = None
    test: dict | None = None
    boosts: list[dict] = field(default_factory=list)  # in order of beta
    equivariance: dict | None = None
    provenance: dict | None = None  # of the training
    left_out: list[str] = field(default_factory=list)  # files of other jets or another network

    @property
    def task(self) -> str:
        """"top" or "qg", or "" if args.json does not tell."""
        args = self.args or {}
        folder = Path(args.get("datadir") or "").name
        return "qg" if "num_data" in args else folder if folder in CLASSES else ""

    @cached_property
    def scores(self) -> scores.Scores | scores.ClassScores | None:
        """With the uncertainties of test-uncertainty.json, if the test has written them."""
        file, uncertainty = self.folder / "score.npy", self.folder / "test-uncertainty.json"
        if not file.exists() or file.name in self.left_out:
            return None
        found = scores.read_scores(file)
        if uncertainty.exists() and uncertainty.name not in self.left_out:
            scores.set_intervals(found, read_json(uncertainty), uncertainty)
        return found


def read_experiment(label: str, folder: Path, trained: Path | None = None) -> Experiment:
    """`trained`: the folder of the training, where it is not that of the results (test mode with --out)."""
    if not folder.is_dir():
        raise PlotError(f"{folder}: no such folder")

    def optional(name, place=folder):
        return read_json(place / name) if (place / name).exists() else None

    boosts = sorted(file.name for file in folder.glob("boost-*.json"))
    names = ("test-result.json", "test-uncertainty.json", "equivariance.json", *boosts)
    results = {name: content for name in names if (content := optional(name)) is not None}
    for name in boosts:
        if not {"beta", "acc", "loss"} <= results[name].keys():
            raise PlotError(f"{folder / name}: expected beta, acc and loss")
    left_out = origin.stale(results, folder, (trained or folder) / "best-val-model.pt")
    current = {name: content for name, content in results.items() if name not in left_out}
    found = Experiment(label, folder, optional("args.json", trained or folder),
                       optional("train-result.json", trained or folder),
                       current.get("test-result.json"),
                       sorted((current[name] for name in boosts if name in current), key=lambda boost: boost["beta"]),
                       current.get("equivariance.json"),
                       optional("train-provenance.json", trained or folder), left_out)  # fmt: skip
    if not (found.training or boosts or (folder / "score.npy").exists()):
        raise PlotError(f"{folder}: no experiment here (no train-result.json, score.npy or boost-*.json)")
    return found


def label_and_path(text: str) -> tuple[str, Path]:
    """'LABEL=PATH', or 'PATH', whose last part is then the label."""
    label, equals, path = text.partition("=")
    if equals and "/" not in label:
        return label, Path(path)
    return Path(text).resolve().name, Path(text)


def by_label(experiments: list[Experiment]) -> dict[str, list[Experiment]]:
    """Experiments with the same label are runs of one model."""
    groups: dict[str, list[Experiment]] = {}
    for experiment in experiments:
        groups.setdefault(experiment.label, []).append(experiment)
    return groups


def warnings(experiments: list[Experiment]) -> list[str]:
    """A line for each experiment with results that are left out, and one if they were tested on different jets."""
    lines = [f"{run.folder}: left out {', '.join(run.left_out)}: of other jets or another network than the rest"
             for run in experiments if run.left_out]  # fmt: skip
    tested = [(run.folder, run.test["of"].get("data")) for run in experiments if run.test and origin.of(run.test)]
    other = next((folder for folder, data in tested if data != tested[0][1]), None)
    if other is not None:
        lines.append(f"{tested[0][0]} and {other} were tested on different jets")
    return lines
