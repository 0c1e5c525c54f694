"""The file that an image is written to until it is whole.

An image that is fetched whole has one writer, and its file `NAME.part` one lock; beside it lies
`NAME.part.etag`, which says of which version the bytes are. An image that is fetched in ranges has
a file that all workers of a run write to, `NAME.RUN.part`, with a log (see `range_log`).
"""

import fcntl
import hashlib
import os
import secrets
from abc import ABC, abstractmethod
from contextlib import suppress
from itertools import count
from pathlib import Path
from typing import Self

from imgur_mirror.store.errors import os_errors_as_store_errors
from imgur_mirror.store.fs import is_at, md5, try_lock
from imgur_mirror.store.range_log import RangeLog

__all__ = [
    "RESUMABLE",
    "ExclusiveFile",
    "PartialFile",
    "SharedFile",
    "etag_file",
    "held_name",
    "is_resumable",
    "shared_path",
]

RESUMABLE = 1 << 20
"""Bytes from which a partial file is worth a `Range` request, and its ETag worth a file."""

SMALL = 1 << 18
"""Bytes that wait in memory until they are whole: what one worker has of one image at the most."""

_READ = 1 << 20

_PROCESS, _NUMBERS = secrets.token_hex(4), count()
"""What makes the names of this machine's files its own; with the process, which may be forked."""


class PartialFile(ABC):
    """A locked file that is written at offsets, brought to the disk, and then renamed."""

    def __init__(self, target: Path | str, path: str, run: str) -> None:
        # As text, which costs less than a path for each image.
        self._target = str(target)
        self._path = path
        self._run = run
        self._descriptor: int | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._close()

    @property
    def target(self) -> Path:
        """Where the file belongs when it is whole."""
        return Path(self._target)

    @property
    def path(self) -> Path:
        """Where it is until then."""
        return Path(self._path)

    @property
    def head(self) -> bytes:
        """The first bytes, enough to tell the kind of file."""
        return os.pread(self._open(), 64, 0)

    def commit(self) -> None:
        """Bring the bytes to the disk, then the file to its name."""
        self._commit_as(self._target)

    def hold(self) -> None:
        """Bring the bytes to the disk, and the file to the run's own folder: see `held_name`."""
        folder, name = os.path.split(self._target)
        self._commit_as(f"{folder}/{held_name(self._run, name)}")

    def _commit_as(self, target: str) -> None:
        with os_errors_as_store_errors(self._path):
            os.fdatasync(self._open())
            os.rename(self._path, target)  # noqa: PTH104 - without a Path for each file

    def _open(self) -> int:
        """Return the file, opened and locked at first."""
        while self._descriptor is None:
            with os_errors_as_store_errors(self.target.parent):
                descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
                # Another run may rename or remove it between our opening and our locking.
                if self._lock(descriptor) and is_at(descriptor, self.path):
                    self._descriptor = descriptor
                else:
                    os.close(descriptor)
        return self._descriptor

    @abstractmethod
    def _lock(self, descriptor: int) -> bool:
        """Lock what was opened; false where it has to be opened under another name."""

    def _write_at(self, block: bytes, offset: int) -> None:
        descriptor = self._open()
        written = os.pwrite(descriptor, block, offset)
        while written < len(block):
            written += os.pwrite(descriptor, block[written:], offset + written)

    def _close(self) -> None:
        # First: its number is free, whatever the system says as it closes it.
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None:
            os.close(descriptor)


