"""The pages of an album's runs, as files beside its mirror: in `<downloads>/_reports/<album id>/`.

No album's id holds a `_`, and nothing is added inside the album's own folder.
"""

from pathlib import Path
from urllib.parse import quote

from imgur_mirror.disk import said, write_whole
from imgur_mirror.store import AlbumFolder

__all__ = ["REPORTS", "page", "read_page", "stored_address", "write_page"]

REPORTS = "_reports"


def page(folder: AlbumFolder, name: str) -> Path:
    """Say where a page of an album's is."""
    return folder.path.parent / REPORTS / folder.path.name / name


def write_page(folder: AlbumFolder, name: str, text: str) -> None:
    """Replace a page as a whole.

    Raises:
        StoreError: where it cannot be written.
    """
    target = page(folder, name)
    with said(target.parent):
        target.parent.mkdir(parents=True, exist_ok=True)
        # Half of a surrogate pair, which a title may hold, has no UTF-8.
        write_whole(target, text.encode(errors="replace"))


def read_page(folder: AlbumFolder, name: str) -> str | None:
    """Give what is there of a page.

    Raises:
        StoreError: where it is there but cannot be read.
    """
    target = page(folder, name)
    with said(target.parent):
        return target.read_text(errors="replace") if target.exists() else None


def stored_address(folder: AlbumFolder, name: str) -> str:
    """Give the address of a stored image, as seen from a page."""
    return f"../../{quote(folder.path.name)}/{quote(name)}"
