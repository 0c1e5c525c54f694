"""Very large jobs, here small: shards, their reports, and what a later run goes on with."""

import os
import signal
import subprocess
import sys
import time

import pytest
from prefect import flow, task

from flows.cli.command_line import main
from flows.mirror_many import described, mirror_many
from flows.support.shard_queue import ShardQueue
from imgur_mirror.bulk import Job, Tally, cut_into_shards, open_job, open_source
from imgur_mirror.models import Strategy
from runners import task_runner
from tests.support.imgur import contents, control, fault, images_served, new_album, put, served
from tests.support.jobs import links, listed, report
from tests.support.prefect_api import artifact
from tests.support.processes import PROJECT, python

pytestmark = [pytest.mark.usefixtures("prefect_server"), pytest.mark.slow]


def at_work(downloads, job="links"):
    """What only a run at work leaves."""
    names = [path.name for path in (downloads / "_many" / job).rglob("*")]
    return [name for name in names if name.endswith(".part") or name.startswith(".")]


@pytest.mark.parametrize("strategy", Strategy)
def test_every_strategy_leaves_the_same_files_and_rows(strategy, imgur, downloads, tmp_path):
    images = new_album(imgur, count=23, bytes=3000)
    album = new_album(imgur, count=3, bytes=3000)
    gone, refused = f"{imgur}/Gone001.jpg", links(imgur, new_album(imgur, count=1, bytes=3000))[0]
    broken = refused.rpartition("/")[2].partition(".")[0]
    fault(imgur, broken, "status", status=403)
    some = links(imgur, images)
    rows = [*some[:12], "no link", album, gone, *some[10:], refused, "Nowhere"]

    state = mirror_many(
        listed(tmp_path, rows), strategy, workers=4, shard_size=10, return_state=True
    )

    assert state.is_failed()
    assert "2 of 32 images failed: " in state.message
    assert "1 × the image host answered 403" in state.message
    found = report(downloads)
    outcomes = [row["outcome"] for row in found]
    expected = [*["downloaded"] * 12, "failed", *["downloaded"] * 3, "gone", *["downloaded"] * 13]
    assert outcomes == [*expected, "failed", "gone"]
    assert [row["row"] for row in found] == [*range(13), 13, 13, *range(13, len(rows))]
    files = {**contents(imgur, images), **contents(imgur, album)}
    for row in found:
        if row["outcome"] == "downloaded":
            assert files[row["name"]] == row["md5"]
            assert (downloads / row["folder"] / row["name"]).stat().st_size == row["bytes"] == 3000
        else:
            assert row["error"]
    assert (downloads / album / "album.json").exists()
    assert at_work(downloads) == []
    # A row that is twice in a shard is fetched once; in two shards, once for each.
    assert images_served(imgur, images) <= 23 + 2


def test_a_finished_job_asks_for_nothing(imgur, downloads, tmp_path):
    album = new_album(imgur, count=5, bytes=3000)
    source = listed(tmp_path, links(imgur, album))
    first, again = (mirror_many(source, shard_size=2) for _ in range(2))
    assert (first.tally.fetched, again.tally.fetched, again.tally.downloaded) == (5, 0, 5)
    assert images_served(imgur, album) == 5
    assert "nothing was fetched in this run" in described(again)
    assert "5 downloaded" in artifact("job-links")


def test_only_what_failed_is_tried_again(imgur, downloads, tmp_path):
    album = new_album(imgur, count=6, bytes=3000)
    some = links(imgur, album)
    broken = some[3].rpartition("/")[2].partition(".")[0]
    fault(imgur, broken, "status", status=403)
    source = listed(tmp_path, ["no link", *some])
    assert mirror_many(source, shard_size=3, return_state=True).is_failed()
    control(imgur, "DELETE", f"faults/{broken}")
    before = (downloads / "_many" / "links" / "000000.parquet").stat().st_mtime_ns

    state = mirror_many(source, shard_size=3, return_state=True)

    # The garbage stays; the shard that it is in is not done again for it.
    assert "1 of 7 images failed" in state.message
    assert [row["outcome"] for row in report(downloads)] == ["failed", *["downloaded"] * 6]
    assert images_served(imgur, album) == 6
    assert (downloads / "_many" / "links" / "000000.parquet").stat().st_mtime_ns == before


