"""What a run has to say: rows for tables, one-line results, Markdown. Nothing is written here."""

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from statistics import median

from imgur_mirror.charts import Cell, Row, bar_chart, data_address, duration
from imgur_mirror.models import Download, Mirrored, Outcome, Strategy

__all__ = [
    "comparison_headline",
    "comparison_markdown",
    "comparison_rows",
    "headline",
    "image_rows",
    "mirror_markdown",
    "missing",
    "text_table",
]

# What matters first: tables show ten rows at a time.
ORDER = (Outcome.FAILED, Outcome.GONE, Outcome.DOWNLOADED, Outcome.UNCHANGED)

# Everything that could start markup, a link or a column in Markdown or HTML.
MARKUP = re.compile(r"[\\`*_{}\[\]<>#|~&@!$]|:(?=//)|(?<=www)\.", re.IGNORECASE)

ARTICLE = (
    "For comparison: the article this grew out of measured 48 s one after another, 19 s with"
    " five threads, 14 s with a process for each core and 14 s with asyncio, on its own album"
    " and network."
)
OUTCOMES = (Outcome.DOWNLOADED, Outcome.UNCHANGED, Outcome.GONE, Outcome.FAILED)
"""What becomes of an image; pieces of one are merged before they are reported."""

TERMS = (
    "**Start-up** is from the start of the task runner to the first request sent: threads,"
    " processes or an event loop are made ready in it, whatever the size of the album."
    " **Download** is from that request to the last file in place; the rates are over it."
    " Speed-up is over the total of `sequential`."
)
MEDIANS = (
    "Each figure is the median of its rounds by itself; spread is the slowest total less the"
    " fastest."
)


# One album's mirror.


def image_rows(mirrored: Mirrored, most: int = 2000) -> list[Row]:
    """A row for each image, what matters first, at most `most` of them; unknown is empty."""
    ranked = sorted(mirrored.downloads, key=_rank)
    return [_image_row(download) for download in ranked[:most]]


def headline(mirrored: Mirrored) -> str:
    """The result in one line, for a log, a run's state and the top of the report."""
    return f"{_plain(mirrored.album.id)}: {_result(mirrored)}"


def missing(mirrored: Mirrored, most: int = 10) -> str | None:
    """What a failed run lacks, and what to do about it; None when it lacks nothing."""
    failed = mirrored.having(Outcome.FAILED)
    if not failed:
        return None
    names = [f"{_label(download)} ({_reason(download)})" for download in failed[:most]]
    if len(failed) > most:
        names.append(f"and {len(failed) - most} more")
    return (
        f"{_plain(mirrored.album.id)}: {len(failed)} of {_images(len(mirrored.downloads))} failed:"
        f" {', '.join(names)}. Run it again: what is there is kept, only the rest is fetched."
    )


def mirror_markdown(mirrored: Mirrored, notes: Sequence[str] = (), most: int = 50) -> str:
    """The report of one run; its lists of failed and gone images name at most `most` each."""
    title = _plain(mirrored.album.title or "")
    blocks = [
        f"{_escape(mirrored.album.id)}: {_result(mirrored)}",
        f"“{_escape(title)}”" if title else "",
        "\n".join(f"- {_escape(note)}" for note in notes),
        _figures(mirrored),
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
        "file": _label(download),
        "outcome": download.outcome.value,
        "bytes": download.bytes,
        "first byte s": _rounded(download.first_byte),
        "seconds": _rounded(download.seconds),
        "attempts": download.attempts,
        "worker": _plain(download.worker or ""),
        "error": _plain(download.error or ""),
    }


def _result(mirrored: Mirrored) -> str:
    counts = {outcome: len(mirrored.having(outcome)) for outcome in OUTCOMES}
    if not mirrored.downloads:
        return "the album is empty"
    if not counts[Outcome.DOWNLOADED] and not counts[Outcome.FAILED]:
        return _nothing_new(counts[Outcome.UNCHANGED], counts[Outcome.GONE])
    named = [f"{count} {outcome}" for outcome, count in counts.items() if count]
    if counts[Outcome.DOWNLOADED]:
        named[0] += f" ({_size(mirrored.bytes_downloaded)})"
    times = mirrored.timings
    return (
        f"{', '.join(named)} in {duration(times.total)} · {mirrored.strategy},"
        f" {_counted(mirrored.workers, 'worker')} (start-up {duration(times.startup)},"
        f" download {duration(times.download)})"
    )


def _nothing_new(unchanged: int, gone: int) -> str:
    if not gone:
        there = "its one image is" if unchanged == 1 else f"all {unchanged} images are"
        return f"nothing new, {there} there"
    return f"nothing new, {_images(unchanged)} there, {gone} gone"


def _figures(mirrored: Mirrored) -> str:
    """The counts and times of a run, in one table of one row."""
    times = mirrored.timings
    row: Row = {outcome.value: len(mirrored.having(outcome)) for outcome in OUTCOMES}
    row |= {
        "fetched": _size(mirrored.bytes_downloaded),
        "start-up": duration(times.startup),
        "download": duration(times.download),
        "total": duration(times.total),
    }
    return _table([row])


