"""One HTML file that tells all of a run: how it was made, what it found, and the pictures."""

import base64
from html import escape
import os
from pathlib import Path
import platform
import re

from . import pictures, table
from .errors import PlotError
from .experiments import TITLES, Experiment, read_experiment

# LorentzNet's own figures, arXiv:2201.08187, tables 1 and 2: accuracy, AUC, 1/eB(.5), 1/eB(.3).
PUBLISHED = {"top": ("0.942", "0.9868", "498 ± 18", "2195 ± 173"),
             "qg": ("0.844", "0.9156", "42.4 ± 0.4", "110.2 ± 1.3")}  # fmt: skip
CAPTIONS = {
    "training": "Loss, accuracy and learning rate of each epoch. The star marks the epoch that was tested.",
    "roc": "Background rejection against signal efficiency, on the test jets.",
    "scores": "Scores of the test jets by class.",
    "equivariance": "Accuracy with all jets boosted. An equivariant network's is flat.",
    "symmetry": "What a boost moves: rounding (float against double) and the clamp of translations "
                "(full against dashed lines), each against its own scores at rest.",
}  # fmt: skip
STYLE = """
body { font: 16px/1.5 sans-serif; max-width: 66em; margin: 2em auto; padding: 0 1em; color: #222; }
table { border-collapse: collapse; margin: 1em 0; }
th, td { padding: .25em .8em; text-align: left; border-bottom: 1px solid #ddd; }
td.number { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
figure { margin: 2em 0; } figure img { max-width: 42em; width: 100%; }
figcaption, .note { color: #555; } code { background: #f3f3f3; padding: 0 .2em; }
"""
LOGGED = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d  (.*)")
OF_DATA = re.compile(r" (train|valid|val|test) samples: (\d+)")


def cpu() -> str:
    """The processor's name."""
    try:
        names = re.findall(r"(?m)^model name\s*: (.*)$", Path("/proc/cpuinfo").read_text())
    except OSError:
        names = []
    return names[0] if names else platform.processor() or platform.machine()


def logged_lines(folder: Path) -> list[str]:
    """The lines of the last run in run.log: those from its version line on."""
    if not (folder / "run.log").exists():
        return []
    lines = [match[1] for match in map(LOGGED.fullmatch, (folder / "run.log").read_text().splitlines()) if match]
    starts = [number for number, line in enumerate(lines) if ", LibTorch " in line]
    return lines[starts[-1] if starts else 0 :]


def environment(lines: list[str]) -> list[tuple[str, str]]:
    rows = [("Machine", f"{cpu()}, {os.cpu_count()} cores; {platform.system()} {platform.release()}")]
    program = [line for line in lines if ", LibTorch " in line]
    if program:
        rows.insert(0, ("Program", program[0]))
    rows += [tuple(line.split(": ", 1)) for line in lines if line.startswith(("Kernel: ", "Processes: "))]
    return rows


def data(experiment: Experiment, lines: list[str]) -> list[tuple[str, str]]:
    rows = [("Folder", str((experiment.args or {}).get("datadir", "unknown")))]
    for split, count in (match.groups() for match in map(OF_DATA.fullmatch, lines) if match):
        rows.append((f"{split.capitalize()} jets", f"{int(count):,}"))
    rows += [tuple(line.split(": ", 1)) for line in lines if line.startswith("n_nodes: ")]
    if experiment.scores:
        scores = experiment.scores
        rows.append(("Tested", f"{len(scores):,} jets, {scores.num_background:,} of them background"))
    return rows


def html_table(rows, header=None, ids=None) -> str:
    """ids: of the cells behind the first of the first row, for who reads the file by program."""
    parts = ["<table>"]
    if header:
        parts.append("<tr>" + "".join(f"<th>{escape(str(cell))}</th>" for cell in header) + "</tr>")
    for number, (name, *cells) in enumerate(rows):
        marks = [f' id="{ids[k]}"' if ids and number == 0 else "" for k in range(len(cells))]
        parts.append(f"<tr><td>{escape(str(name))}</td>"
                     + "".join(f'<td class="number"{mark}>{escape(str(cell))}</td>' if header else
                               f"<td>{escape(str(cell))}</td>" for mark, cell in zip(marks, cells))
                     + "</tr>")  # fmt: skip
    return "\n".join([*parts, "</table>"])


def results(experiment: Experiment, made: pictures.Pictures) -> str:
    if not made.rows:
        return "<p>No test has been made.</p>"
    _, jets, *cells = made.rows[0]
    rows = [("this run", jets, *cells)]
    if experiment.task in PUBLISHED:
        rows.append(("published (arXiv:2201.08187)", "", *PUBLISHED[experiment.task]))
    ids = ("jets", "accuracy", "auc", "rejection-50", "rejection-30")
    note = ('<p class="note">± and +/−: the central 68 % of a bootstrap over the test jets. The published figures '
            "are of the public test sets, with the deviation over several trainings: only a test on the same jets "
            "compares.</p>")  # fmt: skip
    test = experiment.test or {}
    loss = f'<p>Test loss: <span id="loss">{test["test_loss"]:.4f}</span></p>' if "test_loss" in test else ""
    return html_table(rows, ("", "jets", *table.COLUMNS[2:]), ids) + note + loss


def figure(name: str, file: Path) -> str:
    image = base64.b64encode(file.read_bytes()).decode()
    caption = escape(CAPTIONS[name])
    return (f'<figure><img id="{name}" alt="{caption}" src="data:image/png;base64,{image}">'
            f"<figcaption>{caption}</figcaption></figure>")  # fmt: skip


def write(folder: Path) -> Path:
    """report.html of an experiment's folder, with the pictures in plots/ beside it."""
    folder = folder.resolve()
    experiment = read_experiment(folder.name, folder)
    if experiment.training is None and not (folder / "score.npy").exists():
        raise PlotError(f"{folder}: neither train-result.json nor score.npy")
    made = pictures.draw_all([experiment], {}, folder / "plots")
    lines = logged_lines(folder)
    title = f"{folder.name}: {TITLES[experiment.task]} with LorentzNet"
    sections = [("Results", results(experiment, made)),
                ("Pictures", "\n".join(figure(name, files[0]) for name, files in made.files.items())),
                ("Data", html_table(data(experiment, lines))),
                ("Environment", html_table(environment(lines))),
                ("Arguments", html_table((experiment.args or {}).items()))]  # fmt: skip
    body = "\n".join(f"<h2>{name}</h2>\n{content}" for name, content in sections)
    text = (f'<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>'
            f"<style>{STYLE}</style></head>\n<body><h1>{escape(title)}</h1>\n{body}\n</body></html>\n")  # fmt: skip
    pictures.write_text(folder / "report.html", text)
    return folder / "report.html"
