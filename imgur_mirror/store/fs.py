"""What every writer of the store needs of the operating system: locks, order, and sentences."""

import errno
import fcntl
import hashlib
import os
import secrets
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType

__all__ = [
    "StoreAway",
    "StoreError",
    "is_at",
    "is_free",
    "locked",
    "md5",
    "said",
    "sync_folder",
    "try_lock",
    "write_whole",
]


class StoreError(Exception):
    """The store cannot be written or read; the sentence says what to mend. Never tried again."""

    retryable = False


class StoreAway(StoreError):
    """A store elsewhere did not answer, though it was asked several times; later it may."""

    retryable = True


REMEDIES = {
    errno.ENOSPC: "free some space on its disk",
    errno.EDQUOT: "free some space in your quota",
    errno.EACCES: "make it writable for the user that runs this",
    errno.EPERM: "make it writable for the user that runs this",
    errno.EROFS: "mount it writable, or choose another folder",
    errno.EFBIG: "raise the limit on a file's size (ulimit -f), or choose another disk",
    errno.EMFILE: "raise the limit on open files (ulimit -n), or lower the workers",
    errno.EEXIST: "a file is where the folder belongs: move it, or choose another folder",
    errno.ENOTDIR: "a file is where the folder belongs: move it, or choose another folder",
    errno.ENAMETOOLONG: "choose a folder with a shorter name",
}


class _Said:
    # No generator: each image passes several of these.
    __slots__ = ("_path",)

    def __init__(self, path: Path | str) -> None:
        self._path = path

    def __enter__(self) -> None:
        return

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if isinstance(error, OSError):
            remedy = REMEDIES.get(error.errno or 0, "look at the disk and at the folder")
            raise StoreError(
                f"cannot write to {self._path}: {error.strerror or error}; {remedy}, "
                "then run this again: what was stored is kept"
            ) from error


def said(path: Path | str) -> _Said:
    """Turn what the operating system refuses within the context into a sentence with its remedy.

    The sentence is a `StoreError` that names the path.
    """
    return _Said(path)


def md5() -> "hashlib._Hash":
    return hashlib.md5(usedforsecurity=False)


def write_whole(path: Path, blocks: Iterable[bytes]) -> None:
    """Replace a file so that at any instant the old or the new one is there, whole."""
    draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        with draft.open("wb") as file:
            file.writelines(blocks)
            file.flush()
            os.fsync(file.fileno())
        draft.rename(path)
    finally:
        draft.unlink(missing_ok=True)
    sync_folder(path.parent)


def sync_folder(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def try_lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def is_at(descriptor: int, path: Path) -> bool:
    """Tell whether the open file is still the one of that name."""
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except FileNotFoundError:
        return False


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Keep the other runs of an album from its manifest for a moment."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def is_free(path: Path) -> bool:
    """Tell whether nobody holds the lock of a file or folder."""
    try:
        descriptor = os.open(path, os.O_RDONLY)
    except FileNotFoundError:
        return False
    try:
        return try_lock(descriptor)
    finally:
        os.close(descriptor)
