"""The input of a very large job, read as a stream: Parquet, CSV, or text with one link a line."""

import codecs
import csv
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from io import BufferedReader, TextIOWrapper
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

from imgur_mirror.api import BadAddress

if TYPE_CHECKING:
    from pyarrow.parquet import ParquetFile

__all__ = ["BadSource", "Rows", "Source", "open_source"]

COLUMNS = ("url", "link", "album", "image")
"""The names that a column with links may have; the first of them that the file has is read."""

BATCH = 1000
"""Rows that are read at a time."""

MAX_LENGTH = 4000
"""Characters of a row that are kept: more than the longest link that is asked for."""

SEPARATORS = {".csv": ",", ".tsv": "\t"}
PARQUET = b"PAR1"


class BadSource(BadAddress):
    """The input of a job cannot be used; the sentence says why, and what can."""


class Format(StrEnum):
    """How a file holds its links."""

    PARQUET = "parquet"
    CSV = "csv"
    LINES = "lines"


@dataclass(frozen=True, slots=True)
class Rows:
    """Some rows of the input, in its order; `share_read` is the share of it read by now."""

    texts: Sequence[str]
    share_read: float


@dataclass(frozen=True, slots=True)
class Source:
    """A file with links, and the name of the column they are in; empty if it has no columns."""

    path: str
    format: Format
    column: str = ""

    def rows(self) -> Iterator[Rows]:
        """Read all of it, some rows at a time; empty lines are left out.

        Raises:
            BadSource: where it cannot be read to its end.
        """
        with _os_errors_as_bad_source(self.path):
            yield from _READERS[self.format].rows(Path(self.path), self.column)


def open_source(text: str) -> Source:
    """Find out how a file holds its links.

    Raises:
        BadSource: where it is not there, is no such file, or has no column that is known.
    """
    path = Path(text).expanduser().absolute()
    with _os_errors_as_bad_source(text):
        form = _format(path)
        return Source(str(path), form, _READERS[form].column(path))


def _format(path: Path) -> Format:
    with path.open("rb") as file:
        head = file.read(len(PARQUET))
    suffix = path.suffix.lower()
    if head == PARQUET or suffix in (".parquet", ".pq"):
        return Format.PARQUET
    return Format.CSV if suffix in SEPARATORS else Format.LINES


@contextmanager
def _os_errors_as_bad_source(name: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        # pyarrow's own errors of a damaged file are OSErrors too, without an errno.
        why = error.strerror or " ".join(str(error).split())
        raise BadSource(
            f"cannot read {name}: {why}; give a Parquet file, a CSV file, or a text file with one "
            "link a line"
        ) from error


def _choose_column(path: Path, names: Sequence[str]) -> str:
    by_name = {name.strip().lower(): name for name in reversed(names)}
    found = next((by_name[name] for name in COLUMNS if name in by_name), None)
    if found is not None:
        return found
    if len(names) == 1:
        return names[0]
    there = ", ".join(map(repr, names[:20])) or "none"
    raise BadSource(
        f"no column of {path} is named {', '.join(COLUMNS[:-1])} or {COLUMNS[-1]}; its columns "
        f"are {there}: rename the one with the links"
    )


# Parquet


@contextmanager
def _open_parquet(path: Path) -> Iterator["ParquetFile"]:
    # Imported where a job is run: it takes 0.2 s.
    from pyarrow import ArrowException
    from pyarrow.parquet import ParquetFile

    try:
        # Streamed page by page; by default a whole row group is fetched ahead.
        with ParquetFile(path, pre_buffer=False, buffer_size=1 << 20) as file:
            yield file
    except ArrowException as error:
        raise BadSource(
            f"{path} is no whole Parquet file: {' '.join(str(error).split())}; make it anew"
        ) from error


def _parquet_column(path: Path) -> str:
    from pyarrow import types

    with _open_parquet(path) as file:
        schema = file.schema_arrow
    column = _choose_column(path, schema.names)
    kind = schema.field(column).type
    kind = kind.value_type if types.is_dictionary(kind) else kind
    fits = (types.is_string, types.is_large_string, types.is_string_view, types.is_integer)
    if not any(is_one(kind) for is_one in fits):
        raise BadSource(f"the column {column!r} of {path} holds {kind}; make it one of text")
    return column


def _parquet_rows(path: Path, column: str) -> Iterator[Rows]:
    with _open_parquet(path) as file:
        total, read = file.metadata.num_rows, 0
        for batch in file.iter_batches(BATCH, columns=[column]):
            values = batch.column(0).to_pylist()
            read += len(values)
            texts = ["" if value is None else str(value)[:MAX_LENGTH] for value in values]
            yield Rows(texts, read / total)


# CSV


def _csv_column(path: Path) -> str:
    """Choose the column by the header; none where the only column has no header."""
    with path.open("rb") as file:
        header = next(_csv_records(path, file), [])
    if len(header) == 1 and ("imgur.com/" in header[0] or "://" in header[0]):
        return ""
    return _choose_column(path, header) if header else ""


def _csv_rows(path: Path, column: str) -> Iterator[Rows]:
    with path.open("rb") as file:
        yield from _in_batches(_csv_cells(path, file, column), file)


def _csv_cells(path: Path, file: BufferedReader, column: str) -> Iterator[str]:
    records = _csv_records(path, file)
    first = next(records, [])
    if column:
        index = first.index(column)
    else:
        index, records = 0, chain([first] if first else [], records)
    for record in records:
        yield record[index] if index < len(record) else ""


def _csv_records(path: Path, file: BufferedReader) -> Iterator[list[str]]:
    """Read the records of a CSV file; one that is invalid becomes one cell that says so."""
    reader = csv.reader(_decoded(file), delimiter=SEPARATORS[path.suffix.lower()])
    while True:
        try:
            record = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            record = [f"unreadable CSV: {error}"]
        if any(cell.strip() for cell in record):
            yield record


# Lines


def _line_rows(path: Path, _: str) -> Iterator[Rows]:
    with path.open("rb") as file:
        yield from _in_batches(_lines(file), file)


def _lines(file: BufferedReader) -> Iterator[str]:
    # Bounded, in case the file is one line of gigabytes.
    reader = _decoded(file)
    while line := reader.readline(16 * MAX_LENGTH):
        if line.strip():
            yield line


# Text of either kind


def _in_batches(texts: Iterable[str], file: BufferedReader) -> Iterator[Rows]:
    size = os.fstat(file.fileno()).st_size or 1
    rows: list[str] = []
    for text in texts:
        rows.append(text[:MAX_LENGTH])
        if len(rows) == BATCH:
            yield Rows(rows, min(1.0, file.tell() / size))
            rows = []
    yield Rows(rows, 1.0)


def _decoded(file: BufferedReader) -> TextIOWrapper:
    start = file.peek(2)[:2]
    utf16 = start in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
    encoding = "utf-16" if utf16 else "utf-8-sig"
    return TextIOWrapper(file, encoding=encoding, errors="replace", newline="")


@dataclass(frozen=True, slots=True)
class _Reader:
    """How one format is read: the column with the links, and its rows."""

    column: Callable[[Path], str]
    rows: Callable[[Path, str], Iterator[Rows]]


_READERS = {
    Format.PARQUET: _Reader(_parquet_column, _parquet_rows),
    Format.CSV: _Reader(_csv_column, _csv_rows),
    Format.LINES: _Reader(lambda _: "", _line_rows),
}