def _lost(heading: str, downloads: Sequence[Download], most: int) -> str:
    """Which images are not there and why; nothing when there are none."""
    if not downloads:
        return ""
    rows: list[Row] = [
        {"file": _label(download), "attempts": download.attempts, "why": _reason(download)}
        for download in downloads[:most]
    ]
    rest = f"\n\nand {len(downloads) - most} more" if len(downloads) > most else ""
    return f"## {heading}\n\n{_table(rows)}{rest}"


def _slowest(mirrored: Mirrored, most: int = 5) -> str:
    downloaded = sorted(mirrored.having(Outcome.DOWNLOADED), key=_rank)
    rows: list[Row] = [
        {
            "file": _label(download),
            "size": _size(download.bytes),
            "first byte": _time(download.first_byte),
            "in all": _time(download.seconds),
        }
        for download in downloaded[:most]
    ]
    return f"## Slowest\n\n{_table(rows)}" if rows else ""


# The same album under several strategies.


def comparison_rows(runs: Sequence[Mirrored]) -> list[Row]:
    """A row for each strategy; each figure is its median over the strategy's rounds.

    `rounds` and `spread s`, the slowest total less the fastest, are there when any strategy ran
    more than once. What cannot be known, such as a rate over no time, is empty.
    """
    rounds = {strategy: _of(strategy, runs) for strategy in Strategy}
    baseline = [run.timings.total for run in rounds[Strategy.SEQUENTIAL]]
    rows = [_comparison_row(measured, baseline) for measured in rounds.values() if measured]
    if any(len(measured) > 1 for measured in rounds.values()):
        for row, measured in zip(rows, filter(None, rounds.values()), strict=True):
            totals = [run.timings.total for run in measured]
            row |= {"rounds": len(measured), "spread s": round(max(totals) - min(totals), 3)}
    return rows


def text_table(rows: Sequence[Row]) -> str:
    """The rows as aligned plain text: figures to the right, names to the left."""
    if not rows:
        return ""
    columns = [[name, *cells] for name, cells in _cells(rows).items()]
    figures = [_is_figure(row) for row in zip(*(r.values() for r in rows), strict=True)]
    padded = [
        [cell.rjust(width) if right else cell.ljust(width) for cell in column]
        for column, right in zip(columns, figures, strict=True)
        for width in [max(map(len, column))]
    ]
    return "\n".join("  ".join(line).rstrip() for line in zip(*padded, strict=True))


def comparison_headline(runs: Sequence[Mirrored]) -> str:
    """Which strategy is fastest here, in one line; says so when the figures can't tell.

    A strategy that left an image out in any round is named, and not compared.
    """
    broken = {run.strategy for run in runs if run.having(Outcome.FAILED)}
    rows = comparison_rows([run for run in runs if run.strategy not in broken])
    rows.sort(key=_total)
    incomplete = f"{_listed(sorted(broken))} left images out and cannot be compared"
    if not rows:
        return incomplete if broken else "nothing was measured"
    return _verdict(rows) + (f"; {incomplete}" if broken else "")


def comparison_markdown(runs: Sequence[Mirrored], notes: Sequence[str] = ()) -> str:
    """The report of a comparison: the result, the chart, the figures, and what they mean."""
    rows = comparison_rows(runs)
    if not rows:
        return f"{comparison_headline(runs)}\n"
    blocks = [
        comparison_headline(runs),
        f"![seconds by strategy, start-up and download]({data_address(bar_chart(rows))})",
        "\n".join(f"- {_escape(note)}" for note in notes),
        _table(rows),
        f"{TERMS} {MEDIANS}" if "rounds" in rows[0] else TERMS,
        f"*{ARTICLE}*",
    ]
    return "\n\n".join(block for block in blocks if block) + "\n"


def _of(strategy: Strategy, runs: Iterable[Mirrored]) -> list[Mirrored]:
    return [run for run in runs if run.strategy is strategy]


def _comparison_row(rounds: Sequence[Mirrored], baseline: Sequence[float]) -> Row:
    """One strategy's figures; `baseline` holds the totals of `sequential`, if it ran."""
    times = [run.timings for run in rounds]
    total = median(timing.total for timing in times)
    images = [_rate(len(run.having(Outcome.DOWNLOADED)), run) for run in rounds]
    megabytes = [_rate(run.bytes_downloaded / 1e6, run) for run in rounds]
    return {
        "strategy": rounds[0].strategy.value,
        "workers": rounds[0].workers,
        # The clocks of two machines can put the first request before the start.
        "start-up s": round(max(median(timing.startup for timing in times), 0.0), 3),
        "download s": round(max(median(timing.download for timing in times), 0.0), 3),
        "total s": round(max(total, 0.0), 3),
        "images/s": _middle(images),
        "MB/s": _middle(megabytes),
        "speed-up": round(median(baseline) / total, 2) if baseline and total > 0 else "",
        "slowest image": _slowest_image(rounds),
    }


def _rate(amount: float, run: Mirrored) -> float | None:
    """So much a second of the download; None for a download that took no time."""
    return amount / run.timings.download if run.timings.download > 0 else None


