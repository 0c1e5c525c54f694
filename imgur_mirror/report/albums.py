"""What became of several albums: a row for each, and one line for all."""

from collections.abc import Sequence

from imgur_mirror.models import AlbumResult, Outcome
from imgur_mirror.report.tables import Row, text_table
from imgur_mirror.text import counted, join_some

__all__ = ["summary_headline", "summary_rows", "summary_text"]


def summary_rows(results: Sequence[AlbumResult]) -> list[Row]:
    """Give a row for each album: its new, unchanged, gone and failed images, and its new bytes.

    New is what this run fetched, and so what has come since the last one that went well.
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
        "error": result.error or "",
    }


def summary_headline(results: Sequence[AlbumResult]) -> str:
    """Say in one line what came, and which albums lack something."""
    fetched = sum(
        len(result.mirrored.having(Outcome.DOWNLOADED)) for result in results if result.mirrored
    )
    failed = [result for result in results if result.error]
    line = f"{counted(len(results), 'album')}, {counted(fetched, 'new image')}"
    if not failed:
        return f"{line}, all there"
    errors = join_some([f"{result.album}: {result.error}" for result in failed], 5, "; ")
    of_all = "1 album is" if len(failed) == 1 else f"{len(failed)} albums are"
    return f"{line}; {of_all} not complete: {errors}"


def summary_text(results: Sequence[AlbumResult]) -> str:
    """Give the rows as plain text, and the line that they come to."""
    return f"{text_table(summary_rows(results))}\n\n{summary_headline(results)}"
