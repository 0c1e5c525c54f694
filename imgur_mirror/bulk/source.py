"""The input of a very large job, read as a stream: Parquet, CSV, or text with one link a line."""

import codecs
import csv
from collections.abc import Iterator, Sequence
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
"""The names that a column with links has, the first that is there being taken."""

ROWS = 1000
"""Rows that are read at a time."""

LONGEST = 4000
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
    """Some rows of the input, in its order; `read` is the share of it that has been read by now."""

    texts: Sequence[str]
    read: float


@dataclass(frozen=True, slots=True)
class Source:
    """A file with links, and the column they are in: its name, empty where there are none."""

    path: str
    format: Format
    column: str = ""

    def rows(self) -> Iterator[Rows]:
        """Read all of it, some rows at a time; lines that are empty are left out.

        Raises:
            BadSource: where it cannot be read to its end.
        """
        with _said(self.path):
            if self.format is Format.PARQUET:
                yield from _parquet_rows(Path(self.path), self.column)
            else:
                yield from _text_rows(Path(self.path), self.column, self.format)


def open_source(text: str) -> Source:
    """Find out how a file holds its links.

    Raises:
        BadSource: where it is not there, is no such file, or has no column that is known.
    """
    path = Path(text).expanduser().absolute()
    with _said(text):
        head = _head(path)
    if head.startswith(PARQUET) or path.suffix.lower() in (".parquet", ".pq"):
        with _said(text), _parquet(path) as file:
            return Source(str(path), Format.PARQUET, _parquet_column(path, file))
    if path.suffix.lower() in SEPARATORS:
        with _said(text), path.open("rb") as file:
            header = next(iter(_records(path, file)), [])
        return Source(str(path), Format.CSV, _header_column(path, header))
    return Source(str(path), Format.LINES)


@contextmanager
def _said(name: str) -> Iterator[None]:
    """Turn what goes wrong with the file into a sentence with its remedy."""
    try:
        yield
    except OSError as error:
        # pyarrow's own errors of a damaged file are OSErrors too, without an errno.
        why = error.strerror or " ".join(str(error).split())
        raise BadSource(
            f"cannot read {name}: {why}; give a Parquet file, a CSV file, or a text file with one "
            "link a line"
        ) from error


def _head(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(len(PARQUET))


# Parquet


@contextmanager
def _parquet(path: Path) -> Iterator["ParquetFile"]:
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


def _parquet_column(path: Path, file: "ParquetFile") -> str:
    from pyarrow import types

    schema = file.schema_arrow
    column = _column(path, schema.names)
    kind = schema.field(column).type
    kind = kind.value_type if types.is_dictionary(kind) else kind
    fits = (types.is_string, types.is_large_string, types.is_string_view, types.is_integer)
    if not any(is_one(kind) for is_one in fits):
        raise BadSource(f"the column {column!r} of {path} holds {kind}; make it one of text")
    return column


def _parquet_rows(path: Path, column: str) -> Iterator[Rows]:
    with _parquet(path) as file:
        total, read = file.metadata.num_rows, 0
        for batch in file.iter_batches(ROWS, columns=[column]):
            values = batch.column(0).to_pylist()
            read += len(values)
            texts = ["" if value is None else str(value)[:LONGEST] for value in values]
            yield Rows(texts, read / total)


def _column(path: Path, names: Sequence[str]) -> str:
    """Choose the column with the links."""
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


# Text


def _text_rows(path: Path, column: str, form: Format) -> Iterator[Rows]:
    size = path.stat().st_size or 1
    with path.open("rb") as file:
        texts = _cells(path, file, column) if form is Format.CSV else _lines(file)
        rows: list[str] = []
        for text in texts:
            rows.append(text[:LONGEST])
            if len(rows) == ROWS:
                yield Rows(rows, min(1.0, file.tell() / size))
                rows = []
        yield Rows(rows, 1.0)


def _lines(file: BufferedReader) -> Iterator[str]:
    # Bounded, in case what was given is one line of gigabytes.
    reading = _decoded(file)
    while line := reading.readline(16 * LONGEST):
        if line.strip():
            yield line


def _decoded(file: BufferedReader) -> TextIOWrapper:
    start = file.peek(2)[:2]
    utf16 = start in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
    encoding = "utf-16" if utf16 else "utf-8-sig"
    return TextIOWrapper(file, encoding=encoding, errors="replace", newline="")


def _records(path: Path, file: BufferedReader) -> Iterator[list[str]]:
    """Read the records of a CSV file; one that is none becomes one cell that says so."""
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


def _header_column(path: Path, header: Sequence[str]) -> str:
    """Choose the column by its header; none where the only column has no header."""
    if len(header) == 1 and ("imgur.com/" in header[0] or "://" in header[0]):
        return ""
    return _column(path, header) if header else ""


def _cells(path: Path, file: BufferedReader, column: str) -> Iterator[str]:
    records = _records(path, file)
    first = next(records, [])
    if column:
        at = first.index(column)
    else:
        at, records = 0, chain([first] if first else [], records)
    for record in records:
        yield record[at] if at < len(record) else ""
