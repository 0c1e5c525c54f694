"""The four task runners, used as Prefect uses them, against a real server."""

import asyncio
import concurrent.futures
import functools
import os
import signal
import subprocess
import sys
import threading
from contextlib import asynccontextmanager

import psutil
import pytest
from prefect import Flow, flow, runtime, tags, task, unmapped
from prefect.cache_policies import NO_CACHE
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import FlowFilter
from prefect.client.schemas.sorting import TaskRunSort
from prefect.context import FlowRunContext, SettingsContext
from prefect.exceptions import UnfinishedRun
from prefect.settings import PREFECT_API_URL, temporary_settings
from prefect.task_runners import ThreadPoolTaskRunner
from prefect.utilities.annotations import quote

from imgur_mirror.models import Strategy, Timings
from runners import AsyncTaskRunner, task_runner
from tests.support.processes import PROJECT, python
from tests.support.tasks import parent, standing
from tests.support.waiting import LONG, eventually

pytestmark = [pytest.mark.usefixtures("prefect_server"), pytest.mark.slow]


def look(number, shared):
    return {
        "double": 2 * number,
        "shared": shared,
        "tags": set(runtime.task_run.tags),
        "flow_run": str(runtime.flow_run.id),
        "name": runtime.task_run.name,
    }


def fail():
    raise KeyError("as it should")


def improve():
    """Fails until its third try."""
    if runtime.task_run.run_count < 3:
        raise ConnectionError("not yet")
    return runtime.task_run.run_count


def show(value):
    return repr(value)


def add(first, second):
    return first + second


def asynchronous(function):
    @functools.wraps(function)
    async def twin(*args, **kwargs):
        await asyncio.sleep(0)
        return function(*args, **kwargs)

    return twin


KINDS = {"sync": lambda function: function, "async": asynchronous}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("strategy", Strategy)
def test_a_task_gets_a_quoted_value_as_it_is(strategy, kind):
    showing = task(KINDS[kind](show), name="showing", cache_policy=NO_CACHE)
    values = ["text", ("a", "b"), ["c"], {"d": ("e",)}, Timings(1.0, 2.0, 3.0)]

    def body():
        mapped = showing.map([quote(value) for value in values]).result()
        return mapped, [showing.submit(quote(value)).result() for value in values]

    shown = [repr(value) for value in values]
    assert flow(body, name="quoted", task_runner=task_runner(strategy, 2))() == (shown, shown)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("strategy", Strategy)
def test_every_strategy_runs_tasks_alike(strategy, kind):
    twin = KINDS[kind]
    looking = task(twin(look), task_run_name="look-{number}", cache_policy=NO_CACHE)
    failing = task(twin(fail), cache_policy=NO_CACHE)
    improving = task(twin(improve), retries=2, cache_policy=NO_CACHE)
    adding = task(twin(add), cache_policy=NO_CACHE)

    def body():
        with tags("album"):
            looks = looking.map([1, 2, 3], unmapped([7, 8]))
        failed, improved = failing.submit(), improving.submit()
        total = adding.submit(adding.submit(1, 2), 3)
        later = adding.submit([4], [5], wait_for=[total, improved])
        never = adding.submit(failed, 1)
        with pytest.raises(KeyError, match="as it should"):
            failed.result()
        with pytest.raises(UnfinishedRun):
            never.result()
        sums = total.result(), later.result()
        return looks.result(), improved.result(), sums, str(runtime.flow_run.id)

    runner = task_runner(strategy, 2)
    looks, tries, sums, flow_run = flow(body, name="alike", task_runner=runner)()

    assert [seen["double"] for seen in looks] == [2, 4, 6]
    assert [seen["name"] for seen in looks] == ["look-1", "look-2", "look-3"]
    assert [seen["shared"] for seen in looks] == [[7, 8]] * 3
    assert [seen["tags"] for seen in looks] == [{"album"}] * 3
    assert [seen["flow_run"] for seen in looks] == [flow_run] * 3
    assert tries == 3
    assert sums == (6, [4, 5])


