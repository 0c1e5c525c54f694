"""The report of several albums: a row for each, and one line for all."""

from collections.abc import Iterator, Sequence

from imgur_mirror.models import AlbumResult, Outcome
from imgur_mirror.report.album import shortfall
from imgur_mirror.report.tables import Row, text_table
from imgur_mirror.text import counted, join_some

__all__ = ["summary_headline", "summary_rows", "summary_text"]

MAX_ERRORS = 5
"""The most albums whose errors the headline gives."""


def summary_rows(results: Sequence[AlbumResult]) -> list[Row]:
    """Give a row for each album: its new, unchanged, gone and failed images, and its new bytes.

    New is what this run fetched, and so what was added since the last successful run.
    """
    return [_row(result) for result in results]


def _row(result: AlbumResult) -> Row:
    mirrored = result.mirrored

    def count(outcome: Outcome) -> int | str:
        return "" if mirrored is None else len(mirrored.having(outcome))

    return {
        "album": result.album if mirrored is None else mirrored.album.id,
        "new": count(Outcome.DOWNLOADED),
        "unchanged": count(Outcome.UNCHANGED),
        "gone": count(Outcome.GONE),
        "failed": count(Outcome.FAILED),
        "bytes": "" if mirrored is None else mirrored.bytes_downloaded,
        "error": result.error or result.note,
    }


def summary_headline(results: Sequence[AlbumResult]) -> str:
    """Say in one line how many images are new, and which albums are not complete."""
    fetched = sum(
        len(result.mirrored.having(Outcome.DOWNLOADED)) for result in results if result.mirrored
    )
    line = f"{counted(len(results), 'album')}, {counted(fetched, 'new image')}"
    errors = [_named(result.album, result.error) for result in results if result.error]
    notes = [note for result in results for note in _notes(result)]
    if not errors:
        return "; ".join([f"{line}, all there", *notes])
    are = "is" if len(errors) == 1 else "are"
    incomplete = f"{counted(len(errors), 'album')} {are} not complete"
    return "; ".join([line, f"{incomplete}: {join_some(errors, MAX_ERRORS, '; ')}", *notes])


def _named(album: str, error: str) -> str:
    """Begin an error with its album, once, and leave out the full stop."""
    return f"{album}: {error.removeprefix(f'{album}: ').rstrip('.')}"


def _notes(result: AlbumResult) -> Iterator[str]:
    """Say what is not there of an album, and not for want of a run that succeeds."""
    mirrored = result.mirrored
    if result.note:
        yield f"{result.album}: {result.note}"
    if mirrored is None:
        return
    if mirrored.downloads and len(mirrored.having(Outcome.GONE)) == len(mirrored.downloads):
        yield f"{mirrored.album.id}: none of its images is there any more"
    if lacking := shortfall(mirrored.album):
        yield f"{mirrored.album.id}: {lacking}"


def summary_text(results: Sequence[AlbumResult]) -> str:
    """Give the rows as plain text, and the headline below them."""
    return f"{text_table(summary_rows(results))}\n\n{summary_headline(results)}"