class ExclusiveFile(PartialFile):
    """The file of one writer, from its first byte on, hashed as it comes.

    Up to `SMALL` bytes wait in memory. A small image is written by `commit`, where no event loop
    waits for the disk, to a file of its own, `NAME.TOKEN.RUN.part`: no later try looks for it, so
    it needs no lock, and other runs leave it alone while its run lives.

    Use it as a context manager: unless it was committed, what was written is kept when it can be
    continued (`RESUMABLE` bytes and an ETag) and removed when not.
    """

    def __init__(self, target: Path | str, run: str = "") -> None:
        super().__init__(target, f"{target}.part", run)
        self.size = 0
        self._waiting: list[bytes] = []
        self._hashed = 0
        self._digest = md5()
        self._has_etag = self._committed = False

    def __exit__(self, *_: object) -> None:
        try:
            if self._descriptor is not None and not self._committed and not self._may_resume():
                self._remove()
        finally:
            self._close()

    def _may_resume(self) -> bool:
        # Nobody would look for what lies under a name of this writer's own.
        return self._path == f"{self._target}.part" and is_resumable(self.path)

    @property
    def md5(self) -> str:
        """The digest of what was written, in hex."""
        for block in self._waiting[self._hashed :]:
            self._digest.update(block)
        self._hashed = len(self._waiting)
        return self._digest.hexdigest()

    @property
    def head(self) -> bytes:
        """The first bytes, enough to tell the kind of file."""
        if self._descriptor is not None:
            return super().head
        if self._waiting and len(self._waiting[0]) >= 64:
            return self._waiting[0][:64]
        return b"".join(self._waiting)[:64]

    def resume(self) -> str | None:
        """Go on with what an earlier try left, and return its ETag; None where there is none."""
        with os_errors_as_store_errors(self._path):
            if not is_resumable(self.path):
                return None
            descriptor = self._open()
            # Another writer may have it: then this one has a new and empty file.
            self._has_etag = is_resumable(self.path)
            etag = self._etag.read_text("latin-1") if self._has_etag else ""
            if not _fits_a_header(etag):
                self.restart()
                return None
            while block := os.pread(descriptor, _READ, self.size):
                self._digest.update(block)
                self.size += len(block)
            return etag

    def restart(self, etag: str | None = None) -> None:
        """Throw away what is there; `etag` is kept beside what comes, so that it can go on."""
        if self.size:
            self._waiting, self._digest = [], md5()
        self.size = self._hashed = 0
        with os_errors_as_store_errors(self._path):
            if self._descriptor is not None:
                os.ftruncate(self._descriptor, 0)
            if self._has_etag:
                self._etag.unlink(missing_ok=True)
            self._has_etag = etag is not None and _fits_a_header(etag)
            if etag is not None and self._has_etag:
                self._make()
                self._etag.write_text(etag, encoding="ascii")

    def discard(self) -> None:
        """Throw away what is there, whatever could be continued."""
        self.restart()

    def write(self, block: bytes) -> None:
        """Append a block.

        Raises:
            StoreError: where the disk is full or the file cannot be written.
        """
        if self._descriptor is None and self.size + len(block) <= SMALL:
            self._waiting.append(block)
        else:
            with os_errors_as_store_errors(self._path):
                self._make()
                self._write_at(block, self.size)
                self._digest.update(block)
        self.size += len(block)

    def _commit_as(self, target: str) -> None:
        if self._descriptor is None:
            self._make_under_own_name()
        super()._commit_as(target)
        self._committed = True
        with os_errors_as_store_errors(self._path):
            if self._has_etag:
                self._etag.unlink(missing_ok=True)
            self._close()

    def _make(self) -> None:
        """Make the file that a later try may go on with, where it is not open already."""
        if self._descriptor is None:
            descriptor = self._open()
            if os.fstat(descriptor).st_size:
                os.ftruncate(descriptor, 0)
            # It is of what was there before.
            self._etag.unlink(missing_ok=True)
            self._write_waiting()

    def _make_under_own_name(self) -> None:
        name = f"{self._target}.{_PROCESS}-{os.getpid()}-{next(_NUMBERS)}.{self._run}.part"
        with os_errors_as_store_errors(os.path.dirname(self._target)):  # noqa: PTH120 - as above
            flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
            self._descriptor, self._path = os.open(name, flags, 0o644), name
            self._write_waiting()

    def _write_waiting(self) -> None:
        """Write what waits in memory to the new file."""
        _ = self.md5  # hashes it
        self._write_at(b"".join(self._waiting), 0)
        self._waiting, self._hashed = [], 0

    def _lock(self, descriptor: int) -> bool:
        if try_lock(descriptor):
            return True
        # Another writer holds it.
        self._path = f"{self._target}.{secrets.token_hex(4)}.part"
        return False

    @property
    def _etag(self) -> Path:
        return etag_file(self.path)

    def _remove(self) -> None:
        # What cannot be removed now, the next run sweeps; the image's outcome must not be lost.
        with suppress(OSError):
            self.path.unlink(missing_ok=True)
            self._etag.unlink(missing_ok=True)


class SharedFile(PartialFile):
    """One worker's hold on the file that all workers of a run write to, each at its offset."""

    def __init__(self, target: Path, run: str) -> None:
        path = shared_path(target, run)
        super().__init__(target, str(path), run)
        self.log = RangeLog(path)
        self._open()

    def write(self, block: bytes, offset: int) -> None:
        """Write a block at its place.

        Raises:
            StoreError: where the disk is full or the file cannot be written.
        """
        with os_errors_as_store_errors(self._path):
            self._write_at(block, offset)

    def keep(self, start: int, stop: int) -> None:
        """Bring a range to the disk, and note that it is there."""
        with os_errors_as_store_errors(self._path):
            os.fdatasync(self._open())
        self.log.append({"start": start, "stop": stop})

    def digest(self) -> str:
        """Read the whole file's MD5: ranges come in any order, so it can't be made as they come."""
        with os_errors_as_store_errors(self._path), self.path.open("rb") as file:
            return hashlib.file_digest(file, md5).hexdigest()

    def _commit_as(self, target: str) -> None:
        super()._commit_as(target)
        with os_errors_as_store_errors(self._path):
            self.log.path.unlink(missing_ok=True)

    def _lock(self, descriptor: int) -> bool:
        fcntl.flock(descriptor, fcntl.LOCK_SH)
        return True


def held_name(run: str, name: str) -> str:
    """Return where a file is, from its folder, that takes its name when the run ends."""
    return f".run-{run}/{name}"


def shared_path(target: Path, run: str) -> Path:
    """Return where the workers of a run write an image's ranges to."""
    return target.with_name(f"{target.name}.{run}.part")


def etag_file(part: Path) -> Path:
    """Return where the ETag of a partial file is, whose image is fetched whole."""
    return part.with_name(f"{part.name}.etag")


def is_resumable(part: Path) -> bool:
    """Return whether a whole image can go on from what is there."""
    try:
        return part.stat().st_size >= RESUMABLE and etag_file(part).exists()
    except FileNotFoundError:
        return False


def _fits_a_header(etag: str) -> bool:
    """Return whether an ETag can be sent; a file cut short by a crash, or a host, may hold any."""
    return etag != "" and etag.isascii() and etag.isprintable()
