"""The report of one album's mirror: its headline, a row for each image, and Markdown."""

from collections.abc import Sequence
from dataclasses import dataclass

from imgur_mirror.models import Album, Download, Mirrored, Outcome, Strategy
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
    "PictureLinks",
    "fetched_line",
    "image_rows",
    "mirror_headline",
    "mirror_markdown",
    "missing_text",
    "plan_line",
    "shortfall",
]

OUTCOMES = (Outcome.DOWNLOADED, Outcome.UNCHANGED, Outcome.GONE, Outcome.FAILED)
"""The outcomes of whole images; byte ranges are merged before they are reported."""

BY_WEIGHT = (Outcome.FAILED, Outcome.GONE, Outcome.DOWNLOADED, Outcome.UNCHANGED)
"""What matters most comes first, since Prefect's tables show ten rows at a time."""

WATERFALL_KEY = (
    "*Waiting is from the request to the first byte. Several requests: the image was tried again,"
    " or fetched in pieces by several workers.*"
)


@dataclass(frozen=True, slots=True)
class PictureLinks:
    """The URIs of a report's pictures; empty for a picture that it does not have."""

    waterfall: str = ""
    contact_sheet: str = ""
    near_duplicates: str = ""


def image_rows(mirrored: Mirrored, limit: int = 2000) -> list[Row]:
    """Return a row for each image, what matters first, at most `limit`; unknown cells are empty."""
    ranked = sorted(mirrored.downloads, key=_rank)
    return [_image_row(download, mirrored.timings.began) for download in ranked[:limit]]


def mirror_headline(mirrored: Mirrored) -> str:
    """Return the result in one line, for a log, a run's state and the top of the report."""
    return f"{plain(mirrored.album.id)}: {_result(mirrored)}"


def plan_line(
    settled: int, wanted: int, task_runs: int, strategy: Strategy, workers: int, stored: int = 0
) -> str:
    """Say in one line, for the log, what a run is about to do.

    Of the images `wanted`, those `stored` are there already, and lack only the work on them.
    """
    in_album = f"listed {counted_images(settled + wanted)}"
    if not wanted:
        return f"{in_album}, nothing to fetch"
    parts = [f"{wanted - stored} to fetch"] if wanted > stored else []
    parts += [f"{stored} there to work on"] if stored else []
    with_workers = f"under {strategy} with {counted(workers, 'worker')}"
    todo = f"{' and '.join(parts)} in {counted(task_runs, 'task run')}"
    return f"{in_album}, {todo} {with_workers}"


def fetched_line(rows: Sequence[Download]) -> str:
    """Say in one line, for the log, what a run has fetched; rows may be of byte ranges."""
    asked_for = [row for row in rows if row.attempts or row.outcome is not Outcome.UNCHANGED]
    if lacked := len(rows) - len(asked_for):
        worked_on = f"worked on {counted_images(lacked)} there before"
        return f"{fetched_line(asked_for)}, {worked_on}" if asked_for else worked_on
    starts = [row.started for row in rows if row.started is not None]
    ends = [row.finished for row in rows if row.finished is not None]
    seconds = max(ends) - min(starts) if starts and ends else 0.0
    wanted = {row.id for row in rows}
    stored = {row.id for row in rows if row.outcome.is_stored}
    count = counted_images(len(wanted))
    of_all = count if stored == wanted else f"{len(stored)} of {count}"
    received = size(sum(row.received for row in rows))
    return f"fetched {of_all} ({received}) in {duration(seconds)}"


def missing_text(mirrored: Mirrored, limit: int = 10) -> str | None:
    """Say which images failed, and what to do about it; None if none did."""
    failed = mirrored.having(Outcome.FAILED)
    if not failed:
        return None
    names = [f"{label(download)} ({reason(download)})" for download in failed]
    of_all = f"{len(failed)} of {counted_images(len(mirrored.downloads))}"
    lines = [f"{plain(mirrored.album.id)}: {of_all} failed: {join_some(names, limit)}."]
    if lacking := shortfall(mirrored.album):
        lines.append(f"{lacking}.")
    if any(download.retryable for download in failed):
        lines.append("Run it again: what is there is kept, only the rest is fetched.")
    return " ".join(lines)


def shortfall(album: Album) -> str | None:
    """Say that Imgur counts more images in the album than it lists; None where it does not."""
    count, in_album = album.counted or 0, len(album.images)
    if count <= in_album:
        return None
    return f"Imgur counts {counted_images(count)} and lists {in_album}"


def mirror_markdown(
    mirrored: Mirrored,
    notes: Sequence[str] = (),
    pictures: PictureLinks = PictureLinks(),
    limit: int = 50,
) -> str:
    """Return the report of one run, which names at most `limit` failed and `limit` gone images."""
    title = plain(mirrored.album.title or "")
    waterfall = f"![when each image waited and came]({pictures.waterfall})\n\n{WATERFALL_KEY}"
    blocks = [
        f"{escape(mirrored.album.id)}: {_result(mirrored)}",
        f"“{escape(title)}”" if title else "",
        "\n".join(f"- {escape(note)}" for note in notes),
        _figures(mirrored),
        waterfall if pictures.waterfall else "",
        f"[Contact sheet]({pictures.contact_sheet})" if pictures.contact_sheet else "",
        f"[Pictures that look the same]({pictures.near_duplicates})"
        if pictures.near_duplicates
        else "",
        _lost("Failed", mirrored.having(Outcome.FAILED), limit),
        _lost("Gone at Imgur", mirrored.having(Outcome.GONE), limit),
        _undecoded(mirrored, limit),
        _slowest(mirrored),
    ]
    return "\n\n".join(block for block in blocks if block) + "\n"


