"""The report files of an album: beside its mirror, in `<downloads>/_reports/<album id>/`.

They cannot collide with a mirror: no album's id starts with `_`, and nothing is added inside the
album's own folder.
"""

from pathlib import Path
from urllib.parse import quote

from imgur_mirror.store import REPORTS, AlbumFolder, StoredFile

__all__ = ["REPORTS", "image_uri", "read_report", "report_file", "report_uri", "write_report"]


def report_file(folder: AlbumFolder, name: str) -> StoredFile:
    """Return a report file of an album, which need not exist."""
    return folder.sibling(REPORTS, folder.name, name)


def write_report(folder: AlbumFolder, name: str, text: str) -> None:
    """Replace a report file as a whole.

    Raises:
        StoreError: if it cannot be written.
    """
    # A title may hold half of a surrogate pair, which has no UTF-8.
    report_file(folder, name).write(text.encode(errors="replace"))


def report_uri(folder: AlbumFolder, name: str) -> str:
    """Return the URI of a report file, for who is not beside it: `file://…` of a local one."""
    where = str(report_file(folder, name))
    return where if "://" in where else Path(where).absolute().as_uri()


def read_report(folder: AlbumFolder, name: str) -> str | None:
    """Return the text of a report file; None if there is none.

    Raises:
        StoreError: if it exists but cannot be read.
    """
    content = report_file(folder, name).read()
    return None if content is None else content.decode(errors="replace")


def image_uri(folder: AlbumFolder, name: str) -> str:
    """Return the URI of a stored image, relative to the report files."""
    return f"../../{quote(folder.name)}/{quote(name)}"
