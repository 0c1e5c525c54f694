"""Several albums: at once, over the same connections, and the failure of one stops no other."""

import json
import secrets
import signal
import subprocess
import sys
from threading import Thread

import pytest
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import FlowRunFilter
from prefect.variables import Variable

from flows.cli.command_line import main
from flows.mirror_albums import mirror_albums
from imgur_mirror.api import parse_address
from imgur_mirror.models import Outcome, Strategy
from imgur_mirror.report import summary_text
from tasks.artifact_key import artifact_key
from tests.support.albums import manifest, stored
from tests.support.cases import listing
from tests.support.imgur import (
    NO_ALBUM,
    contents,
    control,
    fault,
    images_served,
    new_album,
    new_image,
    put,
    served,
)
from tests.support.prefect_api import artifact, artifacts
from tests.support.processes import PROJECT, python
from tests.support.waiting import eventually

pytestmark = [pytest.mark.usefixtures("prefect_server"), pytest.mark.slow]


def test_one_albums_failure_stops_no_other(imgur, downloads):
    first, second = (new_album(imgur, count=2, bytes=3000) for _ in range(2))

    state = mirror_albums([first, NO_ALBUM, second], return_state=True)

    assert state.is_failed()
    assert NO_ALBUM in state.message
    for album in (first, second):
        assert stored(downloads / album) == contents(imgur, album)
    rows = json.loads(artifact("albums"))
    assert [(row["album"], row["new"]) for row in rows] == [
        (first, 2),
        (NO_ALBUM, ""),
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


def reports(api, album):
    return len(artifacts(api, f"mirror-{artifact_key(album)}"))


def test_a_list_is_one_run_in_which_each_album_has_its_report(imgur, downloads, prefect_server):
    """But for a run that brings nothing: then the last report stays."""
    first, second = (new_album(imgur, count=1, bytes=3000) for _ in range(2))
    state = mirror_albums([first, second, first], return_state=True)
    put(imgur, f"albums/{second}", {"add": 1, "bytes": 5000})
    mirror_albums([first, second])

    with get_client(sync_client=True) as client:
        run = client.read_flow_run(state.state_details.flow_run_id)
        within = FlowRunFilter(parent_flow_run_id={"any_": [run.id]})
        assert client.read_flow_runs(flow_run_filter=within) == []
    assert run.name == "async"
    assert (reports(prefect_server, first), reports(prefect_server, second)) == (1, 2)


@pytest.mark.parametrize("strategy", Strategy)
def test_all_albums_share_the_connections(strategy, imgur, downloads):
    albums = [new_album(imgur, count=5, bytes=50_000) for _ in range(6)]
    control(imgur, "DELETE", "connections")

    results = mirror_albums(albums, strategy, workers=3)

    most = 1 if strategy is Strategy.SEQUENTIAL else 3
    assert control(imgur, "GET", "connections")["in_flight_peak"] <= most
    assert [result.mirrored.album.id for result in results] == albums
    assert all(stored(downloads / album) == contents(imgur, album) for album in albums)


def test_a_small_album_does_not_wait_for_all_of_a_large_one(imgur, downloads, monkeypatch):
    """No image comes until both have been planned."""
    monkeypatch.setenv("IMGUR_RETRIES", "20")
    monkeypatch.setenv("IMGUR_BACKOFF", "0")
    monkeypatch.setenv("IMGUR_READ_TIMEOUT", "1")
    large = new_album(imgur, count=20, bytes=1_000_000)
    small = new_album(imgur, count=1, bytes=3000)
    fault(imgur, "*", "stall", times=None)

    def go_on():
        assert eventually(lambda: [*downloads.glob(f"{small}/.run-*")])
        control(imgur, "DELETE", "faults")

    going_on = Thread(target=go_on)
    going_on.start()
    results = mirror_albums([large, small], "sequential")
    going_on.join()

    assert all(result.error is None for result in results)
    order = [entry["id"] for entry in control(imgur, "GET", "served")]
    (name,) = contents(imgur, small)
    last = max(order.index(image.partition(".")[0]) for image in contents(imgur, large))
    assert order.index(name.partition(".")[0]) < last


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


def test_an_id_that_imgur_refuses_is_a_wrong_call(imgur, downloads, monkeypatch, capsys):
    monkeypatch.setenv("IMGUR_CLIENT_ID", "bad")
    assert main(mirror_albums, summary_text, ["PdA9Amq", "Empty00"]) == 2
    assert "set IMGUR_CLIENT_ID" in capsys.readouterr().err


def test_without_an_id_the_public_one_is_used_and_the_log_says_so_once(imgur, downloads):
    albums = [new_album(imgur, count=1, bytes=3000) for _ in range(2)]
    ran = python("-m", "flows.mirror_albums", *albums, env={"IMGUR_CLIENT_ID": ""})
    assert ran.returncode == 0, ran.stderr
    assert ran.stderr.count("using the public id of Imgur's website") == 1
    assert "set IMGUR_CLIENT_ID" in ran.stderr


COLLECTIONS = {
    "user/{}/albums": "user/{}/albums",
    "user/{}/posts": "user/{}/posts",
    "user/{}/favorites": "user/{}/favorites",
    "user/{}/favorites/folder/12/cats": "user/{}/favorites/folder/12",
    "t/{}": "t/{}",
    "r/{}/top/week": "r/{}",
    "search/score/all?q={}+cats": "search/{} cats",
}
"""Addresses, each with the path by which the stand-in knows the collection."""


def collection_of(imgur, path, posts, **more):
    put(imgur, f"collections/{path}", {"posts": posts, "size": 2, **more})


def asked(imgur):
    """What the API was asked for since this was last looked at."""
    found = control(imgur, "GET", "asked")
    control(imgur, "DELETE", "asked")
    return found


def bodies(imgur):
    return sum(control(imgur, "GET", "counts").values())


@pytest.mark.parametrize("address", COLLECTIONS)
def test_a_collection_is_mirrored_once_and_then_what_is_new(address, imgur, downloads):
    """Pages are not full, they repeat what was on the one before, and the list moves on."""
    name = f"c{secrets.token_hex(4)}"
    path, url = COLLECTIONS[address].format(name), f"https://imgur.com/{address.format(name)}"
    has_images = not address.endswith("/albums")
    first, second, newest = (new_image(imgur, bytes=3000) for _ in range(3))
    album, later = (new_album(imgur, count=4, bytes=3000) for _ in range(2))
    singles, new = ([first, second], newest) if has_images else ([], later)
    collection_of(imgur, path, [*singles, "Removed", album, "Remove2"])
    asked(imgur)

    mirror_albums([url])
    pages = asked(imgur)
    assert len(pages) == len(set(pages))
    assert stored(downloads / album) == contents(imgur, album)
    folder = downloads / parse_address(url).name
    assert is_stored(imgur, folder, singles)
    before = bodies(imgur)

    mirror_albums([url])
    assert asked(imgur) == pages
    assert bodies(imgur) == before

    # The oldest image has left the pages, and what is new is at their beginning.
    collection_of(imgur, path, [new, *singles[:1], album])
    mirror_albums([url])
    assert bodies(imgur) == before + (1 if has_images else 4)
    assert stored(downloads / album) == contents(imgur, album)
    if not has_images:
        assert stored(downloads / later) == contents(imgur, later)
        return
    assert is_stored(imgur, folder, [*singles, newest])
    entries = manifest(folder)["images"]
    assert {entry["id"] for entry in entries} == {first, second, newest}
    assert all(entry["listed"] and not entry["gone"] for entry in entries)


def is_stored(imgur, folder, images):
    """Tell whether a folder has these images, and nothing else."""
    if not images:
        return not folder.exists()
    served = (control(imgur, "GET", f"images/{image}") for image in images)
    return stored(folder) == {image["name"]: image["md5"] for image in served}


def test_an_image_that_left_its_collection_is_verified_with_the_others(imgur, downloads):
    old, new = (new_image(imgur, bytes=3000) for _ in range(2))
    collection_of(imgur, "r/left", [old])
    mirror_albums(["imgur.com/r/left"])
    (downloads / "r-left" / f"{old}.jpg").write_bytes(bytes(3000))
    collection_of(imgur, "r/left", [new])

    mirror_albums(["imgur.com/r/left"], verify=True)

    assert is_stored(imgur, downloads / "r-left", [old, new])


def test_no_more_than_the_newest_posts_are_taken(imgur, downloads, capsys):
    images = [new_image(imgur, bytes=3000) for _ in range(5)]
    collection_of(imgur, "user/limited/posts", images)
    url = "https://imgur.com/user/limited/posts"
    assert main(mirror_albums, summary_text, [url, "--limit", "3"]) == 0
    assert is_stored(imgur, downloads / "user-limited-posts", images[:3])
    assert "--limit" not in capsys.readouterr().out


@pytest.mark.parametrize("path", ["t/endless", "r/endless", "search?q=endless"])
def test_of_what_has_no_end_a_hundred_are_taken_and_that_is_said(path, imgur, downloads, capsys):
    images = [f"e{number:06}" for number in range(120)]
    entries = [{"id": image, "is_album": False, "link": ""} for image in images]
    collection_of(imgur, path.replace("?q=", "/"), entries, size=50)
    asked(imgur)
    state = mirror_albums([f"imgur.com/{path}"], return_state=True)
    assert len(asked(imgur)) == 2
    assert "its first 100 posts were taken; --limit takes more" in state.message
    assert "100 of 100 images failed" in state.message


def test_posts_that_are_gone_by_now_are_no_failure(imgur, downloads, capsys):
    image, gone = new_image(imgur, bytes=3000), new_image(imgur, bytes=3000)
    fault(imgur, gone, "removed", times=None)
    ghost = {"id": "Ghost00", "is_album": True, "images_count": 5}
    collection_of(imgur, "t/ghosts", [image, ghost, gone])
    assert main(mirror_albums, summary_text, ["imgur.com/t/ghosts"]) == 0
    assert "Ghost00: it was listed, and is not there any more" in capsys.readouterr().out
    assert is_stored(imgur, downloads / "t-ghosts", [image])


def test_an_empty_collection_is_said(imgur, downloads, capsys):
    assert main(mirror_albums, summary_text, ["imgur.com/t/nothingatall"]) == 0
    assert "imgur.com/t/nothingatall: Imgur lists nothing there" in capsys.readouterr().out


def test_what_albums_share_is_fetched_once(imgur, downloads, capsys):
    first, second = (new_album(imgur, count=count, bytes=3000) for count in (3, 0))
    put(imgur, f"albums/{second}", {"count": 0, "images": listing(imgur, first)[1:]})
    before = bodies(imgur)

    assert main(mirror_albums, summary_text, [first, second]) == 0

    assert bodies(imgur) == before + 3
    there = stored(downloads / second)
    assert len(there) == 2
    assert there.items() <= stored(downloads / first).items()


def test_what_two_collections_list_is_mirrored_once(imgur, downloads):
    album = new_album(imgur, count=1, bytes=3000)
    for path in ("t/both", "r/both"):
        collection_of(imgur, path, [album])
    results = mirror_albums(["imgur.com/t/both", "imgur.com/r/both", "imgur.com/t/both", album])
    assert [result.album for result in results] == [album]


def test_spent_credits_leave_what_must_be_asked_for(imgur, downloads, monkeypatch):
    """Albums whose posts had all of their images need no call."""
    monkeypatch.setenv("IMGUR_CLIENT_ID", "spentposts")
    monkeypatch.setenv("IMGUR_RETRIES", "0")
    small, large, other = (new_album(imgur, count=n, bytes=3000) for n in (2, 4, 5))
    collection_of(imgur, "r/spent", [large, small, other])
    put(imgur, "api-faults", {"path": f"album/{large}", **RATE_LIMITED, "times": 1})

    state = mirror_albums(["imgur.com/r/spent", "imgur.com/t/spent"], return_state=True)

    assert stored(downloads / small) == contents(imgur, small)
    assert f"{other}: not tried" in state.message
    assert "imgur.com/t/spent: not tried" in state.message


def test_what_was_listed_before_the_credits_were_spent_is_mirrored(imgur, downloads, monkeypatch):
    """The next run would reach no further page otherwise, with an id that many share."""
    monkeypatch.setenv("IMGUR_CLIENT_ID", "spentpages")
    images = [new_image(imgur, bytes=3000) for _ in range(5)]
    small, large = (new_album(imgur, count=n, bytes=3000) for n in (2, 4))
    collection_of(imgur, "r/spentpages", [*images[:2], small, large, *images[2:]])
    put(imgur, "api-faults", {"path": "gallery/r/spentpages/time/2", **RATE_LIMITED, "times": 1})

    state = mirror_albums(["imgur.com/r/spentpages"], return_state=True)

    assert "only its first 4 posts could be listed: " in state.message
    assert "the limit of Imgur requests is reached" in state.message
    assert f"{large}: not tried" in state.message
    assert is_stored(imgur, downloads / "r-spentpages", images[:2])
    assert stored(downloads / small) == contents(imgur, small)

    # An hour later.
    monkeypatch.setenv("IMGUR_CLIENT_ID", "spentpageslater")
    assert mirror_albums(["imgur.com/r/spentpages"], return_state=True).is_completed()
    assert is_stored(imgur, downloads / "r-spentpages", images)
    assert stored(downloads / large) == contents(imgur, large)


def test_albums_that_the_last_run_did_not_reach_come_first(imgur, downloads, monkeypatch):
    """Each run would spend its credits on the same albums otherwise."""
    monkeypatch.setenv("IMGUR_RETRIES", "0")
    albums = [new_album(imgur, count=4, bytes=3000) for _ in range(3)]
    collection_of(imgur, "r/reached", albums)
    for last, client_id in ((albums[2], "spentfirst"), (albums[0], "spentsecond")):
        monkeypatch.setenv("IMGUR_CLIENT_ID", client_id)
        put(imgur, "api-faults", {"path": f"album/{last}", **RATE_LIMITED, "times": 1})

        state = mirror_albums(["imgur.com/r/reached"], return_state=True)

        assert f"{last}: " in state.message
    for album in albums:
        assert stored(downloads / album) == contents(imgur, album)


@pytest.mark.parametrize("strategy", ["threads", "async"])
def test_a_stop_keeps_the_albums_that_are_finished(strategy, imgur, downloads):
    whole, stalled, also = (new_album(imgur, count=2, bytes=100_000) for _ in range(3))
    for album in (stalled, also):
        for name in contents(imgur, album):
            fault(imgur, name, "stall-mid", bytes=50_000, times=None)
    call = ("-m", "flows.mirror_albums", whole, stalled, also, "--strategy", strategy)
    with subprocess.Popen(
        [sys.executable, *call], stderr=subprocess.PIPE, cwd=PROJECT, text=True
    ) as run:
        assert eventually(lambda: images_served(imgur, stalled))
        assert eventually(lambda: (downloads / whole / "album.json").exists())
        run.send_signal(signal.SIGINT)
        said = run.communicate()[1]
    assert run.returncode == 130, said
    assert said.splitlines()[-1].startswith("stopped; what was finished is kept"), said

    control(imgur, "DELETE", "faults")
    assert [result.error for result in mirror_albums([whole, stalled, also])] == [None] * 3
    for album in (whole, stalled, also):
        assert stored(downloads / album) == contents(imgur, album)
    assert images_served(imgur, whole) == 2


@pytest.mark.parametrize("strategy", Strategy)
def test_a_host_that_asks_one_album_to_wait_is_left_alone_by_the_next(
    strategy, imgur, downloads, monkeypatch
):
    monkeypatch.setenv("IMGUR_RETRIES", "0")
    first, second = (new_album(imgur, count=1, bytes=3000) for _ in range(2))
    (refused,), (other,) = contents(imgur, first), contents(imgur, second)
    fault(imgur, refused, "status", status=429, retry_after=2)

    state = mirror_albums([first, second], strategy, workers=1, return_state=True)

    assert state.is_failed()
    assert stored(downloads / second) == contents(imgur, second)
    (told_to_wait,), (asked,) = (served(imgur, name[:7]) for name in (refused, other))
    assert asked["time"] - told_to_wait["time"] >= 2
    assert not [path for path in downloads.iterdir() if path.name.startswith(".run-")]
