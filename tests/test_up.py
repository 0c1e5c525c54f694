"""`make up` and `make serve` of a project in a folder with a space, called from elsewhere."""

import json
import signal

import pytest

from tests.support.albums import stored
from tests.support.imgur import (
    contents,
    control,
    environment,
    fault,
    images_served,
    new_album,
)
from tests.support.prefect_api import ask, read
from tests.support.project import Project
from tests.support.waiting import eventually

pytestmark = pytest.mark.slow

ADDRESS = r"export PREFECT_API_URL=(\S+)"
HELD = 3
"""Images of the album whose run is held until it has served its purpose."""


@pytest.fixture(scope="module")
def project(imgur, tmp_path_factory):
    """One project, with one database, for all of these tests."""
    # What stalls is tried again soon.
    settings = environment(imgur) | {"IMGUR_READ_TIMEOUT": "10"}
    return Project(tmp_path_factory.mktemp("clones"), settings)


@pytest.fixture
def held(imgur):
    """An album whose images never come to their end, until the faults are cleared."""
    album = new_album(imgur, count=HELD, bytes=100_000)
    for name in contents(imgur, album):
        fault(imgur, name, "stall-mid", bytes=50_000, times=None)
    yield album
    control(imgur, "DELETE", "faults")


def start(api, album, **parameters):
    """Start a run; gives a function that reads it."""
    made = read(f"{api}/deployments/name/mirror-album/on-demand")
    address = f"{api}/deployments/{made['id']}/create_flow_run"
    body = {"parameters": {"album": album, **parameters}, "state": {"type": "SCHEDULED"}}
    run = ask("POST", address, body).raise_for_status().json()
    return lambda: read(f"{api}/flow_runs/{run['id']}")


def mirrors(api, imgur, project):
    """Mirror an album by hand, and check that it came to the project's own folder."""
    album = new_album(imgur, count=3, bytes=2000)
    run = start(api, album)
    assert eventually(lambda: run()["state_type"] not in ("SCHEDULED", "PENDING", "RUNNING"))
    assert run()["state_name"] == "Completed", run()["state"]
    assert stored(project.folder / "downloads" / album) == contents(imgur, album)
    assert list(project.elsewhere.iterdir()) == []


def nightly(api):
    return read(f"{api}/deployments/name/mirror-albums/nightly")


def choices(deployment):
    """What people change in the UI: the pause, the parameters and the schedules."""
    schedules = [(each["schedule"].get("cron"), each["active"]) for each in deployment["schedules"]]
    return deployment["paused"], deployment["parameters"], schedules


CHANGED = (True, {"workers": 4}, [("30 4 * * *", False)])


def change(api):
    """Change the nightly run as one does in the UI."""
    made = nightly(api)
    address = f"{api}/deployments/{made['id']}"
    schedule = f"{address}/schedules/{made['schedules'][0]['id']}"
    often = {"schedule": {"cron": "30 4 * * *", "timezone": "Europe/Berlin"}, "active": False}
    ask("PATCH", address, {"parameters": {"workers": 4}, "paused": True}).raise_for_status()
    ask("PATCH", schedule, often).raise_for_status()
    assert choices(nightly(api)) == CHANGED


def refused(project, command):
    """A second one says in one sentence that there is one, and what to do."""
    with project.command(command) as second:
        status, said = second.await_end()
    assert status != 0
    sentence = [line for line in said if "running here already" in line]
    assert len(sentence) == 1
    assert sentence[0].endswith("stop it first")
    assert not any("Traceback" in line for line in said)


def test_up_keeps_a_worker_and_ends_all_that_it_started(project, imgur, held):
    with project.command("up", "ALBUMS=PdA9Amq", ignoring_sigint=True) as up:
        api = up.await_line(ADDRESS)[1]
        up.await_line("Worker .* started")
        assert read(f"{api}/variables/name/imgur_albums")["value"] == ["PdA9Amq"]
        weekly = read(f"{api}/deployments/name/compare-strategies/weekly")
        assert [schedule["active"] for schedule in weekly["schedules"]] == [False]
        mirrors(api, imgur, project)
        refused(project, "serve")
        change(api)

        run = start(api, held)
        assert eventually(lambda: images_served(imgur, held))
        up.find("worker start").kill()
        control(imgur, "DELETE", "faults")
        up.await_line("The worker ended .*SIGKILL.*; starting another")
        up.await_line("Worker .* started")
        assert eventually(lambda: run()["state_name"] == "Completed"), run()["state"]
        manifest = project.folder / "downloads" / held / "album.json"
        assert len(json.loads(manifest.read_text())["images"]) == HELD

        again = new_album(imgur, count=1, bytes=100_000)
        fault(imgur, *contents(imgur, again), "stall-mid", bytes=50_000, times=None)
        start(api, again)
        assert eventually(lambda: images_served(imgur, again))
        up.send(signal.SIGTERM)
        status, said = up.await_end()
        assert status == 0
        assert "stopped" in said
        assert up.leaves_nothing()
    assert project.states(again) == ["Crashed"]


def test_serve_runs_what_up_deployed(project, imgur):
    with project.command("serve") as serve:
        api = serve.await_line(ADDRESS)[1]
        assert eventually(lambda: nightly(api)["work_pool_name"] is None)
        mirrors(api, imgur, project)
        assert choices(nightly(api)) == CHANGED
        refused(project, "up")
        serve.send(signal.SIGINT)
        status, said = serve.await_end()
        assert status == 0
        assert [line for line in said if not line.startswith("make")][-1:] == ["stopped"]
        assert serve.leaves_nothing()


def test_up_runs_what_was_served_and_leaves_nothing_where_it_is_killed(project, imgur, held):
    """Neither its server, nor its worker, nor a run with the processes of its cluster."""
    with project.command("up") as up:
        api = up.await_line(ADDRESS)[1]
        with project.command("ui") as ui:
            assert f"{ui.await_line('UI is at (.*) - Ctrl-C')[1]}/api" == api
            ui.send(signal.SIGINT)
            assert ui.await_end()[0] == 0
        mirrors(api, imgur, project)
        assert choices(nightly(api)) == CHANGED

        run = start(api, held, strategy="dask", workers=2)
        assert eventually(lambda: images_served(imgur, held)), run()["state"]
        up.send(signal.SIGKILL)
        assert up.leaves_nothing(), up.processes()


@pytest.mark.parametrize("command", ["serve", "demo"])
@pytest.mark.parametrize("moment", ["Starting", "server_process"])
def test_one_that_is_stopped_as_it_starts_leaves_nothing(command, moment, project):
    with project.command(command) as started:
        started.await_line("Starting")
        if moment != "Starting":
            started.find(moment)
        started.send(signal.SIGTERM)
        _, said = started.await_end()
        assert "stopped" in said, "\n".join(said)
        assert started.leaves_nothing()
