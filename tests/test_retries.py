"""Runs that are tried again: by Prefect's Retry button, by flow retries, after a suspension."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from prefect.client.orchestration import get_client
from prefect.client.schemas.actions import WorkPoolCreate
from prefect.exceptions import Pause
from prefect.flow_engine import run_flow
from prefect.flow_runs import suspend_flow_run
from prefect.flows import Flow
from prefect.settings import PREFECT_RESULTS_PERSIST_BY_DEFAULT, temporary_settings

from flows.cli.server import stop
from flows.compare_strategies import compare_strategies
from flows.mirror_album import mirror_album
from flows.mirror_albums import mirror_albums
from flows.mirror_many import mirror_many
from flows.support.mirror_flow import Finished, mirror_flow
from tests.support.albums import stored
from tests.support.imgur import contents, control, fault, new_album, served
from tests.support.jobs import listed
from tests.support.prefect_api import ask, read
from tests.support.processes import PROJECT, python
from tests.support.waiting import eventually

pytestmark = [pytest.mark.usefixtures("prefect_server"), pytest.mark.slow]

COMPARED = ("sequential", "threads")
FILES = 3


@dataclass(frozen=True)
class Case:
    """A flow, its parameters for two albums, and where it leaves the first of them."""

    flow: Flow[..., Any]
    parameters: Callable[[list[str], Path], dict[str, Any]]
    places: tuple[str, ...] = (".",)


CASES = {
    "album": Case(mirror_album, lambda albums, _: {"album": albums[0], "strategy": "sequential"}),
    "albums": Case(mirror_albums, lambda albums, _: {"albums": albums, "strategy": "sequential"}),
    "many": Case(
        mirror_many,
        lambda albums, folder: {
            "source": listed(folder, albums),
            "strategy": "sequential",
            "shard_size": 1,
        },
    ),
    "compare": Case(
        compare_strategies,
        lambda albums, _: {"album": albums[0], "strategies": [*COMPARED]},
        tuple(f"compare-strategies/{strategy}" for strategy in COMPARED),
    ),
}


@dataclass(frozen=True)
class Work:
    """What a run of a case has to do: its parameters, and the folders that it is to fill."""

    flow: Flow[..., Any]
    parameters: dict[str, Any]
    albums: list[str]
    folders: list[Path]

    def is_done(self, imgur: str) -> bool:
        """Whether all files of the first album are in each of the folders."""
        wanted = contents(imgur, self.albums[0])
        return all(folder.is_dir() and stored(folder) == wanted for folder in self.folders)

    def lose_a_file(self, imgur: str) -> None:
        """Remove an image from each of the folders, one that does not fail."""
        for folder in self.folders:
            (folder / list(contents(imgur, self.albums[0]))[-1]).unlink()


def new_work(case, imgur, downloads, tmp_path):
    albums = [new_album(imgur, count=FILES, bytes=3000) for _ in range(2)]
    folders = [downloads / place / albums[0] for place in case.places]
    return Work(case.flow, case.parameters(albums, tmp_path), albums, folders)


@pytest.fixture
def settings(downloads, monkeypatch):
    """No task is tried again, so that what fails is the flow."""
    monkeypatch.setenv("IMGUR_RETRIES", "0")
    return monkeypatch


@pytest.fixture(params=CASES)
def work(request, imgur, downloads, settings, tmp_path):
    return new_work(CASES[request.param], imgur, downloads, tmp_path)


def break_image(imgur, album, kind="status", **options):
    """Have an image of the album fail, the first one; its file's name."""
    name = next(iter(contents(imgur, album)))
    fault(imgur, name, kind, **options)
    return name


def new_run(flow, parameters):
    """Make a run of a deployment, which may be tried again and suspended; its id."""
    with get_client(sync_client=True) as client:
        deployment = client.create_deployment(client.create_flow(flow), f"{flow.name}-again")
        return client.create_flow_run_from_deployment(deployment, parameters=parameters).id


def run(flow, run_id):
    """Run what the server has, as the process does that a worker starts; the run's state then."""
    with get_client(sync_client=True) as client:
        found = client.read_flow_run(run_id)
        with suppress(Pause):
            run_flow(flow, found, found.parameters, return_type="state")
        return client.read_flow_run(run_id).state


def press_retry(api, run_id):
    wanted = {"type": "SCHEDULED", "name": "AwaitingRetry", "message": "Retry from the UI"}
    answer = ask("POST", f"{api}/flow_runs/{run_id}/set_state", {"state": wanted})
    assert answer.json()["status"] == "ACCEPT"


def test_a_retry_fetches_what_is_missing(work, imgur, prefect_server):
    """What failed, and what is gone since, though Prefect keeps the results of all runs."""
    break_image(imgur, work.albums[0], status=500, times=1)
    with temporary_settings({PREFECT_RESULTS_PERSIST_BY_DEFAULT: True}):
        run_id = new_run(work.flow, work.parameters)
        assert run(work.flow, run_id).name == "Failed"
        work.lose_a_file(imgur)
        press_retry(prefect_server, run_id)

        state = run(work.flow, run_id)

    assert state.name == "Completed", state.message
    assert work.is_done(imgur)


def test_a_retry_looks_at_the_albums_that_were_complete(
    imgur, downloads, settings, prefect_server, tmp_path
):
    work = new_work(CASES["albums"], imgur, downloads, tmp_path)
    break_image(imgur, work.albums[1], status=500, times=1)
    with temporary_settings({PREFECT_RESULTS_PERSIST_BY_DEFAULT: True}):
        run_id = new_run(work.flow, work.parameters)
        assert run(work.flow, run_id).name == "Failed"
        assert work.is_done(imgur)
        work.lose_a_file(imgur)
        press_retry(prefect_server, run_id)

        state = run(work.flow, run_id)

    assert state.message == "2 albums, 2 new images, all there"
    assert work.is_done(imgur)


