"""The same album under several strategies: rows, a verdict and a report in Markdown."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from statistics import median

from imgur_mirror.compare.advice import Advice
from imgur_mirror.compare.bar_chart import bar_chart
from imgur_mirror.compare.curve import curve_chart
from imgur_mirror.compare.history import Earlier, history_rows, slowdowns
from imgur_mirror.compare.points import is_sweep, points, side_by_side, sweep_rows
from imgur_mirror.models import Mirrored, Outcome, Strategy
from imgur_mirror.report.tables import Cell, Row, escape, label, markdown_table, text_table
from imgur_mirror.text import duration, join_words

__all__ = [
    "CHART",
    "CURVE",
    "Comparison",
    "comparison_charts",
    "comparison_headline",
    "comparison_markdown",
    "comparison_rows",
    "comparison_text",
]

CHART, CURVE = "comparison.svg", "sweep.svg"
"""The file names of the charts."""

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
CHOICE = (
    "The advice is about the whole time, start-up included. Of all that is as quick as the quickest"
    " (within the spread of its rounds, or a tenth where there was one), it takes the fewest"
    " workers, which is gentlest to Imgur, and then what costs this machine least: sequential, then"
    " async (one thread), threads (one for each connection), dask (a process for each)."
)
SLOWER = (
    "Beside the earlier comparisons that had as many images and workers. A strategy is called"
    " slower where it takes longer than their median by more than their spread, and by a tenth."
)


@dataclass(frozen=True, slots=True)
class Comparison:
    """The runs of one album, the times of earlier comparisons of it, advice and notes."""

    runs: tuple[Mirrored, ...]
    earlier: tuple[Earlier, ...] = ()
    advice: Advice | None = None
    notes: tuple[str, ...] = ()

    @property
    def rows(self) -> list[Row]:
        """A row for each strategy; after a sweep, for its runs with the most workers."""
        return comparison_rows(side_by_side(self.runs))

    @property
    def sweep(self) -> list[Row]:
        """A row for each strategy and number of workers; none without a sweep."""
        return sweep_rows(points(self.runs)) if is_sweep(self.runs) else []

    @property
    def history(self) -> list[Row]:
        """A row for each strategy that earlier comparisons had as well."""
        return history_rows(self.rows, self.earlier)

    @property
    def headline(self) -> str:
        """Which strategy is fastest, in one line."""
        return comparison_headline(side_by_side(self.runs))

    @property
    def remarks(self) -> list[str]:
        """What follows the headline: what to use, what became slower, and the notes."""
        use = [f"Use {self.advice.sentence}"] if self.advice else []
        return [*use, *slowdowns(self.history), *self.notes]


def comparison_rows(runs: Sequence[Mirrored]) -> list[Row]:
    """Give a row for each strategy; each figure is its median over the strategy's rounds.

    If any strategy ran more than once, there are `rounds` and `spread s`, the slowest total less
    the fastest. What cannot be known, such as a rate over no time, is empty.
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
    """Say in one line which strategy is fastest, or that the figures cannot tell.

    A strategy that left an image out in any round is named, and not compared.
    """
    broken = {run.strategy for run in runs if run.having(Outcome.FAILED)}
    rows = comparison_rows([run for run in runs if run.strategy not in broken])
    rows.sort(key=_total)
    incomplete = f"{join_words(sorted(broken))} left images out and cannot be compared"
    if not rows:
        return incomplete if broken else "nothing was measured"
    return _verdict(rows) + (f"; {incomplete}" if broken else "")


def comparison_markdown(found: Comparison, uri_of: Callable[[str], str]) -> str:
    """Give the report of a comparison: the result, the charts, the figures, what they mean.

    `uri_of` gives the URI of a chart by its file name.
    """
    rows = found.rows
    headline = found.headline
    if not rows:
        return f"{headline}\n"
    blocks = [
        headline,
        f"![seconds by strategy, start-up and download]({uri_of(CHART)})",
        "\n".join(f"- {escape(note)}" for note in found.remarks),
        markdown_table(rows),
        f"{TERMS} {MEDIANS}" if "rounds" in rows[0] else TERMS,
        *_sweep_blocks(found, uri_of),
        "" if found.sweep or not found.advice else CHOICE,
        *_history_blocks(found),
        f"*{ARTICLE}*",
    ]
    return "\n\n".join(block for block in blocks if block) + "\n"


