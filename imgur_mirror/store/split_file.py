"""The one file that several workers write the pieces of an image to, each at its offset.

It is `NAME.RUN.part`, and beside it lies a log, `NAME.RUN.part.log`. The log's first line says of
which version of the image the pieces are; each further one is a range of bytes that is on the disk,
or who puts the whole together. Lines are appended in one write each, which the operating system
keeps apart whichever process they come from.
"""

import errno
import fcntl
import hashlib
import json
import os
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from imgur_mirror.http import is_strong_etag
from imgur_mirror.store.fs import is_at, is_free, md5, said, try_lock
from imgur_mirror.store.partial_file import etag_file, is_resumable

__all__ = ["Resumable", "SplitPart", "is_sound", "missing", "resumable"]

Range = tuple[int, int]
"""From the first byte to before the last: `start <= byte < stop`."""


@dataclass(frozen=True, slots=True)
class Resumable:
    """What an earlier run has of an image: its version, its bytes in all, and which are there."""

    etag: str | None
    total: int
    done: tuple[Range, ...]


def missing(done: Iterable[Range], start: int, stop: int) -> list[Range]:
    """Give the ranges between `start` and `stop` that are not done, in order."""
    lacking, at = [], start
    for first, last in sorted(done):
        if first > at:
            lacking.append((at, min(first, stop)))
        at = max(at, last)
        if at >= stop:
            return [(first, last) for first, last in lacking if first < last]
    return [*((first, last) for first, last in lacking if first < last), (at, stop)]


class SplitPart:
    """One worker's hold on the file; use it as a context manager."""

    def __init__(self, target: Path, path: Path, descriptor: int) -> None:
        self.target = target
        self.path = path
        self._descriptor = descriptor

    @classmethod
    def open(cls, target: Path, run: str) -> Self:
        """Open the file that the workers of a run share; none of them has it alone."""
        path = _path(target, run)
        with said(target.parent):
            while True:
                descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
                fcntl.flock(descriptor, fcntl.LOCK_SH)
                if is_at(descriptor, path):
                    return cls(target, path, descriptor)
                os.close(descriptor)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._descriptor)

    # The log

    def agree(self, etag: str | None, total: int) -> bool:
        """Say which version this worker gets, and tell whether it is the one of all others."""
        mine = {"etag": etag, "total": total}
        if self._version() is None:
            self._say(mine)
        return self._version() == mine

    @property
    def etag(self) -> str | None:
        """The ETag of the version that the pieces are of, if one was sent and any has come."""
        version = self._version()
        return None if version is None else version["etag"]

    @property
    def done(self) -> list[Range]:
        """The ranges that are on the disk."""
        return [(line["start"], line["stop"]) for line in self._lines() if "start" in line]

    def claim(self, piece: int) -> bool:
        """Tell whether it is for the worker of this piece to put the whole together."""
        return self._say_first("claim", piece)

    def spoil(self, piece: int) -> bool:
        """Say that these pieces make no whole, so that no run goes on with them.

        Tells whether it is for the worker of this piece to fetch the image whole instead.
        """
        return self._say_first("spoilt", piece)

    @property
    def is_spoilt(self) -> bool:
        """Whether somebody has said so."""
        return any("spoilt" in line for line in self._lines())

    def _say_first(self, word: str, piece: int) -> bool:
        """Say a word, and tell who said it first; asked again, after a crash, that one still is."""
        self._say({word: piece})
        first = next((line[word] for line in self._lines() if word in line), piece)
        return bool(first == piece)

    def _version(self) -> dict[str, Any] | None:
        return next((line for line in self._lines() if "total" in line), None)

    def _say(self, line: dict[str, Any]) -> None:
        # The newline before it ends a line that a full disk cut short.
        text = b"\n" + json.dumps(line).encode() + b"\n"
        with said(self.path), _log(self.path).open("ab", buffering=0) as log:
            if log.write(text) < len(text):
                raise OSError(errno.ENOSPC, "a line of the log did not fit")

    def _lines(self) -> Iterator[dict[str, Any]]:
        with said(self.path):
            return iter(_read(self.path))

    # The bytes

    def write(self, block: bytes, offset: int) -> None:
        """Write a block at its place.

        Raises:
            StoreError: where the disk is full or the file cannot be written.
        """
        with said(self.path):
            written = 0
            while written < len(block):
                written += os.pwrite(self._descriptor, block[written:], offset + written)

    def keep(self, start: int, stop: int) -> None:
        """Bring a range to the disk, and say that it is there."""
        with said(self.path):
            os.fdatasync(self._descriptor)
        self._say({"start": start, "stop": stop})

    @property
    def head(self) -> bytes:
        """The first bytes, enough to tell the kind of file."""
        return os.pread(self._descriptor, 64, 0)

    def digest(self) -> str:
        """Read the whole file's MD5: pieces come in any order, so it can't be made as they come."""
        with said(self.path), self.path.open("rb") as file:
            return hashlib.file_digest(file, md5).hexdigest()

    def place(self) -> None:
        """Bring the file to its name."""
        with said(self.path):
            os.fdatasync(self._descriptor)
            self.path.rename(self.target)
            _log(self.path).unlink(missing_ok=True)


