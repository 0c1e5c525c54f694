"""Runs that are cancelled in Prefect's UI, under a real worker."""

import os
import signal
import subprocess
import sys

import pytest
from prefect.client.orchestration import get_client
from prefect.client.schemas.actions import WorkPoolCreate
from prefect.states import Cancelling

from benchmarks.session import members
from flows.cli.server import stop
from flows.mirror_album import mirror_album
from imgur_mirror.models import Strategy
from tests.support.imgur import contents, environment, images_served, new_album, put
from tests.support.processes import PROJECT
from tests.support.waiting import eventually

pytestmark = [pytest.mark.usefixtures("prefect_server"), pytest.mark.slow]

POOL = "cancelled"


@pytest.fixture
def api(prefect_server):
    with get_client(sync_client=True) as client:
        yield client


@pytest.fixture
def worker(imgur, prefect_server, api, tmp_path):
    """The log of a worker, whose runs take at most two task runs an album."""
    api.create_work_pool(WorkPoolCreate(name=POOL, type="process"), overwrite=True)
    log = tmp_path / "worker.log"
    settings = {
        **environment(imgur),
        "IMGUR_DOWNLOADS": str(tmp_path / "downloads"),
        "PREFECT_WORKER_QUERY_SECONDS": "1",
    }
    command = [sys.executable, "-m", "prefect", "--no-prompt", "worker", "start", "--pool", POOL]
    process = subprocess.Popen(
        command,
        cwd=PROJECT,
        env=os.environ | settings,
        stdout=log.open("wb"),
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    yield log
    stop(process, signal.SIGINT, 30)


@pytest.fixture
def deployment(api):
    made = api.create_deployment(
        flow_id=api.create_flow(mirror_album),
        name="cancelled",
        entrypoint="flows.mirror_album.mirror_album",
        work_pool_name=POOL,
        pull_steps=[
            {"prefect.deployments.steps.set_working_directory": {"directory": str(PROJECT)}}
        ],
    )
    yield made
    api.delete_deployment(made)


def stalled_album(imgur):
    """An album of which no image ever comes whole."""
    album = new_album(imgur, count=4, bytes=100_000)
    for name in contents(imgur, album):
        stall = {"kind": "stall-mid", "bytes": 50_000, "times": None}
        put(imgur, f"faults/{name.partition('.')[0]}", stall)
    return album


def test_a_cancelled_run_ends_with_all_its_processes(imgur, worker, deployment, api):
    """Under each strategy; Dask's workers are stopped, and none is started again meanwhile."""
    runs = {}
    for strategy in Strategy:
        album = stalled_album(imgur)
        parameters = {"album": album, "strategy": strategy, "workers": 2}
        run = api.create_flow_run_from_deployment(deployment, parameters=parameters)
        runs[run.id] = album

    def read(run):
        return api.read_flow_run(run)

    assert eventually(lambda: all(images_served(imgur, album) for album in runs.values()))
    sessions = {os.getsid(int(read(run).infrastructure_pid.rpartition(":")[2])) for run in runs}
    for run in runs:
        api.set_flow_run_state(run, Cancelling())

    assert eventually(lambda: {read(run).state_name for run in runs} == {"Cancelled"})
    assert eventually(lambda: not any(members(session) for session in sessions))
    assert "Restarting worker" not in worker.read_text()
    assert len(sessions) == len(runs)