@task(cache_policy=NO_CACHE)
async def give(value):
    return value


@task(cache_policy=NO_CACHE)
async def last_of(values):
    return values[-1]


@task(cache_policy=NO_CACHE)
async def opened(event):
    event.set()


@task(cache_policy=NO_CACHE)
async def hang(started, ended):
    started.set()
    try:
        await asyncio.sleep(LONG)
    finally:
        ended.set()


@task(cache_policy=NO_CACHE)
def wait_for_event(event):
    return event.wait(LONG)


@task(cache_policy=NO_CACHE)
async def where():
    """The loop and the API client that a task run finds."""
    return asyncio.get_running_loop(), get_client()


@pytest.fixture
def threads():
    """Checks that a test leaves no thread of the runner behind, whatever Prefect keeps."""
    yield
    assert [thread for thread in threading.enumerate() if "async-task-runner" in thread.name] == []


@pytest.mark.usefixtures("threads")
class TestAsync:
    def test_bound_is_reached_and_kept(self):
        running, most, meeting = 0, 0, asyncio.Barrier(3)

        @task(cache_policy=NO_CACHE)
        async def meet(_):
            nonlocal running, most
            running += 1
            most = max(most, running)
            await meeting.wait()
            await asyncio.sleep(0.01)
            running -= 1

        with AsyncTaskRunner(3) as runner:
            runner.map(meet, {"_": range(9)}).wait()
        assert most == 3

    def test_leaving_drains(self):
        with AsyncTaskRunner(2) as runner:
            futures = [runner.submit(give, {"value": number}) for number in range(7)]
        assert [future.result() for future in futures] == list(range(7))

    def test_leaving_drains_what_a_task_submitted(self):
        children = []

        @task(cache_policy=NO_CACHE)
        async def parent():
            children.append(runner.submit(give, {"value": "child"}))

        with AsyncTaskRunner(1) as runner:
            runner.submit(parent, {})
        assert [child.result() for child in children] == ["child"]

    def test_leaving_with_an_exception_cancels(self):
        started, ended = threading.Event(), threading.Event()
        with pytest.raises(ZeroDivisionError), AsyncTaskRunner(1) as runner:  # noqa: PT012
            running = runner.submit(hang, {"started": started, "ended": ended})
            waiting = runner.submit(give, {"value": 1})
            dependent = runner.submit(give, {"value": running})
            assert started.wait(LONG)
            unbegun = [runner.submit(give, {"value": 1}) for _ in range(20)]
            raise ZeroDivisionError
        assert ended.is_set()
        for future in (running, waiting, dependent, *unbegun):
            with pytest.raises(concurrent.futures.CancelledError):
                future.result(timeout=0)

    def test_one_task_cancelled_is_the_only_one(self):
        started, ended = threading.Event(), threading.Event()
        with AsyncTaskRunner(1) as runner:
            hanging = runner.submit(hang, {"started": started, "ended": ended})
            other = runner.submit(give, {"value": 1})
            assert started.wait(LONG)
            hanging.wrapped_future.cancel()
            assert other.result() == 1
        assert ended.is_set()
        with pytest.raises(concurrent.futures.CancelledError):
            hanging.result()

    def test_a_cancelled_task_run_is_recorded_as_crashed(self):
        started, ended = threading.Event(), threading.Event()

        @flow(task_runner=AsyncTaskRunner(1))
        def interrupted():
            hang.submit(started, ended)
            assert started.wait(LONG)
            raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            interrupted()
        assert ended.is_set()
        assert recorded(interrupted, 1) == {"Crashed": 1}

    def test_a_chain_longer_than_the_bound(self):
        with AsyncTaskRunner(2) as runner:
            future = runner.submit(give, {"value": 5})
            for _ in range(10):
                future = runner.submit(give, {"value": future})
            assert future.result() == 5

    def test_waiting_for_another_task_holds_no_slot(self):
        gate = threading.Event()
        with ThreadPoolTaskRunner(1) as other, AsyncTaskRunner(1) as runner:
            upstream = other.submit(wait_for_event, {"event": gate})
            by_parameter = runner.submit(last_of, {"values": [1, upstream]})
            by_wait_for = runner.submit(give, {"value": 2}, wait_for=[upstream])
            runner.submit(opened, {"event": gate})
            assert (by_parameter.result(), by_wait_for.result()) == (True, 2)

    def test_a_sync_task_leaves_the_loop_free(self):
        gate = threading.Event()
        with AsyncTaskRunner(2) as runner:
            blocked = runner.submit(wait_for_event, {"event": gate})
            runner.submit(opened, {"event": gate})
            assert blocked.result() is True

    def test_results_are_for_any_thread(self):
        with AsyncTaskRunner(1) as runner, concurrent.futures.ThreadPoolExecutor(1) as thread:
            future = runner.submit(give, {"value": 3})
            assert thread.submit(future.result).result() == 3

    def test_usable_twice(self):
        runner = AsyncTaskRunner(1)
        loops = []
        for _ in range(2):
            with runner:
                loops.append(runner.submit(where, {}).result()[0])
        assert loops[0] is not loops[1]
        assert all(loop.is_closed() for loop in loops)

    def test_task_runs_share_loop_and_client(self):
        with AsyncTaskRunner(2) as runner:
            loops, clients = zip(
                *[runner.submit(where, {}).result() for _ in range(3)], strict=True
            )
        assert len(set(loops)) == 1
        assert len({id(client) for client in clients}) == 1

    def test_nested_flows_have_a_runner_each(self):
        @flow(task_runner=AsyncTaskRunner(1))
        def inner(value):
            return give.submit(value).result()

        @flow(task_runner=AsyncTaskRunner(1))
        def outer():
            before = give.submit(1)
            return before.result(), inner(2), give.submit(3).result()

        assert outer() == (1, 2, 3)

    def test_async_flow(self):
        @flow(task_runner=AsyncTaskRunner(2))
        async def main():
            return [future.result() for future in give.map([1, 2])]

        assert asyncio.run(main()) == [1, 2]

    def test_duplicate_copies_the_configuration_only(self):
        with AsyncTaskRunner(1, lifespan=asynccontextmanager(nothing)) as runner:
            copy = runner.duplicate()
            assert (copy._max_workers, copy._lifespan) == (1, runner._lifespan)
            with pytest.raises(RuntimeError, match="not started"):
                copy.submit(give, {"value": 1})

    def test_needs_a_worker(self):
        with pytest.raises(ValueError, match="1 or more"):
            AsyncTaskRunner(0)


