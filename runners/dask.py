"""A Dask task runner, without what makes each task run of prefect-dask's cost 200 ms.

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
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from functools import lru_cache, partial
from threading import BoundedSemaphore
from types import TracebackType
from typing import Any, Self, cast
from uuid import uuid4

import dask
import distributed
from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import RunInput, State
from prefect.context import SettingsContext, SyncClientContext, get_settings_context
from prefect.futures import PrefectFuture
from prefect.settings import PREFECT_API_URL, temporary_settings
from prefect.task_engine import run_task_async, run_task_sync
from prefect.task_runners import TaskRunner
from prefect.tasks import Task
from prefect.utilities.annotations import quote
from prefect.utilities.collections import StopVisiting, visit_collection
from prefect.utilities.engine import collect_task_run_inputs_sync
from prefect_dask.task_runners import PrefectDaskFuture

from runners.dask_internals import drop_known_noise
from runners.forkserver import start_forkserver
from runners.prefect_internals import dump_context, use_context

__all__ = ["LeanDaskTaskRunner", "local_cluster"]

CONFIG = {
    "distributed.worker.multiprocessing-method": "forkserver",
    # A worker takes the next task run when it has done its last, and keeps none in store.
    "distributed.scheduler.worker-saturation": 1.0,
    "distributed.worker.profile.enabled": False,
    # Fifty health checks a second of each loop would take the interpreter from the downloads.
    "distributed.admin.tick.interval": "1s",
}

STOP_SECONDS = 0.5
"""For a worker to end by itself when its run is told to stop, before it is killed."""

# Prefect's own would arrive with its value in a tuple.
copyreg.pickle(quote, lambda quoted: (quote, (quoted.unquote(),)))


# In each worker, too, since it is forked from a process that has imported this.
drop_known_noise()


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
        try:
            yield cluster
        except BaseException:
            cluster.sync(_stop_workers, cluster)
            raise


async def _stop_workers(cluster: distributed.LocalCluster) -> None:
    """Stop workers that may be at work; as the cluster closes, it waits 4 s for such to end."""
    stopping = (nanny.close(timeout=STOP_SECONDS) for nanny in cluster.workers.values())
    await asyncio.gather(*stopping, return_exceptions=True)


Cluster = Callable[[], AbstractContextManager[Any]]
"""What opens a cluster, or gives the address of one that is there."""


def _existing(address: str) -> AbstractContextManager[str]:
    """Return the address of a cluster that stays when its runs have ended."""
    return nullcontext(address)


class LeanDaskTaskRunner(TaskRunner[PrefectDaskFuture[Any]]):
    """Runs tasks in the processes of a Dask cluster; they and their modules must be importable.

    `connections` is how many each task run may keep open, `at_once` how many task runs there may
    be at a time where the cluster is others' as well. The cluster is opened for the first task.
    """

    def __init__(self, cluster: Cluster, connections: int = 1, at_once: int | None = None) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # Prefect's is untyped
        self.connections = connections
        self._cluster = cluster
        self._at_once = at_once
        self._live: _Live | None = None

    @classmethod
    def on(cls, workers: int) -> Self:
        """A runner on a cluster of its own, of `workers` processes on this machine."""
        return cls(partial(local_cluster, workers))

    @classmethod
    def sharing(cls, scheduler_address: str, workers: int, threads: int) -> Self:
        """A runner for at most `workers` connections, on a cluster of `threads` that others use."""
        connections = max(1, workers // threads)
        # Not bound by the threads: workers may join, and then have their part.
        return cls(partial(_existing, scheduler_address), connections, workers // connections)

    def duplicate(self) -> Self:
        return type(self)(self._cluster, self.connections, self._at_once)

    def __enter__(self) -> Self:
        super().__enter__()
        self._live = _Live(self._cluster, self._at_once)
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc_value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        live, self._live = self._live, None
        try:
            if live is not None:
                live.stack.__exit__(exc_type, exc_value, traceback)
        finally:
            super().__exit__(exc_type, exc_value, traceback)

    def submit(
        self,
        task: Task[..., Any],
        parameters: dict[str, Any],
        wait_for: Iterable[PrefectFuture[Any]] | None = None,
        dependencies: dict[str, set[RunInput]] | None = None,
    ) -> PrefectDaskFuture[Any]:
        if self._live is None:
            raise RuntimeError("the task runner is not started: enter it before submitting")
        parameters = _with_dask_futures(parameters)
        task_run_id = uuid4()
        inputs = _inputs(parameters, dependencies or {})
        call = {
            "task": task,
            "task_run_id": task_run_id,
            "parameters": parameters,
            "wait_for": _with_dask_futures(list(wait_for or ())),
            "dependencies": inputs,
            "context": dump_context(task, task_run_id, inputs),
            "return_type": "state",
        }
        future = self._live.submit(call, key=f"{task.name}-{task_run_id}")
        # Where the inputs of a task that gets this future are looked for.
        future.task_run_id = task_run_id
        return PrefectDaskFuture(wrapped_future=future, task_run_id=task_run_id)


class _Live:
    """What exists between enter and exit: the cluster's client, from the first task on."""

    def __init__(self, cluster: Cluster, at_once: int | None) -> None:
        self.stack = ExitStack()
        self._cluster = cluster
        self._slots = BoundedSemaphore(at_once) if at_once else None
        self._client: distributed.Client | None = None
        self._settings = b""

    def submit(self, call: dict[str, Any], key: str) -> Any:  # noqa: ANN401 - a future with an attribute
        client = self._connected()
        # The cluster is others' as well: what exceeds the bound waits here, and not in their queue.
        if self._slots:
            self._slots.acquire()
        future: Any = client.submit(run_task, self._settings, call, key=key)
        if self._slots:
            slots = self._slots
            future.add_done_callback(lambda _: slots.release())
        return future

    def _connected(self) -> distributed.Client:
        if self._client is None:
            self._settings = _dump_settings()
            self._client = _client_of_worker()
        if self._client is None:
            cluster = self.stack.enter_context(self._cluster())
            made = distributed.Client(cluster, set_as_default=False)  # type: ignore[no-untyped-call]  # as above
            self._client = self.stack.enter_context(made)
        return self._client


def _client_of_worker() -> distributed.Client | None:
    """Return the client of the worker that this runs in, if it does: a task may submit others."""
    try:
        distributed.get_worker()
    except ValueError:
        return None
    return distributed.get_client()


def _with_dask_futures(arguments: Any) -> Any:  # noqa: ANN401 - of any shape, and given back in it
    """Replace Prefect's futures by Dask's, which its scheduler waits for, but not inside quotes."""

    def visit(found: object) -> object:
        if isinstance(found, quote):
            raise StopVisiting
        return found.wrapped_future if isinstance(found, PrefectDaskFuture) else found

    return visit_collection(arguments, visit_fn=visit, return_data=True)


def run_task(settings: bytes, call: dict[str, Any]) -> State[Any]:
    """Run a task in a worker, with the settings and the API client that the process keeps."""
    return contextvars.copy_context().run(_run_task, settings, call)


def _run_task(settings: bytes, call: dict[str, Any]) -> State[Any]:
    # Set, not entered: a context can't be entered by two threads, and a worker may have several.
    standing_settings, standing_client = _standing_contexts(settings)
    use_context(standing_settings)
    use_context(standing_client)
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
