"""CSV and TSV: records on lines, with the link in one of their columns.

A record is read from its own line. Where a quote does not close on it, the lines that follow are
taken into the record only if it closes soon, has the columns that it should have, and none of those
lines is a record itself; or else one missing quote would swallow what is behind it.
"""

import csv
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from imgur_mirror.bulk.formats.opening import MAX_LINE, Lines, OpenFile
from imgur_mirror.bulk.formats.record import (
    MAX_LENGTH,
    Columns,
    Record,
    choose_column,
    known_column,
    shortened,
)

__all__ = ["Table", "is_table", "open_table", "table_records"]

DELIMITERS = (",", ";", "\t", "|")

# What csv takes for a cell is less than a line may have; it can be told only once for all.
csv.field_size_limit(MAX_LINE)

MAX_LINES = 200
"""Lines of the longest record."""

PREVIEW = 20
"""Lines that are looked at to find out how the table is written."""

OPEN_QUOTE = "a quote is not closed, so that the rest of the line cannot be read"

_SEP = re.compile(r'"?sep=(.)"?\s*', re.IGNORECASE | re.DOTALL)
_LINK = re.compile(r"""["'<\s]*(?:https?://|(?:\w+\.)?imgur\.(?:com|io)/)""", re.IGNORECASE)
_ID = re.compile(r"[A-Za-z0-9]{5}|[A-Za-z0-9]{7}")


@dataclass(frozen=True, slots=True)
class Table:
    """How a table is written: `names` of its columns, empty without a header; where the link is.

    `skipped` lines come before its first record.
    """

    delimiter: str
    quoted: bool
    skipped: int
    names: tuple[str, ...]
    width: int
    index: int

    @property
    def columns(self) -> Columns:
        """The column with the links and those beside it."""
        if not self.names:
            return Columns()
        return Columns.of(self.names[self.index], map(str.strip, self.names))


def is_table(file: OpenFile) -> bool:
    """Return whether a text that is not called a table is one: by a header of several columns."""
    first = next((line for line in Lines(file.text()) if not _is_passed_over(line)), "")
    return _SEP.fullmatch(first) is not None or _is_header(first, 2)


def open_table(path: str, file: OpenFile, delimiter: str, wanted: str) -> Table:
    """Find out how a table is written; `delimiter` is empty where its first lines tell.

    Raises:
        BadSource: where no column is known to hold links.
    """
    lines = Lines(file.text()).peek(PREVIEW)
    skipped = next((n for n, line in enumerate(lines) if not _is_passed_over(line)), 0)
    lines = lines[skipped:]
    # In TSV a quote is a character like others.
    quoted = delimiter != "\t"
    if lines and not delimiter and (found := _SEP.fullmatch(lines[0])):
        delimiter, lines, skipped = found[1], lines[1:], skipped + 1
    delimiter = delimiter or _sniffed(lines)
    rows = [_split(line, delimiter, quoted) for line in lines if line.strip()]
    if not rows:
        return Table(delimiter, quoted, skipped, (), 1, 0)
    index = _link_without_header(rows, wanted)
    if index is not None:
        return Table(delimiter, quoted, skipped, (), len(rows[0]), index)
    names = rows[0]
    column = choose_column(path, names, wanted)
    return Table(delimiter, quoted, skipped, tuple(names), len(names), names.index(column))


def _is_passed_over(line: str) -> bool:
    """Return whether a line before the header is blank, or a comment."""
    return not line.strip() or (line.startswith("#") and not _is_header(line))


def _is_header(line: str, width: int = 1) -> bool:
    """Return whether a line names a column of links, among `width` columns or more."""
    rows = (_split(line, delimiter, True) for delimiter in DELIMITERS)
    return any(len(row) >= width and known_column(row) is not None for row in rows)


def _sniffed(lines: Sequence[str]) -> str:
    """Choose the delimiter that makes most sense of the first lines."""

    def sense(delimiter: str) -> tuple[bool, bool, int]:
        rows = [_split(line, delimiter, True) for line in lines if line.strip()]
        first = rows[0] if rows else [""]
        alike = len(first) > 1 and sum(len(row) == len(first) for row in rows) * 2 > len(rows)
        return known_column(first) is not None, alike, len(first)

    return max(DELIMITERS, key=sense)


