"""What bounds each strategy with each work, and what follows for the choice, in plain sentences.

All of it is read from what was measured: how many cores were in use, how long the start took, and
whether images were computed or waited for.
"""

from collections.abc import Iterable, Iterator, Sequence
from enum import StrEnum

from imgur_mirror.compare.points import Point, tolerance
from imgur_mirror.models import Strategy, Work
from imgur_mirror.text import counted, duration, join_words

__all__ = ["Bound", "bound", "explain", "most_workers"]

NEAR_ALL = 0.8
"""Of the cores: from here on they are what all wait for."""

IDLE = 0.5
"""Cores in use: below, the processor mostly waits for the network."""

ONE_CORE = (0.75, 1.3)
"""Cores in use by one process: about one, since Python runs one thread at a time."""

LONG_STARTUP = 0.5
"""Of the whole time: from here on, no other bound is felt."""

BY_PROCESSOR = 0.5
"""Of the time of the workers: more work than that is work for the processor."""


class Bound(StrEnum):
    """What a strategy would have to have more of to be faster."""

    STARTUP = "the start-up"
    ALONE = "one image at a time"
    NETWORK = "the network"
    OTHERS = "other programs"
    LOCK = "the interpreter's lock"
    CORES = "the cores"
    SEVERAL = "nothing by itself"


SENTENCES = {
    Bound.STARTUP: (
        "The start-up bounds {names}: {startups} of the whole time. With more images it would weigh"
        " less."
    ),
    Bound.ALONE: (
        "One image at a time, {names} computes and waits by turns: {used} in use on average, and"
        " never more than one."
    ),
    Bound.NETWORK: (
        "The network bounds {names}: {used} in use on average, the rest of the time the processor"
        " waits for the host. More workers would help {them}, if the host lets them."
    ),
    Bound.OTHERS: (
        "Other programs bound {names}: the work took most of the time, and yet only {used} were in"
        " use. Compare again on a machine that has nothing else to do."
    ),
    Bound.LOCK: (
        "The interpreter's lock bounds {names}: {used} in use on average, about one, however many"
        " workers there are. A process runs one thread of Python at a time, and the others wait for"
        " the lock: more processes help, more threads do not."
    ),
    Bound.CORES: (
        "The cores bound {names}: {used} in use on average. More workers would bring nothing, only"
        " more cores."
    ),
    Bound.SEVERAL: (
        "Nothing bounds {names} by itself: {used} in use on average, so the network, the processor"
        " and perhaps other programs have their part."
    ),
}
"""What is said of the strategies that a bound holds for."""


def bound(point: Point, cores: int) -> Bound | None:
    """Say what bounds a strategy on a machine with so many cores; None where nothing tells."""
    if point.startup > LONG_STARTUP * point.total:
        return Bound.STARTUP
    used = point.cores
    if used is None:
        return None
    if used < IDLE:
        # Work takes a core, unless others have it: waiting for the host is no part of it.
        return Bound.NETWORK if point.working <= point.download else Bound.OTHERS
    if point.strategy is Strategy.SEQUENTIAL:
        return Bound.ALONE
    if used >= NEAR_ALL * cores:
        return Bound.CORES
    in_one_process = point.strategy is not Strategy.DASK
    if in_one_process and ONE_CORE[0] <= used <= ONE_CORE[1]:
        return Bound.LOCK
    return Bound.SEVERAL


def most_workers(measured: Iterable[Point]) -> list[Point]:
    """Return each work's strategies with the most workers that they had."""
    largest: dict[tuple[Work, Strategy], Point] = {}
    for point in measured:
        largest[point.work, point.strategy] = point
    return list(largest.values())


def explain(measured: Sequence[Point], cores: int) -> dict[Work, list[str]]:
    """Return the sentences about each work: what bounds it, and whether the rule of thumb holds.

    The points are in order; of a sweep, those with the most workers count.
    """
    points = most_workers(measured)
    by_work = {work: [point for point in points if point.work is work] for work in Work}
    return {
        work: [*_bounds(of_work, cores), *_rule(of_work, cores)]
        for work, of_work in by_work.items()
        if of_work
    }


def _bounds(points: Sequence[Point], cores: int) -> Iterator[str]:
    """Yield a sentence for each bound, with the strategies that it holds for."""
    found = {point: bound(point, cores) for point in points}
    for kind in Bound:
        bounded = [point for point in points if found[point] is kind]
        if bounded:
            yield _sentence(kind, bounded, cores)


def _sentence(kind: Bound, points: Sequence[Point], cores: int) -> str:
    used = join_words([f"{point.cores:.1f}" for point in points if point.cores is not None])
    return SENTENCES[kind].format(
        names=join_words([point.strategy.value for point in points]),
        them="it" if len(points) == 1 else "them",
        used=f"{used} of {counted(cores, 'core')}",
        startups=join_words([f"{point.startup / point.total:.0%}" for point in points]),
    )


def _rule(points: Sequence[Point], cores: int) -> Iterator[str]:
    """Hold the article's rule of thumb against the figures, where both of its sides ran.

    Of a machine that others kept busy, they say nothing about it.
    """
    if any(bound(point, cores) is Bound.OTHERS for point in points):
        return
    processes = _of(points, Strategy.DASK)
    in_one = [point for point in points if point.strategy in (Strategy.THREADS, Strategy.ASYNC)]
    if processes is None or not in_one:
        return
    one = min(in_one, key=lambda point: point.total)
    computes = _computes(points, bound(one, cores))
    kind = "work for the processor" if computes else "work that waits"
    rule = "processes" if computes else "threads"
    expected, other = (processes, one) if computes else (one, processes)
    best = min(one, processes, key=lambda point: point.total)
    if abs(one.total - processes.total) <= tolerance(best):
        yield (
            f"The article's rule of thumb takes {rule} for {kind}. It makes no difference here:"
            f" {one.strategy} and dask take the same time ({duration(best.total)})."
        )
    elif best is expected:
        yield (
            f"The article's rule of thumb, {rule} for {kind}, holds: {other.strategy} takes"
            f" {other.total / expected.total:.1f} × as long as {expected.strategy}."
        )
    else:
        yield (
            f"The article's rule of thumb, {rule} for {kind}, is wrong here: {expected.strategy}"
            f" takes {expected.total / other.total:.1f} × as long as"
            f" {other.strategy}{_why(expected, other)}."
        )


def _why(expected: Point, better: Point) -> str:
    """Say what the figures show of why the rule is wrong."""
    if expected.strategy is not Strategy.DASK:
        return ""
    if expected.startup - better.startup > (expected.total - better.total) / 2:
        return f", since the processes take {duration(expected.startup)} to start"
    if better.cores is not None and better.cores > ONE_CORE[1]:
        return (
            f", whose {better.cores:.1f} cores in use show that this work lets go of the"
            " interpreter's lock"
        )
    return ""


def _computes(points: Sequence[Point], bounding: Bound | None) -> bool:
    """Say whether this is work for the processor, given what bounds the best single process.

    Where that does not tell, the least crowded does, by whether images take the processor longer
    than the network: one after another, no image waits for another's turn.
    """
    match bounding:
        case Bound.LOCK | Bound.CORES:
            return True
        case Bound.NETWORK:
            return False
    least = min(points, key=lambda point: (point.workers, list(Strategy).index(point.strategy)))
    return least.working > BY_PROCESSOR * (least.working + least.download)


def _of(points: Sequence[Point], strategy: Strategy) -> Point | None:
    return next((point for point in points if point.strategy is strategy), None)
