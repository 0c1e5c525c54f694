"""Several albums: each a run of its own, and the failure of one stops no other."""

import json

import pytest
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import FlowRunFilter
from prefect.variables import Variable

from flows.cli.command_line import main
from flows.mirror_albums import mirror_albums
from imgur_mirror.models import Outcome, Strategy
from imgur_mirror.report import summary_text
from tests.support.albums import stored
from tests.support.imgur import contents, fault, new_album, put, served
from tests.support.prefect_api import artifact
from tests.support.processes import python

pytestmark = [pytest.mark.usefixtures("prefect_server"), pytest.mark.slow]


def test_one_albums_failure_stops_no_other(imgur, downloads):
    first, second = (new_album(imgur, count=2, bytes=3000) for _ in range(2))

    state = mirror_albums([first, "Missing", second], return_state=True)

    assert state.is_failed()
    assert "Missing" in state.message
    for album in (first, second):
        assert stored(downloads / album) == contents(imgur, album)
    rows = json.loads(artifact("albums"))
    assert [(row["album"], row["new"]) for row in rows] == [
        (first, 2),
        ("Missing", ""),
        (second, 2),
    ]


def test_the_albums_of_an_account_and_of_the_variable(imgur, downloads):
    own = new_album(imgur, count=1, bytes=3000)
    Variable.set("imgur_albums", [own, own, "https://imgur.com/user/mirrorfan"], overwrite=True)

    results = mirror_albums()

    assert len(results) == 4
    assert all(result.mirrored.having(Outcome.FAILED) == () for result in results)


def test_nothing_to_mirror_is_said(downloads):
    Variable.unset("imgur_albums")
    state = mirror_albums(return_state=True)
    assert state.is_failed()
    assert "prefect variable set imgur_albums" in state.message


RATE_LIMITED = {"kind": "rate-limited", "times": None, "headers": {"Retry-After": "3600"}}


def outcomes(key="albums"):
    names = ("new", "unchanged", "gone", "failed", "bytes")
    return {row["album"]: tuple(row[name] for name in names) for row in json.loads(artifact(key))}


@pytest.mark.parametrize("wait", ["3600", "1"])
def test_spent_credits_stop_the_rest(wait, imgur, downloads, monkeypatch):
    """No call is made over the limit, however soon it ends; what is left is said, and done then."""
    monkeypatch.setenv("IMGUR_CLIENT_ID", f"spent{wait}")
    monkeypatch.setenv("IMGUR_RETRIES", "0")
    albums = [new_album(imgur, count=1, bytes=3000) for _ in range(4)]
    fault = RATE_LIMITED | {"headers": {"Retry-After": wait}, "times": 1}
    put(imgur, "api-faults", {"path": f"album/{albums[1]}", **fault})

    state = mirror_albums(albums, return_state=True)

    assert state.is_failed()
    assert all(
        f"{album}: not tried, and left for the next run" in state.message for album in albums[2:]
    )
    assert not any((downloads / album).exists() for album in albums[1:])
    assert stored(downloads / albums[0]) == contents(imgur, albums[0])


def test_an_account_that_cannot_be_listed_stops_no_album(imgur, downloads):
    album = new_album(imgur, count=1, bytes=3000)

    state = mirror_albums(["imgur.com/user/nobodyatall", "no album", album], return_state=True)

    assert state.is_failed()
    assert "imgur.com/user/nobodyatall: " in state.message
    assert "no album: " in state.message
    assert stored(downloads / album) == contents(imgur, album)


def test_an_account_over_the_limit_leaves_the_rest(imgur, downloads, monkeypatch):
    monkeypatch.setenv("IMGUR_CLIENT_ID", "spentaccount")
    album = new_album(imgur, count=1, bytes=3000)
    put(imgur, "api-faults", {"path": "account/limited/albums/0", **RATE_LIMITED})

    state = mirror_albums(["imgur.com/user/limited", album], return_state=True)

    assert f"{album}: not tried, and left for the next run" in state.message
    assert not (downloads / album).exists()


def test_what_nobody_foresaw_stops_no_other(imgur, downloads):
    """A folder lies where the manifest belongs; the API breaks off."""
    broken, unavailable, whole = (new_album(imgur, count=1, bytes=3000) for _ in range(3))
    (downloads / broken / "album.json").mkdir(parents=True)
    put(imgur, "api-faults", {"path": f"album/{unavailable}", "kind": "reset", "times": None})

    state = mirror_albums([broken, unavailable, whole], return_state=True)

    assert f"{broken}: " in state.message
    assert f"{unavailable}: " in state.message
    assert stored(downloads / whole) == contents(imgur, whole)


