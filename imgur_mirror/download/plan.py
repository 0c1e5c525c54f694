"""What is missing, and how it is dealt out to task runs: decided here, without acting."""

import heapq
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median

from imgur_mirror.download.batch import Batch
from imgur_mirror.models import Album, ByteRange, Download, Image, Outcome
from imgur_mirror.store import Entry, Resumable, missing

__all__ = ["Plan", "Splitting", "plan"]

UNKNOWN_IMAGE, UNKNOWN_VIDEO = 300_000, 3_000_000
"""Bytes that are expected where nothing in the album tells: medians of what Imgur serves."""

REQUEST = 50_000
"""Bytes that could come in the time that one more request takes, so that a batch of many small
images is not dealt out as if it cost nothing: 50 ms to the first byte at 1 MB/s."""


@dataclass(frozen=True, slots=True)
class Plan:
    """The batches to fetch, and the images whose outcome is known without a request."""

    batches: tuple[Batch, ...]
    settled: tuple[Download, ...]

    def __str__(self) -> str:
        """Say what is to be fetched, in one line."""
        images = self.images
        known = sum(image.size or 0 for image in images)
        return (
            f"{len(images)} images to fetch ({known / 1e6:.1f} MB by the API's sizes) "
            f"in {len(self.batches)} task runs, {len(self.settled)} settled"
        )

    @property
    def images(self) -> list[Image]:
        """The images to fetch, each once."""
        pieces = (piece for batch in self.batches for piece in batch.byte_ranges)
        return list({piece.image.id: piece.image for piece in pieces}.values())


@dataclass(frozen=True, slots=True)
class _Need:
    piece: ByteRange
    weight: int


@dataclass(frozen=True, slots=True)
class Splitting:
    """Whether and how large images are cut into pieces.

    Images above `bytes` are, so that `workers` connections share them; `begun` is what earlier
    runs have of some, by file name.
    """

    bytes: int
    workers: int
    resumable: Mapping[str, Resumable] = field(default_factory=dict)


def plan(
    album: Album,
    entries: Mapping[str, Entry],
    files: Mapping[str, int],
    max_task_runs: int,
    splitting: Splitting | None = None,
) -> Plan:
    """Deal out what the store lacks to at most `max_task_runs` batches of about equal bytes.

    `entries` is what the manifest vouches for, by image id; `files` the bytes of each file that
    lies in the folder, by name. Largest first: one large image at the end of a run is what every
    worker but one would wait for.
    """
    settled: list[Download] = []
    wanted: list[ByteRange] = []
    for image in album.images:
        entry = entries.get(image.id)
        if image.unsafe is not None:
            settled.append(_refused(image))
        elif entry is not None and _is_there(image, entry, files):
            settled.append(_unchanged(entry))
        else:
            wanted.append(ByteRange(image, held=image.name in files))
    pieces = wanted if splitting is None else _split(wanted, splitting)
    return Plan(_deal(pieces, max_task_runs), tuple(settled))


def _split(wanted: Sequence[ByteRange], splitting: Splitting) -> list[ByteRange]:
    """Cut the images that one connection would be longer at than its share of all bytes.

    Half a share is small enough for the work to come out even at the end. Smaller pieces would
    only cost more requests: an album of many images of like size is not cut at all.
    """
    share = sum(need.weight for need in _weighed(wanted)) / splitting.workers
    largest = max(splitting.bytes, int(share / 2))
    pieces: list[ByteRange] = []
    for piece in wanted:
        size = piece.image.size or 0
        resumable = splitting.resumable.get(piece.image.name)
        if piece.held or (size <= largest and resumable is None):
            pieces.append(piece)
        else:
            pieces += _cut(piece.image, size, largest, splitting.workers, resumable)
    return pieces


def _cut(
    image: Image, size: int, largest: int, workers: int, resumable: Resumable | None
) -> Iterator[ByteRange]:
    """Cut what is missing of an image into as many pieces as there are workers, or fewer."""
    count = max(1, min(workers, math.ceil(size / largest)))
    step = math.ceil(size / count)
    lacking = missing(resumable.done if resumable else (), 0, size)
    if not lacking:
        # All bytes are there, and wait for a worker to put them together.
        yield ByteRange(image, size, size)
    for start, stop in lacking:
        for at in range(start, stop, step):
            yield ByteRange(image, at, min(at + step, stop))


def _is_there(image: Image, entry: Entry, files: Mapping[str, int]) -> bool:
    """Tell whether the file is as it was stored, and the image as it was then listed."""
    if entry.file != image.name or files.get(image.name) != entry.bytes:
        return False
    # A journal knows no listing; the file was stored by the run that died.
    listed_then = (entry.image.link, entry.image.size, entry.image.datetime)
    return not entry.image.link or listed_then == (image.link, image.size, image.datetime)


def _unchanged(entry: Entry) -> Download:
    return Download(
        id=entry.image.id,
        name=entry.file or "",
        outcome=Outcome.UNCHANGED,
        bytes=entry.bytes or 0,
        md5=entry.md5,
        etag=entry.etag,
        type=entry.real_type,
        verified=entry.verified,
    )


def _refused(image: Image) -> Download:
    return Download(
        id=image.id, name=image.name or image.id, outcome=Outcome.FAILED, error=image.unsafe
    )


def _deal(pieces: Sequence[ByteRange], max_task_runs: int) -> tuple[Batch, ...]:
    """Give each piece, largest first, to the batch with the fewest bytes so far."""
    needs = sorted(_weighed(pieces), key=lambda need: -need.weight)
    count = min(len(needs), max_task_runs)
    hands: list[list[ByteRange]] = [[] for _ in range(count)]
    lightest = [(0, hand) for hand in range(count)]
    for need in needs:
        weight, hand = heapq.heappop(lightest)
        hands[hand].append(need.piece)
        heapq.heappush(lightest, (weight + need.weight, hand))
    return tuple(Batch(f"{number:05}", tuple(hand)) for number, hand in enumerate(hands))


def _weighed(pieces: Sequence[ByteRange]) -> list[_Need]:
    images = [piece.image for piece in pieces]
    typical = {
        video: _typical((image for image in images if _is_video(image) is video), otherwise)
        for video, otherwise in ((False, UNKNOWN_IMAGE), (True, UNKNOWN_VIDEO))
    }
    return [_Need(piece, REQUEST + _bytes(piece, typical)) for piece in pieces]


def _bytes(piece: ByteRange, typical: Mapping[bool, int]) -> int:
    if piece.stop is not None:
        return piece.stop - piece.start
    return piece.image.size or typical[_is_video(piece.image)]


def _typical(images: Iterable[Image], otherwise: int) -> int:
    """Give the median of the sizes that are known."""
    sizes = [image.size for image in images if image.size is not None]
    return int(median(sizes)) if sizes else otherwise


def _is_video(image: Image) -> bool:
    return (image.type or "").startswith("video/")
