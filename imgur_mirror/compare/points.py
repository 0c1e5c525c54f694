"""The same album with more and more workers: which numbers to try, and the figures of each."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import median

from imgur_mirror.models import Mirrored, Outcome, Strategy
from imgur_mirror.report.tables import Row

__all__ = ["Point", "is_sweep", "points", "side_by_side", "sweep_rows", "worker_counts"]


@dataclass(frozen=True, slots=True)
class Point:
    """A strategy with a number of workers: medians over its rounds, in seconds.

    `total` is the whole time, start-up included; `spread` the slowest total less the fastest, and
    `images` what each round fetched.
    """

    strategy: Strategy
    workers: int
    rounds: int
    images: int
    total: float
    download: float
    spread: float

    @property
    def rate(self) -> float:
        """Images a second over the whole time; 0 if that is 0."""
        return self.images / self.total if self.total > 0 else 0.0

    @property
    def download_rate(self) -> float:
        """Images a second from the first request to the last file; 0 if that took no time."""
        return self.images / self.download if self.download > 0 else 0.0


def worker_counts(strategy: Strategy, largest: int) -> list[int]:
    """Give 1, 2, 4, … and `largest`; sequential always has one worker."""
    if strategy is Strategy.SEQUENTIAL:
        return [1]
    return [*(2**power for power in range((largest - 1).bit_length())), largest]


def is_sweep(runs: Iterable[Mirrored]) -> bool:
    """Say whether any strategy ran with more than one number of workers."""
    pairs = {(run.strategy, run.workers) for run in runs}
    return len(pairs) > len({strategy for strategy, _ in pairs})


def side_by_side(runs: Sequence[Mirrored]) -> list[Mirrored]:
    """Give the runs of each strategy with the most workers that it had, as without a sweep."""
    largest: dict[Strategy, int] = {}
    for run in runs:
        largest[run.strategy] = max(run.workers, largest.get(run.strategy, 0))
    return [run for run in runs if run.workers == largest[run.strategy]]


def points(runs: Iterable[Mirrored]) -> list[Point]:
    """Give the figures of each strategy with each number of workers, in that order.

    It leaves out what failed an image in any round, and what fetched none: to do nothing takes no
    time.
    """
    rounds: dict[tuple[Strategy, int], list[Mirrored]] = {}
    for run in runs:
        rounds.setdefault((run.strategy, run.workers), []).append(run)
    order = list(Strategy)
    return [
        _point(rounds[pair])
        for pair in sorted(rounds, key=lambda pair: (order.index(pair[0]), pair[1]))
        if all(_is_complete(run) for run in rounds[pair])
    ]


def _is_complete(run: Mirrored) -> bool:
    return bool(run.having(Outcome.DOWNLOADED)) and not run.having(Outcome.FAILED)


def _point(rounds: Sequence[Mirrored]) -> Point:
    totals = [run.timings.total for run in rounds]
    return Point(
        strategy=rounds[0].strategy,
        workers=rounds[0].workers,
        rounds=len(rounds),
        images=round(median(len(run.having(Outcome.DOWNLOADED)) for run in rounds)),
        total=median(totals),
        download=median(run.timings.download for run in rounds),
        spread=max(totals) - min(totals),
    )


def sweep_rows(measured: Iterable[Point]) -> list[Row]:
    """Give a row for each point; `images/s` is over the whole time, as in curve and advice."""
    return [
        {
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
