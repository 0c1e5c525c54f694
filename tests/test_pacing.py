"""How fast a run asks: one pause for all its workers, and never above a set rate."""

import asyncio
import itertools
import math
import os
import shutil
import subprocess
import sys
import threading
import time
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from email.utils import format_datetime, formatdate
from multiprocessing import get_context

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from imgur_mirror.api import Kind
from imgur_mirror.bulk import Shard, open_job, open_source
from imgur_mirror.bulk.shard_run import ShardRun
from imgur_mirror.download.pacing import Pace
from imgur_mirror.http import LONGEST_PAUSE, backoff, retry_after
from imgur_mirror.models import Album, Image, Strategy
from imgur_mirror.settings import Wire
from imgur_mirror.store import RunState, album_folder, albums_run

LONG = 100


def eased_off_elsewhere(run, seconds):
    code = (
        "import sys; from pathlib import Path; from imgur_mirror.download.pacing import Pace;"
        "from imgur_mirror.store import RunState;"
        "Pace(RunState(Path(sys.argv[1]))).ease_off(float(sys.argv[2]))"
    )
    return subprocess.Popen([sys.executable, "-c", code, str(run), str(seconds)])


# The pause


def test_nobody_waits_at_first(tmp_path):
    assert Pace(RunState(tmp_path)).wait() == 0


def test_a_pause_holds_for_every_process_of_the_run(tmp_path):
    assert eased_off_elsewhere(tmp_path, LONG).wait() == 0
    assert 0 < Pace(RunState(tmp_path)).wait() <= LONG
    assert 0 < Pace(RunState(tmp_path), per_second=5).wait() <= LONG


def test_a_pause_of_another_run_does_not_count(tmp_path):
    (tmp_path / "one").mkdir()
    Pace(RunState(tmp_path / "one")).ease_off(LONG)
    assert Pace(RunState(tmp_path / "other")).wait() == 0


def test_a_shorter_pause_does_not_cut_a_longer_one(tmp_path):
    pace = Pace(RunState(tmp_path))
    pace.ease_off(LONG)
    before = pace.wait()
    for seconds in (0, -5, 1, math.nan):
        pace.ease_off(seconds)
    assert pace.wait() > before - LONG / 2


def test_the_longest_of_many_pauses_at_once_counts(tmp_path):
    """Threads and processes that all met a 429 at the same time."""
    others = [eased_off_elsewhere(tmp_path, seconds) for seconds in (1, LONG, 2)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(Pace(RunState(tmp_path)).ease_off, range(40)))
    assert [other.wait() for other in others] == [0, 0, 0]
    assert Pace(RunState(tmp_path)).wait() > LONG / 2


def test_a_pause_ends(tmp_path):
    pace = Pace(RunState(tmp_path))
    pace.ease_off(0.05)
    while seconds := pace.wait():
        time.sleep(seconds)
    assert pace.wait() == 0


@pytest.mark.parametrize("asked", [LONGEST_PAUSE * 1000, math.inf])
def test_a_pause_is_bounded(tmp_path, asked):
    pace = Pace(RunState(tmp_path))
    pace.ease_off(asked)
    assert LONGEST_PAUSE / 2 < pace.wait() <= LONGEST_PAUSE


def test_a_clock_that_was_turned_back_makes_no_longer_pause(tmp_path):
    Pace(RunState(tmp_path)).ease_off(LONG)
    later = time.time() + 86_400
    os.utime(tmp_path / "pause", (later, later))
    assert Pace(RunState(tmp_path)).wait() == LONGEST_PAUSE


# The pace of a job, and of a list of albums


def parts_of_a_job(job):
    """Two shards and an album, each in a folder of its own."""
    shards = [job.shard_folder(Shard.pack(number, number, ["Abc1234"])) for number in range(2)]
    return [*shards, album_folder(job.downloads, "Album01").as_part_of(job.run)]


def opened_job(tmp_path):
    links = tmp_path / "links.txt"
    links.write_text("Abc1234\nAbc1235\n")
    return open_job(str(tmp_path / "downloads"), "links", open_source(str(links)), 1)


@pytest.mark.parametrize("met", range(3))
def test_a_pause_holds_for_all_shards_and_albums_of_a_job(met, tmp_path):
    with opened_job(tmp_path) as job:
        paces = [Pace(folder.run_state) for folder in parts_of_a_job(job)]
        assert [pace.wait() for pace in paces] == [0, 0, 0]
        # In another process, as a worker that gets what is sent to it.
        with ProcessPoolExecutor(1, get_context("spawn")) as other:
            other.submit(paces[met].ease_off, LONG).result()
        paces = [Pace(folder.run_state) for folder in parts_of_a_job(job)]
        assert all(0 < pace.wait() <= LONG for pace in paces)
    assert not job.run.run_dir.exists()


