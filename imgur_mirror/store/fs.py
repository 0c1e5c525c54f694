"""What every writer of the store needs of the operating system: locks and the order on disk."""

import fcntl
import hashlib
import os
import re
import secrets
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

__all__ = [
    "is_at",
    "is_free",
    "locked",
    "md5",
    "remove_drafts",
    "sync_folder",
    "try_lock",
    "write_whole",
]


_DRAFT = re.compile(r"\..+\.[0-9a-f]{8}")
"""The name that `write_whole` gives a file until it is whole."""


def md5(content: bytes = b"") -> "hashlib._Hash":
    """Return a digest that identifies content, and vouches for nobody."""
    return hashlib.md5(content, usedforsecurity=False)


def write_whole(path: Path, blocks: Iterable[bytes], durable: bool = True) -> None:
    """Replace a file so that at any instant the old or the new one is there, whole.

    Unless it is `durable`, that does not hold for a loss of power, after which it may be empty.
    """
    draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        with draft.open("wb") as file:
            file.writelines(blocks)
            if durable:
                file.flush()
                os.fsync(file.fileno())
        draft.rename(path)
    finally:
        draft.unlink(missing_ok=True)
    if durable:
        sync_folder(path.parent)


def remove_drafts(folder: Path) -> None:
    """Remove what `write_whole` left where it was killed; nobody else may be writing there."""
    for path in folder.iterdir():
        if _DRAFT.fullmatch(path.name):
            path.unlink()


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
    """Return whether the open file is still the one of that name."""
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
    """Return whether nobody holds the lock of a file or folder."""
    try:
        descriptor = os.open(path, os.O_RDONLY)
    except FileNotFoundError:
        return False
    try:
        return try_lock(descriptor)
    finally:
        os.close(descriptor)
