"""What several test files need: one Prefect server and one stand-in a session."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from standin.process import running
from tests.support import homes
from tests.support.imgur import environment
from tests.support.processes import answers, free_port
from tests.support.waiting import eventually

# A shell without job control has what it starts in the background ignore SIGINT, and so would what
# the tests start, in order to stop it by that.
signal.signal(signal.SIGINT, signal.default_int_handler)


LONGEST = (
    "test_engines",
    "test_server",
    "test_object_store",
    "test_cluster",
    "test_up",
    "test_scale",
    "test_faults",
    "test_docs",
    "test_crash",
    "test_worker",
    "test_retries",
    "test_command_line",
    "test_install",
    "test_memory",
    "test_mirror_many",
    "test_byte_ranges",
    "test_mirror_albums",
    "test_cases_replaced",
    "test_runners",
    "test_stopping",
    "test_job_runs",
    "test_benchmarks",
    "test_cancellation",
    "test_secrets",
    "test_deployments",
    "test_browser",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the files that take longest: one of them at the end would be waited for alone."""

    def place(item: pytest.Item) -> int:
        name = item.path.stem
        return LONGEST.index(name) if name in LONGEST else len(LONGEST)

    items.sort(key=place)


@pytest.fixture(scope="session")
def new_home(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Path], Path]:
    """What makes a folder a home of Prefect with a migrated database, and gives it."""
    own = tmp_path_factory.getbasetemp()
    # Several processes run the tests, each in a folder beside the others'.
    shared = own.parent if "PYTEST_XDIST_WORKER" in os.environ else own
    return partial(homes.new_home, shared=shared)


@pytest.fixture(scope="session")
def prefect_server(
    new_home: Callable[[Path], Path], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    """A real server with a home of its own, used by everything in this process; its API's URL."""
    from prefect.settings import PREFECT_FLOWS_HEARTBEAT_FREQUENCY, temporary_settings

    from flows.cli.server import prefect_server

    with (
        prefect_server(new_home(tmp_path_factory.mktemp("prefect"))) as url,
        # Each flow run waits for its heart to stop beating, up to a second.
        temporary_settings({PREFECT_FLOWS_HEARTBEAT_FREQUENCY: None}),
    ):
        yield url


@pytest.fixture(scope="session")
def imgur() -> Iterator[str]:
    """A stand-in without delays; its address."""
    with running("fast") as address:
        yield address


@pytest.fixture(scope="session")
def dask_cluster(imgur: str) -> Iterator[str]:
    """Two processes for many runs, each of which would start its own; the scheduler's address."""
    import dask
    import distributed

    # It is idle for most of the session, and would take a tenth of a core for its health checks.
    seldom = {
        "distributed.admin.system-monitor.interval": "5s",
        "distributed.admin.tick.interval": "1s",
        "distributed.worker.memory.monitor-interval": "1s",
        "distributed.worker.profile.enabled": False,
    }
    with (
        dask.config.set(seldom),
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=32, dashboard_address=None, env=environment(imgur)
        ) as cluster,
    ):
        yield cluster.scheduler_address


@pytest.fixture(scope="session")
def s3() -> Iterator[str]:
    """A server of S3, moto's; its address."""
    port = free_port()
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as server:
        assert eventually(lambda: server.poll() or answers(port))
        assert server.poll() is None
        yield f"http://127.0.0.1:{port}"
        server.terminate()


@pytest.fixture
def downloads(imgur: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder for downloads of a test whose settings lead to the stand-in."""
    for name in [name for name in os.environ if name.startswith(("IMGUR_", "CLIENT_"))]:
        monkeypatch.delenv(name)
    for name, value in environment(imgur).items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("IMGUR_BACKOFF", "0.05")
    monkeypatch.setenv("IMGUR_DOWNLOADS", str(tmp_path / "downloads"))
    return tmp_path / "downloads"


@pytest.fixture
def bucket(s3: str, downloads: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A bucket that the downloads go to."""
    from s3fs import S3FileSystem

    from tests.support.buckets import Bucket

    for name in [name for name in os.environ if name.startswith(("AWS_", "FSSPEC_"))]:
        monkeypatch.delenv(name)
    settings = {
        "AWS_ACCESS_KEY_ID": "standin",
        "AWS_SECRET_ACCESS_KEY": "standin",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ENDPOINT_URL": s3,
        "AWS_EC2_METADATA_DISABLED": "true",
    }
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    # Where the server is, a client learns as it is made.
    S3FileSystem.clear_instance_cache()
    made = Bucket(s3)
    monkeypatch.setenv("IMGUR_DOWNLOADS", made.address)
    yield made
    S3FileSystem.clear_instance_cache()
