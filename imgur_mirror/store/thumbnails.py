"""The thumbnails of an album's images: WebP files beside its reports, named by the images' MD5s.

So one is of the very bytes that an image has, and the file of an image that was replaced is of no
more use. They can all be removed: what is missing is made again.
"""

from collections.abc import Collection
from dataclasses import dataclass

from imgur_mirror.store.storage import Storage

__all__ = ["Thumbnails"]

SUFFIX = ".webp"


@dataclass(frozen=True, slots=True)
class Thumbnails:
    """The folder of an album's thumbnails; all methods raise `StoreError`."""

    storage: Storage

    def known(self) -> set[str]:
        """Return the MD5s of the images that have one."""
        if self.storage.capabilities.local and not self.storage.local_dir.exists():
            return set()
        names = self.storage.list().items()
        return {name.removesuffix(SUFFIX) for name, stored in names if stored.size}

    def read(self, md5: str) -> bytes | None:
        """Return the thumbnail of an image; None where there is none."""
        return self.storage.read(f"{md5}{SUFFIX}") or None

    def write(self, md5: str, content: bytes) -> None:
        """Keep the thumbnail of an image; an empty one counts as none."""
        self.storage.write_derived(f"{md5}{SUFFIX}", content)

    def remove(self, md5s: Collection[str]) -> None:
        """Remove the thumbnails of images that are no longer there."""
        self.storage.delete([f"{md5}{SUFFIX}" for md5 in md5s])