def test_all_parts_of_a_job_keep_to_one_rate(tmp_path):
    with opened_job(tmp_path) as job:
        waits = [[*Pace(part.run_state, 0.001).waits()] for part in parts_of_a_job(job)]
    assert waits[0] == []
    assert 900 < waits[1][0] <= 1000
    assert 1900 < waits[2][0] <= 2000


def test_all_parts_of_a_job_share_what_one_has_of_a_limit(tmp_path):
    with opened_job(tmp_path) as job:
        asked = []
        taken = [
            part.run_state.take_slots(4, 60, lambda: asked.append(1) or 10)
            for part in parts_of_a_job(job)
        ]
    assert (taken, len(asked)) == ([4, 4, 2], 1)


def test_a_job_that_was_killed_holds_up_no_later_one(tmp_path):
    with opened_job(tmp_path) as job:
        pass
    job.run.run_dir.mkdir()
    Pace(parts_of_a_job(job)[0].run_state).ease_off(LONG)
    with opened_job(tmp_path) as job:
        assert [Pace(part.run_state).wait() for part in parts_of_a_job(job)] == [0, 0, 0]


def test_a_worker_may_outlive_its_job(tmp_path):
    with opened_job(tmp_path) as job:
        pass
    pace = Pace(parts_of_a_job(job)[0].run_state, per_second=5)
    pace.ease_off(LONG)
    assert 0 < next(pace.waits()) <= LONG


def test_a_shard_fetches_its_albums_at_the_pace_of_the_job(tmp_path):
    listed = Album(id="Album01", images=(Image(id="x", name="x.jpg", link="https://i/x.jpg"),))
    with opened_job(tmp_path) as job:
        shard = Shard.pack(0, 0, ["Album01"])
        run = ShardRun(shard, job, Wire(("i",)), Kind.ALBUM, Strategy.ASYNC, lambda _: listed)
        fetches = run.fetches()
        fetch = next(fetches)
        Pace(fetch.folder.run_state).ease_off(LONG)
        fetches.close()
        assert fetch.folder.name == "Album01"
        assert Pace(job.shard_folder(shard).run_state).wait() > 0


@pytest.mark.parametrize("killed", [False, True])
def test_a_pause_holds_for_all_albums_of_a_list(killed, tmp_path):
    with albums_run(str(tmp_path)) as before:
        if killed:
            shutil.copytree(before.run_dir, tmp_path / ".run-killed")
            (tmp_path / ".run-killed" / "pause").touch()
        with albums_run(str(tmp_path)) as other:
            assert before.run_dir.exists()
        first, second = (
            album_folder(str(tmp_path), album).as_part_of(before) for album in ("One01", "Two02")
        )
        Pace(first.run_state).ease_off(LONG)
        assert Pace(second.run_state).wait() > 0
        assert Pace(first.as_part_of(other).run_state).wait() == 0
    assert [*tmp_path.iterdir()] == []


# What the host asks for


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("0", 0),
        ("7", 7),
        (" 7 ", 7),
        ("007", 7),
        ("1.5", 1.5),
        ("3600", 3600),
        ("Sun, 06 Nov 1994 08:49:37 GMT", 0),
        (None, None),
        ("", None),
        ("soon", None),
        ("-5", None),
        ("+5", None),
        ("nan", None),
        ("inf", None),
        ("-inf", None),
        ("1e3", None),
        ("1_0", None),
        ("0x10", None),
        ("٣", None),
        ("5 seconds", None),
        ("5, 7", None),
        ("9" * 400, None),
        ("Sun, 99 Nov 1994 08:49:37 GMT", None),
        ("Sun, 06 Nov 99999 08:49:37 GMT", None),
    ],
)
def test_a_number_of_seconds_or_nothing_is_read(value, seconds):
    assert retry_after(value) == seconds


@pytest.mark.parametrize(
    "written",
    [
        lambda at: formatdate(at, usegmt=True),
        lambda at: formatdate(at),
        lambda at: time.asctime(time.gmtime(at)),
        lambda at: time.strftime("%A, %d-%b-%y %H:%M:%S GMT", time.gmtime(at)),
    ],
)
def test_a_date_is_read_in_each_form_of_the_standard(monkeypatch, written):
    """Whatever the time zone of this machine."""
    monkeypatch.setenv("TZ", "Asia/Kolkata")
    time.tzset()
    try:
        assert LONG - 50 < retry_after(written(time.time() + LONG)) <= LONG
    finally:
        monkeypatch.undo()
        time.tzset()