async def nothing():
    yield


class TestThreads:
    def test_leaving_drains(self):
        with task_runner("threads", 2) as runner:
            futures = [runner.submit(give, {"value": number}) for number in range(7)]
        assert [future.result(timeout=0) for future in futures] == list(range(7))

    def test_leaving_with_an_exception_waits_for_nothing(self):
        """What has not begun is cancelled; what has, ends when it can, and is not tried again."""
        started, gate, tries = threading.Event(), threading.Event(), []

        @task(retries=2, cache_policy=NO_CACHE)
        def failing():
            started.set()
            tries.append(gate.wait(LONG))
            raise ConnectionError

        with pytest.raises(ZeroDivisionError), task_runner("threads", 1) as runner:  # noqa: PT012
            running = runner.submit(failing, {})
            waiting = runner.submit(give, {"value": 1})
            assert started.wait(LONG)
            raise ZeroDivisionError
        with pytest.raises(concurrent.futures.CancelledError):
            waiting.result(timeout=0)
        gate.set()
        with pytest.raises(asyncio.CancelledError):
            running.result(timeout=LONG)
        assert tries == [True]

    def test_usable_twice(self):
        runner = task_runner("threads", 1)
        for value in range(2):
            with runner:
                assert runner.submit(give, {"value": value}).result() == value
        with pytest.raises(RuntimeError, match="not started"):
            runner.submit(give, {"value": 1})


