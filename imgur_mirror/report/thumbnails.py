"""The thumbnails of an album for its pages: those that are there, and the missing ones made."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from functools import partial
from mimetypes import guess_type
from typing import BinaryIO

from imgur_mirror.models import Download
from imgur_mirror.pictures import MAX_FILE_BYTES
from imgur_mirror.store import AlbumFolder

__all__ = ["album_thumbnails"]

READERS = 8
"""Thumbnails that are read or written at once, which matters where each is a request."""


def album_thumbnails(
    folder: AlbumFolder, files: Mapping[str, int], rows: Mapping[str, Download], known: set[str]
) -> dict[str, bytes]:
    """Return the thumbnails of files, by name, and keep those that had to be made.

    `files` are the bytes of each, `rows` the outcomes by file name, `known` the MD5s of images that
    have a thumbnail. A file that cannot be decoded has none, nor has one whose turn does not come
    within a few seconds.

    Raises:
        StoreError: where the folder cannot be read or written.
    """
    kept = folder.thumbnails
    digests = {name: row.md5 for name, row in rows.items() if name in files and row.md5 is not None}
    with ThreadPoolExecutor(READERS) as pool:
        there = {name: md5 for name, md5 in digests.items() if md5 in known}
        found = dict(zip(there, pool.map(kept.read, there.values()), strict=True))
        wanted = [name for name in _pictures(files, rows) if not found.get(name)]
        made = _made([partial(folder.open, name) for name in wanted])
        found |= zip(wanted, made, strict=True)
        new = {
            digests[name]: content
            for name in wanted
            if name in digests and (content := found[name])
        }
        list(pool.map(kept.write, new.keys(), new.values()))
    return {name: content for name, content in found.items() if content}


def _made(files: Sequence[Callable[[], AbstractContextManager[BinaryIO]]]) -> list[bytes | None]:
    if not files:
        return []
    # Imported where something is to be made: it brings Pillow.
    from imgur_mirror.pictures.thumbnails import thumbnails

    return thumbnails(files)


def _pictures(files: Mapping[str, int], rows: Mapping[str, Download]) -> Iterator[str]:
    """Yield the names of what may be decoded; what could not be by its own task is not tried."""
    for name, size in files.items():
        row = rows.get(name)
        is_picture = (guess_type(name)[0] or "").startswith("image/")
        if is_picture and size <= MAX_FILE_BYTES and (row is None or row.work_error is None):
            yield name