def test_what_may_pass_is_tried_again_in_the_same_run(imgur, downloads, tmp_path):
    album = new_album(imgur, count=4, bytes=3000)
    some = links(imgur, album)
    shaky = some[2].rpartition("/")[2].partition(".")[0]
    put(imgur, f"faults/{shaky}", {"kind": "status", "status": 500, "times": 2})
    found = mirror_many(listed(tmp_path, some), shard_size=2)
    assert (found.tally.downloaded, found.tally.failed) == (4, 0)
    assert images_served(imgur, album) == 4


def test_a_longer_input_goes_on_where_the_shorter_ended(imgur, downloads, tmp_path):
    album = new_album(imgur, count=7, bytes=3000)
    some = links(imgur, album)
    mirror_many(listed(tmp_path, some[:3]), shard_size=2)
    found = mirror_many(listed(tmp_path, some), shard_size=2)
    assert found.tally.images == 7
    assert [row["name"] for row in report(downloads)] == list(contents(imgur, album))
    assert images_served(imgur, album) <= 8


def test_names_that_meet_stay_apart(imgur, downloads, tmp_path):
    """Links that differ in their capitals, or in what follows a `?`, and one file for the same."""
    album = new_album(imgur, count=1, bytes=3000)
    link = links(imgur, album)[0]
    other = f"{imgur}/other/{link.rpartition('/')[2]}"
    put(imgur, "faults/*", {"kind": "status", "status": 404, "skip": 1, "times": 1})
    mirror_many(listed(tmp_path, [link, f"{link}?1", other]), shard_size=5)
    control(imgur, "DELETE", "faults/*")
    found = report(downloads)
    assert found[0]["name"] == found[1]["name"] != found[2]["name"]
    assert images_served(imgur, album) == 1


@pytest.mark.parametrize("strategy", [Strategy.ASYNC, Strategy.DASK])
def test_a_job_that_was_killed_goes_on(strategy, downloads, tmp_path, prefect_server):
    """Killed with SIGKILL half-way: what is done is not done again, and no image comes thrice."""
    from standin.process import running

    with running("fast", "--first-byte", "0.02") as imgur:
        album = new_album(imgur, count=200, bytes=3000)
        source = listed(tmp_path, links(imgur, album))
        env = os.environ | {
            "IMGUR_IMAGE_HOSTS": f'["{imgur.removeprefix("http://")}"]',
            "IMGUR_DOWNLOADS": str(downloads),
        }
        options = ["--strategy", strategy, "--workers", "4", "--shard_size", "50"]
        command = [sys.executable, "-m", "flows.mirror_many", source, *options]
        # It comes to no end before it is killed.
        for name in list(contents(imgur, album))[-3:]:
            fault(imgur, name, "stall")
        with subprocess.Popen(command, env=env, cwd=PROJECT, start_new_session=True) as run:
            while images_served(imgur, album) < 90:
                assert run.poll() is None
                time.sleep(0.05)
            os.killpg(run.pid, signal.SIGKILL)
        control(imgur, "DELETE", "faults")
        counted = images_served(imgur, album)
        assert counted < 200
        done = len(list((downloads / "_many" / "links").glob("*.parquet")))
        ran = python(*command[1:], env=env)

        assert ran.returncode == 0, ran.stderr
        assert "200 images in 4 shards: 200 downloaded" in ran.stdout
        served = control(imgur, "GET", "counts")
        assert max(served.values()) <= 2
        # Twice came what was on its way at the kill: on four connections, and being placed.
        assert sum(served.values()) <= 200 + 4 * 8
        assert done < 4
        assert at_work(downloads) == []
        for row in report(downloads):
            assert contents(imgur, album)[row["name"]] == row["md5"]


