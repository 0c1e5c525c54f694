"""From the setting for downloads to the folder of an album."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from imgur_mirror.store.errors import StoreError, os_errors_as_store_errors
from imgur_mirror.store.folder import AlbumFolder
from imgur_mirror.store.fs import locked
from imgur_mirror.store.local import LocalStorage
from imgur_mirror.store.run_state import dead_runs

__all__ = ["album_folder", "albums_run", "downloads_root"]

LOCAL = ("file", "local")
"""What an address of a folder of this machine begins with."""


def album_folder(downloads: str, album_id: str) -> AlbumFolder:
    """Return the folder of one album below `downloads`: a folder's path or an fsspec address.

    Raises:
        StoreError: where `downloads` can be neither.
    """
    root = downloads_root(downloads)
    if "://" in root:
        # Imported where there is such an address.
        from imgur_mirror.store.object_store import ObjectStorage

        return AlbumFolder(ObjectStorage(f"{root}/{album_id}"))
    return AlbumFolder(LocalStorage(Path(root, album_id)))


@contextmanager
def albums_run(downloads: str) -> Iterator[AlbumFolder]:
    """Hold what the runs of several albums share, one level above their folders."""
    album = album_folder(downloads, "album")
    with replace(album, storage=album.storage.parent).start_run() as run:
        with os_errors_as_store_errors(run.local_dir), locked(run.local_dir):
            for killed in dead_runs(run.local_dir):
                killed.remove()
        try:
            yield run
        finally:
            run.run_state.remove()


def downloads_root(downloads: str) -> str:
    """Return the downloads as all workers find them: an absolute path, or an address.

    Raises:
        StoreError: where it can be neither.
    """
    protocol, separator, rest = downloads.partition("://")
    if protocol and separator and protocol.lower() not in LOCAL:
        from imgur_mirror.store.fsspec_client import check_address

        # What an address begins with is the same in capitals.
        address = f"{protocol.lower()}://{rest}"
        check_address(address)
        return address.rstrip("/")
    try:
        return str(Path(rest if separator else downloads).expanduser().absolute())
    except RuntimeError as error:
        raise StoreError(f"{downloads} is no folder: {error}") from error
