"""Which strategy to use here, with how many workers, and why: from figures, in one sentence."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Annotated, Any

from pydantic import Field, TypeAdapter, ValidationError

from imgur_mirror.compare.points import Point, tolerance
from imgur_mirror.models import Strategy, Work
from imgur_mirror.text import counted, join_words, printable

__all__ = ["Advice", "BadAdvice", "advice_for", "advise", "advise_each", "read_advice"]

BY_COST = (Strategy.SEQUENTIAL, Strategy.ASYNC, Strategy.THREADS, Strategy.DASK)
"""From cheap to dear: one connection; one thread; a thread, or a process, for each connection."""

FASTER = 1.1
"""Times the rate of another: what downloads faster is named where it only starts later."""


class BadAdvice(ValueError):
    """A value is not advice; the message is a sentence that says why."""


@dataclass(frozen=True, slots=True)
class Advice:
    """The result of a comparison; `when` is in UTC, `images_per_second` over the whole time.

    It holds for runs that do this `work` on each image.
    """

    strategy: Strategy
    workers: Annotated[int, Field(ge=1, strict=True)]
    why: str = ""
    album: str = ""
    when: str = ""
    images_per_second: float = 0.0
    work: Work = Work.NONE

    def as_json(self) -> dict[str, Any]:
        """The advice in JSON's types, as `read_advice` takes it back."""
        return asdict(self) | {"strategy": self.strategy.value, "work": self.work.value}

    @property
    def sentence(self) -> str:
        """What to use and why, such as `async with 8 workers: 61 images/s; …`."""
        for_work = f" for {self.work}" if self.work is not Work.NONE else ""
        return f"{_named(self.strategy, self.workers)}{for_work}: {self.why}"


_ADVICE = TypeAdapter(Advice)


def read_advice(value: object) -> tuple[Advice, ...]:
    """Read advice, or a list with one for each work, that was stored as JSON; parse it if text.

    It may have been edited by hand. Advice without a work is for none.

    Raises:
        BadAdvice: if it names no strategy, or no number of workers.
    """
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except (ValueError, RecursionError) as error:
            raise BadAdvice("all of it: it is no JSON") from error
    return tuple(map(_read_one, value if isinstance(value, list) else [value]))


def _read_one(value: object) -> Advice:
    try:
        return _ADVICE.validate_python(value)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "all of it"
        raise BadAdvice(printable(f"{where}: {first['msg']}")) from error


def advice_for(work: Work, stored: Sequence[Advice]) -> Advice | None:
    """Return the advice for a work; None where there is none, since no other fits."""
    return next((advice for advice in stored if advice.work is work), None)


def advise_each(measured: Sequence[Point], album: str, when: str) -> tuple[Advice, ...]:
    """Return advice for each work that at least two strategies have figures of."""
    by_work = ([point for point in measured if point.work is work] for work in Work)
    return tuple(filter(None, (advise(of_work, album, when) for of_work in by_work)))


def advise(measured: Sequence[Point], album: str, when: str) -> Advice | None:
    """Choose the fewest workers, then the cheapest strategy, of those as quick as the quickest.

    The points are all of one work. It compares whole times, start-up included: that is what one
    waits for. None if fewer than two strategies have figures.
    """
    if len({point.strategy for point in measured}) < 2:
        return None
    best = min(measured, key=lambda point: point.total)
    level = [point for point in measured if point.total <= best.total + tolerance(best)]
    chosen = min(level, key=lambda point: (point.workers, BY_COST.index(point.strategy)))
    return Advice(
        strategy=chosen.strategy,
        workers=chosen.workers,
        why=_why(chosen, measured, level),
        album=album,
        when=when,
        images_per_second=round(chosen.rate, 2),
        work=chosen.work,
    )


def _why(chosen: Point, measured: Sequence[Point], level: Sequence[Point]) -> str:
    reasons = [
        f"{_figure(chosen.rate)} images/s",
        _more_workers(chosen, measured),
        _others(chosen, measured, level),
        _longer_albums(chosen, measured),
    ]
    return "; ".join(filter(None, reasons))


def _more_workers(chosen: Point, measured: Sequence[Point]) -> str:
    """Say what other numbers of workers bring under the same strategy; sequential has only one."""
    tried = [point.workers for point in measured if point.strategy is chosen.strategy]
    if chosen.strategy is Strategy.SEQUENTIAL:
        return ""
    if len(tried) == 1:
        return "other numbers of workers were not tried"
    if max(tried) == chosen.workers:
        return f"more than {chosen.workers} were not tried"
    more = [str(workers) for workers in sorted(tried) if workers > chosen.workers]
    return f"{join_words(more)} bring no more"


def _others(chosen: Point, measured: Sequence[Point], level: Sequence[Point]) -> str:
    """Say which strategies are no quicker, and how much longer the slower ones take."""
    others = [one for one in Strategy if one in {point.strategy for point in measured}]
    others.remove(chosen.strategy)
    same = [one for one in others if one in {point.strategy for point in level}]
    parts = [f"{join_words(same)} {'is' if len(same) == 1 else 'are'} no quicker"] if same else []
    verb, unit = "takes ", " as long"
    for strategy in others:
        if strategy not in same:
            fastest = min(point.total for point in measured if point.strategy is strategy)
            parts.append(f"{strategy} {verb}{fastest / chosen.total:.1f} ×{unit}")
            verb = unit = ""
    return join_words(parts)


def _longer_albums(chosen: Point, measured: Sequence[Point]) -> str:
    """Say from which size on another is quicker, which starts later but downloads faster."""
    sizes = {
        point: _break_even(chosen, point)
        for point in measured
        if point.download_rate > chosen.download_rate * FASTER
    }
    known = {point: size for point, size in sizes.items() if size}
    if not known:
        return ""
    point = min(
        known, key=lambda point: (known[point], BY_COST.index(point.strategy), point.workers)
    )
    return (
        f"from about {counted(known[point], 'image')} on, {_named(point.strategy, point.workers)}"
        " would make up for starting later"
    )


def _break_even(chosen: Point, other: Point) -> int:
    """Return the images from which `other` is quicker, in two digits; 0 if it never is."""
    later = (other.total - other.download) - (chosen.total - chosen.download)
    gained = 1 / chosen.download_rate - 1 / other.download_rate
    return round(float(f"{later / gained:.2g}")) if later > 0 and gained > 0 else 0


def _figure(rate: float) -> str:
    return f"{rate:.0f}" if rate >= 10 else f"{rate:.2g}"


def _named(strategy: Strategy, workers: int) -> str:
    return f"{strategy} with {counted(workers, 'worker')}"