def resumable(target: Path, run: str, size: int | None, wholes: bool) -> Resumable | None:
    """Take over for a run what a dead one has of an image of that size; None if that is nothing.

    Pieces are taken over, and with `wholes` the beginning of a whole file as well. The caller holds
    the folder's lock, so that of two runs one takes it.
    """
    with said(target.parent):
        for log in target.parent.glob(f"{target.name}.*.part.log"):
            part = log.with_suffix("")
            if _is_dead(part, target):
                found = _usable(_read(part), size)
                if found is not None and _take_over(part, _path(target, run), found):
                    return found
        return _beginning(target, run, size) if wholes else None


def _beginning(target: Path, run: str, size: int | None) -> Resumable | None:
    whole = target.with_name(f"{target.name}.part")
    if size is None or not is_resumable(whole):
        return None
    etag = etag_file(whole).read_text("latin-1")
    have = whole.stat().st_size
    # No host has said yet that it is so long in all: what is as long may well be longer.
    if have >= size or not is_strong_etag(etag):
        return None
    found = Resumable(etag, size, ((0, have),))
    if not _take_over(whole, _path(target, run), found):
        return None
    etag_file(whole).unlink(missing_ok=True)
    return found


def _take_over(part: Path, mine: Path, found: Resumable) -> bool:
    """Give a dead run's file this run's name and log; false where another writer has it."""
    lines = [{"etag": found.etag, "total": found.total}]
    ranges = [{"start": start, "stop": stop} for start, stop in found.done]
    text = "".join(json.dumps(line) + "\n" for line in [*lines, *ranges])
    try:
        descriptor = os.open(part, os.O_RDONLY)
    except FileNotFoundError:
        return False
    try:
        # Held while it is renamed, so that no writer opens it in between.
        if not try_lock(descriptor) or not is_at(descriptor, part):
            return False
        # The file first: a log without its file would vouch for bytes that are not there.
        part.rename(mine)
        _log(mine).write_text(text, encoding="ascii")
        _log(part).unlink(missing_ok=True)
    finally:
        os.close(descriptor)
    return True


def is_sound(part: Path) -> bool:
    """Tell whether a run can go on with the pieces that were written to a file."""
    lines = _read(part)
    return lines != [] and not any("spoilt" in line for line in lines)


def _is_dead(part: Path, target: Path) -> bool:
    run = part.name.removesuffix(".part").rpartition(".")[2]
    state = target.parent / f".run-{run}"
    return part.exists() and is_free(part) and (not state.exists() or is_free(state))


def _usable(lines: list[dict[str, Any]], size: int | None) -> Resumable | None:
    version = next((line for line in lines if "total" in line), None)
    if version is None or version["total"] != size or any("spoilt" in line for line in lines):
        return None
    if not is_strong_etag(version["etag"]):
        return None
    done = tuple((line["start"], line["stop"]) for line in lines if "start" in line)
    return Resumable(version["etag"], version["total"], done) if done else None


def _read(part: Path) -> list[dict[str, Any]]:
    """Read a log; a line that a crash cut short is not there."""
    lines = []
    with suppress(FileNotFoundError):
        for line in _log(part).read_bytes().splitlines():
            with suppress(ValueError, RecursionError):
                read = json.loads(line)
                if isinstance(read, dict):
                    lines.append(read)
    return lines


def _path(target: Path, run: str) -> Path:
    return target.with_name(f"{target.name}.{run}.part")


def _log(part: Path) -> Path:
    return part.with_name(f"{part.name}.log")
