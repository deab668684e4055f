"""Background rejection against signal efficiency."""

import numpy as np

from . import style
from .scores import Roc

GRID = np.linspace(0.01, 1, 397)
SHOWN_FROM = 0.1  # the axis range fits signal efficiencies above


def background_at(curve: Roc, signal_efficiency: np.ndarray) -> np.ndarray:
    """Background efficiency, interpolated linearly between the points of the curve."""
    # Of several points at one signal efficiency, take the one with the most background.
    last = np.append(np.diff(curve.signal_efficiency) > 0, True)
    return np.interp(signal_efficiency, curve.signal_efficiency[last],
                     curve.background_efficiency[last])  # fmt: skip


def mean_and_deviation(curves: list[Roc]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Signal efficiency, mean and standard deviation of 1/eB over runs, where background passes in all."""
    background = np.array([background_at(curve, GRID) for curve in curves])
    there = (background > 0).all(axis=0)
    rejection = 1 / background[:, there]
    return GRID[there], rejection.mean(axis=0), rejection.std(axis=0, ddof=1)


def draw_one(axes, curve: Roc, label: str, look: dict):
    shown = curve.background_efficiency > 0
    axes.plot(curve.signal_efficiency[shown], 1 / curve.background_efficiency[shown], label=label,
              **look)  # fmt: skip
    return 1 / curve.background_efficiency[shown & (curve.signal_efficiency >= SHOWN_FROM)].min()


def draw_runs(axes, curves: list[Roc], label: str, look: dict):
    efficiency, mean, deviation = mean_and_deviation(curves)
    axes.plot(efficiency, mean, label=f"{label} (mean of {len(curves)} runs)", **look)
    low = np.maximum(mean - deviation, 1)
    axes.fill_between(efficiency, low, mean + deviation, color=look["color"], alpha=0.25, lw=0)
    return (mean + deviation)[efficiency >= SHOWN_FROM].max()


def draw(taggers: dict[str, list], title: str):
    """taggers: {label: [Scores of each run]}"""
    figure, axes = style.figure()
    highest = 10.0
    for number, (label, runs) in enumerate(taggers.items()):
        look = style.line(number) | {"linewidth": 2.8 if number == 0 else 2.2}
        curves = [scores.roc() for scores in runs]
        label += ", weighted" if runs[0].weight is not None else ""
        draw_some = draw_one if len(curves) == 1 else draw_runs
        highest = max(highest, draw_some(axes, curves[0] if len(curves) == 1 else curves, label, look))
    guess = np.linspace(0.01, 1, 100)
    axes.plot(guess, 1 / guess, color="black", linewidth=1, linestyle=":", label="random guess")
    axes.set(yscale="log", xlim=(0, 1), ylim=(1, 10 * highest),
             xlabel=r"Signal efficiency $\varepsilon_S$",
             ylabel=r"Background rejection $1/\varepsilon_B$")  # fmt: skip
    axes.grid(which="major", color="0.85", linewidth=0.8)
    axes.set_axisbelow(True)
    axes.legend(loc="upper right", frameon=True, framealpha=0.9, edgecolor="none")
    style.title(axes, title)
    return figure