def test_the_summary_says_what_has_come_since_the_last_run(imgur, downloads):
    """New, unchanged, gone, failed, and bytes, for each album."""
    grows, shrinks, breaks = (new_album(imgur, count=3, bytes=3000) for _ in range(3))
    albums = [grows, shrinks, breaks]
    mirror_albums(albums)
    assert outcomes() == dict.fromkeys(albums, (3, 0, 0, 0, 9000))

    put(imgur, f"albums/{grows}", {"add": 2, "bytes": 5000})
    put(imgur, f"albums/{shrinks}", {"add": 1})
    put(imgur, f"albums/{breaks}", {"add": 1})
    added = [next(reversed(contents(imgur, album))).partition(".")[0] for album in albums]
    fault(imgur, added[1], "removed")
    fault(imgur, added[2], "status", status=403)
    mirror_albums(albums, return_state=True)

    assert outcomes() == {
        grows: (2, 3, 0, 0, 10_000),
        shrinks: (0, 3, 1, 0, 0),
        breaks: (0, 3, 0, 1, 0),
    }


def test_each_album_is_a_run_of_its_own(imgur, downloads):
    albums = [new_album(imgur, count=1, bytes=3000) for _ in range(2)]
    state = mirror_albums([*albums, albums[0]], return_state=True)

    with get_client(sync_client=True) as client:
        parent = client.read_flow_run(state.state_details.flow_run_id)
        runs = client.read_flow_runs(
            flow_run_filter=FlowRunFilter(parent_flow_run_id={"any_": [parent.id]})
        )
    assert parent.name == "async"
    assert sorted(run.name for run in runs) == sorted(f"{album} · async" for album in albums)


def test_damaged_files_are_fetched_again_when_asked_for(imgur, downloads):
    album = new_album(imgur, count=2, bytes=3000)
    mirror_albums([album])
    file = next(path for path in (downloads / album).iterdir() if path.name != "album.json")
    file.write_bytes(bytes(file.stat().st_size))

    assert outcomes_of(mirror_albums([album])) == (0, 2)
    assert outcomes_of(mirror_albums([album], verify=True)) == (1, 1)
    assert stored(downloads / album) == contents(imgur, album)


def outcomes_of(results):
    (result,) = results
    found = (Outcome.DOWNLOADED, Outcome.UNCHANGED)
    return tuple(len(result.mirrored.having(outcome)) for outcome in found)


def test_a_call_without_a_client_id_is_a_wrong_call(imgur, downloads, monkeypatch, capsys):
    monkeypatch.delenv("IMGUR_CLIENT_ID")
    assert main(mirror_albums, summary_text, ["PdA9Amq", "Empty00"]) == 2
    assert "set IMGUR_CLIENT_ID" in capsys.readouterr().err


STOPPED = """
import os, signal, sys, time
from flows import mirror_albums
from flows.cli.command_line import main

begun = []

def kept(album, *_, **__):
    begun.append(album)
    try:
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(60)
    except KeyboardInterrupt:
        time.sleep(0.2)
        raise RuntimeError('the server answered 500') from None

mirror_albums.mirror_album = kept
status = main(mirror_albums.mirror_albums, str, ["PdA9Amq", "b010000"])
print(*begun, flush=True)
os._exit(status)
"""


def test_a_stop_that_an_albums_run_lost_is_none_of_its_failures(imgur, downloads):
    """Prefect raises what its server answered, where that is no yes to its report of a crash."""
    ran = python("-c", STOPPED)
    assert (ran.returncode, ran.stdout) == (130, "PdA9Amq\n"), ran.stderr
    assert "what was finished is kept" in ran.stderr


@pytest.mark.parametrize("strategy", Strategy)
def test_a_host_that_asks_one_album_to_wait_is_left_alone_by_the_next(
    strategy, imgur, downloads, monkeypatch
):
    monkeypatch.setenv("IMGUR_RETRIES", "0")
    first, second = (new_album(imgur, count=1, bytes=3000) for _ in range(2))
    (refused,), (other,) = contents(imgur, first), contents(imgur, second)
    fault(imgur, refused, "status", status=429, retry_after=2)

    state = mirror_albums([first, second], strategy, workers=2, return_state=True)

    assert state.is_failed()
    assert stored(downloads / second) == contents(imgur, second)
    (told_to_wait,), (asked,) = (served(imgur, name[:7]) for name in (refused, other))
    assert asked["time"] - told_to_wait["time"] >= 2
    assert not [path for path in downloads.iterdir() if path.name.startswith(".run-")]