def comparison_charts(found: Comparison) -> dict[str, str]:
    """Give the SVG text of every chart of the report, by its file name."""
    charts = {CHART: bar_chart(found.rows)} if found.runs else {}
    if found.sweep:
        measured = points(found.runs)
        advised = found.advice and (found.advice.strategy, found.advice.workers)
        chosen = (point for point in measured if (point.strategy, point.workers) == advised)
        charts[CURVE] = curve_chart(measured, next(chosen, None))
    return charts


def comparison_text(found: Comparison) -> str:
    """Give the tables as plain text, and the headline and remarks below them."""
    lines = "\n".join([found.headline, *found.remarks])
    tables = map(text_table, filter(None, (found.sweep, found.rows, found.history)))
    return "\n\n".join([*tables, lines])


def _sweep_blocks(found: Comparison, uri_of: Callable[[str], str]) -> list[str]:
    if not found.sweep:
        return []
    curve = f"![images a second by number of workers]({uri_of(CURVE)})"
    return ["## More workers", curve, markdown_table(found.sweep), CHOICE]


def _history_blocks(found: Comparison) -> list[str]:
    history = found.history
    return ["## Earlier comparisons", markdown_table(history), SLOWER] if history else []


def _of(strategy: Strategy, runs: Iterable[Mirrored]) -> list[Mirrored]:
    return [run for run in runs if run.strategy is strategy]


def _comparison_row(rounds: Sequence[Mirrored], baseline: Sequence[float]) -> Row:
    """Give one strategy's figures; `baseline` holds the totals of `sequential`, if it ran."""
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
        "images/s": _median_cell(images),
        "MB/s": _median_cell(megabytes),
        "speed-up": round(median(baseline) / total, 2) if baseline and total > 0 else "",
        "slowest image": _slowest_image(rounds),
        "images": round(median(len(run.having(Outcome.DOWNLOADED)) for run in rounds)),
    }


def _rate(amount: float, run: Mirrored) -> float | None:
    """Give an amount per second of the download; None if that took no time."""
    return amount / run.timings.download if run.timings.download > 0 else None


def _median_cell(figures: Iterable[float | None]) -> Cell:
    known = [figure for figure in figures if figure is not None]
    return round(median(known), 2) if known else ""


def _slowest_image(rounds: Iterable[Mirrored]) -> str:
    """Name the image with the longest median over the rounds, and that median."""
    seconds: defaultdict[str, list[float]] = defaultdict(list)
    for run in rounds:
        for download in run.having(Outcome.DOWNLOADED):
            seconds[label(download)].append(download.seconds or 0.0)
    if not seconds:
        return ""
    name = max(seconds, key=lambda name: median(seconds[name]))
    return f"{name} {duration(median(seconds[name]), 2)}"


def _verdict(rows: Sequence[Row]) -> str:
    """Give the sentence for complete strategies, whose rows are sorted from fast to slow."""
    best, *others = rows
    if not others:
        return f"{best['strategy']} took {duration(_total(best))}, with nothing to compare it to"
    level = [best, *(row for row in others if _level(best, row))]
    against = _against(best, [row for row in others if row not in level])
    if len(level) == 1:
        return f"{best['strategy']} is fastest here: {duration(_total(best))}{against}"
    names = join_words([str(row["strategy"]) for row in level])
    times = join_words([duration(_total(row), 2) for row in level])
    limit = "their rounds are" if "rounds" in best else "one round can tell"
    return f"{names} are level here: {times}, no further apart than {limit}" + (
        f",{against}" if against else ""
    )


def _level(best: Row, row: Row) -> bool:
    """Say whether two totals may differ by chance: by the spread, or a tenth in one round."""
    spreads = [float(each["spread s"]) for each in (best, row) if each.get("rounds", 1) != 1]
    return _total(row) - _total(best) <= max(spreads, default=_total(best) / 10)


def _against(best: Row, slower: Sequence[Row]) -> str:
    """Compare the best to sequential if that was measured, else to the slowest."""
    if not slower:
        return ""
    other = next((row for row in slower if row["strategy"] == Strategy.SEQUENTIAL), slower[-1])
    one_by_one = other["strategy"] == Strategy.SEQUENTIAL
    what = "one after another" if one_by_one else f"with {other['strategy']}"
    ratio = f" ({_total(other) / _total(best):.1f} ×)" if _total(best) else ""
    return f" against {duration(_total(other))} {what}{ratio}"


def _total(row: Row) -> float:
    return float(row["total s"])
