"""The distribution of scores in each class."""

import numpy as np

from . import style
from .scores import Scores

BINS = np.linspace(0, 1, 41)


def article(jets: str) -> str:
    """"a top jet" of "top jets"; a class is one already."""
    return f"a {jets.removesuffix('s')}" if jets.endswith("jets") or jets == "signal" else jets


def draw(scores: Scores, classes: tuple[str, str], title: str, score: str = "$p_1$"):
    """classes: the names of background and signal; None if the scores are not probabilities"""
    if not ((scores.score >= 0) & (scores.score <= 1)).all():
        return None
    figure, axes = style.figure(7)
    width = BINS[1] - BINS[0]
    looks = ({"color": style.BACKGROUND, "hatch": None, "alpha": 0.35, "linestyle": "-"},
             {"color": style.SIGNAL, "hatch": "///", "alpha": 1, "linestyle": (0, (5, 1))})  # fmt: skip
    for label, (name, look) in enumerate(zip(classes, looks)):
        chosen = scores.label == bool(label)
        units = scores.units(None)[chosen]
        counts, _ = np.histogram(scores.score[chosen], BINS, weights=units)
        density = counts / units.sum() / width
        if look["hatch"]:
            axes.stairs(density, BINS, hatch=look["hatch"], edgecolor=look["color"], fill=False, linewidth=0)
        else:
            axes.stairs(density, BINS, fill=True, color=look["color"], alpha=look["alpha"])
        axes.stairs(density, BINS, color=look["color"], linewidth=2.4, linestyle=look["linestyle"],
                    label=f"{name} ({chosen.sum():,}{', weighted' if scores.weight is not None else ''})")  # fmt: skip
    axes.set(yscale="log", xlim=(0, 1), ylabel="Probability density",
             xlabel=f"Score {score}: probability of {article(classes[1])}")  # fmt: skip
    low, high = axes.get_ylim()
    axes.set_ylim(low, high * (high / low) ** 0.25)
    axes.legend(loc="upper center", ncols=2)
    style.title(axes, title)
    return figure