def test_what_a_kill_left_around_a_report_is_removed(imgur, downloads, tmp_path):
    """Killed as a file of the job was replaced, and between a report and the end of its shard."""
    source = listed(tmp_path, links(imgur, new_album(imgur, count=4, bytes=3000)))
    mirror_many(source, shard_size=2)
    job = downloads / "_many" / "links"
    for draft in (".000001.parquet.0a1b2c3d", ".job.json.0a1b2c3d"):
        (job / draft).write_bytes(b"half")
    (job / "000000" / ".run-shard").mkdir()
    (job / "000000" / ".run-shard" / "00000.jsonl").touch()
    kept = job / ".of-somebody-else"
    kept.touch()

    result = mirror_many(source, shard_size=2)

    assert result.tally.downloaded + result.tally.unchanged == 4
    assert at_work(downloads) == [kept.name]


def status(*arguments):
    try:
        return main(mirror_many, described, arguments)
    except SystemExit as refused:
        return int(str(refused.code))


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("absent.txt", None, "No such file"),
        ("a.csv", "x,y\n1,2\n", "its columns are 'x', 'y'"),
        ("empty.txt", "\n\n", "lists nothing"),
    ],
)
def test_an_input_that_cannot_be_used_is_status_2(name, content, said, downloads, tmp_path, capsys):
    if content is not None:
        (tmp_path / name).write_text(content)
    assert status(str(tmp_path / name)) == 2
    assert said in capsys.readouterr().err


def test_what_is_missing_is_status_1(imgur, downloads, tmp_path, capsys):
    link = links(imgur, new_album(imgur, count=1, bytes=3000))[0]
    assert status(listed(tmp_path, [link, "no link", "nor this"])) == 1
    last = capsys.readouterr().err.splitlines()[-1]
    assert "2 of 3 images failed: 2 × … names no album at Imgur" in last
    assert "Another run does not help" in last
    assert [(row["error"] or "")[:6] for row in report(downloads)] == ["", "line 2", "line 3"]


def test_the_job_is_shown_as_it_goes(imgur, downloads, tmp_path, monkeypatch):
    monkeypatch.setattr("flows.support.shard_queue.UPDATE_SECONDS", 0.01)
    mirror_many(listed(tmp_path, links(imgur, new_album(imgur, count=9, bytes=3000))), shard_size=2)
    assert float(artifact("many-links")) == 100


def test_a_store_that_fails_ends_the_job_with_its_sentence(imgur, downloads, tmp_path):
    """No shard after the first is asked for; what was there before is as it was."""
    album = new_album(imgur, count=9, bytes=3000)
    source = listed(tmp_path, links(imgur, album))
    (downloads / "_many" / "links").mkdir(parents=True)
    for number in range(5):
        (downloads / "_many" / "links" / f"{number:06}").write_text("in the way")
    state = mirror_many(source, shard_size=2, return_state=True)
    assert state.is_failed()
    assert "a file is where the folder belongs" in state.message
    assert images_served(imgur, album) == 0


def test_another_cut_of_the_same_job_is_refused(imgur, downloads, tmp_path, capsys):
    source = listed(tmp_path, links(imgur, new_album(imgur, count=2, bytes=3000)))
    assert status(source, "--shard_size", "1") == 0
    assert status(source) == 2
    assert "shard_size 1" in capsys.readouterr().err
    assert status(source, "--name", "other") == 0


def test_two_runs_of_one_job_are_refused(imgur, downloads, tmp_path):
    source = listed(tmp_path, links(imgur, new_album(imgur, count=1, bytes=3000)))
    mirror_many(source)
    with open_job(str(downloads), "links", open_source(source), 10_000):
        state = mirror_many(source, return_state=True)
    assert state.is_failed()
    assert "another run is at work" in state.message


@pytest.mark.parametrize("strategy", [Strategy.THREADS, Strategy.ASYNC])
def test_no_more_connections_than_workers(strategy, imgur, downloads, tmp_path, monkeypatch):
    """Nor where a cluster's address is set, which is of no concern to these strategies."""
    monkeypatch.setenv("DASK_SCHEDULER_ADDRESS", "tcp://127.0.0.1:9")
    source = listed(tmp_path, links(imgur, new_album(imgur, count=240, bytes=3000)))
    put(imgur, "faults/*", {"kind": "slow", "rate": 100_000})
    control(imgur, "DELETE", "connections")
    found = mirror_many(source, strategy, 4, shard_size=60)
    control(imgur, "DELETE", "faults/*")
    assert found.tally.downloaded == 240
    assert control(imgur, "GET", "connections")["in_flight_peak"] == 4


