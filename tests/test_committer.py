"""Files committed several at a time, each on its own account."""

import asyncio
import threading

import pytest

from imgur_mirror.download.actions import Ask, Commit, Done
from imgur_mirror.download.committer import commit, commit_async
from imgur_mirror.download.errors import RetryableError
from imgur_mirror.models import Outcome
from imgur_mirror.store import StoreError, album_folder
from tests.support.attempts import attempt_of, body_of, commit_of
from tests.support.processes import python
from tests.support.waiting import LONG

MANY = 100


@pytest.fixture
def folder(tmp_path):
    with album_folder(str(tmp_path), "album").start_run() as opened:
        yield opened


def test_all_get_their_names_and_their_outcomes(folder):
    rows = []
    attempts = [attempt_of(folder, number) for number in range(MANY)]
    waits = [commit(Commit(attempt.finish), folder, rows.append) for attempt in attempts]
    results = [wait.result(LONG) for wait in waits]
    assert {result.download for result in results} == set(rows)
    assert len(rows) == MANY
    assert {row.outcome for row in rows} == {Outcome.DOWNLOADED}
    for attempt in attempts:
        attempt.__exit__(None, None, None)
    left = {path.name: path.read_bytes() for path in folder.local_dir.glob("*.*") if path.is_file()}
    assert left == {f"i{number}.jpg": body_of(number) for number in range(MANY)}


def test_what_is_wrong_with_one_is_that_ones_alone(folder):
    rows = []
    good = [commit_of(folder, number) for number in range(10)]
    short = commit_of(folder, 10, length=len(body_of(10)) + 1)
    damaged = commit_of(folder, 11, etag="0" * 32)
    works = [*good[:5], short, damaged, *good[5:]]
    waits = [commit(work, folder, rows.append) for work in works]
    with pytest.raises(RetryableError, match="the body is short"):
        waits[5].result(LONG)
    assert waits[6].result(LONG) == Ask("https://i.imgur.com/i11.jpg")
    assert all(isinstance(wait.result(LONG), Done) for wait in [*waits[:5], *waits[7:]])
    assert {row.name for row in rows} == {f"i{number}.jpg" for number in range(10)}


def test_a_name_that_cannot_be_taken_is_a_sentence(folder):
    (folder.local_dir / "i1.jpg").mkdir()
    rows = []
    waits = [commit(commit_of(folder, number), folder, rows.append) for number in range(3)]
    with pytest.raises(StoreError, match="cannot write to"):
        waits[1].result(LONG)
    results = [waits[0].result(LONG), waits[2].result(LONG)]
    assert {result.download for result in results} == set(rows)
    assert len(rows) == 2


def test_an_outcome_is_recorded_before_it_is_told(folder):
    recorded = threading.Event()
    assert commit(commit_of(folder, 0), folder, lambda _: recorded.set()).result(LONG)
    assert recorded.is_set()


def test_what_is_cancelled_costs_the_others_nothing(folder):
    rows = []

    async def run():
        works = [commit_of(folder, number) for number in range(MANY)]
        waits = [commit_async(work, folder, rows.append) for work in works]
        for wait in waits[::2]:
            wait.cancel()
        return await asyncio.gather(*waits, return_exceptions=True)

    results = asyncio.run(run())
    assert all(isinstance(result, asyncio.CancelledError) for result in results[::2])
    assert all(isinstance(result, Done) for result in results[1::2])
    assert commit(commit_of(folder, MANY), folder, rows.append).result(LONG)
    committed = {f"i{number}.jpg" for number in [*range(1, MANY, 2), MANY]}
    assert committed <= {row.name for row in rows}
    assert all((folder.local_dir / name).exists() for name in committed)


FORKED = """
import os, sys
from imgur_mirror.download.committer import commit
from imgur_mirror.store import album_folder
from tests.support.attempts import body_of, commit_of
with album_folder(sys.argv[1], "album").start_run() as folder:
    assert commit(commit_of(folder, 0), folder, lambda _: None).result(100)
    child = os.fork()
    if not child:
        os._exit(not commit(commit_of(folder, 1), folder, lambda _: None).result(100))
    assert os.waitpid(child, 0)[1] == 0
    assert (folder.local_dir / "i1.jpg").read_bytes() == body_of(1)
"""


def test_a_forked_process_commits_its_own(tmp_path):
    """Whose threads are not those of the process that it was forked from."""
    ran = python("-c", FORKED, tmp_path)
    assert ran.returncode == 0, ran.stderr
