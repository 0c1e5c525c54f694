"""The file an image is written to until it is whole."""

import os
import secrets
from contextlib import suppress
from pathlib import Path
from typing import Self

from imgur_mirror.disk import is_at, md5, said, try_lock

__all__ = ["RESUMABLE", "Part", "etag_file", "is_resumable", "remove_unless_locked"]

RESUMABLE = 1 << 20
"""Bytes from which a partial file is worth a `Range` request, and its ETag worth a file."""

_READ = 1 << 20


class Part:
    """The file an image is written to until it is whole: hashed as it is written, then renamed.

    Use it as a context manager: unless `place` was called, what was written is kept when it can
    be continued (`RESUMABLE` bytes and an ETag) and removed when not.
    """

    def __init__(self, target: Path, path: Path, descriptor: int) -> None:
        self.target = target
        self.path = path
        self.size = 0
        self._descriptor = descriptor
        self._digest = md5()
        self._placed = False

    @classmethod
    def open(cls, target: Path) -> Self:
        """Open `TARGET.part`, or one of its own name where another writer holds that."""
        path = part_file(target)
        while True:
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
            if not try_lock(descriptor):
                os.close(descriptor)
                path = target.with_name(f"{target.name}.{secrets.token_hex(4)}.part")
            elif not is_at(descriptor, path):
                # Another run renamed or removed it between our opening and our locking.
                os.close(descriptor)
            else:
                return cls(target, path, descriptor)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        try:
            # What lies under a name of this writer's own, nobody would look for.
            own = self.path != part_file(self.target)
            if not self._placed and (own or not is_resumable(self.path)):
                self._remove()
        finally:
            os.close(self._descriptor)

    @property
    def md5(self) -> str:
        """The digest of what was written, in hex."""
        return self._digest.hexdigest()

    @property
    def head(self) -> bytes:
        """The first bytes, enough to tell the kind of file."""
        return os.pread(self._descriptor, 64, 0)

    def resume(self) -> str | None:
        """Take up what an earlier try left, and give its ETag; None where there is nothing to."""
        with said(self.path):
            etag = self._etag.read_text("latin-1") if is_resumable(self.path) else ""
            if not _may_be_sent(etag):
                self.restart()
                return None
            while block := os.pread(self._descriptor, _READ, self.size):
                self._digest.update(block)
                self.size += len(block)
            return etag

    def restart(self, etag: str | None = None) -> None:
        """Throw away what is there; `etag` is kept beside what comes, so that it can go on."""
        with said(self.path):
            os.ftruncate(self._descriptor, 0)
            self.size = 0
            self._digest = md5()
            if etag is None or not _may_be_sent(etag):
                self._etag.unlink(missing_ok=True)
            else:
                self._etag.write_text(etag, encoding="ascii")

    def write(self, block: bytes) -> None:
        """Append a block.

        Raises:
            StoreError: where the disk is full or the file cannot be written.
        """
        with said(self.path):
            written = 0
            while written < len(block):
                written += os.pwrite(self._descriptor, block[written:], self.size + written)
        self._digest.update(block)
        self.size += len(block)

    def place(self) -> None:
        """Bring the bytes to the disk, then the file to its name."""
        with said(self.path):
            os.fdatasync(self._descriptor)
            self.path.rename(self.target)
            self._placed = True
            self._etag.unlink(missing_ok=True)

    def discard(self) -> None:
        """Throw away what is there, whatever could be continued."""
        self.restart()

    @property
    def _etag(self) -> Path:
        return etag_file(self.path)

    def _remove(self) -> None:
        # What cannot be removed now, the next run sweeps; the image's outcome must not be lost.
        with suppress(OSError):
            self.path.unlink(missing_ok=True)
            self._etag.unlink(missing_ok=True)


def part_file(target: Path) -> Path:
    return target.with_name(f"{target.name}.part")


def _may_be_sent(etag: str) -> bool:
    """Tell whether an ETag fits a header; a file cut short by a crash, or a host, may hold any."""
    return etag != "" and etag.isascii() and etag.isprintable()


def etag_file(part: Path) -> Path:
    return part.with_name(f"{part.name}.etag")


def is_resumable(part: Path) -> bool:
    try:
        return part.stat().st_size >= RESUMABLE and etag_file(part).exists()
    except FileNotFoundError:
        return False


def remove_unless_locked(part: Path) -> None:
    with suppress(FileNotFoundError):
        descriptor = os.open(part, os.O_RDONLY)
        try:
            # Another run may have placed that file and begun a new one of its name.
            if try_lock(descriptor) and is_at(descriptor, part):
                part.unlink()
                for beside in (etag_file(part), part.with_name(f"{part.name}.log")):
                    beside.unlink(missing_ok=True)
        finally:
            os.close(descriptor)