@pytest.mark.usefixtures("threads")
class TestLifespan:
    """The place where tasks share something."""

    @pytest.fixture
    def events(self):
        return []

    @pytest.fixture
    def lifespan(self, events):
        @asynccontextmanager
        async def lifespan():
            events.append(("entered", asyncio.get_running_loop()))
            yield
            events.append(("left", asyncio.get_running_loop()))

        return lifespan

    def test_encloses_the_tasks_on_their_loop(self, lifespan, events):
        @task(cache_policy=NO_CACHE)
        async def work():
            await asyncio.sleep(0.01)
            events.append(("worked", asyncio.get_running_loop()))

        with AsyncTaskRunner(1, lifespan) as runner:
            runner.submit(work, {})
            runner.submit(work, {})
        assert [name for name, _ in events] == ["entered", "worked", "worked", "left"]
        assert len({loop for _, loop in events}) == 1

    @pytest.mark.parametrize("error", [ZeroDivisionError, KeyboardInterrupt])
    def test_is_left_when_the_flow_fails(self, lifespan, events, error):
        started, ended = threading.Event(), threading.Event()
        with pytest.raises(error), AsyncTaskRunner(1, lifespan) as runner:  # noqa: PT012
            runner.submit(hang, {"started": started, "ended": ended})
            assert started.wait(LONG)
            raise error
        assert ended.is_set()
        assert [name for name, _ in events] == ["entered", "left"]

    def test_is_left_when_it_is_interrupted_as_it_starts(self, events):
        @asynccontextmanager
        async def slow():
            os.kill(os.getpid(), signal.SIGINT)
            await asyncio.sleep(0.2)
            events.append("entered")
            yield
            events.append("left")

        with pytest.raises(KeyboardInterrupt), AsyncTaskRunner(1, slow):
            pytest.fail("entered")
        assert events == ["entered", "left"]

    def test_that_fails_to_start_is_told(self):
        @asynccontextmanager
        async def broken():
            raise OSError("no network")
            yield

        runner = AsyncTaskRunner(1, broken)
        with pytest.raises(OSError, match="no network"), runner:
            pytest.fail("entered")
        with pytest.raises(RuntimeError, match="not started"):
            runner.submit(give, {"value": 1})

    def test_that_fails_to_end_is_told(self):
        @asynccontextmanager
        async def broken():
            yield
            raise OSError("cannot close")

        with pytest.raises(OSError, match="cannot close"), AsyncTaskRunner(1, broken) as runner:
            future = runner.submit(give, {"value": 1})
        assert future.result() == 1


@task(cache_policy=NO_CACHE)
def die_once(marker):
    """Kill the worker process at the first call; the second gives its process id."""
    if not marker.exists():
        marker.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return os.getpid()


