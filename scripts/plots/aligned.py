"""Tables as text. Needs nothing but Python."""


def text(rows: list, left: int = 1) -> str:
    """The first row is the header; the first `left` columns are aligned left, the others right."""
    widths = [max(map(len, column)) for column in zip(*rows)]
    lines = []
    for cells in (rows[0], ["-" * width for width in widths], *rows[1:]):
        aligned = [cell.ljust(width) if k < left else cell.rjust(width)
                   for k, (cell, width) in enumerate(zip(cells, widths))]  # fmt: skip
        lines.append("  ".join(aligned).rstrip() + "\n")
    return "".join(lines)
