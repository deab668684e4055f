"""How a boost of all jets changes the scores of a network."""

import matplotlib.lines
import numpy as np

from . import style
from .experiments import Experiment

# The variants in equivariance.json: the colour shows the precision, dashes the clamp.
PRECISIONS = {"float": "#3f90da", "mixed": "#e76300", "double": "#832db6"}
NAMES = {"float": "all in float", "mixed": "coordinates in double, network in float", "double": "all in double"}


def draw_accuracy(groups: dict[str, list[Experiment]], title: str):
    """Accuracy against beta; None if no experiment has boosted jets."""
    with_boosts = {label: [run for run in runs if run.boosts] for label, runs in groups.items()}
    with_boosts = {label: runs for label, runs in with_boosts.items() if runs}
    if not with_boosts:
        return None
    figure, axes = style.figure(6.5)
    values = []
    for number, (label, runs) in enumerate(with_boosts.items()):
        for place, run in enumerate(runs):
            beta = np.array([boost["beta"] for boost in run.boosts])
            accuracy = np.array([boost["acc"] for boost in run.boosts])
            values.extend(accuracy)
            axes.plot(beta, accuracy, marker="o^sDv"[number % 5], markersize=7 if len(beta) < 30 else 4,
                      label=label if place == 0 else None, **style.line(number))  # fmt: skip
    middle, half = np.mean((min(values), max(values))), max(np.ptp(values), 0.02)
    axes.set(xlabel=r"Boost velocity $\beta$", ylabel="Accuracy", ylim=(middle - 1.5 * half, middle + 1.5 * half))
    axes.set_xlim(min(0, axes.get_xlim()[0]), 1.0 if axes.get_xlim()[0] > -0.1 else None)
    axes.grid(color="0.88", linewidth=0.8)
    axes.legend(loc="best")
    style.title(axes, title)
    return figure


def shift_of(frame: dict, variant: str) -> float:
    """No point where the scores do not move at all: the axis is logarithmic."""
    return frame["variants"][variant]["rms_shift"] or np.nan


def draw_study(study: dict, title: str):
    """equivariance.json: shift of the scores and clamped fraction against gamma."""
    frames = [frame for frame in study["frames"] if frame["gamma"] > 1]
    gamma = np.array([frame["gamma"] for frame in frames])
    figure, (shifts, clamped) = style.figure(
        10, nrows=2, sharex=True, gridspec_kw={"height_ratios": (3, 1)})  # fmt: skip
    for (precision, colour), width in zip(PRECISIONS.items(), (6, 4, 2), strict=True):  # lines may coincide
        for clamp, dashes, marker in (("clamp", "-", "o"), ("no clamp", (0, (4, 2)), "s")):
            values = [shift_of(frame, f"{precision}, {clamp}") for frame in frames]
            shifts.plot(gamma, values, color=colour, linestyle=dashes, marker=marker, markersize=6 + width,
                        linewidth=width if clamp == "clamp" else 2,
                        markerfacecolor=colour if clamp == "clamp" else "white")  # fmt: skip
    fraction = [frame["variants"]["double, clamp"]["clamped"] for frame in frames]
    clamped.plot(gamma, 100 * np.array(fraction), color=PRECISIONS["double"], marker="o", markersize=8)
    shifts.set(xscale="log", yscale="log", ylabel=r"RMS shift of the score $p_1$")
    low, high = shifts.get_ylim()
    shifts.set_ylim(low, high * (high / low) ** 0.45)
    clamped.set(xlabel=r"Lorentz factor $\gamma = (1-\beta^2)^{-1/2}$", ylabel="Clamped [%]")
    clamped.set_ylim(0, max(1e-3, 130 * max(fraction)))
    legend(shifts)
    for axes in (shifts, clamped):
        axes.grid(color="0.88", linewidth=0.8)
        axes.yaxis.set_label_coords(-0.12, 1)
    style.title(shifts, title)
    return figure


def legend(axes):
    line = matplotlib.lines.Line2D
    handles = [line([], [], color=colour, linewidth=4, label=NAMES[name]) for name, colour in PRECISIONS.items()]
    handles += [line([], [], color="black", marker="o", label="translations clamped, as published"),
                line([], [], color="black", marker="s", linestyle=(0, (4, 2)), markerfacecolor="white",
                     label="not clamped")]  # fmt: skip
    axes.legend(handles=handles, loc="upper left", fontsize=15)
