"""The same album under several strategies, with one work or several: rows and a verdict."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import median

from imgur_mirror.compare.advice import Advice
from imgur_mirror.compare.explanation import explain
from imgur_mirror.compare.history import Earlier, history_rows, slowdowns
from imgur_mirror.compare.machine import Machine
from imgur_mirror.compare.points import (
    Point,
    is_sweep,
    parts,
    point_of,
    points,
    side_by_side,
    sweep_rows,
    trials,
    works_of,
)
from imgur_mirror.models import Mirrored, Outcome, Strategy, Work
from imgur_mirror.report.tables import Cell, Row, label
from imgur_mirror.text import duration, join_words

__all__ = ["Comparison", "comparison_headline", "comparison_rows"]


@dataclass(frozen=True, slots=True)
class Comparison:
    """The runs of one album, the times of earlier comparisons of it, advice and notes.

    `machine` is what they were measured on; without it, nothing is explained.
    """

    runs: tuple[Mirrored, ...]
    earlier: tuple[Earlier, ...] = ()
    advice: tuple[Advice, ...] = ()
    notes: tuple[str, ...] = ()
    machine: Machine | None = None

    @property
    def rows(self) -> list[Row]:
        """A row for each work and strategy; after a sweep, for its runs with the most workers."""
        return comparison_rows(side_by_side(self.runs))

    @property
    def sweep(self) -> list[Row]:
        """A row for each work, strategy and number of workers; none without a sweep."""
        return sweep_rows(points(self.runs)) if is_sweep(self.runs) else []

    @property
    def history(self) -> list[Row]:
        """A row for each work and strategy that earlier comparisons had as well."""
        return history_rows(self.rows, self.earlier)

    @property
    def works(self) -> list[Work]:
        """What was computed from the images, in order."""
        return works_of(self.runs)

    @property
    def headline(self) -> str:
        """Which strategy is fastest, in one line."""
        return comparison_headline(side_by_side(self.runs))

    def verdict(self, work: Work) -> str:
        """Which strategy is fastest with one work."""
        return comparison_headline([run for run in side_by_side(self.runs) if run.work is work])

    @property
    def remarks(self) -> list[str]:
        """What follows the headline: what to use, what became slower, and the notes."""
        use = [f"Use {advice.sentence}" for advice in self.advice]
        return [*use, *slowdowns(self.history), *self.notes]

    @property
    def explanation(self) -> dict[Work, list[str]]:
        """What bounds each strategy with each work, and what that means; empty if unmeasured."""
        measured = points(self.runs)
        if self.machine is None or all(point.usage is None for point in measured):
            return {}
        return explain(measured, self.machine.cores)

    def typical(self, work: Work) -> list[Mirrored]:
        """Return a run of each strategy with a work: the one in the middle of its rounds."""
        of_work = [run for run in side_by_side(self.runs) if run.work is work]
        return [
            sorted(rounds, key=lambda run: parts(run).total)[(len(rounds) - 1) // 2]
            for rounds in trials(of_work).values()
        ]


def comparison_rows(runs: Sequence[Mirrored]) -> list[Row]:
    """Return a row for each work and strategy; each figure is its median over the rounds.

    There are columns for the work if there was any, for what the processor did if that was
    measured, and if anything ran more than once, `rounds` and `spread s`, the slowest total less
    the fastest. What cannot be known, such as a rate over no time, is empty.
    """
    rounds = list(trials(runs).values())
    measured = [point_of(each) for each in rounds]
    alone = {point.work: point.total for point in measured if point.strategy is FIRST}
    has_work = any(point.work is not Work.NONE for point in measured)
    has_usage = any(point.usage is not None for point in measured)
    several = any(point.rounds > 1 for point in measured)
    return [
        {
            **_trial(point, has_work),
            **_times(each, point, has_work),
            **_rates(each, point, alone.get(point.work)),
            **(_usage(point) if has_usage else {}),
            "slowest image": _slowest_image(each),
            "images": point.images,
            **({"rounds": point.rounds, "spread s": round(point.spread, 3)} if several else {}),
        }
        for point, each in zip(measured, rounds, strict=True)
    ]


FIRST = Strategy.SEQUENTIAL
"""What the others' speed-up is over."""


def _trial(point: Point, has_work: bool) -> Row:
    work = {"work": point.work.value} if has_work else {}
    return {**work, "strategy": point.strategy.value, "workers": point.workers}


def _times(rounds: Sequence[Mirrored], point: Point, has_work: bool) -> Row:
    """Return the seconds; the clocks of two machines can put the first request before the start."""
    startup = median(parts(run).startup for run in rounds)
    work = {"work s": round(max(point.working, 0.0), 3)} if has_work else {}
    return {
        "start-up s": round(max(startup, 0.0), 3),
        "download s": round(max(point.download, 0.0), 3),
        **work,
        "total s": round(max(point.total, 0.0), 3),
    }


def _rates(rounds: Sequence[Mirrored], point: Point, alone: float | None) -> Row:
    images = [_rate(len(run.having(Outcome.DOWNLOADED)), run) for run in rounds]
    megabytes = [_rate(run.bytes_downloaded / 1e6, run) for run in rounds]
    return {
        "images/s": _median_cell(images),
        "MB/s": _median_cell(megabytes),
        "speed-up": round(alone / point.total, 2) if alone and point.total > 0 else "",
    }


def _usage(point: Point) -> Row:
    usage, cores = point.usage, point.cores
    return {
        "processor s": round(usage.processor_seconds, 2) if usage else "",
        "cores": round(cores, 2) if cores is not None else "",
        "peak MB": round(usage.peak_memory / 1e6) if usage else "",
    }


def _rate(amount: float, run: Mirrored) -> float | None:
    """Return an amount per second after the start-up; None if that took no time."""
    took = parts(run)
    seconds = took.download + took.work
    return amount / seconds if seconds > 0 else None


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


def comparison_headline(runs: Sequence[Mirrored]) -> str:
    """Say in one line which strategy is fastest with each work, or that the figures cannot tell.

    A strategy that left an image out in any round is named, and not compared.
    """
    works = works_of(runs)
    if not works:
        return "nothing was measured"
    verdicts = {work: _headline([run for run in runs if run.work is work]) for work in works}
    if len(works) == 1:
        return verdicts[works[0]]
    return " · ".join(f"{work}: {verdict}" for work, verdict in verdicts.items())


def _headline(runs: Sequence[Mirrored]) -> str:
    broken = {run.strategy for run in runs if run.having(Outcome.FAILED)}
    rows = comparison_rows([run for run in runs if run.strategy not in broken])
    rows.sort(key=_total)
    incomplete = f"{join_words(sorted(broken))} left images out and cannot be compared"
    if not rows:
        return incomplete
    return _verdict(rows) + (f"; {incomplete}" if broken else "")


def _verdict(rows: Sequence[Row]) -> str:
    """Return the sentence for complete strategies, whose rows are sorted from fast to slow."""
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
    other = next((row for row in slower if row["strategy"] == FIRST), slower[-1])
    one_by_one = other["strategy"] == FIRST
    what = "one after another" if one_by_one else f"with {other['strategy']}"
    ratio = f" ({_total(other) / _total(best):.1f} ×)" if _total(best) else ""
    return f" against {duration(_total(other))} {what}{ratio}"


def _total(row: Row) -> float:
    return float(row["total s"])