def _rank(download: Download) -> tuple[int, float]:
    """Sort outcomes by weight, downloads from slow to fast, the rest in the album's order."""
    slow = (download.seconds or 0.0) if download.outcome is Outcome.DOWNLOADED else 0.0
    return BY_WEIGHT.index(download.outcome), -slow


def _image_row(download: Download, began: float) -> Row:
    started = download.started or download.work_started
    return {
        "file": label(download),
        "outcome": download.outcome.value,
        "bytes": download.bytes,
        "queued s": rounded(None if started is None else max(started - began, 0.0)),
        "first byte s": rounded(download.first_byte),
        "seconds": rounded(download.seconds),
        "work s": rounded(download.work_seconds),
        "attempts": download.attempts,
        "worker": plain(download.worker or ""),
        "error": plain(download.error or download.work_error or ""),
    }


def _result(mirrored: Mirrored) -> str:
    return "; ".join(part for part in (_outcomes(mirrored), shortfall(mirrored.album)) if part)


def _outcomes(mirrored: Mirrored) -> str:
    counts = {outcome: len(mirrored.having(outcome)) for outcome in OUTCOMES}
    if not mirrored.downloads:
        return "the album is empty"
    if not counts[Outcome.DOWNLOADED] and not counts[Outcome.FAILED]:
        return _nothing_new(counts[Outcome.UNCHANGED], counts[Outcome.GONE])
    named = [f"{count} {outcome}" for outcome, count in counts.items() if count]
    if counts[Outcome.DOWNLOADED]:
        named[0] += f" ({size(mirrored.bytes_downloaded)}{_copied(mirrored)})"
    times = mirrored.timings
    return (
        f"{', '.join(named)} in {duration(times.total)} · {mirrored.strategy},"
        f" {counted(mirrored.workers, 'worker')} (start-up {duration(times.startup)},"
        f" download {duration(times.download)})"
    )


def _copied(mirrored: Mirrored) -> str:
    """Say how many images were in another album of the list already."""
    count = sum(row.copied_from is not None for row in mirrored.downloads)
    return f", {count} of them from albums that had them" if count else ""


def _nothing_new(unchanged: int, gone: int) -> str:
    if gone and not unchanged:
        none = "its one image is not" if gone == 1 else f"none of its {gone} images is"
        return f"{none} there any more: Imgur removed {'it' if gone == 1 else 'them'}"
    if gone:
        return f"nothing new, {counted_images(unchanged)} there, {gone} gone"
    there = "its one image is" if unchanged == 1 else f"all {unchanged} images are"
    return f"nothing new, {there} there"


def _figures(mirrored: Mirrored) -> str:
    """Return the counts and times of a run as a table of one row."""
    times = mirrored.timings
    row: Row = {outcome.value: len(mirrored.having(outcome)) for outcome in OUTCOMES}
    row |= {
        "fetched": size(mirrored.bytes_downloaded),
        "start-up": duration(times.startup),
        "download": duration(times.download),
        "total": duration(times.total),
    }
    if any(download.work_seconds is not None for download in mirrored.downloads):
        # Of all workers together, who do it at the same time.
        row["work"] = duration(sum(download.work_seconds or 0.0 for download in mirrored.downloads))
    return markdown_table([row])


def _lost(heading: str, downloads: Sequence[Download], limit: int) -> str:
    """Say which images are not there and why; an empty text if there are none."""
    if not downloads:
        return ""
    rows: list[Row] = [
        {"file": label(download), "attempts": download.attempts, "why": reason(download)}
        for download in downloads[:limit]
    ]
    rest = f"\n\nand {len(downloads) - limit} more" if len(downloads) > limit else ""
    return f"## {heading}\n\n{markdown_table(rows)}{rest}"


def _undecoded(mirrored: Mirrored, limit: int) -> str:
    """Say of which stored images nothing could be computed; an empty text if there are none."""
    undecoded = [download for download in mirrored.downloads if download.work_error]
    if not undecoded:
        return ""
    rows: list[Row] = [
        {"file": label(download), "why": plain(download.work_error or "")}
        for download in undecoded[:limit]
    ]
    rest = f"\n\nand {len(undecoded) - limit} more" if len(undecoded) > limit else ""
    return f"## Stored, but not decoded\n\n{markdown_table(rows)}{rest}"


def _slowest(mirrored: Mirrored, limit: int = 5) -> str:
    downloaded = sorted(mirrored.having(Outcome.DOWNLOADED), key=_rank)
    rows: list[Row] = [
        {
            "file": label(download),
            "size": size(download.bytes),
            "first byte": time_text(download.first_byte),
            "in all": time_text(download.seconds),
        }
        for download in downloaded[:limit]
    ]
    return f"## Slowest\n\n{markdown_table(rows)}" if rows else ""
