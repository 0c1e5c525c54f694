"""What the image host was asked and what it gave: kept for tests and benchmarks to read."""

import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from typing import Any

from standin.answers import Served

__all__ = ["Connection", "Ledger", "Load"]

_numbers = count(1)


@dataclass(slots=True)
class Connection:
    """A TCP connection: new until its first answer; of the image host once it asked there."""

    number: int = field(default_factory=lambda: next(_numbers))
    new: bool = True
    images: bool = False

    def first(self) -> bool:
        """Whether nothing was answered here yet."""
        new, self.new = self.new, False
        return new


@dataclass(slots=True)
class Load:
    """How many there are now, and were at most since the last reset."""

    now: int = 0
    peak: int = 0

    def add(self) -> None:
        self.now += 1
        self.peak = max(self.peak, self.now)

    def drop(self) -> None:
        self.now -= 1

    def reset(self) -> None:
        self.peak = self.now


@dataclass(slots=True)
class Entry(Served):
    """One request of the image host; `time` is seconds since 1970, when it came.

    `target` is what the request line said: the path as it was escaped, and the query.
    """

    id: str = ""
    path: str = ""
    target: str = ""
    range: str | None = None
    connection: int = 0
    user_agent: str | None = None
    had_authorization: bool = False
    time: float = field(default_factory=time.time)


@dataclass(slots=True)
class Ledger:
    """All that was asked of the image host since the last clearing, and its load."""

    entries: list[Entry] = field(default_factory=list)
    connections: Load = field(default_factory=Load)
    requests: Load = field(default_factory=Load)

    @contextmanager
    def serving(self, connection: Connection, entry: Entry) -> Iterator[Entry]:
        """A request from its arrival to its last byte."""
        if not connection.images:
            connection.images = True
            self.connections.add()
        self.entries.append(entry)
        self.requests.add()
        try:
            yield entry
        finally:
            self.requests.drop()

    def closed(self, connection: Connection) -> None:
        """A connection is gone."""
        if connection.images:
            self.connections.drop()

    def counts(self) -> Counter[str]:
        """How many bodies were begun of each image."""
        return Counter(entry.id for entry in self.entries if entry.status in (200, 206))

    def load(self) -> dict[str, Any]:
        """Connections and requests of the image host, now and at most."""
        return {
            "open": self.connections.now,
            "peak": self.connections.peak,
            "in_flight": self.requests.now,
            "in_flight_peak": self.requests.peak,
        }
