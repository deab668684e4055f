"""Tables of a study, as text for the terminal and as markdown."""

from pathlib import Path

from plots import aligned, table
from plots.files import write_whole
from plots.scores import Scores


def figure_cells(runs: list[Scores]) -> list[str]:
    """FIGURES of one network with the bootstrap's uncertainty, or mean and standard deviation of several."""
    return table.cells_of_one(runs[0]) if len(runs) == 1 else table.cells_of_runs(runs)


def markdown(rows: list[list[str]], notes: list[str]) -> str:
    head, *body = rows
    lines = [f"| {' | '.join(cells)} |" for cells in (head, ["---"] * len(head), *body)]
    return "\n".join([*lines, "", *notes]) + "\n"


def write(out: Path, rows: list[list[str]], notes: list[str]) -> None:
    """OUT/table.md, and the same on the terminal."""
    write_whole(out / "table.md", markdown(rows, notes).encode())
    print(aligned.text(rows), end="")
    for line in notes:
        print(line)
    print(f"{out}/table.md, study.json")


