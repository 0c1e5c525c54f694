"""The rows of a shard's report: one for each image that a row of the input names."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace

from imgur_mirror.api import Address, BadAddress
from imgur_mirror.bulk.links import ForeignLink, Link
from imgur_mirror.bulk.outcomes import AlbumOutcome, Row
from imgur_mirror.bulk.shard import Shard
from imgur_mirror.models import Download, Image, Outcome

__all__ = ["Found", "report_rows"]

Found = Callable[[Image | Address], AlbumOutcome]
"""Gives what became of what a row names; an image by itself is as an album of one."""


def report_rows(shard: Shard, links: Iterable[Link], found: Found) -> Iterator[Row]:
    """Make the rows; one of the input that cannot be read has a row that says why."""
    context = shard.context
    for index, (text, link) in enumerate(zip(shard.texts, links, strict=True)):
        row = Row(shard.first + index, text, "", beside=context.beside_row(index))
        fault, place = context.faults.get(index), context.place(index)
        if not isinstance(link, BadAddress):
            album = found(link)
            named = replace(row, folder=album.folder, album_note=album.note)
            for download in album.downloads:
                again = download.outcome is Outcome.FAILED
                yield replace(named, download=download, again=again)
        elif not fault:
            is_foreign = isinstance(link, ForeignLink)
            yield replace(row, download=_unreadable(place, str(link)), foreign=is_foreign)
        if fault:
            yield replace(row, download=_unreadable(place, fault))


def _unreadable(place: str, why: str) -> Download:
    # Trying again does not help: the row stays what it is.
    error = f"{place}: {why}" if place else why
    return Download(id="", name="", outcome=Outcome.FAILED, error=error)
