"""Prefect's Dask task runner, without what makes each of its task runs cost 200 ms.

prefect-dask validates all settings and opens two API clients for every task run; each client loads
the CA bundle into a TLS context of its own. Here a worker process loads the settings once and keeps
one client; only async tasks still open one of their own. Workers are forked from a process that
has imported Prefect, where spawned ones would import it each.
"""

import asyncio
import contextvars
import copyreg
import logging
import os
import pickle
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from copy import copy
from functools import lru_cache
from threading import BoundedSemaphore
from typing import Any, Self, cast
from uuid import UUID, uuid4

import dask
import distributed
from prefect import Flow, Task
from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import RunInput, State
from prefect.context import (
    AssetContext,
    EngineContext,
    SettingsContext,
    SyncClientContext,
    TagsContext,
    TaskRunContext,
    _deployment_id,
    _deployment_parameters,
    get_settings_context,
)
from prefect.futures import PrefectFuture
from prefect.settings import PREFECT_API_URL, temporary_settings
from prefect.task_engine import run_task_async, run_task_sync
from prefect.utilities.annotations import quote
from prefect.utilities.collections import StopVisiting, visit_collection
from prefect.utilities.engine import collect_task_run_inputs_sync
from prefect_dask.task_runners import DaskTaskRunner, PrefectDaskFuture

from runners.forkserver import start_forkserver

__all__ = ["LeanDaskTaskRunner", "local_cluster"]

CONFIG = {
    "distributed.worker.multiprocessing-method": "forkserver",
    # A worker takes the next task run when it has done its last, and keeps none in store.
    "distributed.scheduler.worker-saturation": 1.0,
    "distributed.worker.profile.enabled": False,
    # Fifty health checks a second of each loop would take the interpreter from the downloads.
    "distributed.admin.tick.interval": "1s",
}

# Prefect's own would arrive with its value in a tuple.
copyreg.pickle(quote, lambda quoted: (quote, (quoted.unquote(),)))


def _is_no_late_heartbeat(record: logging.LogRecord) -> bool:
    """Drop a failed heartbeat's traceback: at the end of a run the scheduler goes before a worker.

    Where it goes earlier, the worker says so itself as it ends.
    """
    return not record.getMessage().startswith("Failed to communicate with scheduler during")


# In each worker, too, since it is forked from a process that has imported this.
logging.getLogger("distributed.worker").addFilter(_is_no_late_heartbeat)


@contextmanager
def _quiet() -> Iterator[None]:
    """Only distributed's warnings: it says much at INFO while a cluster comes and goes."""
    logger = logging.getLogger("distributed")
    level = logger.level
    logger.setLevel(max(level, logging.WARNING))
    try:
        yield
    finally:
        logger.setLevel(level)


@contextmanager
def local_cluster(n_workers: int) -> Iterator[distributed.LocalCluster]:
    """Worker processes of one thread each, on this machine."""
    start_forkserver()
    # The setting is needed for as long as a worker may have to be started again.
    with (
        _quiet(),
        dask.config.set(CONFIG),
        distributed.LocalCluster(  # type: ignore[no-untyped-call]  # distributed's is untyped
            n_workers=n_workers,
            processes=True,
            threads_per_worker=1,
            dashboard_address=None,
            # Without an address it would still listen, on port 8787, and warn when that is taken.
            scheduler_kwargs={"dashboard_address": "127.0.0.1:0"},
            # A share of the machine's memory each would be less than Prefect needs, with many.
            memory_limit=0,
            # The fork server has the environment of the first cluster.
            env=dict(os.environ),
        ) as cluster,
    ):
        yield cluster


