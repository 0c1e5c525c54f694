"""A Dask cluster that was there before: used, checked, and left as it was."""

import os
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager

import distributed
import pytest

from flows.mirror_album import mirror_album
from imgur_mirror.models import Outcome
from runners import ClusterError, connections_each, task_runner
from runners.cluster import width
from tests.support.albums import stored
from tests.support.imgur import contents, control, new_album, put
from tests.support.processes import answers, free_port
from tests.support.waiting import LONG, eventually

pytestmark = pytest.mark.slow


@contextmanager
def process(*command, **environment):
    """A process in a session of its own, killed at the end with all it has started."""
    started = subprocess.Popen(
        command,
        env=os.environ | {"DASK_LOGGING__DISTRIBUTED": "error"} | environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        yield started
    finally:
        kill(started)


def kill(started):
    if started.poll() is None:
        os.killpg(started.pid, signal.SIGKILL)
        started.wait()


@pytest.fixture(autouse=True)
def patient(monkeypatch):
    """A scheduler on a busy machine may take long to answer."""
    monkeypatch.setattr("runners.cluster.PATIENCE", LONG)


@pytest.fixture
def impatient(patient, monkeypatch):
    """For where nobody answers, however long one waits."""
    monkeypatch.setattr("runners.cluster.PATIENCE", 1)


DASK = (sys.executable, "-m", "dask")


@pytest.fixture
def scheduler():
    """The address of a scheduler without workers."""
    port = free_port()
    command = ("scheduler", "--host", "127.0.0.1", "--port", str(port), "--no-dashboard")
    with process(*DASK, *command):
        address = f"tcp://127.0.0.1:{port}"
        assert eventually(lambda: answers(port))
        yield address


def worker(scheduler, threads=1, **environment):
    """A worker without a nanny, which would start it again when it is killed."""
    options = ("--no-nanny", "--no-dashboard", "--nthreads", str(threads))
    return process(*DASK, "worker", scheduler, *options, **environment)


@contextmanager
def worker_later(scheduler):
    """What starts a worker when it is called."""
    with ExitStack() as stack:
        yield lambda: stack.enter_context(worker(scheduler))


@contextmanager
def client(address):
    with distributed.Client(address, set_as_default=False, timeout=LONG) as made:
        yield made


def await_workers(address, count):
    with client(address) as asked:
        asked.wait_for_workers(count, timeout=LONG)


@pytest.mark.usefixtures("prefect_server")
class TestAnAlbum:
    def test_survives_workers_that_die_and_that_join(
        self, scheduler, imgur, downloads, monkeypatch
    ):
        album = new_album(imgur, count=160, bytes=20_000)
        wanted = contents(imgur, album)
        # The rest waits until the newcomer is there.
        brisk, slow = {"rate": 100_000, "times": 60}, {"rate": 4000}
        put(imgur, "faults/*", [{"kind": "slow", **brisk}, {"kind": "slow", **slow}])
        control(imgur, "DELETE", "served")
        monkeypatch.setenv("DASK_SCHEDULER_ADDRESS", scheduler)
        with worker(scheduler), worker(scheduler) as doomed, worker_later(scheduler) as newcomer:
            await_workers(scheduler, 2)

            def change():
                """Once some images are there, one worker dies and another joins."""
                assert eventually(lambda: len(list((downloads / album).glob("*.jpg"))) >= 20)
                kill(doomed)
                newcomer()
                await_workers(scheduler, 2)
                control(imgur, "DELETE", "faults")

            with ThreadPoolExecutor(1) as meanwhile:
                changed = meanwhile.submit(change)
                state = mirror_album(album, "dask", 8, return_state=True)
            changed.result()
            assert state.is_completed(), state.message
            assert stored(downloads / album) == wanted
            served = [entry["id"] for entry in control(imgur, "GET", "served")]
            mine = {name.partition(".")[0] for name in wanted}
            assert max(served.count(image) for image in mine) <= 2
            rows = state.result().having(Outcome.DOWNLOADED)
            assert len({row.worker for row in rows}) > 8
            with client(scheduler) as after:
                # A lambda is sent as it is; the scheduler knows no tests.
                assert after.run_on_scheduler(lambda dask_scheduler: len(dask_scheduler.tasks)) == 0
                assert len(after.nthreads()) == 2

    def test_survives_the_same_where_no_worker_has_a_folder(
        self, scheduler, imgur, bucket, monkeypatch
    ):
        """2,000 images go to an object store, over four workers of which two are killed."""
        album = new_album(imgur, count=2000, bytes=3000)
        wanted = contents(imgur, album)

        def bodies():
            """How often each image was served."""
            counts = control(imgur, "GET", "counts")
            return [counts.get(name.partition(".")[0], 0) for name in wanted]

        monkeypatch.setenv("DASK_SCHEDULER_ADDRESS", scheduler)
        with ExitStack() as stack, worker_later(scheduler) as newcomer:
            workers = [stack.enter_context(worker(scheduler)) for _ in range(4)]
            await_workers(scheduler, 4)

            def change():
                # Asked for so often, a listing would keep the store from all else.
                assert eventually(lambda: sum(bodies()) >= 500)
                assert eventually(lambda: len(bucket.all(f"{album}/")) >= 500)
                kill(workers[0])
                kill(workers[1])
                newcomer()

            with ThreadPoolExecutor(1) as meanwhile:
                changed = meanwhile.submit(change)
                state = mirror_album(album, "dask", 16, return_state=True)
            changed.result()
        assert state.is_completed(), state.message
        assert bucket.images(album) == wanted
        assert max(bodies()) <= 2
        # No more than what the two had in their hands: the rest was in the store.
        assert sum(bodies()) <= 2000 + 2 * 4 * 2

    def test_no_more_connections_than_workers(self, scheduler, imgur, downloads, monkeypatch):
        album = new_album(imgur, count=12, bytes=25_000)
        wanted = contents(imgur, album)
        monkeypatch.setenv("DASK_SCHEDULER_ADDRESS", scheduler)
        put(imgur, "faults/*", {"kind": "slow", "rate": 50_000})
        with worker(scheduler, threads=2):
            await_workers(scheduler, 1)
            peaks = []
            for workers in (1, 6):
                control(imgur, "DELETE", "connections")
                state = mirror_album(album, "dask", workers, f"{downloads}/{workers}")
                assert state.workers == workers
                peaks.append(control(imgur, "GET", "connections")["in_flight_peak"])
        control(imgur, "DELETE", "faults")
        assert stored(downloads / "6" / album) == wanted
        # More than one for each of the two threads, where there may be.
        assert peaks[0] == 1
        assert 2 < peaks[1] <= 6

    @pytest.mark.usefixtures("impatient")
    def test_fails_with_a_sentence_where_nothing_listens(self, imgur, downloads, monkeypatch):
        address = f"tcp://127.0.0.1:{free_port()}"
        monkeypatch.setenv("DASK_SCHEDULER_ADDRESS", address)
        state = mirror_album(new_album(imgur, count=2), "dask", 2, return_state=True)
        assert state.is_failed()
        assert f"no Dask scheduler answers at {address}" in state.message
        assert "mend DASK_SCHEDULER_ADDRESS" in state.message


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("address", ["nonsense", "http://127.0.0.1:1", "tcp://127.0.0.1:99999"])
def test_any_address_that_is_none_gets_the_sentence(address):
    with pytest.raises(ClusterError, match=f"no Dask scheduler answers at {address}"):
        width(address)


def test_a_cluster_without_workers(scheduler, monkeypatch):
    monkeypatch.setattr("runners.cluster.PATIENCE", 15)
    with pytest.raises(ClusterError, match="has no worker: start some with dask worker"):
        width(scheduler)


BLOCKED = """
import sys
class Blocked:
    def find_spec(self, name, *_):
        if name.partition(".")[0] == "runners":
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
sys.meta_path.insert(0, Blocked())
"""

OTHER = """
import importlib.metadata as metadata
version = metadata.version
metadata.version = lambda name: "3.0.0" if name == "prefect" else version(name)
"""


@pytest.mark.parametrize(
    ("custom", "sentence"),
    [
        (BLOCKED, r"cannot import this project .*No module named 'runners'.*: install it there"),
        (OTHER, r"has prefect 3\.0\.0 where the run has .*: install the same there"),
    ],
)
def test_a_worker_that_is_not_as_the_run(scheduler, tmp_path, custom, sentence):
    (tmp_path / "sitecustomize.py").write_text(custom)
    with worker(scheduler), worker(scheduler, PYTHONPATH=str(tmp_path)):
        await_workers(scheduler, 2)
        with pytest.raises(ClusterError, match=sentence):
            width(scheduler)


def test_connections_are_shared_by_the_threads(scheduler):
    with worker(scheduler, threads=2):
        await_workers(scheduler, 1)
        for workers, each in ((1, 1), (2, 1), (5, 2), (12, 6)):
            runner = task_runner("dask", workers, scheduler_address=scheduler)
            assert connections_each(runner) == connections_each(runner.duplicate()) == each
