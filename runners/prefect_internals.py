"""All that this project knows of Prefect's insides, as they are in 3.9.1.

None of it is promised to stay. tests/test_internals.py has a test for each, which fails when a new
Prefect has it otherwise, and says where to look.
"""

import logging
from collections.abc import Callable
from concurrent.futures import Executor
from functools import lru_cache
from typing import Any
from uuid import UUID

from prefect.client.schemas.objects import FlowRun, RunInput
from prefect.context import (
    AssetContext,
    ContextModel,
    EngineContext,
    TagsContext,
    TaskRunContext,
    _deployment_id,
    _deployment_parameters,
)
from prefect.events import emit_event
from prefect.events.worker import EventsWorker
from prefect.flows import Flow
from prefect.logging.handlers import APILogWorker
from prefect.task_runners import ThreadPoolTaskRunner
from prefect.tasks import Task

__all__ = [
    "HEARTBEAT",
    "LATE_EVENTS",
    "dump_context",
    "emit_heartbeat",
    "is_about_hook",
    "is_end_of_run",
    "is_unexpected_end",
    "send_last_records",
    "take_executor",
    "use_context",
    "use_executor",
]

HEARTBEAT = "prefect.flow-run.heartbeat"
"""The event by which the server knows that the process of a flow run is alive."""


def use_context(context: ContextModel) -> None:
    """Let what runs from here on find this context, for as long as the caller's own context lives.

    `with context` would enter it, which can be done once: here many task runs share it.
    """
    context.__var__.set(context)


def dump_context(
    task: Task[..., Any], task_run_id: UUID, inputs: dict[str, set[RunInput]]
) -> dict[str, Any]:
    """What `prefect.context.serialize_context` gives, but for what costs most.

    That is the settings, and the flow: it is pickled by value for each task run, with all that its
    function refers to.
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


@lru_cache(maxsize=1)
def _without_function(flow: Flow[..., Any]) -> Flow[..., Any]:
    """Make a flow that says of itself what a task run asks of its flow."""
    return Flow(
        _no_function,
        name=flow.name,
        version=flow.version,
        task_runner=flow.task_runner,
        validate_parameters=False,
    )


def _no_function() -> None:
    """Stands for the function of a flow, which no task calls."""


def use_executor(
    runner: ThreadPoolTaskRunner[Any], make: Callable[[int, Callable[[], None]], Executor]
) -> None:
    """Give a runner that was just entered another executor, before its own starts a thread.

    `make` gets the number of threads, and what each of them is to call first.
    """
    runner._executor = make(runner._max_workers, runner._register_worker_thread)  # type: ignore[assignment]


def take_executor(runner: ThreadPoolTaskRunner[Any]) -> Executor:
    """Take the executor from a runner, which then does not shut it down.

    Raises:
        RuntimeError: where the runner was not entered.
    """
    executor, runner._executor = runner._executor, None
    if executor is None:
        raise RuntimeError("the task runner is not started")
    return executor


LATE_EVENTS = "Still processing items"
"""A process that ends says this of the events that it has still to send."""


def emit_heartbeat(flow_run: FlowRun) -> None:
    """Emit the event by which the server knows that the process of a flow run is alive."""
    resource = {
        "prefect.resource.id": f"prefect.flow-run.{flow_run.id}",
        "prefect.resource.name": flow_run.name,
    }
    emit_event(HEARTBEAT, resource)


def send_last_records(seconds: float) -> None:
    """Send the logs and events that this process still has, each kind for so long at most."""
    APILogWorker.drain_all(timeout=seconds)
    EventsWorker.drain_all(timeout=seconds)


def is_end_of_run(record: logging.LogRecord, state: str = "") -> bool:
    """Return whether a record is an engine's last word on a run, and on one that ended so."""
    return record.getMessage().startswith(f"Finished in state {state}")


def is_about_hook(record: logging.LogRecord, hook: str) -> bool:
    """Return whether a record is an engine's, on a hook that it runs or has run."""
    said = (f"Running hook {hook!r}", f"Hook {hook!r} finished")
    return record.getMessage().startswith(said)


def is_unexpected_end(record: logging.LogRecord) -> bool:
    """Return whether a record is how the engine of a process reports an error that reached it."""
    return record.getMessage().startswith("Engine execution")
