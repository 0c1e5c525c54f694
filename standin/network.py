"""The network that the stand-in models: profiles, what they predict, and keeping to them."""

import asyncio
import heapq
import tomllib
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass, fields, replace
from math import ceil, inf
from pathlib import Path
from random import Random
from time import monotonic

from standin.pictures import Body

__all__ = ["PROFILES", "BadProfile", "Network", "Profile", "fifo", "pool_map", "profile", "seconds"]


class BadProfile(ValueError):
    """There is no such profile, or its file cannot be used."""


MEGAPIXEL_WIDTH = 1152
"""Pixels across of the stand-in's pictures that have a megapixel."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """Delays in seconds, rates in bytes a second (None: unbounded), and the album to serve.

    `connect` is what a new connection takes, `first_byte` what each answer takes, `sizes` the
    bytes of the images of the album PdA9Amq; without any it shows every type and oddity. `width` is
    what they have in pixels, if they fit; 0 for what surely does.
    `strict_agent` refuses the default user agents of HTTP libraries, as Imgur does.
    """

    connect: float = 0
    first_byte: float = 0
    connection_rate: float | None = None
    link_rate: float | None = None
    sizes: tuple[int, ...] = ()
    width: int = 0
    strict_agent: bool = False

    @property
    def rate(self) -> float:
        """Bytes a second of one connection that has the link to itself."""
        return min(self.connection_rate or inf, self.link_rate or inf)

    def scaled(self, factor: float) -> "Profile":
        """The same network with all its times multiplied."""
        return replace(
            self,
            connect=self.connect * factor,
            first_byte=self.first_byte * factor,
            connection_rate=self.connection_rate and self.connection_rate / factor,
            link_rate=self.link_rate and self.link_rate / factor,
        )


def seconds(profile: Profile, size: int) -> float:
    """Seconds for one image of `size` bytes over a new connection that is alone on the link."""
    return profile.connect + profile.first_byte + size / profile.rate


def fifo(times: Sequence[float], workers: int) -> float:
    """Seconds until `workers` that each take the next in order are through."""
    busy = [0.0] * workers
    for time in times:
        heapq.heapreplace(busy, busy[0] + time)
    return max(busy)


def pool_map(times: Sequence[float], processes: int) -> float:
    """The same under `multiprocessing.Pool.map`, which hands out chunks of a set size."""
    size = ceil(len(times) / (processes * 4))
    chunks = [sum(times[at : at + size]) for at in range(0, len(times), size)]
    return fifo(chunks, processes)


def _article() -> Profile:
    """40 images that take 48 s one after another; the 34th takes 13 s, the rest are log-normal.

    The seed is one for which five threads take about 19 s, and eight processes that share
    the list by `Pool.map`'s chunks about 15 s.
    """
    network = Profile(connect=0.05, first_byte=0.05, connection_rate=400_000)
    rng = Random(25910)  # noqa: S311 - a seed
    drawn = [rng.lognormvariate(0, 0.8) for _ in range(39)]
    times = [time * 35 / sum(drawn) for time in drawn]
    times.insert(33, 13)
    # Whole hundreds, so that no last digit of a logarithm differs from machine to machine.
    sizes = tuple(round((time - seconds(network, 0)) * 4000) * 100 for time in times)
    return replace(network, sizes=sizes)


PROFILES = {
    "fast": Profile(),
    "raw": Profile(),
    "article": _article(),
    "link": Profile(connect=0.05, first_byte=0.05, link_rate=12_500_000, sizes=(100_000,) * 500),
}


def profile(name: str) -> Profile:
    """The profile of that name, or the one that a TOML file holds.

    Raises:
        BadProfile: in one sentence.
    """
    if name in PROFILES:
        return PROFILES[name]
    if not name.endswith(".toml"):
        raise BadProfile(f"no profile {name!r}: give {', '.join(PROFILES)} or a .toml file")
    try:
        return _read(Path(name))
    except (OSError, TypeError, ValueError) as error:
        raise BadProfile(f"the profile {name} cannot be used: {error}") from error


def _read(path: Path) -> Profile:
    """A profile from a file, whose keys are those of Profile."""
    values = tomllib.loads(path.read_text(encoding="utf-8"))
    unknown = values.keys() - {field.name for field in fields(Profile)}
    if unknown:
        raise ValueError(f"it has no setting {', '.join(sorted(unknown))}")
    return Profile(**{**values, "sizes": tuple(values.get("sizes", ()))})


class Link:
    """The line that all connections share: each block is booked behind those before it."""

    LAG = 0.05
    """Seconds of lateness that a busy line makes up for; an idle one saves nothing up."""

    def __init__(self, rate: float | None) -> None:
        self._rate = rate or inf
        self._free = 0.0
        self._users = 0

    def enter(self) -> None:
        """A body starts to use the line."""
        if not self._users:
            self._free = max(self._free, monotonic())
        self._users += 1

    def leave(self) -> None:
        """It has ended."""
        self._users -= 1

    def book(self, size: int) -> float:
        """When, on the monotonic clock, the line has carried so many bytes more."""
        self._free = max(self._free, monotonic() - self.LAG) + size / self._rate
        return self._free


class Network:
    """Keeps answers to a profile; sleeps to deadlines, so that lateness does not add up."""

    BLOCK = 1 << 16

    def __init__(self, profile: Profile) -> None:
        self.profile = profile
        self._link = Link(profile.link_rate)

    async def delay(self, *, connecting: bool) -> None:
        """What passes before the first byte of an answer."""
        wait = self.profile.first_byte + (self.profile.connect if connecting else 0)
        if wait:
            await asyncio.sleep(wait)

    def paced(self, rate: float | None = None) -> bool:
        """Whether bodies have a rate at all."""
        return bool(rate) or self.profile.rate < inf

    async def blocks(
        self, body: Body, stop: int, rate: float | None = None
    ) -> AsyncGenerator[bytes, None]:
        """A body up to `stop`, each block when it is due; `rate` is a connection's own."""
        rate = min(rate or inf, self.profile.connection_rate or inf)
        # Some 50 blocks a second, for a slow line as for a fast one.
        size = int(min(self.BLOCK, max(1024, min(rate, self.profile.rate) / 50)))
        began = monotonic()
        self._link.enter()
        try:
            for start in range(0, stop, size):
                end = min(start + size, stop)
                due = max(began + end / rate, self._link.book(end - start))
                await asyncio.sleep(max(0.0, due - monotonic()))
                yield body.read(start, end)
        finally:
            self._link.leave()
