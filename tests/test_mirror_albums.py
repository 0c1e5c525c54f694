"""Several albums: each a run of its own, and the failure of one stops no other."""

import json

import pytest
from prefect.variables import Variable

from flows.mirror_albums import mirror_albums
from imgur_mirror.models import Outcome
from tests.test_mirror_album import artifact, contents, new_album, put, stored

pytestmark = pytest.mark.usefixtures("prefect_server")


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


def test_spent_credits_stop_the_rest(imgur, downloads, monkeypatch):
    """No call is made over the limit; the time to come back is said."""
    monkeypatch.setenv("IMGUR_CLIENT_ID", "spent")
    albums = [new_album(imgur, count=1, bytes=3000) for _ in range(2)]
    fault = {"kind": "rate-limited", "times": None, "headers": {"Retry-After": "3600"}}
    put(imgur, "api-faults", {"path": f"album/{albums[0]}", **fault})

    state = mirror_albums(albums, return_state=True)

    assert state.is_failed()
    assert f"{albums[1]}: not tried" in state.message
