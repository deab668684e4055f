"""Loss, accuracy and learning rate against the epoch."""

import numpy as np

from . import style
from .errors import PlotError
from .experiments import Experiment

KEYS = ("epochs", "lr", "train_loss", "val_loss", "train_acc", "val_acc")


def columns(run: Experiment) -> dict[str, np.ndarray]:
    """The lists of train-result.json, all of the same length."""
    missing = [key for key in KEYS if not isinstance(run.training.get(key), list)]
    if missing:
        raise PlotError(f"{run.folder / 'train-result.json'}: no list '{missing[0]}'")
    lists = {key: np.array(run.training[key], dtype=float) for key in KEYS}
    if len({len(values) for values in lists.values()}) != 1:
        raise PlotError(f"{run.folder / 'train-result.json'}: lists of different lengths")
    return lists


def draw_runs(axes, runs, key: str, label: str, look: dict):
    """The mean over the runs with their standard deviation as a band, for the epochs that all runs have."""
    length = min(len(run["epochs"]) for run in runs)
    values = np.array([run[key][:length] for run in runs])
    epochs, mean = runs[0]["epochs"][:length] + 1, values.mean(axis=0)
    axes.plot(epochs, mean, label=label, **({"marker": "o"} if length < 3 else {}) | look)
    if len(runs) > 1:
        deviation = values.std(axis=0, ddof=1)
        axes.fill_between(epochs, mean - deviation, mean + deviation, color=look["color"], alpha=0.25, lw=0)


def mark_best(axes, run: Experiment, values, colour: str, of: str):
    best = int(np.flatnonzero(values["epochs"] == run.training["best_epoch"])[0])
    axes.plot(values["epochs"][best] + 1, values["val_acc"][best], marker="*", markersize=18, color=colour,
              markeredgecolor="black", linestyle="none", label=f"best epoch{of}: {values['epochs'][best] + 1:.0f}")  # fmt: skip


def draw(groups: dict[str, list[Experiment]], title: str):
    figure, (loss, accuracy, rate) = style.figure(
        11, nrows=3, sharex=True, gridspec_kw={"height_ratios": (3, 3, 1.4)})  # fmt: skip
    for number, (label, experiments) in enumerate(groups.items()):
        runs = [columns(run) for run in experiments]
        colour, prefix = style.COLOURS[number % len(style.COLOURS)], f"{label}, " if len(groups) > 1 else ""
        look = {"color": colour, "marker": "o^sDv"[number % 5] if len(groups) > 1 else None, "markersize": 5}
        for axes, kind in ((loss, "loss"), (accuracy, "acc")):
            draw_runs(axes, runs, f"val_{kind}", f"{prefix}validation", look | {"linewidth": 2.6})
            draw_runs(axes, runs, f"train_{kind}", f"{prefix}training",
                      look | {"linewidth": 1.8, "linestyle": (0, (4, 2)), "alpha": 0.8})  # fmt: skip
        if len(experiments) == 1:
            mark_best(accuracy, experiments[0], runs[0], colour, f" of {label}" if prefix else "")
        draw_runs(rate, runs, "lr", label, style.line(number) | {"linewidth": 2})
    loss.set_ylabel("Loss")
    accuracy.set_ylabel("Accuracy")
    rate.set(ylabel="Learning rate", xlabel="Epoch", yscale="log")
    style.whole_decades(rate)
    style.whole_numbers(rate.xaxis)
    for axes in (loss, accuracy, rate):
        axes.grid(color="0.88", linewidth=0.8)
        axes.yaxis.set_label_coords(-0.11, 1)
    loss.legend(ncols=2 if len(groups) > 2 else 1, loc="upper right")
    stars = [line for line in accuracy.get_lines() if line.get_marker() == "*"]
    if stars:
        accuracy.legend(handles=stars, loc="lower right")
    style.title(loss, title)
    return figure
