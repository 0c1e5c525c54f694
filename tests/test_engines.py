"""What becomes of a run when a worker, the Prefect server or its own process is taken away."""

import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from contextlib import contextmanager, suppress

import psutil
import pytest

from benchmarks.session import kill_members, members
from deployments.watch import automation
from flows.cli import server
from imgur_mirror.models import Strategy
from standin.process import running
from tasks.artifact_key import artifact_key
from tests.support.imgur import control, environment, put
from tests.support.prefect_api import ask, delete, filtered, read
from tests.support.processes import answers
from tests.support.waiting import LONG, eventually

pytestmark = pytest.mark.slow

AWAY = 20


class Imgur:
    """A stand-in, and the albums that the tests make there."""

    def __init__(self, address):
        self.address = address
        self.port = int(address.rpartition(":")[2])
        self.environment = {
            **environment(address),
            # What these tests look for on the disk is a part of a whole file.
            "IMGUR_SPLIT_BYTES": str(1 << 30),
        }

    def album(self, name, sizes):
        """Make an album and give its images."""
        put(self.address, f"albums/{name}", {"bytes": sizes})
        return control(self.address, "GET", f"albums/{name}")

    def fault(self, image, **fault):
        put(self.address, f"faults/{image['id']}", fault)

    def slow(self, quick):
        """Have every image but these take so long that what is to happen does so on the way."""
        put(self.address, "faults/*", {"kind": "slow", "rate": 5000})
        for image in quick:
            self.fault(image, kind="slow", rate=100_000)

    def clear(self):
        """Have nothing go wrong from now on; what is under way stays as slow as it is."""
        control(self.address, "DELETE", "faults")

    def served(self, images):
        """How many bodies of these images were begun."""
        ids = {image["id"] for image in images}
        counts = control(self.address, "GET", "counts")
        return Counter({image: count for image, count in counts.items() if image in ids})


@pytest.fixture(scope="module")
def imgur():
    """A stand-in where 40 kB take 0.4 s."""
    with running("fast", "--connection-rate", "100000") as address:
        yield Imgur(address)


@pytest.fixture(scope="module")
def quick():
    """A stand-in without delays."""
    with running("fast") as address:
        yield Imgur(address)


class Run:
    """`python -m flows.mirror_album` in a session of its own; what it says is in its log."""

    def __init__(self, imgur, album, strategy, downloads, **environment):
        downloads.mkdir(exist_ok=True)
        self.album = album
        self.folder = downloads / album
        self.log = downloads / "log"
        command = [sys.executable, "-m", "flows.mirror_album", album, "--strategy", strategy]
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [*command, "--workers", "4", "--downloads", str(downloads)],
                env=os.environ | imgur.environment | environment,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def await_that(self, condition):
        """Tell whether the condition came to hold before the run ended."""
        eventually(lambda: self.process.poll() is not None or condition())
        return self.process.poll() is None and bool(condition())

    def await_end(self):
        return self.process.wait(LONG), self.log.read_text()

    def kill(self):
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def whole(self, images):
        """The files under their own names, each of which is compared with its source."""
        digests = {image["name"]: image["md5"] for image in images}
        found = {path.name: path for path in self.folder.glob("*.jpg")}
        for name, path in found.items():
            assert hashlib.md5(path.read_bytes()).hexdigest() == digests[name]
        return set(found)

    def vouched(self):
        rows = json.loads((self.folder / "album.json").read_text())["images"]
        return [row["file"] for row in rows]

    def state(self, api):
        """The state of the flow's own run at the server."""
        return runs_of(api, self.album)[-1]["state_name"]


def runs_of(api, album):
    """The runs of the flow for an album, the latest last."""
    wanted = {"name": {"like_": f"{album} · "}}
    return filtered(api, "flow_runs", flow_runs=wanted, sort="START_TIME_ASC")


@contextmanager
def ended(*runs):
    """Leave no process of the runs behind, whatever happens."""
    try:
        yield
    finally:
        for run in runs:
            kill_members(run.process.pid)
            run.process.wait()


def names(images):
    return {image["name"] for image in images}


# The flow's process is killed

PATIENCE = 45
"""Seconds: more than the 30 between two heartbeats, so that no healthy run is taken for dead."""


@pytest.fixture(scope="module")
def _watch(prefect_server):
    """Has the server look for runs that have died."""
    definition = automation(PATIENCE).model_dump(mode="json")
    made = ask("POST", f"{prefect_server}/automations/", definition).raise_for_status()
    yield
    delete(f"{prefect_server}/automations/{made.json()['id']}")


