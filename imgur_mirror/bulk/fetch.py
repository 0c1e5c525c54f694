"""Images that a run of a shard needs, for whoever fetches them."""

from collections.abc import Generator, Iterator
from dataclasses import dataclass, field

from imgur_mirror.download import Batch
from imgur_mirror.models import ByteRange, Download
from imgur_mirror.store import AlbumFolder

__all__ = ["Fetch", "Fetching"]


@dataclass(slots=True)
class Fetch:
    """Images to fetch into one folder; whoever fetches them adds to `outcomes`.

    No journal of the folder has the number `first_batch` yet, nor any above it.
    """

    folder: AlbumFolder
    byte_ranges: tuple[ByteRange, ...]
    first_batch: int = 0
    outcomes: list[Download] = field(default_factory=list)

    @property
    def whole(self) -> Batch:
        """All of it as one batch."""
        return Batch(f"{self.first_batch:05}", self.byte_ranges)

    def batches(self, size: int) -> Iterator[Batch]:
        """Cut it into batches of so many images."""
        for number, start in enumerate(range(0, len(self.byte_ranges), size), self.first_batch):
            yield Batch(f"{number:05}", self.byte_ranges[start : start + size])


Fetching = Generator[Fetch, None, list[Download]]
"""Yields what is to be fetched, and returns the outcomes."""
