"""What became of the images of a job: a row for each, and their counts."""

import re
import textwrap
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields

from imgur_mirror.models import Download, Outcome

__all__ = ["AlbumOutcome", "Row", "Tally", "tally_rows"]

MAX_ERROR_KINDS = 20
"""Kinds of errors that are counted, the most frequent ones."""

MAX_NOTES = 20
"""Albums whose notes are kept, of all that are counted."""


NOT_TRIED = Download(id="", name="", outcome=Outcome.FAILED)


@dataclass(frozen=True, slots=True)
class Row:
    """An image of a shard's report: the row of the input it comes from, and what became of it.

    `text` is that row, `folder` where its file is below the downloads. `again` says of a failed
    image that the next run tries it again, `foreign` of a row that it is a link to another site.
    `beside` has what the other columns of the input hold, `album_note` what there is to say of the
    album that the image is in.
    """

    row: int
    text: str
    folder: str
    download: Download = NOT_TRIED
    again: bool = False
    foreign: bool = False
    beside: Mapping[str, str | None] = field(default_factory=dict)
    album_note: str | None = None


@dataclass(frozen=True, slots=True)
class AlbumOutcome:
    """What became of the images of an album, and its folder below the downloads.

    An album that the API did not list has no folder, and one row of its own. `note` says where
    Imgur counts more images than it lists.
    """

    folder: str
    downloads: list[Download]
    note: str | None = None

    @property
    def failed(self) -> bool:
        """Whether any of it failed."""
        return any(row.outcome is Outcome.FAILED for row in self.downloads)


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """The counts of what became of the images of some shards.

    `fetched` of the `downloaded` ones, and `received` bytes, came in this run; `bytes` are those
    of all files. `again` of the `failed` ones are tried again by the next run. `errors` counts
    the sentences of what failed, most frequent first. `foreign` are links to other sites, which
    count as nothing else. Of `noted` albums there is something to say; `notes` has the first.
    """

    shards: int = 0
    downloaded: int = 0
    unchanged: int = 0
    gone: int = 0
    failed: int = 0
    foreign: int = 0
    again: int = 0
    fetched: int = 0
    bytes: int = 0
    received: int = 0
    noted: int = 0
    errors: tuple[tuple[str, int], ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def images(self) -> int:
        """All images whose outcome is known, and all rows that name none."""
        return self.downloaded + self.unchanged + self.gone + self.failed + self.foreign

    def __add__(self, other: "Tally") -> "Tally":
        sums = {
            field.name: getattr(self, field.name) + getattr(other, field.name)
            for field in fields(self)
            if field.name not in ("errors", "notes")
        }
        counts = Counter(dict(self.errors))
        counts.update(dict(other.errors))
        errors = tuple(counts.most_common(MAX_ERROR_KINDS))
        return Tally(**sums, errors=errors, notes=(*self.notes, *other.notes)[:MAX_NOTES])


def tally_rows(rows: Iterable[Row], fetched: int, received: int) -> Tally:
    """Count the rows of one shard; an image that several rows name counts for each."""
    outcomes: Counter[Outcome] = Counter()
    errors: Counter[str] = Counter()
    notes: dict[str, None] = {}
    again = size = foreign = 0
    for row in rows:
        if row.foreign:
            foreign += 1
            continue
        if row.album_note:
            notes[f"{row.folder}: {row.album_note}"] = None
        outcomes[row.download.outcome] += 1
        again += row.again
        size += row.download.bytes
        if row.download.outcome is Outcome.FAILED:
            errors[_error_kind(row.download.error or "no reason given")] += 1
    return Tally(
        shards=1,
        downloaded=outcomes[Outcome.DOWNLOADED],
        unchanged=outcomes[Outcome.UNCHANGED],
        gone=outcomes[Outcome.GONE],
        failed=outcomes[Outcome.FAILED],
        foreign=foreign,
        again=again,
        fetched=fetched,
        bytes=size,
        received=received,
        noted=len(notes),
        errors=tuple(errors.most_common(MAX_ERROR_KINDS)),
        notes=tuple(notes)[:MAX_NOTES],
    )


# Errors of one kind differ in what they quote, in paths, hosts and links, and in all numbers but
# the status of a response.
_VARYING = re.compile(
    r"""(?<!\w)(?P<quote>['"]).*?(?P=quote)(?!\w)
    | [a-z][a-z0-9+.-]*://[^\s'"]*[^\s'":;,.)\]]
    | (?<![\w…])~?/[^\s'":;,)]*[^\s'":;,.)]
    | \b[\w-]+(?:\.[\w-]+)+(?::\d+)?
    | \b[0-9a-f]{16,}\b
    | (?<!answered\ )(?<!\w)\d[\d.,]*(?<![.,])(?!\w)
    """,
    re.VERBOSE | re.IGNORECASE,
)
_PLACE = re.compile(r"line \d+(?: of .+?)?: ")
_LONGEST_KIND = 160


def _error_kind(error: str) -> str:
    kind = _VARYING.sub("…", _PLACE.sub("", error, count=1) if _PLACE.match(error) else error)
    return textwrap.shorten(kind, _LONGEST_KIND, placeholder=" …")