def _link_without_header(rows: Sequence[Sequence[str]], wanted: str) -> int | None:
    """Return where the link is in a table whose first row is no header; None where it is one."""
    first = rows[0]
    if wanted or known_column(first) is not None:
        return None
    linked = next((n for n, cell in enumerate(first) if _LINK.match(cell)), None)
    if linked is not None:
        return linked
    return 0 if len(first) == 1 and _is_id([row[0] for row in rows[:2]]) else None


def _is_id(cells: Sequence[str]) -> bool:
    """Return whether the first cell is an id, and no word that names the column."""
    first, *others = (cell.strip() for cell in cells)
    is_word = first.isalpha() and (first.islower() or first.istitle() or first.isupper())
    return _ID.fullmatch(first) is not None and (
        not is_word or any(_ID.fullmatch(cell) for cell in others)
    )


def table_records(file: OpenFile, table: Table) -> Iterator[Record]:
    """Read the records below the header; a record of blank cells is passed over."""
    lines = Lines(file.text())
    for _ in range(table.skipped):
        next(lines)
    if table.names:
        next(_records(lines, table), None)
    yield from _records(lines, table)


def _records(lines: Lines, table: Table) -> Iterator[Record]:
    for line in lines:
        number = lines.number
        if len(line) >= MAX_LINE:
            yield Record(line[:MAX_LENGTH], number, f"it has more than {MAX_LINE} characters")
            continue
        cells, fault = _cells(line, lines, table)
        if fault:
            whole = len(cells) - 1 > table.index
            yield Record((cells[table.index] if whole else line)[:MAX_LENGTH], number, fault)
        elif any(map(str.strip, cells)) and not _is_comment(cells, table):
            yield _record(cells, number, table)


def _is_comment(cells: Sequence[str], table: Table) -> bool:
    linked = len(cells) > table.index and _LINK.match(cells[table.index])
    # The header is read as a record as well.
    return cells[0].startswith("#") and not linked and known_column(cells) is None


def _record(cells: Sequence[str], number: int, table: Table) -> Record:
    if len(cells) <= table.index:
        return Record("", number, f"it has {len(cells)} of {table.width} columns")
    beside = {
        name.strip(): shortened(cell)
        for n, (name, cell) in enumerate(zip(table.names, cells, strict=False))
        if n != table.index and name.strip()
    }
    return Record(cells[table.index][:MAX_LENGTH], number, "", beside)


def _cells(line: str, lines: Lines, table: Table) -> tuple[list[str], str]:
    """Return the cells of the record that begins with a line, and why not all could be read."""
    if not table.quoted or '"' not in line:
        return line.rstrip("\r\n").split(table.delimiter), ""
    try:
        # A quote that is open at the end of the line has the reader go on to the next.
        reader = csv.reader([line, ""], delimiter=table.delimiter)
        cells = next(reader)
    except csv.Error as error:
        return [], str(error)
    if reader.line_num == 1:
        return cells, ""
    over_lines = _over_lines(line, lines, table)
    return (cells, OPEN_QUOTE) if over_lines is None else (over_lines, "")


def _over_lines(line: str, lines: Lines, table: Table) -> list[str] | None:
    """Read a record that goes on in the next lines, and take those; None where there is none."""
    following = lines.peek(MAX_LINES)
    reader = csv.reader([line, *following], delimiter=table.delimiter, strict=True)
    try:
        cells = next(reader)
    except csv.Error:
        return None
    taken = following[: reader.line_num - 1]
    if len(cells) != table.width:
        return None
    # The link may be in the last line, behind the quote that closes there.
    if any(_link_of(each, table) not in (None, cells[table.index]) for each in taken):
        return None
    for _ in taken:
        next(lines)
    return cells


def _link_of(line: str, table: Table) -> str | None:
    """Return the link of a line that could be a record by itself; None for any other."""
    cells = _split(line, table.delimiter, True)
    is_record = len(cells) == table.width and _LINK.match(cells[table.index])
    return cells[table.index] if is_record else None


def _split(line: str, delimiter: str, quoted: bool) -> list[str]:
    """Split a line into its cells, as far as it can be read."""
    if not quoted:
        return line.rstrip("\r\n").split(delimiter)
    try:
        cells = next(csv.reader([line], delimiter=delimiter), [])
    except csv.Error:
        cells = line.split(delimiter)
    return [cell.rstrip("\r\n") for cell in cells]
