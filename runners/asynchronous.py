"""A task runner that runs async tasks on one event loop, where they can share a session."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import (
    AbstractAsyncContextManager,
    AsyncExitStack,
    asynccontextmanager,
    suppress,
)
from contextvars import copy_context
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self, cast
from uuid import uuid4

from prefect.client.schemas.objects import RunInput, State
from prefect.context import AsyncClientContext
from prefect.futures import PrefectConcurrentFuture, PrefectFuture, PrefectWrappedFuture
from prefect.task_runners import TaskRunner
from prefect.tasks import Task
from prefect.utilities.annotations import quote
from prefect.utilities.collections import StopVisiting, visit_collection

from runners.prefect_internals import use_context

__all__ = ["AsyncTaskRunner", "Lifespan"]

Lifespan = Callable[[], AbstractAsyncContextManager[object]]

SPARE_THREADS = 32


@dataclass
class _Live:
    """What exists between enter and exit; it belongs to the loop's thread."""

    loop: asyncio.AbstractEventLoop
    client: AsyncClientContext
    slots: asyncio.Semaphore
    leaving: asyncio.Event = field(default_factory=asyncio.Event)
    tasks: set[asyncio.Task[Any]] = field(default_factory=set)
    cancelled: bool = False

    def cancel(self) -> None:
        """Cancel what runs, and what was submitted but has not begun."""
        self.cancelled = True
        for task in self.tasks:
            task.cancel()

    async def drained(self) -> None:
        """Return when the runner is leaving and its last task is done."""
        # Callbacks run in turn, so that all that was submitted before is in `tasks` by then.
        await self.leaving.wait()
        # A task may submit others while it is waited for.
        while self.tasks:
            await asyncio.wait(self.tasks)

    @asynccontextmanager
    async def slot(self, upstream: list[PrefectFuture[Any]]) -> AsyncIterator[None]:
        """One of the bounded slots, taken when all of `upstream` is done and not before."""
        task = cast(asyncio.Task[Any], asyncio.current_task())
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)
        if self.cancelled:
            raise asyncio.CancelledError
        for future in upstream:
            await _done(future)
        async with self.slots:
            yield


