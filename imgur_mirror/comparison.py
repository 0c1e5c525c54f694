"""What the same album under several strategies has to say: rows, a verdict, Markdown."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from statistics import median

from imgur_mirror.charts import Cell, Row, bar_chart, data_address, duration
from imgur_mirror.markdown import escape, label, listed, table
from imgur_mirror.models import Mirrored, Outcome, Strategy

__all__ = ["comparison_headline", "comparison_markdown", "comparison_rows"]

ARTICLE = (
    "For comparison: the article this grew out of measured 48 s one after another, 19 s with"
    " five threads, 14 s with a process for each core and 14 s with asyncio, on its own album"
    " and network."
)
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


def comparison_headline(runs: Sequence[Mirrored]) -> str:
    """Which strategy is fastest here, in one line; says so when the figures can't tell.

    A strategy that left an image out in any round is named, and not compared.
    """
    broken = {run.strategy for run in runs if run.having(Outcome.FAILED)}
    rows = comparison_rows([run for run in runs if run.strategy not in broken])
    rows.sort(key=_total)
    incomplete = f"{listed(sorted(broken))} left images out and cannot be compared"
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
        "\n".join(f"- {escape(note)}" for note in notes),
        table(rows),
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
            seconds[label(download)].append(download.seconds or 0.0)
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
    names = listed([str(row["strategy"]) for row in level])
    times = listed([duration(_total(row), 2) for row in level])
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
