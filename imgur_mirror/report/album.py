"""What one album's mirror has to say: rows, its one-line result, Markdown."""

from collections.abc import Sequence
from dataclasses import dataclass

from imgur_mirror.models import Download, Mirrored, Outcome, Strategy
from imgur_mirror.report.tables import (
    Row,
    escape,
    label,
    markdown_table,
    reason,
    rounded,
    time_text,
)
from imgur_mirror.text import counted, counted_images, duration, join_some, plain, size

__all__ = [
    "Pictures",
    "fetched",
    "headline",
    "image_rows",
    "mirror_markdown",
    "missing",
    "planned",
]

# What matters first: tables show ten rows at a time.
ORDER = (Outcome.FAILED, Outcome.GONE, Outcome.DOWNLOADED, Outcome.UNCHANGED)
OUTCOMES = (Outcome.DOWNLOADED, Outcome.UNCHANGED, Outcome.GONE, Outcome.FAILED)
"""What becomes of an image; pieces of one are merged before they are reported."""

KEY = (
    "*Waiting is from the request to the first byte. Several requests: the image was tried again,"
    " or fetched in pieces by several workers.*"
)


@dataclass(frozen=True, slots=True)
class Pictures:
    """The addresses of a report's pictures, which it shows or leads to; empty for none."""

    waterfall: str = ""
    contact_sheet: str = ""


def image_rows(mirrored: Mirrored, most: int = 2000) -> list[Row]:
    """A row for each image, what matters first, at most `most` of them; unknown is empty."""
    ranked = sorted(mirrored.downloads, key=_rank)
    return [_image_row(download) for download in ranked[:most]]


def headline(mirrored: Mirrored) -> str:
    """The result in one line, for a log, a run's state and the top of the report."""
    return f"{plain(mirrored.album.id)}: {_result(mirrored)}"


def planned(settled: int, wanted: int, task_runs: int, strategy: Strategy, workers: int) -> str:
    """What a run is about to do, in one line for its log."""
    listed = f"listed {counted_images(settled + wanted)}"
    if not wanted:
        return f"{listed}, nothing to fetch"
    with_workers = f"under {strategy} with {counted(workers, 'worker')}"
    return f"{listed}, {wanted} to fetch in {counted(task_runs, 'task run')} {with_workers}"


def fetched(rows: Sequence[Download]) -> str:
    """What came of the requests of a run, in one line for its log; pieces are rows as well."""
    begun = [row.started for row in rows if row.started is not None]
    ended = [row.finished for row in rows if row.finished is not None]
    seconds = max(ended) - min(begun) if begun and ended else 0.0
    wanted = {row.id for row in rows}
    came = {row.id for row in rows if row.outcome in (Outcome.DOWNLOADED, Outcome.UNCHANGED)}
    count = counted_images(len(wanted))
    of_all = count if came == wanted else f"{len(came)} of {count}"
    received = size(sum(row.received for row in rows))
    return f"fetched {of_all} ({received}) in {duration(seconds)}"


def missing(mirrored: Mirrored, most: int = 10) -> str | None:
    """What a failed run lacks, and what to do about it; None when it lacks nothing."""
    failed = mirrored.having(Outcome.FAILED)
    if not failed:
        return None
    names = [f"{label(download)} ({reason(download)})" for download in failed]
    of_all = f"{len(failed)} of {counted_images(len(mirrored.downloads))}"
    return (
        f"{plain(mirrored.album.id)}: {of_all} failed:"
        f" {join_some(names, most)}. Run it again: what is there is kept, only the rest is fetched."
    )


