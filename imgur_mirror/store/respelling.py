"""Files whose images are listed under another spelling of their extension than before."""

from collections.abc import Iterable, Mapping

from imgur_mirror.models import Image
from imgur_mirror.store.manifest import Entry
from imgur_mirror.store.storage import Storage

__all__ = ["respell"]

SPELLINGS = {"jpeg": "jpg", "jfif": "jpg", "tif": "tiff", "mpg": "mpeg"}


def respell(storage: Storage, images: Iterable[Image], entries: Mapping[str, Entry]) -> None:
    """Give files the names that their images have now, where only the spelling changed.

    Otherwise a `.jpeg` that is listed as `.jpg` now would be fetched once more and stay as a file
    that no manifest knows. The run that follows asks whether the host has that very file.

    Raises:
        StoreError: where the store cannot be read or written.
    """
    for image in images:
        entry = entries.get(image.id)
        if entry is None or entry.file is None or entry.file == image.name:
            continue
        if _spelled(entry.file) == _spelled(image.name) and storage.stat(image.name) is None:
            storage.rename(entry.file, image.name)


def _spelled(name: str) -> str:
    """Return a name with the usual spelling of its extension."""
    stem, _, extension = name.rpartition(".")
    return f"{stem}.{SPELLINGS.get(extension, extension)}"
