"""The style of the pictures: mplhep's, with lines that differ in colour, brightness and dashes."""

import io
import logging
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt  # noqa: E402
import mplhep  # noqa: E402
import numpy as np  # noqa: E402
from matplotlib.ticker import MaxNLocator  # noqa: E402

from .files import make_folder, write_whole  # noqa: E402

# In order of brightness; colour-blind people can tell them apart (Petroff, arXiv:2107.02270).
COLOURS = ("#832db6", "#bd1f01", "#3f90da", "#717581", "#e76300", "#a96b59", "#b9ac70", "#92dadd", "#ffa90e")
DASHES = ("-", (0, (6, 1.5)), (0, (1.5, 1)), (0, (6, 1.5, 1.5, 1.5)), (0, (3, 3)),
          (0, (9, 1.5, 3, 1.5)), (0, (6, 1.5, 1.5, 1.5, 1.5, 1.5)), (0, (1, 3)), (0, (12, 2, 4, 2)))  # fmt: skip
SIGNAL, BACKGROUND = "#bd1f01", "#3f90da"
WIDTH = 9  # inches


def use():
    logging.getLogger("fontTools").setLevel(logging.ERROR)  # it warns about dates in font files
    plt.style.use(mplhep.style.ROOT)
    plt.rcParams.update({"font.size": 20, "legend.fontsize": 16, "axes.labelsize": 22,
                         "figure.dpi": 100, "savefig.dpi": 100, "pdf.fonttype": 42,
                         "figure.constrained_layout.use": True, "axes.formatter.use_mathtext": True})  # fmt: skip


def line(number: int) -> dict:
    return {"color": COLOURS[number % len(COLOURS)], "linestyle": DASHES[number % len(DASHES)]}


def figure(height: float = 8, **options):
    return plt.subplots(figsize=(WIDTH, height), **options)


def title(axes, text: str):
    axes.set_title(text, loc="left", fontsize=18, pad=8)


def whole_numbers(axis):
    axis.set_major_locator(MaxNLocator(integer=True, nbins=10))
    axis.set_minor_locator(matplotlib.ticker.NullLocator())


def whole_decades(axes):
    """A logarithmic y axis between powers of ten, the only values with labels."""
    low, high = np.log10(axes.get_ylim())
    axes.set_ylim(10 ** np.floor(low), 10 ** np.ceil(high))
    axes.yaxis.set_minor_formatter(matplotlib.ticker.NullFormatter())


def save(figure_, folder: Path, name: str) -> list[Path]:
    """Writes NAME.png and NAME.pdf, each completely or not at all."""
    make_folder(folder)
    files = []
    for suffix in ("png", "pdf"):
        file = folder / f"{name}.{suffix}"
        content = io.BytesIO()
        # Without dates, the same results give the same file.
        metadata = {"CreationDate": None} if suffix == "pdf" else {"Software": None}
        figure_.savefig(content, format=suffix, metadata=metadata)
        write_whole(file, content.getvalue())
        files.append(file)
        figure_.set_layout_engine("none")  # one layout for both
    plt.close(figure_)
    return files
