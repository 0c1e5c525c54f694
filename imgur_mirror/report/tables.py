"""Tables as Markdown and as plain text, and their cells, safe whatever text they quote."""

import re
from collections.abc import Iterator, Sequence

from imgur_mirror.models import Download
from imgur_mirror.text import duration, plain

__all__ = [
    "Cell",
    "Row",
    "escape",
    "label",
    "markdown_table",
    "reason",
    "rounded",
    "table_columns",
    "text_table",
    "time_text",
]

Cell = str | int | float

Row = dict[str, Cell]
"""Cells by the names of their columns, which are the same in all rows of a table."""

# Everything that could start markup, a link or a column in Markdown or HTML.
MARKUP = re.compile(r"[\\`*_{}\[\]<>#|~&@!$]|:(?=//)|(?<=www)\.", re.IGNORECASE)


def escape(text: str) -> str:
    """Return text from outside as Markdown that shows just it, in a table or anywhere else.

    It uses entities, since some renderers end a table's column at an escaped bar.
    """
    return MARKUP.sub(lambda mark: f"&#{ord(mark[0])};", plain(text))


def label(download: Download) -> str:
    """Return the file's name, or the image's id where it cannot have one."""
    return plain(download.name or download.id)


def reason(download: Download) -> str:
    """Say why an image is not there, without the full stop."""
    return plain(download.error or "").rstrip(".") or "no reason given"


def time_text(seconds: float | None) -> str:
    """Return a time in two decimals, or an empty text where it is unknown."""
    return "" if seconds is None else duration(seconds, 2)


def rounded(seconds: float | None) -> Cell:
    """Return a time in milliseconds' precision, or an empty text where it is unknown."""
    return "" if seconds is None else round(seconds, 3)


def markdown_table(rows: Sequence[Row]) -> str:
    """Return one row or more as a Markdown table, figures aligned to the right."""
    columns = [
        [escape(name), "---:" if has_figures else "---", *map(escape, cells)]
        for name, cells, has_figures in table_columns(rows)
    ]
    return "\n".join(f"| {' | '.join(line)} |" for line in zip(*columns, strict=True))


def text_table(rows: Sequence[Row]) -> str:
    """Return the rows as aligned plain text, figures to the right; no rows are an empty text."""
    columns = []
    for name, cells, has_figures in table_columns(rows):
        width = max(map(len, (name, *cells)))
        align = str.rjust if has_figures else str.ljust
        columns.append([align(text, width) for text in (name, *cells)])
    return "\n".join("  ".join(line).rstrip() for line in zip(*columns, strict=True))


def table_columns(rows: Sequence[Row]) -> Iterator[tuple[str, list[str], bool]]:
    """Return each column's name, the text of its cells, and whether there are figures in it."""
    for name in rows[0] if rows else ():
        cells = [row[name] for row in rows]
        yield name, _texts(cells), any(isinstance(cell, int | float) for cell in cells)


def _texts(cells: Sequence[Cell]) -> list[str]:
    """Write a column's cells; its floats share their number of decimals."""
    floats = [cell for cell in cells if isinstance(cell, float) and cell]
    decimals = 3 if min(floats, default=1.0) < 0.01 else 2
    return [f"{cell:.{decimals}f}" if isinstance(cell, float) else str(cell) for cell in cells]
