"""Deployed by the command and run by a real worker: by hand, by schedule, well or not."""

import json
import logging
import os
import signal
import subprocess
import sys

import pytest
import yaml

from flows.cli.server import stop
from imgur_mirror.models import Strategy
from tasks.artifact_key import artifact_key
from tests.support.albums import stored
from tests.support.imgur import contents, environment, images_served, new_album, put
from tests.support.prefect_api import artifacts, ask, delete, filtered, read
from tests.support.processes import PROJECT, python
from tests.support.waiting import LONG, eventually

pytestmark = pytest.mark.slow

PREFECT = [sys.executable, "-m", "prefect", "--no-prompt"]
POOL = "imgur-mirror"


def prefect(*arguments):
    return python("-m", "prefect", "--no-prompt", *arguments)


@pytest.fixture(scope="module")
def deployed(prefect_server):
    """What the commands of the README said; before and after there is no deployment."""
    pool = prefect("work-pool", "create", POOL, "--type", "process", "--overwrite")
    assert pool.returncode == 0, pool.stderr
    withdraw(prefect_server)
    try:
        yield prefect("deploy", "--all")
    finally:
        withdraw(prefect_server)


def of_the_pool(api):
    """The deployments of this project's work pool; others' are none of its business."""
    found = filtered(api, "deployments")
    return [deployment for deployment in found if deployment["work_pool_name"] == POOL]


def withdraw(api):
    for deployment in of_the_pool(api):
        delete(f"{api}/deployments/{deployment['id']}")


@pytest.fixture(scope="module")
def downloads(deployed, imgur, tmp_path_factory):
    """The folder of a worker that has its settings from its environment, as flow runs have."""
    folder = tmp_path_factory.mktemp("worker")
    kept = {name: value for name, value in os.environ.items() if not name.startswith("IMGUR_")}
    settings = {
        **environment(imgur),
        "IMGUR_DOWNLOADS": str(folder / "downloads"),
    }
    worker = subprocess.Popen(
        [*PREFECT, "worker", "start", "--pool", POOL],
        cwd=PROJECT,
        env=kept | settings,
        stdout=(folder / "log").open("wb"),
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    yield folder / "downloads"
    stop(worker, signal.SIGINT, 30)


def runs_of(api, album):
    """The runs that were started with this album, the latest first."""
    runs = filtered(api, "flow_runs", sort="EXPECTED_START_TIME_DESC")
    return [run for run in runs if run["parameters"].get("album") == album]


def logged(api, run, awaited):
    """The lines of a run's log, as (level, text), once the awaited one is there."""
    wanted = {"logs": {"flow_run_id": {"any_": [run["id"]]}}, "sort": "TIMESTAMP_ASC"}

    def lines():
        return [(line["level"], line["message"]) for line in filtered(api, "logs", **wanted)]

    assert eventually(lambda: awaited in lines()), lines()
    return lines()


def test_all_is_deployed_without_a_question_or_a_warning(deployed, prefect_server):
    said = (deployed.stdout + deployed.stderr).lower()
    assert deployed.returncode == 0, said
    assert "warning" not in said
    assert "[y/n]" not in said
    listed = yaml.safe_load((PROJECT / "prefect.yaml").read_text())["deployments"]
    wanted = sorted((entry["entrypoint"], entry["name"]) for entry in listed)
    assert sorted((one["entrypoint"], one["name"]) for one in of_the_pool(prefect_server)) == wanted


def test_a_run_by_hand_under_each_strategy(imgur, downloads, prefect_server):
    """All four at once, as four people would start them."""
    albums = {strategy: new_album(imgur, count=4, bytes=3000) for strategy in Strategy}
    command = [*PREFECT, "deployment", "run", "mirror-album/on-demand", "--watch"]
    started = [
        subprocess.Popen(
            [*command, "-p", f"album={json.dumps(album)}", "-p", f"strategy={strategy}"],
            cwd=PROJECT,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for strategy, album in albums.items()
    ]
    said = [run.communicate(timeout=LONG)[0] for run in started]
    assert [run.returncode for run in started] == [0] * len(started), said

    for strategy, album in albums.items():
        (run,) = runs_of(prefect_server, album)
        assert (run["state_name"], run["name"]) == ("Completed", f"{album} · {strategy}")
        assert f"{album}: 4 downloaded" in run["state"]["message"]
        assert stored(downloads / album) == contents(imgur, album)
        table = artifacts(prefect_server, f"images-{artifact_key(album)}")
        files = {row["file"] for row in json.loads(table[0]["data"])}
        assert files == set(contents(imgur, album))
        assert artifacts(prefect_server, f"mirror-{artifact_key(album)}")


def test_a_schedule_fires_on_its_own(imgur, downloads, prefect_server):
    """The nightly deployment, made frequent; its albums come from the Variable."""
    album = new_album(imgur, count=2, bytes=3000)
    listed = json.dumps([album])
    assert prefect("variable", "set", "imgur_albums", listed, "--overwrite").returncode == 0
    nightly = read(f"{prefect_server}/deployments/name/mirror-albums/nightly")["id"]
    address = f"{prefect_server}/deployments/{nightly}"
    often = {"schedules": [{"slug": "nightly", "schedule": {"interval": 5}, "active": True}]}
    ask("PATCH", address, often).raise_for_status()

    def done():
        of_it = {"id": {"any_": [nightly]}}
        runs = filtered(prefect_server, "flow_runs", deployments=of_it)
        return [run for run in runs if run["auto_scheduled"] and run["state_name"] == "Completed"]

    first = eventually(done)[0]
    # What follows must not take the place of the next tests' runs.
    delete(address)
    assert prefect("variable", "unset", "imgur_albums").returncode == 0
    assert "2 new" in first["state"]["message"]
    assert stored(downloads / album) == contents(imgur, album)


def test_a_failure_is_one_sentence_in_the_state_and_in_the_log(downloads, prefect_server):
    ran = prefect("deployment", "run", "mirror-album/on-demand", "-p", "album=Unknown", "--watch")
    assert ran.returncode == 1
    (run,) = runs_of(prefect_server, "Unknown")
    message = run["state"]["message"]
    assert run["state_name"] == "Failed"
    assert message.startswith("album Unknown: Imgur has no such thing")
    assert "\n" not in message
    lines = logged(prefect_server, run, (logging.ERROR, message))
    assert not any("Traceback" in text for _, text in lines)


def test_a_killed_run_is_crashed_and_says_so(imgur, downloads, prefect_server):
    album = f"K{new_album(imgur)[1:]}"
    put(imgur, f"albums/{album}", {"count": 2, "bytes": 100_000})
    for name in contents(imgur, album):
        stall = {"kind": "stall-mid", "bytes": 50_000, "times": None}
        put(imgur, f"faults/{name.partition('.')[0]}", stall)
    ran = prefect("deployment", "run", "mirror-album/on-demand", "-p", f"album={album}")
    assert ran.returncode == 0, ran.stderr
    assert eventually(lambda: images_served(imgur, album))

    (run,) = runs_of(prefect_server, album)
    os.kill(int(run["infrastructure_pid"].rpartition(":")[2]), signal.SIGKILL)

    assert eventually(lambda: runs_of(prefect_server, album)[0]["state_name"] == "Crashed")
    message = runs_of(prefect_server, album)[0]["state"]["message"]
    assert logged(prefect_server, run, (logging.ERROR, message))
