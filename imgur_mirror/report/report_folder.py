"""The pages of an album's runs, as files beside its mirror: in `<downloads>/_reports/<album id>/`.

No album's id holds a `_`, and nothing is added inside the album's own folder.
"""

from urllib.parse import quote

from imgur_mirror.store.base import AlbumFolder, StoredFile

__all__ = ["REPORTS", "page", "read_page", "stored_address", "write_page"]

REPORTS = "_reports"


def page(folder: AlbumFolder, name: str) -> StoredFile:
    """Give a page of an album's, which may not be there."""
    return folder.sibling(REPORTS, folder.name, name)


def write_page(folder: AlbumFolder, name: str, text: str) -> None:
    """Replace a page as a whole.

    Raises:
        StoreError: where it cannot be written.
    """
    # Half of a surrogate pair, which a title may hold, has no UTF-8.
    page(folder, name).write(text.encode(errors="replace"))


def read_page(folder: AlbumFolder, name: str) -> str | None:
    """Give what is there of a page.

    Raises:
        StoreError: where it is there but cannot be read.
    """
    content = page(folder, name).read()
    return None if content is None else content.decode(errors="replace")


def stored_address(folder: AlbumFolder, name: str) -> str:
    """Give the address of a stored image, as seen from a page."""
    return f"../../{quote(folder.name)}/{quote(name)}"
