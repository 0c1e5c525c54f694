"""Files that another process places: what it leaves to this one, and what becomes of it."""

import asyncio
import functools
import os
import resource
import signal
import subprocess
import sys
from contextlib import asynccontextmanager
from select import select
from typing import ClassVar

import psutil
import pytest

from flows.mirror_album import mirror_album
from imgur_mirror import sessions_async
from imgur_mirror.exchange import Passing
from imgur_mirror.models import Outcome
from imgur_mirror.placing_process import SLOTS, PlacingProcess
from imgur_mirror.store import StoreError, album_folder
from tests.test_mirror_album import contents, new_album, stored
from tests.test_placing import body_of, exchange_of

MANY = 100
LONG = 30


@pytest.fixture
def folder(tmp_path):
    with album_folder(str(tmp_path), "album").opened() as opened:
        yield opened


@asynccontextmanager
async def started():
    """The process, once it takes work."""
    process = PlacingProcess(asyncio.get_running_loop())
    try:
        assert select([process._answers], [], [], LONG)[0]
        process._hear()
        yield process
    finally:
        await process.close()


def on_a_loop(test):
    """Run a test that is a coroutine."""

    @functools.wraps(test)
    def run(folder):
        asyncio.run(test(folder))

    return run


def alive(process):
    return psutil.Process(process._process.pid)


def nothing(_):
    """Take an outcome that does not matter."""


def left_in(folder):
    return {path.name: path.read_bytes() for path in folder.path.glob("*.*") if path.is_file()}


def close(exchanges):
    for exchange in exchanges:
        exchange.__exit__(None, None, None)


@on_a_loop
async def test_all_get_their_names_and_their_outcomes(folder):
    rows = []
    exchanges = [exchange_of(folder, number) for number in range(MANY)]
    async with started() as process:
        waits = [process.placed(exchange, rows.append) for exchange in exchanges]
        assert len(process._sent) == SLOTS
        assert all(await asyncio.gather(*waits))
        assert len(process._free) == SLOTS
    close(exchanges)
    assert {(row.outcome, row.verified, row.type) for row in rows} == {
        (Outcome.DOWNLOADED, "etag", "image/jpeg")
    }
    assert {row.name: row.bytes for row in rows} == {
        f"i{number}.jpg": len(body_of(number)) for number in range(MANY)
    }
    assert left_in(folder) == {f"i{number}.jpg": body_of(number) for number in range(MANY)}


@on_a_loop
async def test_it_says_the_digest_where_the_host_does_not(folder):
    rows = []
    known, unknown = exchange_of(folder, 1), exchange_of(folder, 1, etag="5e-1")
    async with started() as process:
        assert await process.placed(known, rows.append)
        assert await process.placed(unknown, rows.append)
    assert [row.verified for row in rows] == ["etag", "length"]
    assert rows[0].md5 == rows[1].md5


@on_a_loop
async def test_what_is_wrong_is_found_here(folder):
    rows = []
    short, damaged, good = (exchange_of(folder, 0), exchange_of(folder, 1, etag="0" * 32),
                            exchange_of(folder, 2))  # fmt: skip
    short._expected += 1
    async with started() as process:
        waits = [process.placed(one, rows.append) for one in (short, damaged, good)]
        with pytest.raises(Passing, match="the body is short"):
            await waits[0]
        assert await waits[1] is False
        assert damaged.asking
        assert await waits[2]
    close([short, damaged, good])
    assert [row.name for row in rows] == ["i2.jpg"]
    assert set(left_in(folder)) == {"i2.jpg"}


@on_a_loop
async def test_a_name_that_cannot_be_taken_is_a_sentence(folder):
    (folder.path / "i1.jpg").mkdir()
    exchanges = [exchange_of(folder, number) for number in range(3)]
    async with started() as process:
        waits = [process.placed(one, lambda _: None) for one in exchanges]
        with pytest.raises(StoreError, match="cannot write to"):
            await waits[1]
        assert await waits[0]
        assert await waits[2]
    close(exchanges)
    assert set(left_in(folder)) == {"i0.jpg", "i2.jpg"}