def test_a_flow_that_has_retries_is_tried_again(work, imgur, caplog):
    """The log says why."""
    break_image(imgur, work.albums[0], status=500, times=1)

    state = work.flow.with_options(retries=2)(**work.parameters, return_state=True)

    assert state.name == "Completed", state.message
    (line,) = [line for line in caplog.messages if line.startswith("This try failed: ")]
    assert "the image host answered 500" in line
    assert work.is_done(imgur)


def test_a_flow_fails_with_its_sentence_when_its_retries_are_spent(
    imgur, downloads, settings, tmp_path
):
    work = new_work(CASES["albums"], imgur, downloads, tmp_path)
    break_image(imgur, work.albums[0], status=500)

    state = work.flow.with_options(retries=1)(**work.parameters, return_state=True)

    assert state.name == "Failed"
    assert "the image host answered 500" in state.message


def test_subflows_are_tried_again_where_all_flows_have_retries(
    imgur, downloads, settings, tmp_path
):
    work = new_work(CASES["albums"], imgur, downloads, tmp_path)
    break_image(imgur, work.albums[0], status=500, times=1)
    settings.setenv("PREFECT_FLOWS_DEFAULT_RETRIES", "2")

    ran = python("-m", "flows.mirror_albums", *work.albums)

    assert ran.returncode == 0, ran.stderr
    assert work.is_done(imgur)


def test_a_retry_that_goes_well_forgets_a_fault_that_was_not_foreseen():
    tries = iter([RuntimeError("a fault"), None])

    @mirror_flow("fails-once", lambda: "once")
    def fails_once():
        if error := next(tries):
            raise error
        return Finished("done", "well")

    assert fails_once.with_options(retries=1)() == "done"


def test_a_run_that_was_suspended_goes_on_where_it_was(work, imgur, settings):
    """It is suspended while its first image comes, which takes until then."""
    settings.setenv("IMGUR_RETRIES", "20")
    settings.setenv("IMGUR_BACKOFF", "0")
    settings.setenv("IMGUR_READ_TIMEOUT", "2")
    image = break_image(imgur, work.albums[0], "stall").partition(".")[0]
    run_id = new_run(work.flow, work.parameters)

    def suspend():
        assert eventually(lambda: served(imgur, image))
        suspend_flow_run(flow_run_id=run_id)
        control(imgur, "DELETE", f"faults/{image}")

    suspending = Thread(target=suspend)
    suspending.start()
    state = run(work.flow, run_id)
    suspending.join()
    assert state.name == "Suspended", state
    with get_client(sync_client=True) as client:
        client.resume_flow_run(run_id)

    state = run(work.flow, run_id)

    assert state.name == "Completed", state.message
    assert work.is_done(imgur)


@pytest.fixture
def worker(imgur, settings, downloads, tmp_path):
    """A worker of a pool of its own, whose runs keep their results; the pool's name."""
    pool = "retried"
    with get_client(sync_client=True) as client:
        client.create_work_pool(WorkPoolCreate(name=pool, type="process"), overwrite=True)
    started = subprocess.Popen(
        [sys.executable, "-m", "prefect", "--no-prompt", "worker", "start", "--pool", pool],
        cwd=PROJECT,
        env=os.environ | {"PREFECT_RESULTS_PERSIST_BY_DEFAULT": "true"},
        stdout=(tmp_path / "worker.log").open("wb"),
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    yield pool
    stop(started, signal.SIGINT, 30)


def deployed_run(work, pool):
    """Have the pool's worker run a flow; the run's id."""
    module = work.flow.name.replace("-", "_")
    with get_client(sync_client=True) as client:
        deployment = client.create_deployment(
            client.create_flow(work.flow),
            f"{work.flow.name}-{pool}",
            work_pool_name=pool,
            entrypoint=f"flows.{module}.{module}",
            pull_steps=[
                {"prefect.deployments.steps.set_working_directory": {"directory": str(PROJECT)}}
            ],
        )
        made = client.create_flow_run_from_deployment(deployment, parameters=work.parameters)
        return made.id


def ended(api, run_ids):
    """Wait until the runs and their processes have ended, and give their states."""

    def states():
        found = [read(f"{api}/flow_runs/{run_id}") for run_id in run_ids]
        is_final = all(each["state_type"] in ("COMPLETED", "FAILED", "CRASHED") for each in found)
        pids = [each["infrastructure_pid"].rpartition(":")[2] for each in found if is_final]
        at_work = any(Path(f"/proc/{pid}").exists() for pid in pids)
        return [each["state"] for each in found] if is_final and not at_work else []

    return eventually(states)


def test_the_button_retries_what_a_worker_ran(worker, imgur, downloads, tmp_path, prefect_server):
    """Each flow, all at once, as one would press it after a bad night."""
    works = []
    for name, case in CASES.items():
        (tmp_path / name).mkdir()
        works.append(new_work(case, imgur, downloads, tmp_path / name))
    for work in works:
        break_image(imgur, work.albums[0], status=500, times=1)
    runs = [deployed_run(work, worker) for work in works]
    assert [state["name"] for state in ended(prefect_server, runs)] == ["Failed"] * len(works)

    for work, run_id in zip(works, runs, strict=True):
        work.lose_a_file(imgur)
        press_retry(prefect_server, run_id)

    states = ended(prefect_server, runs)
    assert [state["name"] for state in states] == ["Completed"] * len(works), states
    assert all(work.is_done(imgur) for work in works)
