"""The main job: one album, four ways, one result on disk."""

import hashlib
import json
from pathlib import Path

import pytest
import requests
from prefect.client.orchestration import get_client
from prefect.flows import Flow

from flows.mirror_album import mirror_album
from flows.support.parameters import Choice
from imgur_mirror.models import Mirrored, Outcome, Strategy
from tasks.artifact_key import artifact_key
from tests.support.albums import manifest, stored, without_times
from tests.support.cases import listing
from tests.support.imgur import contents, fault, images_served, new_album, put
from tests.support.prefect_api import artifact, filtered, read
from tests.support.waiting import LONG, eventually

pytestmark = pytest.mark.usefixtures("prefect_server")

ALBUM = "PdA9Amq"


@pytest.fixture(scope="module")
def by_strategy(imgur: str, tmp_path_factory: pytest.TempPathFactory) -> dict[Strategy, Path]:
    return {strategy: tmp_path_factory.mktemp(strategy) for strategy in Strategy}


@pytest.mark.parametrize("strategy", Strategy)
def test_every_strategy_leaves_the_same_files(strategy, imgur, downloads, by_strategy):
    """Four ways to run, one result on disk: the 60 images of all types, and the same manifest."""
    mirrored = mirror_album(ALBUM, strategy, 8, str(by_strategy[strategy]))

    folder = by_strategy[strategy] / ALBUM
    assert isinstance(mirrored, Mirrored)
    assert len(mirrored.having(Outcome.DOWNLOADED)) == 60
    assert stored(folder) == contents(imgur, ALBUM)
    first = by_strategy[Strategy.SEQUENTIAL] / ALBUM
    assert without_times(manifest(folder)) == without_times(manifest(first))


@pytest.mark.parametrize("more", [{}, {"other": object()}])
def test_parameters_are_recorded_as_by_prefect(more):
    given = {"album": ALBUM, "strategy": Choice.ASYNC, "workers": 3, "verify": False, **more}
    assert mirror_album.serialize_parameters(given) == Flow.serialize_parameters(
        mirror_album, given
    )


def test_the_manifest_has_the_metadata_and_the_files(imgur, downloads):
    mirror_album(ALBUM)

    album = manifest(downloads / ALBUM)
    listed = requests.get(
        f"{imgur}/3/album/{ALBUM}", headers={"Authorization": "Client-ID x"}, timeout=LONG
    ).json()["data"]
    assert album["id"] == ALBUM
    assert album["title"] == listed["title"]
    assert [image["id"] for image in album["images"]] == [image["id"] for image in listed["images"]]
    for image in album["images"]:
        file = downloads / ALBUM / image["file"]
        assert file.stat().st_size == image["bytes"]
        assert hashlib.md5(file.read_bytes()).hexdigest() == image["md5"]
        assert image["fetched"].endswith("Z")
        assert image["verified"] == "etag"


@pytest.mark.parametrize("strategy", Strategy)
def test_a_later_run_fetches_only_what_is_new(strategy, imgur, downloads):
    """Nothing on the second run, the added image alone on the third."""
    album = new_album(imgur, count=12, bytes=3000)
    mirror_album(album, strategy, 4)
    assert images_served(imgur, album) == 12

    again = mirror_album(album, strategy, 4)
    assert len(again.having(Outcome.UNCHANGED)) == 12
    assert images_served(imgur, album) == 12

    put(imgur, f"albums/{album}", {"add": 1})
    third = mirror_album(album, strategy, 4)
    assert len(third.having(Outcome.UNCHANGED)) == 12
    assert len(third.having(Outcome.DOWNLOADED)) == 1
    assert images_served(imgur, album) == 13
    assert stored(downloads / album) == contents(imgur, album)


@pytest.mark.parametrize(
    ("before", "now", "files", "bodies"),
    [("jpeg", "jpg", 1, 1), ("jpg", "jpeg", 1, 1), ("png", "jpg", 2, 2)],
)
def test_a_file_follows_the_spelling_of_its_name(before, now, files, bodies, imgur, downloads):
    """It is renamed and not sent again; what may be another file stays beside it."""
    album = new_album(imgur, kinds=["jpg"], bytes=3000)
    (image,) = listing(imgur, album)
    for extension in (before, now, now):
        listed = image | {"link": image["link"].replace(".jpg", f".{extension}")}
        put(imgur, f"albums/{album}", {"kinds": ["jpg"], "bytes": 3000, "images": [listed]})
        assert mirror_album(album).having(Outcome.FAILED) == ()
    assert len(stored(downloads / album)) == files
    (row,) = manifest(downloads / album)["images"]
    assert row["file"] == f"{image['id']}.{now}"
    assert images_served(imgur, album) == bodies