def _middle(figures: Iterable[float | None]) -> Cell:
    known = [figure for figure in figures if figure is not None]
    return round(median(known), 2) if known else ""


def _slowest_image(rounds: Iterable[Mirrored]) -> str:
    """The image with the longest median over the rounds, and that median."""
    seconds: defaultdict[str, list[float]] = defaultdict(list)
    for run in rounds:
        for download in run.having(Outcome.DOWNLOADED):
            seconds[_label(download)].append(download.seconds or 0.0)
    if not seconds:
        return ""
    name = max(seconds, key=lambda name: median(seconds[name]))
    return f"{name} {duration(median(seconds[name]), 2)}"


def _verdict(rows: Sequence[Row]) -> str:
    """The sentence for complete strategies, given from fast to slow."""
    best, *others = rows
    if not others:
        return f"{best['strategy']} took {duration(_total(best))}, with nothing to compare it to"
    level = [best, *(row for row in others if _level(best, row))]
    against = _against(best, [row for row in others if row not in level])
    if len(level) == 1:
        return f"{best['strategy']} is fastest here: {duration(_total(best))}{against}"
    names = _listed([str(row["strategy"]) for row in level])
    times = _listed([duration(_total(row), 2) for row in level])
    limit = "their rounds are" if "rounds" in best else "one round can tell"
    return f"{names} are level here: {times}, no further apart than {limit}" + (
        f",{against}" if against else ""
    )


def _level(best: Row, row: Row) -> bool:
    """Whether two totals differ by no more than chance: the spread, or a tenth in one round."""
    spreads = [float(each["spread s"]) for each in (best, row) if each.get("rounds", 1) != 1]
    return _total(row) - _total(best) <= max(spreads, default=_total(best) / 10)


def _against(best: Row, slower: Sequence[Row]) -> str:
    """The other side: one after another where that was measured, else the slowest."""
    if not slower:
        return ""
    other = next((row for row in slower if row["strategy"] == Strategy.SEQUENTIAL), slower[-1])
    one_by_one = other["strategy"] == Strategy.SEQUENTIAL
    what = "one after another" if one_by_one else f"with {other['strategy']}"
    ratio = f" ({_total(other) / _total(best):.1f} ×)" if _total(best) else ""
    return f" against {duration(_total(other))} {what}{ratio}"


def _total(row: Row) -> float:
    return float(row["total s"])


# Words, figures and tables.


def _plain(text: str) -> str:
    """The text on one line, without control characters or marks that turn it around."""
    printable = "".join(mark if mark.isprintable() else " " for mark in text)
    return " ".join(printable.split())


def _escape(text: str) -> str:
    """Text from outside as Markdown that shows just it, in a table or anywhere else.

    Entities rather than backslashes: no renderer takes them for the end of a table's column.
    """
    return MARKUP.sub(lambda mark: f"&#{ord(mark[0])};", _plain(text))


def _label(download: Download) -> str:
    """The file's name; the image's id where it cannot have one."""
    return _plain(download.name or download.id)


def _reason(download: Download) -> str:
    return _plain(download.error or "").rstrip(".") or "no reason given"


def _counted(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def _images(count: int) -> str:
    return _counted(count, "image")


def _listed(words: Sequence[str]) -> str:
    """`a`, `a and b`, `a, b and c`."""
    *most, last = words or [""]
    return f"{', '.join(most)} and {last}" if most else last


def _size(count: int) -> str:
    """Bytes as one reads them: `512 bytes`, `98 kB`, `12.3 MB`, `1.2 GB`."""
    for unit, factor in (("GB", 1e9), ("MB", 1e6)):
        if count >= factor * 0.9995:
            return f"{count / factor:.1f} {unit}"
    return f"{count / 1e3:.0f} kB" if count >= 1000 else _counted(count, "byte")


def _time(seconds: float | None) -> str:
    return "" if seconds is None else duration(seconds, 2)


def _rounded(seconds: float | None) -> Cell:
    return "" if seconds is None else round(seconds, 3)


def _table(rows: Sequence[Row]) -> str:
    """The rows as a Markdown table, figures to the right."""
    columns = _cells(rows)
    figures = [_is_figure(row) for row in zip(*(r.values() for r in rows), strict=True)]
    lines = [
        [_escape(name) for name in columns],
        ["---:" if right else "---" for right in figures],
        *([_escape(cell) for cell in line] for line in zip(*columns.values(), strict=True)),
    ]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _cells(rows: Sequence[Row]) -> dict[str, list[str]]:
    """The text of every column's cells; a column's floats share their number of decimals."""
    return {name: _column([row[name] for row in rows]) for name in rows[0]}


def _column(cells: Sequence[Cell]) -> list[str]:
    floats = [cell for cell in cells if isinstance(cell, float) and cell]
    decimals = 3 if min(floats, default=1.0) < 0.01 else 2
    return [f"{cell:.{decimals}f}" if isinstance(cell, float) else str(cell) for cell in cells]


def _is_figure(cells: Iterable[Cell]) -> bool:
    return any(isinstance(cell, int | float) for cell in cells)
