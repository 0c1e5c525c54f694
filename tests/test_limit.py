"""One limit of requests a second that holds over all runs, kept by the Prefect server."""

from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context

import pytest
from prefect.client.orchestration import get_client

from flows.mirror_album import mirror_album
from imgur_mirror.models import Strategy
from imgur_mirror.settings import Wire
from tasks.limit import Limit, limited
from tests.support.imgur import control, put
from tests.support.prefect_api import make_limit
from tests.support.processes import python

pytestmark = [pytest.mark.usefixtures("prefect_server"), pytest.mark.slow]

RATE, BURST = 20, 20
WORKERS = 4


@pytest.mark.parametrize("strategy", [Strategy.THREADS, Strategy.ASYNC, Strategy.DASK])
def test_two_runs_at_once_keep_to_one_limit(strategy, imgur, downloads, monkeypatch):
    name = f"limit-{strategy}"
    make_limit(name, BURST, RATE)
    monkeypatch.setenv("IMGUR_RATE_LIMIT", name)
    albums = [f"Limit{number}{strategy[:1]}" for number in range(2)]
    for album in albums:
        put(imgur, f"albums/{album}", {"count": 40, "bytes": 3000})
    images = {image["id"] for album in albums for image in control(imgur, "GET", f"albums/{album}")}

    with ThreadPoolExecutor(2) as pool:
        runs = [
            pool.submit(copy_context().run, mirror_album, album, strategy, WORKERS)
            for album in albums
        ]
        assert [len(run.result().downloads) for run in runs] == [40, 40]

    served = control(imgur, "GET", "served")
    times = sorted(entry["time"] for entry in served if entry["id"] in images)
    assert len(times) == len(images)
    # Both may hold half a second's worth that they did not send at once, and each worker a
    # request that is held up on its way.
    ahead = BURST + RATE + 2 * WORKERS
    for first, start in enumerate(times):
        for last, end in enumerate(times[first:], first):
            assert last - first + 1 <= RATE * (end - start) + ahead
    # Without a limit it is a matter of a fraction of a second.
    assert times[-1] - times[0] > (len(times) - ahead) / RATE


def test_each_try_is_counted(imgur, downloads, monkeypatch):
    make_limit("counted", limit=1000, rate=0.001)
    monkeypatch.setenv("IMGUR_RATE_LIMIT", "counted")
    monkeypatch.setenv("IMGUR_MAX_TASK_RUNS", "2")
    images = put(imgur, "albums/Counted", {"count": 1, "bytes": 3000})
    put(imgur, f"faults/{images[0]['id']}", {"kind": "status", "status": 404})
    mirror_album("Counted", "threads", 1, return_state=True)
    with get_client(sync_client=True) as client:
        assert client.read_global_concurrency_limit_by_name("counted").active_slots == 1


def test_a_limit_that_is_not_there(imgur, downloads, monkeypatch):
    monkeypatch.setenv("IMGUR_RATE_LIMIT", "nowhere")
    put(imgur, "albums/Nowher7", {"count": 1, "bytes": 3000})
    state = mirror_album("Nowher7", "async", 1, return_state=True)
    assert state.is_failed()
    assert "IMGUR_RATE_LIMIT is nowhere, and the Prefect server has no such" in state.message
    command = state.message.partition("create it with ")[2].split()
    assert command[:2] == ["prefect", "gcl"]
    # The command does what it says.
    python("-m", *command, check=True)
    assert mirror_album("Nowher7", "async", 1, return_state=True).is_completed()


def test_a_limit_that_is_none_of_requests_a_second(imgur, downloads, monkeypatch):
    make_limit("standing", rate=0)
    monkeypatch.setenv("IMGUR_RATE_LIMIT", "standing")
    put(imgur, "albums/Stands7", {"count": 1, "bytes": 3000})
    state = mirror_album("Stands7", "async", 1, return_state=True)
    command = state.message.partition("give it a rate with ")[2].split()
    python("-m", *command, check=True)
    assert mirror_album("Stands7", "async", 1, return_state=True).is_completed()


@pytest.mark.parametrize(
    ("workers", "connections", "own", "share", "rate"),
    [(4, 1, None, 2, 20), (64, 1, None, 1, 20), (8, 4, 5.0, 5, 5.0), (1, 1, 50.0, 10, 20)],
)
def test_a_run_asks_for_half_a_seconds_worth(workers, connections, own, share, rate):
    name = f"share-{workers}"
    make_limit(name, BURST, RATE)
    wire = Wire(("i.imgur.com",), rate_limit=name, max_requests_per_second=own)
    limit, wire = limited(wire, workers, connections)
    assert limit == Limit(name, slots=10, share=share, pause=0.5)
    assert wire.max_requests_per_second == rate


def test_without_a_limit_nobody_is_asked():
    assert limited(Wire(("i.imgur.com",)), 4, 1) == (None, Wire(("i.imgur.com",)))
