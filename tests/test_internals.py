"""What `runners/` knows of the insides of Prefect and Dask: here an upgrade breaks first.

The sentence of each test says what to look at in the new version.
"""

import inspect
import logging
import os
import re
import threading
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from multiprocessing import forkserver
from uuid import uuid4

import cloudpickle
import pytest
from prefect import flow, flow_engine, tags, task, task_engine
from prefect.cache_policies import NO_CACHE
from prefect.client.orchestration import get_client
from prefect.context import FlowRunContext, SyncClientContext, serialize_context
from prefect.events.worker import EventsWorker
from prefect.logging.handlers import APILogWorker
from prefect.task_runners import ThreadPoolTaskRunner

from imgur_mirror.models import Strategy
from runners import prefect_internals, task_runner
from runners.forkserver import start_forkserver
from runners.prefect_internals import dump_context
from tests.support.tasks import standing

pytestmark = pytest.mark.usefixtures("prefect_server")


@task(cache_policy=NO_CACHE)
def standing_in_a_thread():
    return threading.current_thread().name


def record(message):
    return logging.LogRecord("name", logging.ERROR, "path", 1, message, (), None)


def test_a_context_can_be_shared_by_task_runs():
    """Look at how `prefect.context.ContextModel` keeps its context variable, and sets it."""
    with SyncClientContext() as shared:
        pass
    assert SyncClientContext.get() is not shared
    copied = copy_context()
    copied.run(prefect_internals.use_context, shared)
    assert copied.run(lambda: SyncClientContext.get() is shared)
    assert copied.run(lambda: get_client(sync_client=True) is shared.client)
    assert SyncClientContext.get() is not shared


def test_the_threads_of_prefects_pool_can_be_replaced():
    """Look at what of `ThreadPoolTaskRunner` is `_executor` and `_register_worker_thread`."""
    made = []

    def make(workers, first):
        made.append(workers)
        return ThreadPoolExecutor(workers, "ours", first)

    with ThreadPoolTaskRunner(3) as runner:
        prefect_internals.use_executor(runner, make)
        name = runner.submit(standing_in_a_thread, {}).result()
        executor = prefect_internals.take_executor(runner)
    assert made == [3]
    assert name.startswith("ours")
    assert executor.submit(str, 1).result() == "1"
    executor.shutdown()
    with pytest.raises(RuntimeError, match="not started"):
        prefect_internals.take_executor(runner)


def test_the_context_of_a_task_is_what_prefect_sends_but_for_the_settings():
    """Look at what `prefect.context.serialize_context` sends, and have `dump_context` send it."""

    @task(cache_policy=NO_CACHE)
    def compare(_):
        identity = uuid4()
        kwargs = {"task": compare, "task_run_id": identity, "task_inputs": {}}
        theirs = serialize_context(asset_ctx_kwargs=kwargs | {"copy_to_child_ctx": True})
        return theirs, dump_context(compare, identity, {})

    @flow(version="1")
    def comparing():
        with tags("album"):
            return compare(1)

    theirs, ours = comparing()
    assert theirs.pop("settings_context")
    assert ours.pop("settings_context") == {}
    sent, whole = (context["flow_run_context"].pop("flow") for context in (ours, theirs))
    assert (sent.name, sent.version) == (whole.name, whole.version)
    assert sent.task_runner == whole.task_runner
    assert theirs == ours


def test_what_a_flow_refers_to_is_not_sent_with_each_of_its_tasks():
    """Look at what of a flow `prefect.context` sends: its function, hooks and types stay here."""
    everything = os.urandom(1 << 20)

    @task(cache_policy=NO_CACHE)
    def nothing():
        pass

    @flow(flow_run_name=lambda: everything[:2].hex(), on_failure=[lambda *_: everything])
    def referring():
        return len(cloudpickle.dumps(dump_context(nothing, uuid4(), {})))

    assert referring() < len(everything) / 10