class AsyncTaskRunner(TaskRunner[PrefectConcurrentFuture[Any]]):
    """Runs tasks on one event loop in a thread of its own, at most `max_workers` at once.

    `lifespan` gives an async context manager that is entered on that loop before the first task
    and left after the last: the place to open and close what the tasks share. A task that waits
    for another holds no slot; one that waits for its retry does. A sync task runs in a thread
    beside the loop, within the same bound.

    Leaving drains what was submitted; leaving with an exception cancels it. A sync task that has
    begun can't be cancelled, and is waited for.

    A task must not call `.result()` or `.wait()` on a future of its own runner: it would stop the
    loop that the future needs. Await the other task, or pass its future as a parameter.
    """

    def __init__(self, max_workers: int, lifespan: Lifespan | None = None) -> None:
        if max_workers < 1:
            raise ValueError(f"max_workers is {max_workers}: give 1 or more")
        super().__init__()  # type: ignore[no-untyped-call]  # Prefect's is untyped
        self._max_workers = max_workers
        self._lifespan = lifespan
        self._live: _Live | None = None
        self._served: Future[None] | None = None

    def duplicate(self) -> Self:
        return type(self)(self._max_workers, self._lifespan)

    def __enter__(self) -> Self:
        super().__enter__()
        started: Future[_Live] = Future()
        thread = ThreadPoolExecutor(1, thread_name_prefix=f"{self.name}-task-runner")
        try:
            # The copied context carries Prefect's settings to the thread.
            self._served = thread.submit(copy_context().run, self._run_loop, started)
            self._live = started.result()
        except BaseException:
            # It failed to start, or Ctrl-C came: then the loop ends as soon as it has started.
            self._started = False
            started.add_done_callback(_leave)
            thread.shutdown()
            raise
        thread.shutdown(wait=False)
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc_value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._live is None or self._served is None:
            raise RuntimeError("the task runner is not started")
        try:
            self._live.loop.call_soon_threadsafe(self._live.leaving.set)
            if exc_type is not None:
                self.cancel_all()
            self._served.result()
        except BaseException:
            # Ctrl-C while it drains, for one.
            self.cancel_all()
            wait([self._served])
            raise
        finally:
            self._live = None
            super().__exit__(exc_type, exc_value, traceback)

    def cancel_all(self) -> None:
        """Cancel what runs and what waits; nothing submitted afterwards will run."""
        if self._live is not None and not self._live.loop.is_closed():
            self._live.loop.call_soon_threadsafe(self._live.cancel)

    def submit(
        self,
        task: Task[..., Any],
        parameters: dict[str, Any],
        wait_for: Iterable[PrefectFuture[Any]] | None = None,
        dependencies: dict[str, set[RunInput]] | None = None,
    ) -> PrefectConcurrentFuture[Any]:
        """Start a task run on the loop; callable from any thread, and from a task."""
        if self._live is None:
            raise RuntimeError("the task runner is not started: enter it before submitting")
        task_run_id = uuid4()
        wait_for = list(wait_for or ())
        call = {
            "task": task,
            "task_run_id": task_run_id,
            "parameters": parameters,
            "wait_for": wait_for,
            "dependencies": dependencies,
            "return_type": "state",
        }
        # The coroutine gets a copy of this context: flow run, tags and settings.
        future = asyncio.run_coroutine_threadsafe(
            _run(self._live, _futures_in([parameters, wait_for]), call), self._live.loop
        )
        return PrefectConcurrentFuture(task_run_id=task_run_id, wrapped_future=future)

    def _run_loop(self, started: Future[_Live]) -> None:
        """Run the loop until the runner is left; who started it is told of a failure to start."""
        try:
            asyncio.run(self._serve(started))
        except BaseException as error:
            if started.done():
                raise
            started.set_exception(error)

    async def _serve(self, started: Future[_Live]) -> None:
        """Keep the loop and what its tasks share, until the runner has left and is drained."""
        loop = asyncio.get_running_loop()
        # For sync tasks, and for what async tasks hand to threads.
        loop.set_default_executor(ThreadPoolExecutor(self._max_workers + SPARE_THREADS))
        async with AsyncExitStack() as stack:
            # One client for all task runs: a new one costs each of them a TLS context.
            client = await stack.enter_async_context(AsyncClientContext())
            if self._lifespan is not None:
                await stack.enter_async_context(self._lifespan())
            live = _Live(loop, client, asyncio.Semaphore(self._max_workers))
            started.set_result(live)
            await live.drained()


def _leave(started: Future[_Live]) -> None:
    if started.exception() is None:
        live = started.result()
        live.loop.call_soon_threadsafe(live.leaving.set)


async def _run(live: _Live, upstream: list[PrefectFuture[Any]], call: dict[str, Any]) -> State[Any]:
    """Run a task, when its turn has come, on the loop or in a thread beside it."""
    # Imported where it is used, as below: it takes long, and who imports a flow may not run it.
    from prefect.task_engine import run_task_async

    async with live.slot(upstream):
        if not call["task"].isasync:
            return await asyncio.to_thread(_run_sync, call)
        # What `async with live.client` would do, but that can't be entered once for each task.
        use_context(live.client)
        return cast(State[Any], await run_task_async(**call))


def _run_sync(call: dict[str, Any]) -> State[Any]:
    from prefect.task_engine import run_task_sync

    return cast(State[Any], run_task_sync(**call))


def _futures_in(arguments: object) -> list[PrefectFuture[Any]]:
    """The futures that Prefect's engine will wait for, found as it finds them."""
    found: list[PrefectFuture[Any]] = []

    def visit(item: object) -> None:
        if isinstance(item, PrefectFuture):
            found.append(item)
        elif isinstance(item, quote):
            raise StopVisiting

    visit_collection(arguments, visit_fn=visit, return_data=False)
    return found


async def _done(future: PrefectFuture[Any]) -> None:
    """Return when a future of any runner is done, however it ended.

    The engine would wait for it too, but by stopping the thread, and with it the loop.
    """
    if not isinstance(future, PrefectWrappedFuture):
        await asyncio.to_thread(future.wait)
        return
    loop = asyncio.get_running_loop()
    done = asyncio.Event()

    def notify(_: PrefectFuture[Any]) -> None:
        # The loop is closed if this wait was cancelled before its future was done.
        with suppress(RuntimeError):
            loop.call_soon_threadsafe(done.set)

    future.add_done_callback(notify)
    await done.wait()
