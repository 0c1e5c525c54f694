"""The input of a very large job: one file, several or standard input, read as a stream."""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from glob import has_magic, iglob
from itertools import chain, islice
from pathlib import Path

from imgur_mirror.api import BadAddress, Kind
from imgur_mirror.bulk.formats.detection import DELIMITERS, Format, format_of, list_name
from imgur_mirror.bulk.formats.json_values import json_columns, json_records
from imgur_mirror.bulk.formats.lines import line_records
from imgur_mirror.bulk.formats.opening import (
    OpenFile,
    bad_source_on_error,
    open_file,
    spooled_input,
)
from imgur_mirror.bulk.formats.parquet_rows import parquet_columns, parquet_rows
from imgur_mirror.bulk.formats.record import BadSource, Columns, Record, Rows, in_batches
from imgur_mirror.bulk.formats.table import open_table, table_records
from imgur_mirror.bulk.links import ForeignLink, read_link
from imgur_mirror.text import printable

__all__ = ["STANDARD_INPUT", "BadSource", "Rows", "Source", "check_links", "open_source"]

STANDARD_INPUT = "-"

_LOOKS_LIKE = {
    Format.PARQUET: "a Parquet file",
    Format.TABLE: "a table",
    Format.JSON: "JSON",
    Format.LINES: "text",
}

CHECKED = 1000
"""Rows of which at least one has to name something."""


@dataclass(frozen=True, slots=True)
class ListFile:
    """A file with links, and the names of its columns, if it has any."""

    path: Path
    format: Format
    columns: Columns
    wanted: str = ""

    @classmethod
    def open(cls, path: Path, wanted: str) -> "ListFile":
        """Find out how a file holds its links; `wanted` names their column, where that is known."""
        form = format_of(path)
        if form is Format.PARQUET:
            return cls(path, form, parquet_columns(path, wanted), wanted)
        with open_file(path) as file:
            return cls(path, form, _columns(path, form, file, wanted), wanted)

    def rows(self) -> Iterator[Rows]:
        """Read all of it, some rows at a time."""
        if self.format is Format.PARQUET:
            yield from parquet_rows(self.path, self.columns)
            return
        with open_file(self.path) as file:
            for batch in in_batches(self._records(file)):
                yield Rows(batch, file.share_read)

    def _records(self, file: OpenFile) -> Iterator[Record]:
        if self.format is Format.LINES:
            return line_records(file)
        if self.format is Format.JSON:
            return json_records(file, self.columns.link)
        with open_file(self.path) as again:
            table = open_table(str(self.path), again, _delimiter(self.path), self.wanted)
        return table_records(file, table)


def _columns(path: Path, form: Format, file: OpenFile, wanted: str) -> Columns:
    if form is Format.TABLE:
        return open_table(str(path), file, _delimiter(path), wanted).columns
    if form is Format.JSON:
        return json_columns(str(path), file, wanted)
    if wanted:
        raise BadSource(f"{path} has no column {wanted!r}: it is text with one link a line")
    return Columns()


def _delimiter(path: Path) -> str:
    return DELIMITERS.get(list_name(path).suffix.lower(), "")


@dataclass(frozen=True, slots=True)
class Source:
    """Files with links, `path` as they were named, and the column of the links, if there is one.

    `beside` are the columns that every row of the report has, besides its own.
    """

    path: str
    files: tuple[ListFile, ...]

    @property
    def column(self) -> str:
        """The column with the links; empty if there are none."""
        return self.files[0].columns.link

    @property
    def beside(self) -> tuple[str, ...]:
        """The other columns of all files."""
        return tuple(dict.fromkeys(chain.from_iterable(f.columns.beside for f in self.files)))

    @property
    def digest(self) -> str:
        """Some letters and digits that stay the same for a list of this name."""
        digest = hashlib.blake2b(self.path.encode(errors="surrogateescape"), digest_size=4)
        if self.path == STANDARD_INPUT:
            with self.files[0].path.open("rb") as file:
                digest.update(hashlib.file_digest(file, "sha256").digest())
        return digest.hexdigest()

    def rows(self) -> Iterator[Rows]:
        """Read all of it, some rows at a time; empty lines are left out.

        Raises:
            BadSource: where it cannot be read to its end.
        """
        sizes = [file.path.stat().st_size if file.path.exists() else 0 for file in self.files]
        total, before = sum(sizes) or 1, 0
        for file, size in zip(self.files, sizes, strict=True):
            name = file.path.name if len(self.files) > 1 else ""
            with bad_source_on_error(str(file.path)):
                for rows in file.rows():
                    share = (before + size * rows.share_read) / total
                    named = [each._replace(file=name) for each in rows.records] if name else None
                    yield Rows(named or rows.records, share)
            before += size


def open_source(text: str, column: str = "") -> Source:
    """Find out which files are meant, and how each holds its links.

    `text` is the path of a file or of a folder with files, a pattern of paths, or `-` for standard
    input. `column` names the column with the links.

    Raises:
        BadSource: where there is none, one is no list, or has no column that is known.
    """
    path = Path(text).expanduser().absolute()
    with bad_source_on_error(text):
        files = [ListFile.open(file, column) for file in _paths(text, path)]
    return Source(STANDARD_INPUT if text == STANDARD_INPUT else str(path), tuple(files))


def _paths(text: str, path: Path) -> Sequence[Path]:
    if text == STANDARD_INPUT:
        return [spooled_input()]
    if path.is_dir():
        return _some_files(path.iterdir(), f"{text} is a directory without files")
    if has_magic(text) and not path.exists():
        return _some_files(_matching(path), f"no file matches {text}")
    return [path]


def _matching(pattern: Path) -> Iterator[Path]:
    # Not by pathlib, which knows no absolute patterns.
    return map(Path, iglob(str(pattern), recursive=True))  # noqa: PTH207


def _some_files(paths: Iterator[Path], otherwise: str) -> Sequence[Path]:
    """Return those that are files with something in them, in the order of their names."""
    files = sorted(
        path
        for path in paths
        if path.is_file() and path.stat().st_size and not path.name.startswith(".")
    )
    if not files:
        raise BadSource(f"{otherwise}: give one or more lists of links")
    return files


def check_links(source: Source, hosts: Sequence[str]) -> None:
    """Refuse an input whose first rows name nothing at all; `hosts` are those of images.

    Raises:
        BadSource: with what the first of them holds.
    """
    records = chain.from_iterable(rows.records for rows in source.rows())
    first = list(islice(records, CHECKED))
    if not first:
        raise BadSource(f"{source.path} lists nothing: there should be links in it")
    if any(_names_something(record.text, hosts) for record in first):
        return
    what = _LOOKS_LIKE[source.files[0].format]
    column = f" in its column {source.column!r}" if source.column else ""
    raise BadSource(
        f"{source.path} names nothing at Imgur: it looks like {what} about something else, with no "
        f"link{column} among its first {len(first)} rows; the first is "
        f"{printable(first[0].text.strip(), 80)!r}"
    )


def _names_something(text: str, hosts: Sequence[str]) -> bool:
    """Return whether a row is a link, be it to another site."""
    try:
        read_link(text, hosts, Kind.ALBUM)
    except ForeignLink:
        return True
    except BadAddress:
        return False
    return True
