"""A batch in turns: parts to fetch, and the seconds to wait in between."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator
from typing import Protocol

from imgur_mirror.download.batch import Batch
from imgur_mirror.models import Download
from imgur_mirror.store import AlbumFolder

__all__ = ["Turn", "Turns", "fetch_in_turns", "fetch_in_turns_async"]

Turn = Batch | float
"""What to do next: fetch a part of the batch, or sleep so many seconds."""


class Turns(Protocol):
    """A limit of requests, as it is applied to a batch."""

    def turns(self, batch: Batch, folder: AlbumFolder) -> Iterator[Turn]:
        """Return the batch in parts, each when it may be fetched. May block, but not for long."""


def fetch_in_turns(
    turns: Iterator[Turn], fetch: Callable[[Batch], tuple[Download, ...]]
) -> list[Download]:
    """Fetch each part when it is its turn."""
    rows: list[Download] = []
    for turn in turns:
        if isinstance(turn, Batch):
            rows += fetch(turn)
        else:
            time.sleep(turn)
    return rows


async def fetch_in_turns_async(
    turns: Iterator[Turn], fetch: Callable[[Batch], Awaitable[tuple[Download, ...]]]
) -> list[Download]:
    """Do as `fetch_in_turns` does, on an event loop."""
    rows: list[Download] = []
    while (turn := await asyncio.to_thread(next, turns, None)) is not None:
        if isinstance(turn, Batch):
            rows += await fetch(turn)
        else:
            await asyncio.sleep(turn)
    return rows
