"""Files committed several at a time, each on its own account."""

import asyncio
import threading

import pytest

from imgur_mirror.download.attempt import RetryableError
from imgur_mirror.download.committer import commit, commit_async
from imgur_mirror.models import Outcome
from imgur_mirror.store import StoreError, album_folder
from tests.support.attempts import attempt_of, body_of
from tests.support.processes import python
from tests.support.waiting import LONG

MANY = 100


@pytest.fixture
def folder(tmp_path):
    with album_folder(str(tmp_path), "album").opened() as opened:
        yield opened


def test_all_get_their_names_and_their_outcomes(folder):
    rows = []
    attempts = [attempt_of(folder, number) for number in range(MANY)]
    waits = [commit(attempt, rows.append) for attempt in attempts]
    assert all(wait.result(LONG) for wait in waits)
    assert {row.outcome for row in rows} == {Outcome.DOWNLOADED}
    for attempt in attempts:
        attempt.__exit__(None, None, None)
    left = {path.name: path.read_bytes() for path in folder.path.glob("*.*") if path.is_file()}
    assert left == {f"i{number}.jpg": body_of(number) for number in range(MANY)}


def test_what_is_wrong_with_one_is_that_ones_alone(folder):
    rows = []
    good = [attempt_of(folder, number) for number in range(10)]
    short = attempt_of(folder, 10)
    short._expected += 1
    damaged = attempt_of(folder, 11, etag="0" * 32)
    waits = [commit(attempt, rows.append) for attempt in [*good[:5], short, damaged, *good[5:]]]
    with pytest.raises(RetryableError, match="the body is short"):
        waits[5].result(LONG)
    assert waits[6].result(LONG) is False
    assert damaged.asking
    assert [wait.result(LONG) for wait in [*waits[:5], *waits[7:]]] == [True] * 10
    assert {row.name for row in rows} == {f"i{number}.jpg" for number in range(10)}


def test_a_name_that_cannot_be_taken_is_a_sentence(folder):
    (folder.path / "i1.jpg").mkdir()
    others = [attempt_of(folder, number) for number in (0, 2)]
    rows = []
    waits = [commit(one, rows.append) for one in [others[0], attempt_of(folder, 1), others[1]]]
    with pytest.raises(StoreError, match="cannot write to"):
        waits[1].result(LONG)
    assert waits[0].result(LONG)
    assert waits[2].result(LONG)
    assert len(rows) == 2


def test_an_outcome_is_recorded_before_it_is_told(folder):
    recorded = threading.Event()
    assert commit(attempt_of(folder, 0), lambda _: recorded.set()).result(LONG)
    assert recorded.is_set()


def test_what_is_cancelled_costs_the_others_nothing(folder):
    rows = []

    async def run():
        attempts = [attempt_of(folder, number) for number in range(MANY)]
        waits = [commit_async(attempt, rows.append) for attempt in attempts]
        for wait in waits[::2]:
            wait.cancel()
        return await asyncio.gather(*waits, return_exceptions=True)

    results = asyncio.run(run())
    assert all(isinstance(result, asyncio.CancelledError) for result in results[::2])
    assert results[1::2] == [True] * (MANY // 2)
    assert commit(attempt_of(folder, MANY), rows.append).result(LONG)
    committed = {f"i{number}.jpg" for number in [*range(1, MANY, 2), MANY]}
    assert committed <= {row.name for row in rows}
    assert all((folder.path / name).exists() for name in committed)


FORKED = """
import os, sys
from imgur_mirror.download.committer import commit
from imgur_mirror.store import album_folder
from tests.support.attempts import body_of, attempt_of
with album_folder(sys.argv[1], "album").opened() as folder:
    assert commit(attempt_of(folder, 0), lambda _: None).result(100)
    child = os.fork()
    if not child:
        os._exit(not commit(attempt_of(folder, 1), lambda _: None).result(100))
    assert os.waitpid(child, 0)[1] == 0
    assert (folder.path / "i1.jpg").read_bytes() == body_of(1)
"""


def test_a_forked_process_commits_its_own(tmp_path):
    """Whose threads are not those of the process that it was forked from."""
    ran = python("-c", FORKED, tmp_path)
    assert ran.returncode == 0, ran.stderr
