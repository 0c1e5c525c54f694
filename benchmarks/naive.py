"""The same downloads as most people would write them: `python -m benchmarks.naive WAY …`.

Each way does nothing but save every link to the folder: no retries, no checks, no report. `plain`
is the fastest loop that is still simple, and the limit for what orchestration may cost.
"""

import argparse
import asyncio
import json
import multiprocessing
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from urllib.request import urlretrieve

import aiohttp

from benchmarks.measuring import memory

__all__ = ["WAYS"]


def save(link: str, folder: Path) -> None:
    """Save one link under its own name."""
    urlretrieve(link, folder / _name(link))  # noqa: S310 - loopback


def loop(links: Sequence[str], folder: Path, _workers: int) -> None:
    """One after another."""
    for link in links:
        save(link, folder)


def threads(links: Sequence[str], folder: Path, workers: int) -> None:
    """In a pool of threads."""
    with ThreadPoolExecutor(workers) as pool:
        list(pool.map(partial(save, folder=folder), links))


def processes(links: Sequence[str], folder: Path, workers: int) -> None:
    """In a pool of processes."""
    with multiprocessing.Pool(workers) as pool:
        pool.map(partial(save, folder=folder), links)


def gather(links: Sequence[str], folder: Path, workers: int) -> None:
    """All at once on an event loop, 1 KiB at a time."""
    asyncio.run(_gather(links, folder, workers))


async def _gather(links: Sequence[str], folder: Path, workers: int) -> None:
    async with _session(workers) as session:
        await asyncio.gather(*(_save_chunks(session, link, folder) for link in links))


async def _save_chunks(session: aiohttp.ClientSession, link: str, folder: Path) -> None:
    async with session.get(link) as response:
        with (folder / _name(link)).open("wb") as file:
            async for chunk in response.content.iter_chunked(1024):
                file.write(chunk)


def plain(links: Sequence[str], folder: Path, workers: int) -> None:
    """In so many loops on an event loop, each of which keeps its connection."""
    asyncio.run(_plain(links, folder, workers))


async def _plain(links: Sequence[str], folder: Path, workers: int) -> None:
    waiting = iter(links)

    async def slot(session: aiohttp.ClientSession) -> None:
        for link in waiting:
            async with session.get(link) as response:
                (folder / _name(link)).write_bytes(await response.read())

    async with _session(workers) as session:
        await asyncio.gather(*(slot(session) for _ in range(workers)))


def _session(workers: int) -> aiohttp.ClientSession:
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=workers), timeout=aiohttp.ClientTimeout(total=None)
    )


def _name(link: str) -> str:
    return link.rpartition("/")[2]


Way = Callable[[Sequence[str], Path, int], None]

WAYS: dict[str, Way] = {way.__name__: way for way in (loop, threads, processes, gather, plain)}


def _main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.naive")
    parser.add_argument("way", choices=WAYS)
    parser.add_argument("links", type=Path, help="a file with one link a line")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--workers", type=int, default=1)
    flags = parser.parse_args()
    links = flags.links.read_text(encoding="utf-8").split()
    began = time.perf_counter()
    WAYS[flags.way](links, flags.folder, flags.workers)
    print(json.dumps({"seconds": time.perf_counter() - began, "memory": memory()}))


if __name__ == "__main__":
    _main()