def test_a_heartbeat_is_the_event_that_the_engine_sends(monkeypatch):
    """Look at `_emit_flow_run_heartbeat` and `_build_heartbeat_event_template` of the engine."""
    sent = []
    engine = inspect.getsource(flow_engine.BaseFlowRunEngine)

    @flow
    def beating():
        monkeypatch.setattr(prefect_internals, "emit_event", lambda *event: sent.append(event))
        prefect_internals.emit_heartbeat(FlowRunContext.get().flow_run)
        monkeypatch.undo()

    beating()
    ((name, resource),) = sent
    assert f'event="{name}"' in engine
    assert resource["prefect.resource.id"].startswith("prefect.flow-run.")
    assert 'f"prefect.flow-run.{self.flow_run.id}"' in engine
    assert all(f'"{key}"' in engine for key in resource)


@pytest.mark.parametrize("worker", [APILogWorker, EventsWorker])
def test_what_is_still_to_be_sent_can_be_waited_for(worker):
    """Look at `drain_all` of `prefect._internal.concurrency.services`, and who calls it at exit."""
    assert {"timeout"} <= set(inspect.signature(worker.drain_all).parameters)


def test_the_engines_words_are_the_ones_that_are_looked_for(caplog, monkeypatch):
    """Look at what the engines log as a run ends, and the wrapper around a flow in a process."""

    # This project's own filter may have been set by then, which drops just these.
    monkeypatch.setattr(logging.getLogger("prefect.flow_runs"), "filters", [])

    def hook(*_):
        pass

    @flow(on_failure=[hook])
    def failing():
        raise ValueError("as it should")

    with (
        caplog.at_level(logging.INFO, "prefect.flow_runs"),
        pytest.raises(ValueError, match="should"),
    ):
        failing()
    told = caplog.records
    ends = [each for each in told if prefect_internals.is_end_of_run(each, "Failed(")]
    assert len([each for each in told if prefect_internals.is_about_hook(each, "hook")]) == 2
    assert len(ends) == 1
    assert not prefect_internals.is_end_of_run(ends[0], "Completed(")
    assert re.search(r'f?"Finished in state \{', inspect.getsource(task_engine))
    (said,) = set(re.findall(r'"(Engine execution exited[^"]*)"', inspect.getsource(flow_engine)))
    assert prefect_internals.is_unexpected_end(record(said))
    assert not prefect_internals.is_unexpected_end(record("something else"))


def test_known_noise_of_dask_is_not_logged(caplog):
    """Look at what distributed's modules, and Prefect's queues, log as a cluster ends."""
    from distributed import nanny, worker, worker_state_machine
    from prefect._internal.concurrency import services
    from prefect.events.worker import EventsWorker

    import runners.dask  # noqa: F401 - it sets the filters
    from runners.dask_internals import CANCELLED_TASK, KILLED_WORKER, LATE_HEARTBEAT
    from runners.prefect_internals import LATE_EVENTS

    for module, name, start in (
        (worker, worker.logger.name, LATE_HEARTBEAT),
        (worker_state_machine, worker_state_machine.logger.name, CANCELLED_TASK),
        (nanny, nanny.logger.name, KILLED_WORKER),
        (services, EventsWorker.__name__, LATE_EVENTS),
    ):
        assert start in inspect.getsource(module)
        logger = logging.getLogger(name)
        logger.error("%s one thing", start)
        logger.error("another")
    assert caplog.messages == ["another"] * 4


@pytest.mark.slow
def test_workers_are_forked_from_what_imported_prefect_for_them():
    """Look at `distributed.utils.get_mp_context`: our list of imports must be set before its own.

    In a process group of their own, so that no signal to the run's is one to them.
    """

    @flow(task_runner=task_runner(Strategy.DASK, 2))
    def looking():
        return {worker["parent"] for worker in standing.map(["PATH"] * 4).result()}

    start_forkserver()
    server = forkserver._forkserver._forkserver_pid
    assert looking() == {server}
    start_forkserver()
    assert forkserver._forkserver._forkserver_pid == server
    assert os.getpgid(server) == server
