"""What is missing, and how it is divided among task runs: decided here, without acting."""

import heapq
import math
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from statistics import median

from imgur_mirror.download.batch import Batch
from imgur_mirror.models import Album, ByteRange, Download, Image, Outcome, Work
from imgur_mirror.store import Entry, Resumable, missing

__all__ = ["Plan", "Splitting", "plan"]

TYPICAL_IMAGE_BYTES, TYPICAL_VIDEO_BYTES = 300_000, 3_000_000
"""Expected where nothing in the album tells: medians of what Imgur serves."""

REQUEST_BYTES = 50_000
"""What could come in the time that one more request takes (50 ms to the first byte at 1 MB/s), so
that many small images do not count as nothing."""


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

    def settling(self, rows: Sequence[Download]) -> "Plan":
        """Return the plan without the images of these rows, which need not be fetched any more."""
        known = {row.id for row in rows}
        batches = (
            replace(each, byte_ranges=left)
            for each in self.batches
            if (left := tuple(one for one in each.byte_ranges if one.image.id not in known))
        )
        return Plan(tuple(batches), (*self.settled, *rows))

    @property
    def images(self) -> list[Image]:
        """The images to fetch or to work on, each once."""
        return list({each.image.id: each.image for each in self._ranges}.values())

    @property
    def weight(self) -> int:
        """Estimate the bytes to fetch, with what could come while the requests are answered."""
        return sum(_weights(self._ranges))

    @property
    def stored(self) -> int:
        """How many of them are there already, and only lack the work on them."""
        return sum(each.stored is not None for each in self._ranges)

    @property
    def _ranges(self) -> list[ByteRange]:
        return [each for batch in self.batches for each in batch.byte_ranges]


@dataclass(frozen=True, slots=True)
class Splitting:
    """How large images are cut into byte ranges, for `workers` connections to share them.

    Images above `cut_above` bytes are, or none where that is None; what earlier runs have of an
    image is continued (`resumable`, by file name).
    """

    workers: int
    cut_above: int | None
    resumable: Mapping[str, Resumable] = field(default_factory=dict)


def plan(
    album: Album,
    entries: Mapping[str, Entry],
    files: Mapping[str, int],
    max_task_runs: int,
    splitting: Splitting | None = None,
    damaged: Container[str] = (),
    work: Work = Work.NONE,
    unworked: Container[str] = (),
) -> Plan:
    """Divide what the store lacks into at most `max_task_runs` batches of about equal bytes.

    `entries` is what the manifest vouches for, by image id; `files` the bytes of each file that
    lies in the folder, by name, and `damaged` those of them that are not to be trusted. `unworked`
    are the ids of images that lack `work`, stored or not. Largest first: one large image at the end
    of a run is what every worker but one would wait for.
    """
    settled: list[Download] = []
    wanted: list[ByteRange] = []
    for image in album.images:
        entry = entries.get(image.id)
        if image.unsafe is not None:
            settled.append(_refused(image))
        elif entry and image.name not in damaged and _is_unchanged(image, entry, files):
            if image.id in unworked:
                wanted.append(ByteRange(image, file_exists=True, stored=_unchanged(entry)))
            else:
                settled.append(_unchanged(entry))
        else:
            wanted.append(ByteRange(image, file_exists=image.name in files))
    ranges = wanted if splitting is None else _split(wanted, splitting)
    return Plan(_batches(ranges, max_task_runs, work), tuple(settled))


def _split(wanted: Sequence[ByteRange], splitting: Splitting) -> list[ByteRange]:
    """Cut the images that one connection would be longer at than its share of all bytes.

    Half a share is small enough for the work to come out even at the end. Smaller ranges would
    only cost more requests: an album of many images of like size is not cut at all.
    """
    half_share = sum(_weights(wanted)) / splitting.workers / 2
    largest = math.inf if splitting.cut_above is None else max(splitting.cut_above, int(half_share))
    ranges: list[ByteRange] = []
    for whole in wanted:
        size = whole.image.size or 0
        resumable = splitting.resumable.get(whole.image.name)
        if whole.file_exists or (size <= largest and resumable is None):
            ranges.append(whole)
        else:
            count = max(1, min(splitting.workers, math.ceil(size / largest)))
            ranges += _cut(whole.image, size, count, resumable)
    return ranges


def _cut(image: Image, size: int, count: int, resumable: Resumable | None) -> Iterator[ByteRange]:
    """Cut what is missing of an image into ranges of at most its `count`th part."""
    step = math.ceil(size / count)
    lacking = missing(resumable.done if resumable else (), 0, size)
    if not lacking:
        # All bytes are there; an empty range has a worker put them together.
        yield ByteRange(image, size, size)
    for start, stop in lacking:
        for at in range(start, stop, step):
            yield ByteRange(image, at, min(at + step, stop))


def _is_unchanged(image: Image, entry: Entry, files: Mapping[str, int]) -> bool:
    """Return whether the file is as it was stored, and the image as it was then listed."""
    if entry.file != image.name or files.get(image.name) != entry.bytes:
        return False
    # A journal does not hold the listing; the file was stored by the run that died.
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
        work_error=entry.work_error,
        blurhash=entry.blurhash,
        perceptual_hash=entry.perceptual_hash,
    )


def _refused(image: Image) -> Download:
    return Download(
        id=image.id, name=image.name or image.id, outcome=Outcome.FAILED, error=image.unsafe
    )


def _batches(ranges: Sequence[ByteRange], max_task_runs: int, work: Work) -> tuple[Batch, ...]:
    """Put each range, largest first, into the batch with the fewest bytes so far."""
    weighed = sorted(zip(_weights(ranges), ranges, strict=True), key=lambda each: -each[0])
    batches: list[list[ByteRange]] = [[] for _ in weighed[:max_task_runs]]
    lightest = [(0, number) for number in range(len(batches))]
    for weight, each in weighed:
        total, number = lightest[0]
        batches[number].append(each)
        heapq.heapreplace(lightest, (total + weight, number))
    return tuple(Batch(f"{number:05}", tuple(batch), work) for number, batch in enumerate(batches))


def _weights(ranges: Sequence[ByteRange]) -> list[int]:
    """Estimate what each range costs, in bytes."""
    images = [each.image for each in ranges]
    typical = {
        False: _median_size((i for i in images if not _is_video(i)), TYPICAL_IMAGE_BYTES),
        True: _median_size((i for i in images if _is_video(i)), TYPICAL_VIDEO_BYTES),
    }
    return [REQUEST_BYTES + _size(each, typical) for each in ranges]


def _size(each: ByteRange, typical: Mapping[bool, int]) -> int:
    if each.stop is not None:
        return each.stop - each.start
    return each.image.size or typical[_is_video(each.image)]


def _median_size(images: Iterable[Image], unknown: int) -> int:
    sizes = [image.size for image in images if image.size is not None]
    return int(median(sizes)) if sizes else unknown


def _is_video(image: Image) -> bool:
    return (image.type or "").startswith("video/")
