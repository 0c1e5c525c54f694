"""The report of several albums: a row for each, and one line for all."""

from collections.abc import Iterable, Iterator, Sequence

from imgur_mirror.models import AlbumResult, Outcome
from imgur_mirror.report.album import shortfall
from imgur_mirror.report.tables import Row, text_table
from imgur_mirror.text import counted, join_some

__all__ = ["summary_headline", "summary_rows", "summary_text"]

MAX_ERRORS = 5
"""The most albums whose errors the headline gives, and the most whose notes it gives."""

FEW_ALBUMS = 20
"""Up to so many albums each have a row, in the order of their list."""

MAX_SAME = 3
"""Up to so many albums are named with an error that is the same for all of them."""


def summary_rows(results: Sequence[AlbumResult]) -> list[Row]:
    """Return a row for each album: its new, unchanged, gone and failed images, and its new bytes.

    New is what this run fetched, and so what was added since the last successful run. Of many
    albums those that lack something come first, and those that are as they were share one row.
    """
    if len(results) <= FEW_ALBUMS:
        return [_row(result) for result in results]
    changed = [result for result in results if not _is_unchanged(result)]
    rows = [_row(result) for result in sorted(changed, key=lambda result: result.error is None)]
    unchanged = [result for result in results if _is_unchanged(result)]
    return [*rows, *([_folded(unchanged)] if unchanged else [])]


def _is_unchanged(result: AlbumResult) -> bool:
    """Return whether there is nothing to say of an album but that it is there."""
    if result.mirrored is None or result.error or any(_notes(result)):
        return False
    return all(row.outcome is Outcome.UNCHANGED for row in result.mirrored.downloads)


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


def _folded(unchanged: Sequence[AlbumResult]) -> Row:
    """Return the one row of the albums in which nothing has changed."""
    images = sum(len(result.mirrored.downloads) for result in unchanged if result.mirrored)
    name = f"{counted(len(unchanged), 'album')} without a change"
    return _row(unchanged[0]) | {"album": name, "unchanged": images}


def summary_headline(results: Sequence[AlbumResult]) -> str:
    """Say in one line how many images are new, and which albums are not complete."""
    new = [len(run.having(Outcome.DOWNLOADED)) for one in results if (run := one.mirrored)]
    line = f"{counted(len(results), 'album')}, {counted(sum(new), 'new image')}"
    if len(results) > FEW_ALBUMS and any(new):
        line += f" in {counted(sum(map(bool, new)), 'album')}"
    notes = [f"{album}: {note}" for result in results for album, note in _notes(result)]
    end = [join_some(notes, MAX_ERRORS, "; ")] if notes else []
    failed = [result for result in results if result.error]
    if not failed:
        return "; ".join([f"{line}, all there", *end])
    are = "is" if len(failed) == 1 else "are"
    incomplete = f"{counted(len(failed), 'album')} {are} not complete"
    return "; ".join([line, f"{incomplete}: {_errors(failed)}", *end])


def _errors(failed: Iterable[AlbumResult]) -> str:
    """Say why albums are not complete, once where it is the same for many of them."""
    albums: dict[str, list[str]] = {}
    for result in failed:
        error = (result.error or "").removeprefix(f"{result.album}: ").rstrip(".")
        albums.setdefault(error, []).append(result.album)
    parts = [part for error, names in albums.items() for part in _named(names, error)]
    return join_some(parts, MAX_ERRORS, "; ")


def _named(albums: Sequence[str], error: str) -> Iterator[str]:
    """Begin an error with the albums that have it."""
    if len(albums) > MAX_SAME:
        yield f"{join_some(albums, MAX_SAME)}: {error}"
    else:
        yield from (f"{album}: {error}" for album in albums)


def _notes(result: AlbumResult) -> Iterator[tuple[str, str]]:
    """Yield what is not there of an album, and not for want of a run that succeeds."""
    mirrored = result.mirrored
    if result.note:
        yield result.album, result.note
    if mirrored is None:
        return
    if mirrored.downloads and len(mirrored.having(Outcome.GONE)) == len(mirrored.downloads):
        yield mirrored.album.id, "none of its images is there any more"
    if lacking := shortfall(mirrored.album):
        yield mirrored.album.id, lacking


def summary_text(results: Sequence[AlbumResult]) -> str:
    """Return the rows as plain text, and the headline below them."""
    return f"{text_table(summary_rows(results))}\n\n{summary_headline(results)}"
