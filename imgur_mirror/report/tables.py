"""Words, figures and tables, as Markdown and as plain text, safe whatever they quote."""

import re
from collections.abc import Iterable, Sequence

from imgur_mirror.compare.bar_chart import Cell, Row, duration
from imgur_mirror.models import Download

__all__ = [
    "counted",
    "counted_images",
    "escape",
    "label",
    "listed",
    "plain",
    "reason",
    "rounded",
    "size",
    "table",
    "text_table",
    "time_text",
]

# Everything that could start markup, a link or a column in Markdown or HTML.
MARKUP = re.compile(r"[\\`*_{}\[\]<>#|~&@!$]|:(?=//)|(?<=www)\.", re.IGNORECASE)


def plain(text: str) -> str:
    """The text on one line, without control characters or marks that turn it around."""
    printable = "".join(mark if mark.isprintable() else " " for mark in text)
    return " ".join(printable.split())


def escape(text: str) -> str:
    """Text from outside as Markdown that shows just it, in a table or anywhere else.

    Entities rather than backslashes: no renderer takes them for the end of a table's column.
    """
    return MARKUP.sub(lambda mark: f"&#{ord(mark[0])};", plain(text))


def label(download: Download) -> str:
    """The file's name; the image's id where it cannot have one."""
    return plain(download.name or download.id)


def reason(download: Download) -> str:
    return plain(download.error or "").rstrip(".") or "no reason given"


def counted(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def counted_images(count: int) -> str:
    return counted(count, "image")


def listed(words: Sequence[str]) -> str:
    """`a`, `a and b`, `a, b and c`."""
    *most, last = words or [""]
    return f"{', '.join(most)} and {last}" if most else last


def size(count: int) -> str:
    """Bytes as one reads them: `512 bytes`, `98 kB`, `12.3 MB`, `1.2 GB`."""
    for unit, factor in (("GB", 1e9), ("MB", 1e6)):
        if count >= factor * 0.9995:
            return f"{count / factor:.1f} {unit}"
    return f"{count / 1e3:.0f} kB" if count >= 1000 else counted(count, "byte")


def time_text(seconds: float | None) -> str:
    return "" if seconds is None else duration(seconds, 2)


def rounded(seconds: float | None) -> Cell:
    return "" if seconds is None else round(seconds, 3)


def table(rows: Sequence[Row]) -> str:
    """The rows as a Markdown table, figures to the right."""
    columns = _cells(rows)
    figures = [_is_figure(row) for row in zip(*(r.values() for r in rows), strict=True)]
    lines = [
        [escape(name) for name in columns],
        ["---:" if right else "---" for right in figures],
        *([escape(cell) for cell in line] for line in zip(*columns.values(), strict=True)),
    ]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def text_table(rows: Sequence[Row]) -> str:
    """The rows as aligned plain text: figures to the right, names to the left."""
    if not rows:
        return ""
    columns = [[name, *cells] for name, cells in _cells(rows).items()]
    figures = [_is_figure(row) for row in zip(*(r.values() for r in rows), strict=True)]
    padded = [
        [cell.rjust(width) if right else cell.ljust(width) for cell in column]
        for column, right in zip(columns, figures, strict=True)
        for width in [max(map(len, column))]
    ]
    return "\n".join("  ".join(line).rstrip() for line in zip(*padded, strict=True))


def _cells(rows: Sequence[Row]) -> dict[str, list[str]]:
    """The text of every column's cells; a column's floats share their number of decimals."""
    return {name: _column([row[name] for row in rows]) for name in rows[0]}


def _column(cells: Sequence[Cell]) -> list[str]:
    floats = [cell for cell in cells if isinstance(cell, float) and cell]
    decimals = 3 if min(floats, default=1.0) < 0.01 else 2
    return [f"{cell:.{decimals}f}" if isinstance(cell, float) else str(cell) for cell in cells]


def _is_figure(cells: Iterable[Cell]) -> bool:
    return any(isinstance(cell, int | float) for cell in cells)
