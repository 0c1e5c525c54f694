"""A list's bytes: unpacked where they are compressed, decoded, and read line by line."""

import bz2
import codecs
import gzip
import lzma
import os
import shutil
import sys
import tempfile
import zlib
from atexit import register
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import cache
from io import BufferedReader, TextIOWrapper
from pathlib import Path
from typing import Any, BinaryIO

from imgur_mirror.bulk.formats.record import BadSource

__all__ = [
    "MAX_LINE",
    "PACKED_SUFFIXES",
    "Lines",
    "OpenFile",
    "bad_source_on_error",
    "is_packed",
    "open_file",
    "spooled_input",
]

PACKED_SUFFIXES = (".gz", ".bz2", ".xz", ".zst")

MAX_LINE = 1 << 20
"""Characters of a line that are read; the rest of a longer one is passed over."""

GIVE = "give a Parquet, CSV, TSV or JSON file, or a text file with one link a line"


Packed = Any
"""A file whose bytes are unpacked as they are read; the libraries share no type for that."""


def _zstd(file: BinaryIO) -> Packed:
    # Imported where there is such a file: it takes 0.2 s.
    import pyarrow

    return pyarrow.CompressedInputStream(pyarrow.PythonFile(file, "r"), "zstd")


_UNPACKED: tuple[tuple[bytes, Callable[[BinaryIO], Packed]], ...] = (
    (b"\x1f\x8b", lambda file: gzip.GzipFile(fileobj=file)),
    (b"BZh", bz2.BZ2File),
    (b"\xfd7zXZ\0", lzma.LZMAFile),
    (b"\x28\xb5\x2f\xfd", _zstd),
)
"""The first bytes of what each compresses, and what unpacks it."""


@contextmanager
def bad_source_on_error(name: str) -> Iterator[None]:
    """Raise what cannot be read as a `BadSource` that names the list."""
    try:
        yield
    except (OSError, EOFError, lzma.LZMAError, zlib.error) as error:
        # pyarrow's own errors of a damaged file are OSErrors too, without an errno.
        why = getattr(error, "strerror", None) or " ".join(str(error).split())
        raise BadSource(f"cannot read {name}: {why}; {GIVE}") from error


@dataclass(slots=True)
class OpenFile:
    """A list that is open: its bytes, unpacked, and how far its file has been read."""

    file: BinaryIO
    unpacked: BufferedReader
    _text: TextIOWrapper | None = None

    @property
    def share_read(self) -> float:
        """The share of the file that has been read."""
        size = os.fstat(self.file.fileno()).st_size
        return min(1.0, self.file.tell() / size) if size else 1.0

    def text(self, newline: str | None = "") -> TextIOWrapper:
        """Decode it; what is no UTF-8 becomes a mark that says so.

        Line ends stay as they are; with a `newline` of None each of them becomes a line feed.
        """
        start = self.unpacked.peek(2)[:2]
        utf16 = start in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
        encoding = "utf-16" if utf16 else "utf-8-sig"
        # Kept, since it closes the file when it is collected.
        self._text = TextIOWrapper(
            self.unpacked, encoding=encoding, errors="replace", newline=newline
        )
        return self._text


@contextmanager
def open_file(path: Path) -> Iterator[OpenFile]:
    """Open a file, and unpack it where it is compressed, whatever its name is."""
    with ExitStack() as stack:
        file = stack.enter_context(path.open("rb"))
        head = file.peek(8)
        unpack = next((unpack for magic, unpack in _UNPACKED if head.startswith(magic)), None)
        if unpack is None:
            yield OpenFile(file, file)
        else:
            yield OpenFile(file, BufferedReader(stack.enter_context(unpack(file))))


def is_packed(path: Path) -> bool:
    """Return whether a file is compressed."""
    with path.open("rb") as file:
        head = file.peek(8)
    return any(head.startswith(magic) for magic, _ in _UNPACKED)


class Lines(Iterator[str]):
    """The lines of a text, of which `number` have been given; some can be looked at before."""

    def __init__(self, text: TextIOWrapper) -> None:
        self.number = 0
        self._text = text
        self._ahead: deque[str] = deque()

    def __next__(self) -> str:
        line = self._ahead.popleft() if self._ahead else self._read()
        if not line:
            raise StopIteration
        self.number += 1
        return line

    def peek(self, count: int) -> list[str]:
        """Return the next lines, without taking them."""
        while len(self._ahead) < count and (line := self._read()):
            self._ahead.append(line)
        return list(self._ahead)[:count]

    def _read(self) -> str:
        line = part = self._text.readline(MAX_LINE)
        # Bounded, in case the file is one line of gigabytes.
        while len(part) >= MAX_LINE and not part.endswith("\n"):
            part = self._text.readline(MAX_LINE)
        return line


@cache
def spooled_input() -> Path:
    """Copy standard input to a file, since a list is read twice; once in a process.

    Raises:
        BadSource: where nobody sends one.
    """
    if sys.stdin is None or sys.stdin.isatty():
        raise BadSource("no list comes over standard input: pipe one into it, or name a file")
    descriptor, name = tempfile.mkstemp(prefix="imgur-mirror-list-")
    register(Path(name).unlink, missing_ok=True)
    with os.fdopen(descriptor, "wb") as spool:
        shutil.copyfileobj(sys.stdin.buffer, spool)
    return Path(name)