class LeanDaskTaskRunner(DaskTaskRunner):
    """`DaskTaskRunner` with cheap task runs; tasks and their modules must be importable."""

    connections = 1
    """How many connections each task run may keep open."""
    _at_once: int | None = None
    _settings: bytes | None = None

    @classmethod
    def on(cls, workers: int) -> Self:
        """A runner on a cluster of its own, of `workers` processes on this machine."""
        return cls(
            cluster_class=f"{__name__}.{local_cluster.__name__}",
            cluster_kwargs={"n_workers": workers},
        )

    @classmethod
    def sharing(cls, scheduler_address: str, workers: int, threads: int) -> Self:
        """A runner for at most `workers` connections, on a cluster of `threads` that others use."""
        runner = cls(address=scheduler_address)
        runner.connections = max(1, workers // threads)
        # Not bound by the threads: workers may join, and then have their part.
        runner._at_once = workers // runner.connections
        return runner

    def duplicate(self) -> Self:
        copy = cast(Self, super().duplicate())  # type: ignore[no-untyped-call]  # prefect-dask's
        copy.connections, copy._at_once = self.connections, self._at_once
        return copy

    def __enter__(self) -> Self:
        super().__enter__()  # type: ignore[no-untyped-call]  # prefect-dask's is untyped
        self._slots = BoundedSemaphore(self._at_once) if self._at_once else None
        return self

    def __exit__(self, *args: object) -> None:
        super().__exit__(*args)
        # So that it can be entered again: the stock runner keeps its closed client.
        self._client = self._cluster = self._settings = None

    def submit(  # type: ignore[override]  # one signature covers what the base overloads
        self,
        task: Task[..., Any],
        parameters: dict[str, Any],
        wait_for: Iterable[PrefectFuture[Any]] | None = None,
        dependencies: dict[str, set[RunInput]] | None = None,
    ) -> PrefectDaskFuture[Any]:
        if not self._started:
            raise RuntimeError("the task runner is not started: enter it before submitting")
        if self._settings is None:
            self._settings = _dump_settings()
        parameters = self._optimize_futures(parameters)
        task_run_id = uuid4()
        inputs = _inputs(parameters, dependencies or {})
        call = {
            "task": task,
            "task_run_id": task_run_id,
            "parameters": parameters,
            "wait_for": self._optimize_futures(list(wait_for or ())),
            "dependencies": inputs,
            "context": _dump_context(task, task_run_id, inputs),
            "return_type": "state",
        }
        # The cluster is others' as well: what exceeds the bound waits here, and not in their queue.
        if self._slots:
            self._slots.acquire()
        future = self.client.submit(  # type: ignore[no-untyped-call]  # prefect-dask's is untyped
            run_task, self._settings, call, key=f"{task.name}-{task_run_id}"
        )
        # Where the inputs of a task that gets this future are looked for.
        future.task_run_id = task_run_id
        if self._slots:
            slots = self._slots
            future.add_done_callback(lambda _: slots.release())
        return PrefectDaskFuture(wrapped_future=future, task_run_id=task_run_id)

    def _optimize_futures(self, expr: Any) -> Any:  # noqa: ANN401 - as the base has it
        """Replace Prefect's futures by Dask's, as the base does, but not inside of quotes."""

        def visit(found: object) -> object:
            if isinstance(found, quote):
                raise StopVisiting
            return found.wrapped_future if isinstance(found, PrefectDaskFuture) else found

        return visit_collection(expr, visit_fn=visit, return_data=True)


def run_task(settings: bytes, call: dict[str, Any]) -> State[Any]:
    """Run a task in a worker, with the settings and the API client that the process keeps."""
    return contextvars.copy_context().run(_run_task, settings, call)


def _run_task(settings: bytes, call: dict[str, Any]) -> State[Any]:
    # Set, not entered: a context can't be entered by two threads, and a worker may have several.
    standing_settings, standing_client = _standing_contexts(settings)
    SettingsContext.__var__.set(standing_settings)
    SyncClientContext.__var__.set(standing_client)
    if call["task"].isasync:
        return cast(State[Any], asyncio.run(run_task_async(**call)))
    return cast(State[Any], run_task_sync(**call))


@lru_cache(maxsize=1)
def _standing_contexts(settings: bytes) -> tuple[SettingsContext, SyncClientContext]:
    """The settings and an API client, left open for the life of the process."""

    def enter() -> tuple[SettingsContext, SyncClientContext]:
        # Loaded without suspicion: it comes from the flow, as does the task itself.
        profile, values = pickle.loads(settings)  # noqa: S301
        standing = SettingsContext(profile=profile, settings=values).__enter__()
        return standing, SyncClientContext().__enter__()

    return contextvars.copy_context().run(enter)


def _dump_settings() -> bytes:
    """The settings in force, with the address of the API where they leave it open."""
    updates = {}
    if not PREFECT_API_URL.value():
        # A temporary server: without its address each worker would start one of its own.
        updates[PREFECT_API_URL] = str(get_client(sync_client=True).api_url)
    with temporary_settings(updates):
        standing = get_settings_context()
        # The models and not their serialized form, which each worker would validate again.
        return pickle.dumps((standing.profile, standing.settings))


def _inputs(
    parameters: dict[str, Any], known: dict[str, set[RunInput]]
) -> dict[str, set[RunInput]]:
    """The task runs that the parameters come from, by name of the parameter."""
    return {
        name: collect_task_run_inputs_sync(value, future_cls=distributed.Future)
        | known.get(name, set())
        for name, value in parameters.items()
    }


def _dump_context(
    task: Task[..., Any], task_run_id: UUID, inputs: dict[str, set[RunInput]]
) -> dict[str, Any]:
    """What `prefect.context.serialize_context` gives, but for what costs most.

    That is the settings, and the flow's function: it is pickled by value for each task run, with
    all that it refers to as a closure, such as the batches of all of them.
    """
    flow_run, task_run = EngineContext.get(), TaskRunContext.get()
    deployment = _deployment_id.get()
    assets = AssetContext.from_task_and_inputs(task, task_run_id, inputs, copy_to_child_ctx=True)
    flow_run_context = flow_run.serialize() if flow_run else {}
    if flow_run_context:
        flow_run_context["flow"] = _without_function(flow_run_context["flow"])
    return {
        "flow_run_context": flow_run_context,
        "task_run_context": task_run.serialize() if task_run else {},
        "tags_context": TagsContext.get().serialize(),
        "settings_context": {},
        "asset_context": assets.serialize(),
        "deployment_id": str(deployment) if deployment else None,
        "deployment_parameters": _deployment_parameters.get(),
    }


def _without_function(flow: Flow[..., Any]) -> Flow[..., Any]:
    light = copy(flow)
    light.fn = light.__wrapped__ = _no_function  # type: ignore[attr-defined]  # functools sets it
    return light


def _no_function() -> None:
    """Stands for the function of a flow, which no task calls."""