def test_a_second_run_says_that_nothing_is_new(imgur, downloads, prefect_server):
    album = new_album(imgur, count=3, bytes=3000)
    mirror_album(album)
    mirror_album(album)

    assert "nothing new, all 3 images are there" in artifact(f"mirror-{artifact_key(album)}")


@pytest.mark.parametrize("strategy", Strategy)
def test_the_downloads_are_task_runs_of_the_albums_own_run(
    strategy, imgur, downloads, prefect_server
):
    """One flow run an album, whose graph in the UI has all of it, and no image as a parameter."""
    album = new_album(imgur, count=3, bytes=3000)
    state = mirror_album(album, strategy, 2, return_state=True)

    run = str(state.state_details.flow_run_id)
    wanted = {*contents(imgur, album), album, f"publish {album}"}

    def names() -> set[str]:
        found = filtered(prefect_server, "task_runs", flow_runs={"id": {"any_": [run]}})
        return {run["name"] for run in found}

    # The server writes task runs down late.
    assert eventually(lambda: names() == wanted), names()
    below = {"parent_flow_run_id": {"any_": [run]}}
    assert filtered(prefect_server, "flow_runs", flow_runs=below) == []
    kept = json.dumps(read(f"{prefect_server}/flow_runs/{run}")["parameters"])
    assert not any(name in kept for name in contents(imgur, album))


def test_an_album_of_more_images_than_task_runs(imgur, downloads, monkeypatch):
    """Several images a task run, each with its own row."""
    monkeypatch.setenv("IMGUR_MAX_TASK_RUNS", "5")
    album = new_album(imgur, count=40, bytes=3000)

    mirrored = mirror_album(album)

    assert len({row.id for row in mirrored.having(Outcome.DOWNLOADED)}) == 40
    assert stored(downloads / album) == contents(imgur, album)


def test_an_empty_album_and_a_single_image(imgur, downloads):
    assert mirror_album("Empty00").downloads == ()
    image = next(iter(contents(imgur, ALBUM))).partition(".")[0]
    assert len(mirror_album(f"https://imgur.com/{image}").having(Outcome.DOWNLOADED)) == 1


def test_one_failed_image_fails_the_flow_and_stops_no_other(imgur, downloads):
    album = new_album(imgur, count=6, bytes=3000)
    name = next(iter(contents(imgur, album)))
    fault(imgur, name, "status", status=403)

    state = mirror_album(album, return_state=True)

    assert state.is_failed()
    assert name in state.message
    assert "403" in state.message
    assert set(stored(downloads / album)) == set(contents(imgur, album)) - {name}


def test_a_run_is_named_after_its_album_and_strategy(imgur, downloads):
    album = new_album(imgur, count=1, bytes=3000)
    state = mirror_album(f"https://imgur.com/a/{album}", Strategy.THREADS, 2, return_state=True)

    with get_client(sync_client=True) as client:
        run = client.read_flow_run(state.state_details.flow_run_id)
    assert run.name == f"{album} · threads"


def test_the_timings_are_artifacts(imgur, downloads, prefect_server):
    """A table of the images, and a report whose first line is the result; keys stay the same."""
    album = new_album(imgur, count=4, bytes=[3000, 4000, 5000, 60000])
    mirrored = mirror_album(album, Strategy.ASYNC, 2)
    key = artifact_key(album)

    rows = json.loads(artifact(f"images-{key}"))
    assert list(rows[0]) == [
        *("file", "outcome", "bytes", "queued s", "first byte s", "seconds", "work s"),
        *("attempts", "worker", "error"),
    ]
    assert {row["file"] for row in rows} == set(contents(imgur, album))
    assert {row["worker"] for row in rows} <= {"1", "2"}
    first = artifact(f"mirror-{key}").splitlines()[0]
    assert f"{album}: 4 downloaded" in first
    timings = mirrored.timings
    assert timings.began < timings.first_request < timings.ended
    assert timings.startup + timings.download == pytest.approx(timings.total)


def test_bounds_are_refused_before_anything_runs(downloads):
    with pytest.raises(Exception, match="256"):
        mirror_album(ALBUM, Strategy.ASYNC, 257)


def test_an_id_of_digits_alone_may_come_as_a_number(imgur, downloads):
    """`-p album=1234567` is JSON, and so a number."""
    put(imgur, "albums/1234567", {"count": 1, "bytes": 3000})
    assert len(mirror_album(1234567).downloads) == 1
