"""Where files land: whole or not at all, in an album's folder with its manifest.

`local` has the folders of this machine, `remote` what is at an address such as `s3://bucket/mirror`;
that is imported where there is such an address. `folder` says what both do.
"""

from pathlib import Path

from imgur_mirror.store.base import AlbumFolder
from imgur_mirror.store.fs import StoreError
from imgur_mirror.store.local import LocalFolder

__all__ = ["AlbumFolder", "LocalFolder", "StoreError", "album_folder", "downloads_root"]

HERE = ("file", "local")
"""What an address of a folder of this machine begins with."""


def album_folder(downloads: str, album_id: str) -> AlbumFolder:
    """Give the folder of one album below `downloads`: a folder's path or an fsspec address.

    Raises:
        StoreError: where `downloads` can be neither.
    """
    root = downloads_root(downloads)
    if "://" in root:
        from imgur_mirror.store.object_store import RemoteFolder

        return RemoteFolder(f"{root}/{album_id}")
    return LocalFolder(Path(root, album_id))


def downloads_root(downloads: str) -> str:
    """Give the downloads as all workers find them: an absolute path, or an address.

    Raises:
        StoreError: where it can be neither.
    """
    protocol, _, rest = downloads.rpartition("://")
    if protocol and protocol not in HERE:
        from imgur_mirror.store.fsspec_client import check_address

        check_address(downloads)
        return downloads.rstrip("/")
    try:
        return str(Path(rest).expanduser().absolute())
    except RuntimeError as error:
        raise StoreError(f"{downloads} is no folder: {error}") from error
