"""All pictures of the experiments given, and their table."""

from dataclasses import dataclass, field
from pathlib import Path
import re

from . import distributions, equivariance, roc, style, table, training
from .errors import PlotError
from .experiments import CLASSES, TITLES, Experiment, by_label
from .files import write_whole
from .scores import ClassScores, Scores


@dataclass
class Pictures:
    """The files of each picture by its name, and the rows of the table."""

    files: dict[str, list[Path]] = field(default_factory=dict)
    rows: list[list[str]] = field(default_factory=list)


def file_name(label: str) -> str:
    return re.sub(r"[^A-Za-z0-9_.-]+", "-", label)


def task_of(experiments: list[Experiment]) -> str:
    tasks = {run.task for run in experiments}
    if {"top", "qg"} <= tasks:
        names = [next(run.folder for run in experiments if run.task == task) for task in ("top", "qg")]
        raise PlotError(f"{names[0]} is top tagging, {names[1]} quark/gluon tagging: they cannot share a picture")
    return max(tasks)  # "" if none tells


def taggers_of(groups: dict[str, list[Experiment]], others: dict[str, Scores]) -> dict[str, list[Scores]]:
    """{label: scores of its runs}, with `others` last."""
    taggers = {label: [run.scores for run in runs if run.scores] for label, runs in groups.items()}
    taggers = {label: runs for label, runs in taggers.items() if runs}
    for label, scores in others.items():
        if label in taggers:
            raise PlotError(f"--tagger {label}: an experiment already has this name")
        taggers[label] = [scores]
    return taggers


def curves_of(taggers: dict[str, list]) -> dict[str, list[Scores]]:
    """With the K classes of a tagger as K entries, each against all others."""
    curves = {}
    for label, runs in taggers.items():
        if isinstance(runs[0], Scores):
            curves[label] = runs
            continue
        for k in range(len(runs[0].of_class)):
            of_class = [run.of_class[k] for run in runs]
            if all(of_class):
                curves[f"{label}, class {k}" if len(taggers) > 1 else f"class {k} against all others"] = of_class
    return curves


def check_classes(taggers: dict[str, list]):
    for label, runs in taggers.items():
        numbers = {len(run.of_class) if isinstance(run, ClassScores) else 2 for run in runs}
        if len(numbers) > 1:
            raise PlotError(f"{label}: its runs have {' and '.join(map(str, sorted(numbers)))} classes")


def draw_all(experiments: list[Experiment], others: dict[str, Scores], folder: Path) -> Pictures:
    """Draws each picture for which an experiment has the data."""
    style.use()
    task = task_of(experiments)
    title, groups, made = TITLES[task].capitalize(), by_label(experiments), Pictures()

    def add(name, figure):
        if figure is not None:
            made.files[name] = style.save(figure, folder, name)

    trained = {label: [run for run in runs if run.training and run.training.get("epochs")]
               for label, runs in groups.items()}  # fmt: skip
    trained = {label: runs for label, runs in trained.items() if runs}
    if trained:
        add("training", training.draw(trained, title))
    taggers = taggers_of(groups, others)
    if taggers:
        check_classes(taggers)
        made.rows = table.rows(taggers)
        add("roc", roc.draw(curves_of(taggers), title))
        write_whole(folder / "table.txt", table.text(made.rows).encode())
    for label in groups.keys() & taggers.keys():
        name = "scores" if len(groups) == 1 else f"scores-{file_name(label)}"
        about = title if len(groups) == 1 else f"{title}: {label}"
        scores = taggers[label][0]
        if isinstance(scores, Scores):
            add(name, distributions.draw(scores, CLASSES[task], about))
            continue
        for k, of_class in enumerate(scores.of_class):
            if of_class:
                names = ("all other jets", f"class {k}")
                add(f"{name}-class-{k}", distributions.draw(of_class, names, about, f"$p_{k}$"))
    add("equivariance", equivariance.draw_accuracy(groups, title))
    for label, runs in groups.items():
        studied = next((run for run in runs if run.equivariance), None)
        if studied:
            name = "symmetry" if len(groups) == 1 else f"symmetry-{file_name(label)}"
            about = f"{title}: {label}, {studied.equivariance['jets']:,} jets"
            add(name, equivariance.draw_study(studied.equivariance, about))
    return made
