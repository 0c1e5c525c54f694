"""The figures of each trial of a comparison: a work under a strategy with a number of workers."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import median

from imgur_mirror.models import Mirrored, Outcome, Strategy, Usage, Work
from imgur_mirror.report.tables import Row

__all__ = [
    "Parts",
    "Point",
    "is_sweep",
    "parts",
    "points",
    "side_by_side",
    "sweep_rows",
    "tolerance",
    "trials",
    "worker_counts",
    "works_of",
]

MIN_TOLERANCE = 1 / 20
"""Of a time: several rounds may differ by so much, even if their spread is smaller."""

ONE_ROUND = 1 / 10
"""Of a time: a smaller difference cannot be seen in one round."""

MAX_TOLERANCE = 1 / 5
"""Of a time: otherwise one round that stalled would make all strategies equally quick."""

Trial = tuple[Work, Strategy, int]
"""A work, a strategy, and its workers."""


@dataclass(frozen=True, slots=True)
class Parts:
    """The seconds of a run, told apart.

    `startup` is until the first request. What follows is divided into `download` and `work` as the
    time of its workers was: while some wait for the host, others compute.
    """

    startup: float
    download: float
    work: float

    @property
    def total(self) -> float:
        """Seconds from the start of the runner to the last image's file and work."""
        return self.startup + self.download + self.work


@dataclass(frozen=True, slots=True)
class Point:
    """A strategy with a number of workers, and a work: medians over its rounds, in seconds.

    `total` is the whole time, start-up included; `spread` the slowest total less the fastest, and
    `images` what each round fetched. `download` and `working` are those of `Parts`. `usage` is
    None where it was not measured.
    """

    strategy: Strategy
    workers: int
    rounds: int
    images: int
    total: float
    download: float
    spread: float
    work: Work = Work.NONE
    working: float = 0.0
    usage: Usage | None = None

    @property
    def startup(self) -> float:
        """Seconds from the start of the runner to the first request."""
        return max(self.total - self.download - self.working, 0.0)

    @property
    def rate(self) -> float:
        """Images a second over the whole time; 0 if that is 0."""
        return self.images / self.total if self.total > 0 else 0.0

    @property
    def download_rate(self) -> float:
        """Images a second from the first request to the last image; 0 if that took no time."""
        running = self.download + self.working
        return self.images / running if running > 0 else 0.0

    @property
    def cores(self) -> float | None:
        """Cores in use on average over the whole time; None where it was not measured."""
        if self.usage is None or self.total <= 0:
            return None
        return self.usage.processor_seconds / self.total


def tolerance(best: Point) -> float:
    """Return the seconds by which a total may be above the best and still be as good."""
    if best.rounds == 1:
        return best.total * ONE_ROUND
    return min(max(best.spread, best.total * MIN_TOLERANCE), best.total * MAX_TOLERANCE)


def worker_counts(strategy: Strategy, largest: int) -> list[int]:
    """Return 1, 2, 4, … and `largest`; sequential always has one worker."""
    if strategy is Strategy.SEQUENTIAL:
        return [1]
    return [*(2**power for power in range((largest - 1).bit_length())), largest]


def works_of(runs: Iterable[Mirrored]) -> list[Work]:
    """Return the works that the runs have, in the order of `Work`."""
    had = {run.work for run in runs}
    return [work for work in Work if work in had]


def is_sweep(runs: Iterable[Mirrored]) -> bool:
    """Say whether any strategy ran with more than one number of workers."""
    pairs = {(run.strategy, run.workers) for run in runs}
    return len(pairs) > len({strategy for strategy, _ in pairs})


def side_by_side(runs: Sequence[Mirrored]) -> list[Mirrored]:
    """Return the runs of each strategy with the most workers that it had, as without a sweep."""
    largest: dict[Strategy, int] = {}
    for run in runs:
        largest[run.strategy] = max(run.workers, largest.get(run.strategy, 0))
    return [run for run in runs if run.workers == largest[run.strategy]]


def trials(runs: Iterable[Mirrored]) -> dict[Trial, list[Mirrored]]:
    """Return the rounds of each trial, by work, then strategy, then workers."""
    rounds: dict[Trial, list[Mirrored]] = {}
    for run in runs:
        rounds.setdefault((run.work, run.strategy, run.workers), []).append(run)
    works, strategies = list(Work), list(Strategy)
    in_order = sorted(
        rounds, key=lambda one: (works.index(one[0]), strategies.index(one[1]), one[2])
    )
    return {trial: rounds[trial] for trial in in_order}


def points(runs: Iterable[Mirrored]) -> list[Point]:
    """Return the figures of each trial, in order.

    It leaves out what failed an image in any round, and what fetched none: to do nothing takes no
    time.
    """
    return [
        point_of(rounds)
        for rounds in trials(runs).values()
        if all(_is_complete(run) for run in rounds)
    ]


def _is_complete(run: Mirrored) -> bool:
    return bool(run.having(Outcome.DOWNLOADED)) and not run.having(Outcome.FAILED)


def point_of(rounds: Sequence[Mirrored]) -> Point:
    """Return the figures of one trial."""
    each = [parts(run) for run in rounds]
    totals = [one.total for one in each]
    return Point(
        strategy=rounds[0].strategy,
        workers=rounds[0].workers,
        rounds=len(rounds),
        images=round(median(len(run.having(Outcome.DOWNLOADED)) for run in rounds)),
        total=median(totals),
        download=median(one.download for one in each),
        spread=max(totals) - min(totals),
        work=rounds[0].work,
        working=median(one.work for one in each),
        usage=_usage([run.usage for run in rounds if run.usage is not None]),
    )


def _usage(rounds: Sequence[Usage]) -> Usage | None:
    if not rounds:
        return None
    return Usage(
        processor_seconds=median(one.processor_seconds for one in rounds),
        peak_memory=round(median(one.peak_memory for one in rounds)),
    )


def parts(run: Mirrored) -> Parts:
    """Tell the seconds of a run apart."""
    rows = run.downloads
    work = sum(row.work_seconds or 0.0 for row in rows)
    fetching = sum(row.seconds or 0.0 for row in rows)
    ends = [row.work_started + (row.work_seconds or 0.0) for row in rows if row.work_started]
    running = max([run.timings.ended, *ends]) - run.timings.first_request
    share = work / (work + fetching) if work > 0 else 0.0
    return Parts(run.timings.startup, running * (1 - share), running * share)


def sweep_rows(measured: Iterable[Point]) -> list[Row]:
    """Return a row for each point; `images/s` is over the whole time, as in curve and advice."""
    return [
        {
            "work": point.work.value,
            "strategy": point.strategy.value,
            "workers": point.workers,
            "images/s": round(point.rate, 2),
            "images/s downloading": round(point.download_rate, 2),
            "total s": round(point.total, 3),
            "rounds": point.rounds,
            "spread s": round(point.spread, 3),
        }
        for point in measured
    ]
