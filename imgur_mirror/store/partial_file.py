"""The file an image is written to until it is whole."""

import os
import secrets
from contextlib import suppress
from itertools import count
from pathlib import Path
from typing import Self

from imgur_mirror.store.fs import is_at, md5, said, try_lock

__all__ = ["RESUMABLE", "Part", "etag_file", "is_resumable", "remove_unless_locked"]

RESUMABLE = 1 << 20
"""Bytes from which a partial file is worth a `Range` request, and its ETag worth a file."""

SMALL = 1 << 18
"""Bytes that wait in memory until they are whole: what one worker has of one image at the most."""

_READ = 1 << 20

_MINE, _NUMBERS = secrets.token_hex(4), count()
"""What makes the names of this machine's files its own; with the process, which may be forked."""


class Part:
    """The file an image is written to until it is whole: hashed, brought to the disk, then renamed.

    Up to `SMALL` bytes wait in memory: to make a file waits for the disk, and so is done once, by
    `file`, where no event loop waits with it. What comes all at once needs no name that a later try
    would find, and so no lock: it gets one of its own, `NAME.TOKEN.RUN.part`, which other runs
    leave alone while its run lives. Use it as a context manager: unless `place` was
    called, what was written is kept when it can be continued (`RESUMABLE` bytes and an ETag) and
    removed when not.
    """

    def __init__(self, target: Path | str, run: str = "") -> None:
        # As text, which costs less than a path for each image.
        self._target_name = str(target)
        self._path = f"{target}.part"
        self.size = 0
        self._run = run
        self._descriptor: int | None = None
        self._waiting: list[bytes] = []
        self._hashed = 0
        self._digest = md5()
        self._has_etag = self._placed = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is None:
            return
        try:
            # What lies under a name of this writer's own, nobody would look for.
            own = self._path != f"{self._target_name}.part"
            if not self._placed and (own or not is_resumable(self.path)):
                self._remove()
        finally:
            os.close(descriptor)

    @property
    def target(self) -> Path:
        """Where the file belongs when it is whole."""
        return Path(self._target_name)

    @property
    def path(self) -> Path:
        """Where it is until then."""
        return Path(self._path)

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
            return os.pread(self._descriptor, 64, 0)
        if self._waiting and len(self._waiting[0]) >= 64:
            return self._waiting[0][:64]
        return b"".join(self._waiting)[:64]

    def resume(self) -> str | None:
        """Take up what an earlier try left, and give its ETag; None where there is nothing to."""
        with said(self._path):
            if not is_resumable(self.path):
                return None
            descriptor = self._open()
            # Another writer may have it: then this one has a new and empty file.
            self._has_etag = is_resumable(self.path)
            etag = self._etag.read_text("latin-1") if self._has_etag else ""
            if not _may_be_sent(etag):
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
        with said(self._path):
            if self._descriptor is not None:
                os.ftruncate(self._descriptor, 0)
            if self._has_etag:
                self._etag.unlink(missing_ok=True)
            self._has_etag = etag is not None and _may_be_sent(etag)
            if etag is not None and self._has_etag:
                self.file()
                self._etag.write_text(etag, encoding="ascii")

    def write(self, block: bytes) -> None:
        """Append a block.

        Raises:
            StoreError: where the disk is full or the file cannot be written.
        """
        if self._descriptor is None and self.size + len(block) <= SMALL:
            self._waiting.append(block)
        else:
            with said(self._path):
                self._append(self.file(), block)
                self._digest.update(block)
        self.size += len(block)

    def place(self) -> None:
        """Bring the bytes to the disk, then the file to its name."""
        with said(self._path):
            descriptor = self.file()
            os.fdatasync(descriptor)
            os.rename(self._path, self._target_name)  # noqa: PTH104 - without a Path for each file
            self._placed = True
            if self._has_etag:
                self._etag.unlink(missing_ok=True)
            # First: its number is free, whatever the system says as it closes it.
            self._descriptor = None
            os.close(descriptor)

    def discard(self) -> None:
        """Throw away what is there, whatever could be continued."""
        self.restart()

    def file(self) -> int:
        """Give the file, made if need be, with all in it that waited in memory.

        Raises:
            StoreError: where it cannot be written.
        """
        if self._descriptor is not None:
            return self._descriptor
        with said(self._path):
            descriptor = self._open()
            if os.fstat(descriptor).st_size:
                os.ftruncate(descriptor, 0)
            # It is of what was there before.
            self._etag.unlink(missing_ok=True)
            self._fill(descriptor)
        return descriptor

    def ready(self) -> None:
        """Have all of it where `place` needs it.

        Raises:
            StoreError: where it cannot be written.
        """
        if self._descriptor is None and self._run:
            name = f"{self._target_name}.{_MINE}-{os.getpid()}-{next(_NUMBERS)}.{self._run}.part"
            with said(os.path.dirname(self._target_name)):  # noqa: PTH120 - without a Path for each file
                flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
                self._descriptor = os.open(name, flags, 0o644)
                self._path = name
                self._fill(self._descriptor)
        else:
            self.file()

    def _fill(self, descriptor: int) -> None:
        """Write what waits in memory to the new file."""
        _ = self.md5  # takes it in
        waiting, self._waiting, self._hashed = self._waiting, [], 0
        self.size = 0
        for block in waiting:
            self._append(descriptor, block)
            self.size += len(block)

    def _open(self) -> int:
        """Open `TARGET.part`, or one of its own name where another writer holds that."""
        while self._descriptor is None:
            with said(self.target.parent):
                descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
            if not try_lock(descriptor):
                os.close(descriptor)
                token = secrets.token_hex(4)
                self._path = f"{self._target_name}.{token}.part"
            elif not is_at(descriptor, self.path):
                # Another run renamed or removed it between our opening and our locking.
                os.close(descriptor)
            else:
                self._descriptor = descriptor
        return self._descriptor

    def _append(self, descriptor: int, block: bytes) -> None:
        written = os.pwrite(descriptor, block, self.size)
        while written < len(block):
            written += os.pwrite(descriptor, block[written:], self.size + written)

    @property
    def _etag(self) -> Path:
        return etag_file(self.path)

    def _remove(self) -> None:
        # What cannot be removed now, the next run sweeps; the image's outcome must not be lost.
        with suppress(OSError):
            self.path.unlink(missing_ok=True)
            self._etag.unlink(missing_ok=True)


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