@given(st.text() | st.datetimes(timezones=st.timezones()).map(format_datetime))
@example("Mon, 01 Jan 0001 00:00:00 +2359")
@example("Fri, 31 Dec 9999 23:59:59 -2359")
@example("(" * 5000)
@example("\ud800")
def test_any_header_is_a_finite_time_from_now_or_nothing(value):
    seconds = retry_after(value)
    assert seconds is None or 0 <= seconds < 1e12


# After a failure


def test_each_wait_is_about_twice_the_one_before():
    for attempt in range(1, 6):
        nominal = 0.5 * 2 ** (attempt - 1)
        waits = [backoff(0.5, attempt) for _ in range(50)]
        assert all(0.75 * nominal <= wait <= 1.25 * nominal for wait in waits)
        assert len(set(waits)) > 1


@pytest.mark.parametrize("attempt", [10, 100, 10_000])
def test_a_wait_is_bounded(attempt):
    assert backoff(1, attempt) == LONGEST_PAUSE
    assert backoff(0, attempt) == 0


# The rate


def sent(pace, count):
    """Ask for so many turns, and give when each request might be sent."""
    times = []
    for _ in range(count):
        for seconds in pace.waits():
            time.sleep(seconds)
        times.append(time.time())
    return times


def elapsed(started):
    return time.monotonic() - started


def test_without_a_rate_nobody_waits_and_nothing_is_written(tmp_path):
    assert [*Pace(RunState(tmp_path)).waits()] == []
    assert [*tmp_path.iterdir()] == []


def test_the_first_does_not_wait_and_the_next_one_does(tmp_path):
    pace = Pace(RunState(tmp_path), per_second=0.001)
    assert [*pace.waits()] == []
    assert [900 < seconds <= 1000 for seconds in pace.waits()] == [True]
    assert [1900 < seconds <= 2000 for seconds in pace.waits()] == [True]


def test_threads_of_a_run_share_its_rate(tmp_path):
    """Twenty requests at 100 a second have nineteen pauses of 10 ms between them."""
    gate = threading.Barrier(4)

    def ask(_):
        gate.wait()
        sent(Pace(RunState(tmp_path), per_second=100), 5)

    started = time.monotonic()
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(ask, range(4)))
    assert elapsed(started) >= 0.19


def test_processes_of_a_run_share_its_rate(tmp_path):
    """None is ahead of the others: any two requests of the run are a turn of 20 s apart."""
    code = (
        "import sys, time; from pathlib import Path; from imgur_mirror.download.pacing import Pace;"
        "from imgur_mirror.store import RunState; pace = Pace(RunState(Path(sys.argv[1])), 0.05);"
        "[print(time.time() + sum(pace.waits())) for _ in range(5)]"
    )
    run = [sys.executable, "-c", code, str(tmp_path)]
    others = [subprocess.Popen(run, stdout=subprocess.PIPE) for _ in range(4)]
    turns = sorted(float(line) for other in others for line in other.communicate()[0].split())
    assert len(turns) == 20
    gaps = [after - before for before, after in itertools.pairwise(turns)]
    # What passes between looking at the clock and taking a turn is in it too.
    assert min(gaps) > 10


def test_tasks_of_a_loop_share_its_rate(tmp_path):
    async def ask():
        for _ in range(5):
            for seconds in Pace(RunState(tmp_path), per_second=100).waits():
                await asyncio.sleep(seconds)

    async def all_ask():
        await asyncio.gather(*(ask() for _ in range(4)))

    started = time.monotonic()
    asyncio.run(all_ask())
    assert elapsed(started) >= 0.19


def test_who_waited_for_a_pause_takes_a_turn_of_its_own(tmp_path):
    """The fourth comes three turns after the pause, however late the machine wakes the others."""
    pace = Pace(RunState(tmp_path), per_second=20)
    began = time.time()
    pace.ease_off(0.1)
    with ThreadPoolExecutor(4) as pool:
        times = [at for times in pool.map(lambda _: sent(pace, 1), range(4)) for at in times]
    assert max(times) - began >= 0.1 + 3 / 20 - 0.01


def test_each_run_has_a_rate_of_its_own(tmp_path):
    for name in ("one", "other"):
        (tmp_path / name).mkdir()
        assert [*Pace(RunState(tmp_path / name), per_second=0.01).waits()] == []


def test_a_clock_that_was_turned_back_makes_no_endless_turn(tmp_path):
    (tmp_path / "turns").write_text(f"{time.time() + 86_400:<32.6f}")
    assert next(Pace(RunState(tmp_path), per_second=100).waits()) <= LONGEST_PAUSE


@pytest.mark.parametrize("per_second", [1e-6, 3, 1000, 1e9])
def test_any_rate_above_zero_lets_one_pass(tmp_path, per_second):
    assert [*Pace(RunState(tmp_path), per_second).waits()] == []