@pytest.fixture(scope="module")
def killed(imgur, _watch, tmp_path_factory):
    """A run that was killed in mid-work, and the images of its album."""
    images = imgur.album("Killed1", [40_000] * 40)
    imgur.slow(images[:12])
    run = Run(imgur, "Killed1", "async", tmp_path_factory.mktemp("killed") / "mirror")
    with ended(run):
        assert run.await_that(lambda: len(run.whole(images)) >= 8)
        run.kill()
    imgur.clear()
    return run, images


def test_the_next_run_completes_what_a_killed_one_began(killed, imgur, prefect_server):
    dead, images = killed
    assert dead.state(prefect_server) == "Running"
    run = Run(imgur, dead.album, "async", dead.folder.parent)
    with ended(run):
        status, said = run.await_end()
    assert status == 0, said
    assert run.whole(images) == set(run.vouched()) == names(images)
    assert imgur.served(images).total() <= len(images) + 4
    assert [path for path in run.folder.iterdir() if path.suffix not in (".jpg", ".json")] == []


# A worker is killed


def test_what_a_killed_dask_worker_had_begun_is_done_elsewhere(imgur, prefect_server, tmp_path):
    images = imgur.album("Worker1", [40_000] * 24)
    imgur.slow(images[:12])
    run = Run(imgur, "Worker1", "dask", tmp_path / "mirror", IMGUR_MAX_TASK_RUNS="4")
    with ended(run):
        assert run.await_that(lambda: len(run.whole(images)) >= 8)
        worker = next(p for p in members(run.process.pid) if is_worker(p, run, imgur))
        worker.kill()
        imgur.clear()
        status, said = run.await_end()
    assert status == 0, said
    assert run.whole(images) == set(run.vouched()) == names(images)
    rows = report(prefect_server, "Worker1")
    assert Counter(row["file"] for row in rows) == Counter(names(images))
    assert max(imgur.served(images).values()) <= 2
    assert imgur.served(images).total() <= len(images) + 1


def is_worker(process, run, imgur):
    """Whether a process is connected to the image host; the run's first one is to the API only."""
    if process.pid == run.process.pid:
        return False
    try:
        links = process.net_connections()
    except psutil.NoSuchProcess:
        return False
    return any(link.raddr and link.raddr.port == imgur.port for link in links)


def report(api, album):
    """The table of images that the latest run of an album published."""
    return json.loads(read(f"{api}/artifacts/images-{artifact_key(album)}/latest")["data"])


# The server is away


@pytest.fixture
def mortal(new_home, tmp_path):
    """A server that can be taken away and brought back: its address, and the two ways."""
    home, port = new_home(tmp_path / "prefect"), server._free_port()
    url = f"http://127.0.0.1:{port}/api"
    environment = os.environ | {"PREFECT_HOME": str(home), "PREFECT_API_URL": url}
    command = [sys.executable, "-m", "prefect", "server", "start", "--port", str(port)]
    output = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    living = []

    def bring():
        living.append(subprocess.Popen(command, env=environment, **output, start_new_session=True))
        assert eventually(lambda: answers(port))

    def take(sign=signal.SIGKILL):
        os.killpg(living[-1].pid, sign)
        if sign is signal.SIGKILL:
            living[-1].wait()

    bring()
    yield url, take, bring
    with suppress(ProcessLookupError):
        os.killpg(living[-1].pid, signal.SIGCONT)
    server.stop(living[-1], signal.SIGTERM, 20)


def test_a_server_that_is_away_for_a_while_costs_nothing(imgur, mortal, tmp_path):
    url, take, bring = mortal
    runs = {}
    for strategy in Strategy:
        album = f"Away{strategy[:3]}"
        count = 10 if strategy is Strategy.SEQUENTIAL else 40
        images = imgur.album(album, [100_000] * count)
        imgur.slow(images[:1])
        folder = tmp_path / strategy
        runs[Run(imgur, album, strategy, folder, PREFECT_API_URL=url)] = images
    with ended(*runs):
        for run, images in runs.items():
            assert run.await_that(lambda run=run, images=images: run.whole(images)), run.log
        take()
        imgur.clear()
        time.sleep(AWAY)
        for run, images in runs.items():
            run.whole(images)
        bring()
        for run, images in runs.items():
            status, said = run.await_end()
            assert status == 0, said
            assert run.state(url) == "Completed"
            assert run.whole(images) == set(run.vouched()) == names(images)
            assert imgur.served(images) == dict.fromkeys((image["id"] for image in images), 1)


# The run is told to stop

HELD = {
    signal.SIGINT: {"kind": "stall-mid", "bytes": 1_500_000},
    signal.SIGTERM: {"kind": "status", "status": 429, "retry_after": 100},
}
"""What keeps a run from ending until the signal comes: a silent connection, or all told to wait."""

