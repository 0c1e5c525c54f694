"""Which format a file has, by its first bytes and its name; and what it is where it is no list."""

from enum import StrEnum
from pathlib import Path

from imgur_mirror.bulk.formats.opening import PACKED_SUFFIXES, is_packed, open_file
from imgur_mirror.bulk.formats.parquet_rows import MAGIC
from imgur_mirror.bulk.formats.record import BadSource
from imgur_mirror.bulk.formats.table import is_table
from imgur_mirror.download.media_types import is_html, media_type_of

__all__ = ["DELIMITERS", "Format", "format_of", "list_name"]

HEAD = 1 << 15
"""Bytes that are looked at."""

DELIMITERS = {".csv": "", ".tsv": "\t", ".tab": "\t"}
"""What stands between the cells of a table, by its file's suffix; empty where its lines tell."""

JSON_SUFFIXES = (".json", ".jsonl", ".ndjson")
PARQUET_SUFFIXES = (".parquet", ".pq")

_SIGNATURES = (
    (b"%PDF", "a PDF document"),
    (b"PK\x03\x04", "a ZIP archive or an Excel workbook"),
    (b"\xd0\xcf\x11\xe0", "an old Word or Excel document"),
    (b"7z\xbc\xaf", "a 7z archive"),
    (b"Rar!", "a RAR archive"),
    (b"SQLite format 3", "an SQLite database"),
    (b"ARROW1", "an Arrow file"),
    (b"Obj\x01", "an Avro file"),
    (b"ORC", "an ORC file"),
    (b"\x7fELF", "a program"),
    (b"<?xml", "an XML document"),
    (b"{\\rtf", "an RTF document"),
)

_TAR = (257, b"ustar")

# Tab, line feed, form feed, carriage return and escape.
_CONTROL = bytes(set(range(32)) - {9, 10, 12, 13, 27})


class Format(StrEnum):
    """How a file holds its links."""

    PARQUET = "parquet"
    TABLE = "table"
    JSON = "json"
    LINES = "lines"


def list_name(path: Path) -> Path:
    """Return the name of a file without the suffix of what it is compressed by."""
    return path.with_suffix("") if path.suffix.lower() in PACKED_SUFFIXES else path


def format_of(path: Path) -> Format:
    """Tell the format of a file.

    Raises:
        BadSource: where it is no list; with what it looks like.
    """
    suffix = list_name(path).suffix.lower()
    with open_file(path) as file:
        head = file.unpacked.read(HEAD)
    is_parquet = head.startswith(MAGIC) or suffix in PARQUET_SUFFIXES
    if is_parquet and is_packed(path):
        raise BadSource(f"{path} is a Parquet file inside a compressed one: unpack it first")
    if is_parquet:
        return Format.PARQUET
    if (what := _what_it_is(head)) is not None:
        raise BadSource(
            f"{path} looks like {what}, and not like a list: give a Parquet, CSV, TSV or JSON "
            "file, or a text file with one link a line"
        )
    return _text_format(path, suffix, head)


def _text_format(path: Path, suffix: str, head: bytes) -> Format:
    start = head.lstrip(b"\xef\xbb\xbf \t\r\n")
    if suffix in DELIMITERS:
        return Format.TABLE
    is_array = start.startswith(b"[") and start[1:].lstrip().startswith((b'{"', b'"'))
    if suffix in JSON_SUFFIXES or start.startswith(b"{") or is_array:
        return Format.JSON
    with open_file(path) as file:
        return Format.TABLE if is_table(file) else Format.LINES


def _what_it_is(head: bytes) -> str | None:
    """Say what begins with these bytes, where it is known to be no text."""
    for signature, what in _SIGNATURES:
        if head.startswith(signature):
            return what
    if head.startswith(_TAR[1], _TAR[0]):
        return "a tar archive"
    if is_html(head):
        return "an HTML page"
    if (media := media_type_of(head)) is not None:
        return f"a picture or video ({media})"
    if head.startswith((b"\xff\xfe", b"\xfe\xff")):
        return None
    control = len(head) - len(head.translate(None, _CONTROL))
    return "binary data" if control * 100 > len(head) else None