class TestDask:
    def run(self, function, workers=1, runner=None):
        return flow(function, name="dask", task_runner=runner or task_runner("dask", workers))()

    def test_a_killed_worker_is_made_up_for(self, tmp_path):
        def body():
            return die_once.submit(tmp_path / "died").result()

        assert self.run(body) != os.getpid()

    def test_a_worker_keeps_one_client_and_its_settings(self):
        def body():
            return standing.map(["PATH"] * 6).result()

        seen = self.run(body)
        assert len({(worker["process"], worker["client"]) for worker in seen}) == 1
        assert {worker["made"] for worker in seen} == {1}

    def test_a_second_cluster_sees_its_own_settings_and_environment(
        self, prefect_server, monkeypatch
    ):
        def body():
            return standing.submit("RUNNERS_TEST").result()

        elsewhere = prefect_server.replace("127.0.0.1", "localhost")
        monkeypatch.setenv("RUNNERS_TEST", "first")
        first = self.run(body)
        monkeypatch.setenv("RUNNERS_TEST", "second")
        with temporary_settings({PREFECT_API_URL: elsewhere}):
            second = self.run(body)
        assert (first["api"], first["variable"]) == (prefect_server, "first")
        assert (second["api"], second["variable"]) == (elsewhere, "second")

    def test_every_task_run_is_recorded(self):
        @flow(task_runner=task_runner("dask", 2))
        def recording():
            standing.map(["PATH"] * 20).wait()

        recording()
        assert recorded(recording, 20) == {"Completed": 20}

    def test_runs_on_a_given_cluster(self):
        from runners.dask import local_cluster

        def body():
            return standing.submit().result()["process"]

        with local_cluster(1) as cluster:
            workers = [nanny.pid for nanny in cluster.workers.values()]
            address = cluster.scheduler_address
            runner = task_runner("dask", 1, scheduler_address=address)
            assert [self.run(body, runner=runner) for _ in range(2)] == workers * 2

    def test_a_task_may_submit_another_to_its_cluster(self):
        def body():
            with_child = parent.submit().result()
            return with_child, {each["process"] for each in standing.map(["PATH"] * 4).result()}

        (first, second), workers = self.run(body, workers=2)
        assert {first, second} == workers

    def test_usable_twice(self):
        runner = task_runner("dask", 1)
        for value in range(2):
            with runner:
                assert runner.submit(give, {"value": value}).result() == value

    def test_leaves_no_worker(self):
        def body():
            return [worker["process"] for worker in standing.map(["PATH"] * 4).result()]

        processes = self.run(body, workers=2)
        assert not any(psutil.pid_exists(process) for process in processes)

    def test_leaves_nothing_behind_its_process(self):
        script = (
            "from runners import task_runner\n"
            "from tests.support.tasks import standing\n"
            "if __name__ == '__main__':\n"
            "    with task_runner('dask', 2) as runner:\n"
            "        print(runner.submit(standing, {}).result()['process'], flush=True)\n"
        )
        environment = os.environ | {"PYTHONPATH": str(PROJECT)}
        process = subprocess.Popen(
            [sys.executable, "-c", script],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
            text=True,
        )
        out, error = process.communicate(timeout=LONG)
        assert out.strip().isdigit(), error
        assert "Traceback" not in error
        assert "distributed" not in error
        assert eventually(lambda: members(process.pid) == [])

    def test_contexts_are_where_the_worker_puts_them(self):
        from runners.dask import _dump_settings, _standing_contexts

        settings, client = _standing_contexts(_dump_settings())
        assert settings.settings == SettingsContext.get().settings
        with pytest.raises(RuntimeError, match="already entered"):
            settings.__enter__()
        assert client.client._client.is_closed is False

    def test_a_cluster_that_does_not_start_is_told_to_who_wants_it(self):
        from runners.dask import LeanDaskTaskRunner

        def no_cluster():
            raise OSError("no more processes")

        runner = LeanDaskTaskRunner(no_cluster)
        with pytest.raises(OSError, match="no more processes"), runner:
            runner.submit(give, {"value": 1})


def test_dask_is_not_imported_before_it_is_wanted():
    script = "import runners, sys; print([name for name in sys.modules if name == 'distributed'])"
    found = python("-c", script)
    assert found.stdout.strip() == "[]", found.stderr


def test_map_reaches_the_runner_of_the_flow():
    @flow(task_runner=task_runner(Strategy.ASYNC, 4))
    def main():
        return type(FlowRunContext.get().task_runner), give.map([1, 2]).result()

    assert main() == (AsyncTaskRunner, [1, 2])


def recorded(made: Flow, expected):
    """How many task runs of a flow the server knows in each state, once it knows `expected`."""
    states = {}

    def all_in():
        states.clear()
        with get_client(sync_client=True) as client:
            found = client.read_task_runs(
                flow_filter=FlowFilter(name={"any_": [made.name]}),
                sort=TaskRunSort.ID_DESC,
                limit=200,
            )
        for run in found:
            states[run.state_name] = states.get(run.state_name, 0) + 1
        return sum(states.values()) == expected and not states.keys() & {"Running", "Pending"}

    eventually(all_in)
    return states


def members(session):
    """The processes of a session."""
    return [pid for pid in psutil.pids() if session_of(pid) == session]


def session_of(pid):
    try:
        return os.getsid(pid)
    except ProcessLookupError:
        return None