def mirror_markdown(
    mirrored: Mirrored,
    notes: Sequence[str] = (),
    pictures: Pictures = Pictures(),
    most: int = 50,
) -> str:
    """The report of one run; its lists of failed and gone images name at most `most` each."""
    title = plain(mirrored.album.title or "")
    blocks = [
        f"{escape(mirrored.album.id)}: {_result(mirrored)}",
        f"“{escape(title)}”" if title else "",
        "\n".join(f"- {escape(note)}" for note in notes),
        _figures(mirrored),
        f"![when each image waited and came]({pictures.waterfall})\n\n{KEY}"
        if pictures.waterfall
        else "",
        f"[Contact sheet]({pictures.contact_sheet})" if pictures.contact_sheet else "",
        _lost("Failed", mirrored.having(Outcome.FAILED), most),
        _lost("Gone at Imgur", mirrored.having(Outcome.GONE), most),
        _slowest(mirrored),
    ]
    return "\n\n".join(block for block in blocks if block) + "\n"


def _rank(download: Download) -> tuple[int, float]:
    """Outcomes by weight, downloads from slow to fast, the rest in the album's order."""
    slow = (download.seconds or 0.0) if download.outcome is Outcome.DOWNLOADED else 0.0
    return ORDER.index(download.outcome), -slow


def _image_row(download: Download) -> Row:
    return {
        "file": label(download),
        "outcome": download.outcome.value,
        "bytes": download.bytes,
        "first byte s": rounded(download.first_byte),
        "seconds": rounded(download.seconds),
        "attempts": download.attempts,
        "worker": plain(download.worker or ""),
        "error": plain(download.error or ""),
    }


def _result(mirrored: Mirrored) -> str:
    counts = {outcome: len(mirrored.having(outcome)) for outcome in OUTCOMES}
    if not mirrored.downloads:
        return "the album is empty"
    if not counts[Outcome.DOWNLOADED] and not counts[Outcome.FAILED]:
        return _nothing_new(counts[Outcome.UNCHANGED], counts[Outcome.GONE])
    named = [f"{count} {outcome}" for outcome, count in counts.items() if count]
    if counts[Outcome.DOWNLOADED]:
        named[0] += f" ({size(mirrored.bytes_downloaded)})"
    times = mirrored.timings
    return (
        f"{', '.join(named)} in {duration(times.total)} · {mirrored.strategy},"
        f" {counted(mirrored.workers, 'worker')} (start-up {duration(times.startup)},"
        f" download {duration(times.download)})"
    )


def _nothing_new(unchanged: int, gone: int) -> str:
    if not gone:
        there = "its one image is" if unchanged == 1 else f"all {unchanged} images are"
        return f"nothing new, {there} there"
    return f"nothing new, {counted_images(unchanged)} there, {gone} gone"


def _figures(mirrored: Mirrored) -> str:
    """The counts and times of a run, in one table of one row."""
    times = mirrored.timings
    row: Row = {outcome.value: len(mirrored.having(outcome)) for outcome in OUTCOMES}
    row |= {
        "fetched": size(mirrored.bytes_downloaded),
        "start-up": duration(times.startup),
        "download": duration(times.download),
        "total": duration(times.total),
    }
    return markdown_table([row])


def _lost(heading: str, downloads: Sequence[Download], most: int) -> str:
    """Which images are not there and why; nothing when there are none."""
    if not downloads:
        return ""
    rows: list[Row] = [
        {"file": label(download), "attempts": download.attempts, "why": reason(download)}
        for download in downloads[:most]
    ]
    rest = f"\n\nand {len(downloads) - most} more" if len(downloads) > most else ""
    return f"## {heading}\n\n{markdown_table(rows)}{rest}"


def _slowest(mirrored: Mirrored, most: int = 5) -> str:
    downloaded = sorted(mirrored.having(Outcome.DOWNLOADED), key=_rank)
    rows: list[Row] = [
        {
            "file": label(download),
            "size": size(download.bytes),
            "first byte": time_text(download.first_byte),
            "in all": time_text(download.seconds),
        }
        for download in downloaded[:most]
    ]
    return f"## Slowest\n\n{markdown_table(rows)}" if rows else ""