@on_a_loop
async def test_where_it_may_not_write_this_process_tries(folder):
    """Its limit on a file's size is none of this process's."""
    exchanges = [exchange_of(folder, number) for number in range(3)]
    async with started() as process:
        resource.prlimit(process._process.pid, resource.RLIMIT_FSIZE, (100, 100))
        assert all(await asyncio.gather(*(process.placed(one, nothing) for one in exchanges)))
    close(exchanges)
    assert set(left_in(folder)) == {"i0.jpg", "i1.jpg", "i2.jpg"}


@on_a_loop
async def test_what_it_had_when_it_was_killed_is_placed_here(folder):
    rows = []
    exchanges = [exchange_of(folder, number) for number in range(40)]
    async with started() as process:
        alive(process).suspend()
        waits = [process.placed(one, rows.append) for one in exchanges[:20]]
        alive(process).kill()
        assert all(await asyncio.gather(*waits))
        assert all(
            await asyncio.gather(*(process.placed(one, rows.append) for one in exchanges[20:]))
        )
        assert process._process.wait(LONG) == -signal.SIGKILL
    close(exchanges)
    assert sorted(row.name for row in rows) == sorted(f"i{number}.jpg" for number in range(40))
    assert left_in(folder) == {f"i{number}.jpg": body_of(number) for number in range(40)}


@on_a_loop
async def test_it_ends_when_it_is_told_to(folder):
    async with started() as process:
        child = alive(process)
        assert await process.placed(exchange_of(folder, 0), nothing)
    assert not child.is_running()
    assert process._process.returncode == 0


@on_a_loop
async def test_ctrl_c_is_not_for_it(folder):
    async with started() as process:
        alive(process).send_signal(signal.SIGINT)
        assert await process.placed(exchange_of(folder, 0), nothing)
        assert len(process._free) == SLOTS
        assert process._process.poll() is None


KILLED = """
import asyncio, os, signal
from imgur_mirror.placing_process import PlacingProcess

async def main():
    process = PlacingProcess(asyncio.get_running_loop())
    while not process._free:
        await asyncio.sleep(0.01)
    print(process._process.pid, flush=True)
    os.kill(os.getpid(), signal.SIGKILL)

asyncio.run(main())
"""


def test_it_does_not_outlive_who_started_it():
    ran = subprocess.run(
        [sys.executable, "-c", KILLED], capture_output=True, text=True, timeout=LONG, check=False
    )
    assert ran.returncode == -signal.SIGKILL
    try:
        psutil.Process(int(ran.stdout)).wait(LONG)
    except psutil.NoSuchProcess:
        return


# Where it is used


class Recorded(PlacingProcess):
    """A process that takes work from the first file on, and is remembered."""

    made: ClassVar[list[PlacingProcess]] = []

    def __init__(self, loop):
        super().__init__(loop)
        assert select([self._answers], [], [], LONG)[0]
        self._hear()
        Recorded.made.append(self)


@pytest.mark.usefixtures("prefect_server")
@pytest.mark.parametrize(("strategy", "count"), [("async", 1), ("threads", 0), ("sequential", 0)])
def test_a_flow_has_one_where_files_come_fast(strategy, count, imgur, downloads, monkeypatch):
    album = new_album(imgur, count=30, bytes=5000)
    Recorded.made.clear()
    monkeypatch.setattr(sessions_async, "MANY", 10)
    monkeypatch.setattr(sessions_async, "PlacingProcess", Recorded)
    mirror_album(album, strategy, 4)
    assert stored(downloads / album) == contents(imgur, album)
    assert [process._process.returncode for process in Recorded.made] == [0] * count


@pytest.mark.usefixtures("prefect_server")
def test_a_flow_does_without_where_there_can_be_none(imgur, downloads, monkeypatch):
    album = new_album(imgur, count=30, bytes=5000)
    monkeypatch.setattr(sessions_async, "MANY", 10)
    monkeypatch.delattr(os, "memfd_create")
    mirror_album(album, "async", 4)
    assert stored(downloads / album) == contents(imgur, album)
