"""The values that pass between the floors: frozen, typed, and cheap to send to another process."""

from copy import copy
from dataclasses import dataclass
from enum import StrEnum

__all__ = [
    "NAMES_ON_DISK",
    "Album",
    "AlbumResult",
    "ByteRange",
    "Download",
    "Image",
    "Mirrored",
    "Outcome",
    "Strategy",
    "Timings",
    "Usage",
    "Work",
]


class Strategy(StrEnum):
    """How the downloads of one album run at the same time."""

    SEQUENTIAL = "sequential"
    THREADS = "threads"
    DASK = "dask"
    ASYNC = "async"


class Work(StrEnum):
    """What is computed from each image, by the task that fetches it.

    `THUMBNAIL` scales and encodes in C code that lets go of the interpreter's lock; `BLURHASH` is
    computed in Python, which holds the lock all the time. `DECODE` and `HASH` are other names of
    theirs, which the shell takes too.
    """

    NONE = "none"
    THUMBNAIL = "thumbnail"
    BLURHASH = "blurhash"
    DECODE = THUMBNAIL
    HASH = BLURHASH


class Outcome(StrEnum):
    """What became of one image in one run.

    `BYTE_RANGE` is the outcome of a part of an image: its bytes are stored, or were left to the
    worker of the first part. What became of the image stands in the row of another of its ranges.
    `HELD` is in journals alone: a new version is there whole, beside the file that it will replace
    when the run ends.
    """

    DOWNLOADED = "downloaded"
    UNCHANGED = "unchanged"
    GONE = "gone"
    FAILED = "failed"
    BYTE_RANGE = "piece"
    HELD = "held"

    @property
    def is_stored(self) -> bool:
        """Whether the whole image is there, under its name or held."""
        return self in (Outcome.DOWNLOADED, Outcome.HELD, Outcome.UNCHANGED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Image:
    """One image or video as the API lists it.

    `link` is where its bytes are (the `mp4` of a video), `name` the file name it gets in the
    store, `size` its bytes where the API knows them. `unsafe` says why it cannot be stored at
    all, for an answer whose id or link would not make a file name; `name` is then empty.
    """

    id: str
    link: str
    name: str
    type: str | None = None
    size: int | None = None
    title: str | None = None
    description: str | None = None
    datetime: int | None = None
    width: int | None = None
    height: int | None = None
    animated: bool = False
    unsafe: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Album:
    """An album with all its images, in the album's order; `datetime` is seconds since 1970.

    `counted` is how many images Imgur says it has, which may be more than it lists.
    """

    id: str
    title: str | None = None
    description: str | None = None
    datetime: int | None = None
    link: str | None = None
    account: str | None = None
    counted: int | None = None
    images: tuple[Image, ...] = ()


@dataclass(frozen=True, slots=True)
class ByteRange:
    """A unit of work: the bytes `start` to before `stop` of an image, or all of it (`stop` None).

    `file_exists` says that a file lies under its name which no manifest vouches for, or of which
    the API says other things than before: the host is asked whether it has that very file
    (`If-None-Match` with its MD5) before it is fetched. `stored` is the outcome of an image that is
    there already, and lacks only the work on it: nothing is asked then.
    """

    image: Image
    start: int = 0
    stop: int | None = None
    file_exists: bool = False
    stored: "Download | None" = None

    @property
    def offset(self) -> int | None:
        """Where a piece of a split image begins; None for a whole one."""
        return None if self.stop is None else self.start


@dataclass(frozen=True, slots=True, kw_only=True)
class Download:
    """What became of one image: the row of the report and of the manifest.

    `bytes` is the size of the file in the store, `md5` its digest in hex, `type` what its first
    bytes say it is, and `verified` what vouches for it (see `manifest.Entry`). `started` and
    `finished` are seconds since 1970, `first_byte` the seconds from the last request to the first
    byte of its body. `attempts` are the requests that were sent for the image, redirects not
    counted, and `received` the bytes that they brought.

    `error` is one sentence, for `failed` and `gone`; `retryable` says of a failed one that another
    try may succeed. `range_start` is the first byte of the range that the row is about, None where
    the image came whole; `refetch_whole` says that the worker of this range fetches the whole image
    instead.

    `work_started` is when the work on the image began, in seconds since 1970, and `work_seconds`
    what it took, both None where there was none to do; `work_error` is one sentence that says why
    nothing could be computed, which fails no image. `perceptual_hash` is nearly the same in
    pictures that look the same.

    `copied_from` is the id of the album of the same mirror that had the file already.
    """

    id: str
    name: str
    outcome: Outcome
    range_start: int | None = None
    bytes: int = 0
    received: int = 0
    md5: str | None = None
    etag: str | None = None
    type: str | None = None
    attempts: int = 0
    started: float | None = None
    first_byte: float | None = None
    finished: float | None = None
    worker: str | None = None
    verified: str | None = None
    error: str | None = None
    retryable: bool = False
    refetch_whole: bool = False
    work_started: float | None = None
    work_seconds: float | None = None
    work_error: str | None = None
    blurhash: str | None = None
    perceptual_hash: str | None = None
    copied_from: str | None = None

    @property
    def seconds(self) -> float | None:
        """Seconds from the first request to the file in place, or to giving up."""
        if self.started is None or self.finished is None:
            return None
        return self.finished - self.started


NAMES_ON_DISK = {"range_start": "piece", "refetch_whole": "instead", "retryable": "passing"}
"""Fields of a `Download` that have another name in journals and reports: the one of version 0.1."""


@dataclass(frozen=True, slots=True)
class Timings:
    """When a mirror's runner was started, its first request sent, its last file in place.

    Seconds since 1970. The end includes the work on the last image. A run that requested nothing,
    and had no work to do, has its end in all three but `began`.
    """

    began: float
    first_request: float
    ended: float

    @property
    def startup(self) -> float:
        """Seconds from the start of the runner to the first request."""
        return self.first_request - self.began

    @property
    def download(self) -> float:
        """Seconds from the first request to the last file in place."""
        return self.ended - self.first_request

    @property
    def total(self) -> float:
        """Seconds from the start of the runner to the last file in place."""
        return self.ended - self.began


@dataclass(frozen=True, slots=True)
class Usage:
    """What the processes of a run used, from the start of its runner to its last image.

    `processor_seconds` is user and system time together; `peak_memory` is bytes in use at once,
    over all of its processes.
    """

    processor_seconds: float
    peak_memory: int


class Mirrored:
    """One album's mirror run: every image's row, in the album's order, and the run's times.

    `usage` is None where it was not measured: comparisons do.

    No dataclass: Prefect looks for futures in every field of those that a flow returns, which for
    20,000 images takes five seconds.
    """

    __slots__ = ("album", "downloads", "strategy", "timings", "usage", "work", "workers")

    def __init__(
        self,
        *,
        album: Album,
        strategy: Strategy,
        workers: int,
        downloads: tuple[Download, ...],
        timings: Timings,
        work: Work = Work.NONE,
        usage: Usage | None = None,
    ) -> None:
        self.album = album
        self.strategy = strategy
        self.workers = workers
        self.downloads = downloads
        self.timings = timings
        self.work = work
        self.usage = usage

    def with_downloads(self, downloads: tuple[Download, ...]) -> "Mirrored":
        """Return it with other rows."""
        changed = copy(self)
        changed.downloads = downloads
        return changed

    def having(self, outcome: Outcome) -> tuple[Download, ...]:
        """The rows with one outcome, in the album's order."""
        return tuple(download for download in self.downloads if download.outcome is outcome)

    @property
    def bytes_downloaded(self) -> int:
        """Bytes of the files that this run fetched; those of other albums' files are not."""
        new = self.having(Outcome.DOWNLOADED)
        return sum(download.bytes for download in new if download.copied_from is None)


@dataclass(frozen=True, slots=True)
class AlbumResult:
    """What became of one album among several: its run's outcome, and why it failed if it did.

    `mirrored` is None where the run ended before there was anything to mirror; `note` is what its
    user should know, and no failure.
    """

    album: str
    mirrored: Mirrored | None
    error: str | None
    note: str = ""