def test_links_alone_need_no_client_id(imgur, downloads, tmp_path, monkeypatch):
    monkeypatch.delenv("IMGUR_CLIENT_ID")
    assert status(listed(tmp_path, links(imgur, new_album(imgur, count=1, bytes=3000)))) == 0


def test_spent_credits_leave_the_other_albums_for_the_next_run(
    imgur, downloads, tmp_path, monkeypatch
):
    monkeypatch.setenv("IMGUR_CLIENT_ID", "spent-many")
    albums = [new_album(imgur, count=1, bytes=3000) for _ in range(2)]
    fault = {"kind": "rate-limited", "times": 1, "headers": {"Retry-After": "3600"}}
    put(imgur, "api-faults", {"path": f"album/{albums[0]}", **fault})
    source = listed(tmp_path, albums)
    assert mirror_many(source, return_state=True).is_failed()
    assert [(row["outcome"], row["again"]) for row in report(downloads)] == [("failed", True)] * 2
    monkeypatch.setenv("IMGUR_CLIENT_ID", "another")
    assert mirror_many(source).tally.downloaded == 2


def test_a_blocked_network_is_not_asked_for_the_other_albums(imgur, downloads, tmp_path):
    albums = [new_album(imgur, count=1, bytes=3000) for _ in range(2)]
    page = "<!doctype html><html><body>Not available in your region</body></html>"
    fault = {"kind": "verbatim", "status": 451, "times": 1, "body": page}
    put(imgur, "api-faults", {"path": f"album/{albums[0]}", **fault})
    source = listed(tmp_path, albums)
    assert mirror_many(source, return_state=True).is_failed()
    assert [(row["outcome"], row["again"]) for row in report(downloads)] == [("failed", True)] * 2
    assert mirror_many(source).tally.downloaded == 2


def test_no_more_shards_are_at_work_than_there_is_use_for(downloads, tmp_path):
    """However long the input: the next is cut when there is room for it."""
    ahead = []

    @task
    def slow(number: int) -> Tally:
        time.sleep(0.02)
        return Tally(shards=1, downloaded=1)

    def drawn(source):
        for shard in cut_into_shards(source, 1):
            ahead.append(shard.number + 1 - queue._tally.shards)
            yield shard

    @flow(task_runner=task_runner(Strategy.THREADS, 2))
    def job():
        return queue.run(drawn(open_source(listed(tmp_path, range(30)))))

    queue = ShardQueue(Job(str(downloads), "x"), lambda s: slow.submit(s.number), 3, "x")
    assert job().tally.shards == 30
    assert max(ahead) == 4


@pytest.mark.parametrize("content", ["[]", "null", "no JSON", "", "[" * 100_000])
def test_a_description_that_is_none_is_status_2(content, imgur, downloads, tmp_path, capsys):
    source = listed(tmp_path, ["Abc1234"])
    described_by = downloads / "_many" / "links" / "job.json"
    described_by.parent.mkdir(parents=True)
    described_by.write_text(content)
    assert main(mirror_many, described, [source]) == 2
    assert f"{described_by} describes no job: mend it" in capsys.readouterr().err
    assert described_by.read_text() == content


@pytest.mark.parametrize("strategy", Strategy)
def test_a_host_that_asks_one_shard_to_wait_is_left_alone_by_all(
    strategy, imgur, downloads, tmp_path
):
    album = new_album(imgur, count=4, bytes=3000)
    some = links(imgur, album)
    refused = some[0].rpartition("/")[2]
    fault(imgur, refused, "status", status=429, retry_after=2, times=1)

    mirror_many(listed(tmp_path, some), strategy, workers=2, shard_size=1)

    (told_to_wait, _), *others = (served(imgur, link.rpartition("/")[2][:7]) for link in some)
    asked = [entry["time"] - told_to_wait["time"] for (entry,) in others]
    # The shard beside it may have asked already; those that come after it have to wait.
    assert max(asked) >= 2
    assert at_work(downloads) == []
