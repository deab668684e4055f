"""One HTML file about a run: results, pictures, data, environment and arguments."""

import base64
from html import escape
import os
from pathlib import Path
import platform
import re

from . import pictures, table
from .errors import PlotError
from .experiments import TITLES, Experiment, read_experiment, warnings
from .files import write_whole
from .scores import Scores

# The paper's results, arXiv:2201.08187, tables 1 and 2: accuracy, AUC, 1/eB(0.5), 1/eB(0.3).
PUBLISHED = {"top": ("0.942", "0.9868", "498 ± 18", "2195 ± 173"),
             "qg": ("0.844", "0.9156", "42.4 ± 0.4", "110.2 ± 1.3")}  # fmt: skip
CAPTIONS = {
    "training": "Loss, accuracy and learning rate per epoch. The star marks the epoch whose network was tested.",
    "roc": "Background rejection against signal efficiency for the test jets.",
    "scores": "Scores of the test jets in each class.",
    "equivariance": "Accuracy with all jets boosted. It is constant for a Lorentz-invariant network.",
    "symmetry": "How much a boost changes the scores, each compared with its own variant at rest: by rounding "
                "(float against double) and by the clamp of translations (solid against dashed lines).",
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
    """The lines of the last run in run.log, starting at its version line."""
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
        if isinstance(scores, Scores):
            of_them = f"{scores.num_background:,} of them background"
        else:
            of_them = ", ".join(f"{(scores.label == k).sum():,} of class {k}" for k in range(len(scores.of_class)))
        rows.append(("Tested on", f"{len(scores):,} jets, {of_them}"))
        if scores.weight is not None:
            rows.append(("Weights", "all results and pictures count the test jets by their weights"))
    return rows


def files_of(record: dict) -> list[tuple[str, str]]:
    """A row for each file of jets in a description that a program wrote."""

    def used(file):
        if "jets" in file:
            return f"{file['jets']:,} jets"
        return f"{file['train']:,} train, {file['val']:,} validation and {file['test']:,} test jets"

    return [(file["file"], f"{used(file)} used, {file['skipped']:,} skipped; SHA-256 {file['sha256']}")
            for file in record["data"]]  # fmt: skip


def provenance(experiment: Experiment) -> str:
    """Who computed the results, and from what: each run of the training, then the test."""
    notes = "".join(f'<p class="note">{escape(line)}.</p>' for line in warnings([experiment]))
    runs = (experiment.provenance or {}).get("runs", [])
    parts = [(f"Training{f', run {number}' if len(runs) > 1 else ''}", [("Started", run["started"])], run)
             for number, run in enumerate(runs, 1)]  # fmt: skip
    test = (experiment.test or {}).get("provenance")
    if test:
        checkpoint = test["checkpoint"]
        parts.append(("Test", [("Checkpoint", f"{checkpoint['file']}; SHA-256 {checkpoint['sha256']}")], test))
    tables = [f"<h3>{name}</h3>\n"
              + html_table([("Program", run["program"]), ("Command", run["command"]), *rows, *files_of(run)])
              for name, rows, run in parts]  # fmt: skip
    return "\n".join([notes, *tables]) if tables or notes else "<p>Not recorded.</p>"


def checked_provenance(experiment: Experiment) -> str:
    try:
        return provenance(experiment)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise PlotError(f"{experiment.folder}: train-provenance.json or test-result.json is damaged ({error!r})") from error


def html_table(rows, header=None, ids=None) -> str:
    """ids: HTML ids of the cells after the first in the first row, for programs that read the file."""
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
        return "<p>Not tested yet.</p>"
    _, jets, *cells = made.rows[0]
    rows = [("this run", jets, *cells)]
    of_classes = not isinstance(experiment.scores, Scores)
    rows += [(f"class {k} against all others", *row[1:]) for k, row in enumerate(made.rows[1:]) if of_classes]
    if experiment.task in PUBLISHED and not of_classes:
        rows.append(("paper (arXiv:2201.08187)", "", *PUBLISHED[experiment.task]))
    ids = ("jets", "accuracy", "auc", "rejection-50", "rejection-30")
    note = ('<p class="note">± and +/−: central 68 % of a bootstrap over the test jets. The paper gives results on '
            "the public test sets, with the standard deviation over several trainings: compare them only with a test "
            "on the same jets.</p>")  # fmt: skip
    if of_classes:
        note = ('<p class="note">± and +/−: central 68 % of a bootstrap over the test jets. The AUC of this run is '
                "the mean of those of the classes.</p>")  # fmt: skip
    test = experiment.test or {}
    has_loss = test.get("test_loss") is not None
    loss = f'<p>Test loss: <span id="loss">{test["test_loss"]:.4f}</span></p>' if has_loss else ""
    return html_table(rows, ("", "jets", *table.COLUMNS[2:]), ids) + note + loss


def figure(name: str, file: Path) -> str:
    image = base64.b64encode(file.read_bytes()).decode()
    caption = escape(CAPTIONS[name.split("-")[0]])
    return (f'<figure><img id="{name}" alt="{caption}" src="data:image/png;base64,{image}">'
            f"<figcaption>{caption}</figcaption></figure>")  # fmt: skip


def write(folder: Path, trained: Path | None = None) -> Path:
    """Writes report.html into the folder of an experiment, and the pictures into plots/ beside it. `trained` is the
    folder of the training, where that is another one."""
    folder = folder.resolve()
    experiment = read_experiment(folder.name, folder, trained)
    if experiment.training is None and not (folder / "score.npy").exists():
        raise PlotError(f"{folder}: nothing to report (no train-result.json or score.npy)")
    made = pictures.draw_all([experiment], {}, folder / "plots")
    lines = logged_lines(folder)
    title = f"{folder.name}: {TITLES[experiment.task]} with LorentzNet"
    sections = [("Results", results(experiment, made)),
                ("Pictures", "\n".join(figure(name, files[0]) for name, files in made.files.items())),
                ("Data", html_table(data(experiment, lines))),
                ("Provenance", checked_provenance(experiment)),
                ("Environment", html_table(environment(lines))),
                ("Arguments", html_table((experiment.args or {}).items()))]  # fmt: skip
    body = "\n".join(f"<h2>{name}</h2>\n{content}" for name, content in sections)
    text = (f'<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>'
            f"<style>{STYLE}</style></head>\n<body><h1>{escape(title)}</h1>\n{body}\n</body></html>\n")  # fmt: skip
    write_whole(folder / "report.html", text.encode())
    return folder / "report.html"
