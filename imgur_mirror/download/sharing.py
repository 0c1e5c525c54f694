"""What several albums of a list have in common, which is fetched once."""

import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from imgur_mirror.download.album_mirror import AlbumMirror
from imgur_mirror.models import Download, Image, Mirrored, Outcome
from imgur_mirror.store import AlbumFolder, StoreError

__all__ = ["SharedImages"]


@dataclass(frozen=True, slots=True)
class _Place:
    """Where an image lies: in which album's folder, as what file, and how it was listed there."""

    folder: AlbumFolder
    row: Download
    image: Image


@dataclass(slots=True)
class SharedImages:
    """The images that the albums of one list have so far, by their ids.

    Only albums of this list are known: to look at all manifests of a large mirror would take longer
    than most fetches.
    """

    _places: dict[str, _Place] = field(default_factory=dict)

    def add(self, mirrored: Mirrored, folder: AlbumFolder) -> None:
        """Note what an album has, for the albums that follow."""
        images = {image.id: image for image in mirrored.album.images}
        for row in mirrored.downloads:
            if row.outcome.is_stored and row.md5 is not None and row.id in images:
                self._places.setdefault(row.id, _Place(folder, row, images[row.id]))

    def copy_into(self, run: AlbumMirror) -> AlbumMirror:
        """Copy from other albums what a run was to fetch; return the run that fetches the rest."""
        found = list(self._taken(run))
        return replace(run, plan=run.plan.settling(found)) if found else run

    def _taken(self, run: AlbumMirror) -> Iterator[Download]:
        ranges = [each for batch in run.plan.batches for each in batch.byte_ranges]
        # What lies there already is asked for, and not fetched where it is the same.
        wanted = {each.image.id: each.image for each in ranges if not each.file_exists}
        for image in wanted.values():
            place = self._places.get(image.id)
            if place and _is_same(image, place.image) and _copy(place, image.name, run.folder):
                yield _copied(place, image.name)


def _is_same(image: Image, other: Image) -> bool:
    """Return whether Imgur lists the same file for both."""
    return (image.link, image.size, image.datetime) == (other.link, other.size, other.datetime)


def _copied(place: _Place, name: str) -> Download:
    return replace(
        place.row,
        name=name,
        outcome=Outcome.DOWNLOADED,
        received=0,
        attempts=0,
        started=None,
        first_byte=None,
        finished=time.time(),
        worker=None,
        copied_from=place.folder.name,
    )


def _copy(place: _Place, name: str, folder: AlbumFolder) -> bool:
    """Have the file here as well, if it still is what was fetched; it is fetched otherwise."""
    try:
        if place.folder.existing_md5(place.row.name) != place.row.md5:
            return False
        folder.storage.copy(name, place.folder.storage, place.row.name)
    except StoreError:
        return False
    return True