ALBUMS = {"sequential": "Stops", "threads": "Stopt", "dask": "Stopd", "async": "Stopa"}


@pytest.mark.usefixtures("_watch")
@pytest.mark.parametrize("strategy", Strategy)
def test_a_run_that_is_told_to_stop_does_so(strategy, quick, prefect_server, tmp_path):
    runs = {}
    for number, fault in HELD.items():
        album = f"{ALBUMS[strategy]}{number:02}"
        images = quick.album(album, [3_100_000, 3_000_000, *[20_000] * 6])
        quick.fault(images[1], **fault)
        runs[number] = Run(quick, album, strategy, tmp_path / album), images
    with ended(*(run for run, _ in runs.values())):
        for number, (run, images) in runs.items():
            assert run.await_that(lambda run=run, images=images: held(run, images)), run.log
            run.process.send_signal(number)
        for number, (run, _) in runs.items():
            assert run.process.wait(LONG) == 128 + number
            assert eventually(lambda run=run: members(run.process.pid) == [])
            # A server that did not answer in time has to miss the run first.
            assert eventually(lambda run=run: run.state(prefect_server) == "Crashed")
            assert "what was finished is kept" in run.log.read_text()
    run, images = runs[signal.SIGINT]
    assert images[0]["name"] in run.whole(images)
    part = run.folder / f"{images[1]['name']}.part"
    assert part.stat().st_size == 1_500_000
    assert images[1]["md5"] in part.with_name(f"{part.name}.etag").read_text()


def test_a_run_that_is_told_to_stop_does_so_where_no_server_answers(quick, mortal, tmp_path):
    url, take, _ = mortal
    runs = {}
    for strategy, number in zip(Strategy, [*HELD, *HELD], strict=True):
        album = f"Mute{strategy[0]}{number:02}"
        images = quick.album(album, [3_100_000, 3_000_000, *[20_000] * 6])
        quick.fault(images[1], **HELD[number])
        run = Run(quick, album, strategy, tmp_path / album, PREFECT_API_URL=url)
        runs[run] = images, number
    with ended(*runs):
        for run, (images, _) in runs.items():
            assert run.await_that(lambda run=run, images=images: held(run, images)), run.log
        take(signal.SIGSTOP)
        for run, (_, number) in runs.items():
            run.process.send_signal(number)
        for run, (images, number) in runs.items():
            status, said = run.await_end()
            assert status == 128 + number, said
            assert said.count("what was finished is kept") == 1, said
            assert eventually(lambda run=run: members(run.process.pid) == [])
            run.whole(images)


def held(run, images):
    """Whether a run waits: for the rest of its second image, or since it was told to."""
    part = run.folder / f"{images[1]['name']}.part"
    stalled = part.exists() and part.stat().st_size == 1_500_000
    told = any(run.folder.glob(".run-*/pause"))
    return told or (stalled and images[0]["name"] in run.whole(images))


def test_a_run_that_is_told_to_stop_stops_the_server_that_it_started(quick, tmp_path):
    quick.album("Server1", [20_000])
    home = tmp_path / "prefect"
    run = Run(quick, "Server1", "async", tmp_path, PREFECT_HOME=str(home), PREFECT_API_URL="")
    with ended(run):
        started = home / "server.log"
        assert run.await_that(lambda: started.exists() and started.stat().st_size)
        children = psutil.Process(run.process.pid).children()
        run.process.terminate()
        status, said = run.await_end()
    assert (status, len(children)) == (143, 1), said
    assert eventually(lambda: not any(child.is_running() for child in children))


def test_a_run_that_is_told_to_stop_kills_a_silent_server_that_it_started(
    quick, new_home, tmp_path
):
    images = quick.album("Server2", [3_100_000, 3_000_000, *[20_000] * 6])
    quick.fault(images[1], **HELD[signal.SIGINT])
    home = new_home(tmp_path / "prefect")
    run = Run(quick, "Server2", "async", tmp_path, PREFECT_HOME=str(home), PREFECT_API_URL="")
    with ended(run):
        assert run.await_that(lambda: held(run, images)), run.log
        children = psutil.Process(run.process.pid).children()
        (started,) = [child for child in children if "flows.cli.server_process" in child.cmdline()]
        os.killpg(started.pid, signal.SIGSTOP)
        run.process.send_signal(signal.SIGINT)
        status, said = run.await_end()
    assert status == 130, said
    assert eventually(lambda: not any(child.is_running() for child in children))


# Last, since it takes until now for the server to miss the run


def test_a_killed_run_does_not_stay_running(killed, prefect_server):
    dead, _ = killed

    def states():
        return [run["state_name"] for run in runs_of(prefect_server, dead.album)]

    assert eventually(lambda: states() == ["Crashed", "Completed"]), states()
