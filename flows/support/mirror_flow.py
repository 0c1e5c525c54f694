"""What the flows have in common: their heartbeat, and how they fail with one sentence."""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from typing import Any, Generic, ParamSpec, TypeVar

from prefect.client.schemas.objects import FlowRun, State
from prefect.context import FlowRunContext
from prefect.exceptions import FailedRun
from prefect.flows import Flow
from prefect.logging import get_run_logger
from prefect.logging.configuration import ensure_logging_setup
from prefect.logging.loggers import flow_run_logger
from prefect.states import Completed, Failed
from pydantic_core import to_jsonable_python

from flows.support.heartbeat import heartbeat
from imgur_mirror.api import ApiError, BadAddress
from imgur_mirror.settings import BadSettings
from imgur_mirror.store import StoreError
from runners.prefect_internals import is_about_hook, is_end_of_run, is_unexpected_end

__all__ = ["EXPECTED", "IS_LAST", "Finished", "Incomplete", "mirror_flow"]

IS_LAST = "is_last_of_command"
"""Marks the record of why a command's own flow failed, which the command itself says as well."""

P = ParamSpec("P")
R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class Finished(Generic[R]):
    """What a run that lacks nothing returns, and the message of its state."""

    result: R
    message: str


class Incomplete(Exception):
    """A run lacks something; the message says what, and `result` has all that is there.

    It is raised `from` the error that ended the run, if one did.
    """

    def __init__(self, message: str, result: object) -> None:
        super().__init__(message)
        self.result = result

    def __reduce__(self) -> tuple[type["Incomplete"], tuple[str, object]]:
        return type(self), (str(self), self.result)


EXPECTED = (ApiError, BadAddress, BadSettings, Incomplete, StoreError)
"""Errors whose message is all there is to say: no traceback helps whoever reads it."""


def mirror_flow(
    name: str, run_name: Callable[[], str]
) -> Callable[[Callable[P, Finished[R]]], Flow[P, R]]:
    """Make a flow of a function, whose expected errors become the message of a Failed state."""

    def make(function: Callable[P, Finished[R]]) -> Flow[P, R]:
        @wraps(function)
        def run(*args: P.args, **kwargs: P.kwargs) -> State[R]:
            with heartbeat():
                state = _state(lambda: function(*args, **kwargs))
            if state.is_failed() and _is_tried_again():
                # Prefect says no more than that it tries again.
                get_run_logger().warning("This try failed: %s", state.message)
            return state

        made = _MirrorFlow[P, Any](
            function,
            name=name,
            flow_run_name=run_name,
            on_failure=[_log_why],
            on_crashed=[_log_why],
            # Its subflows and tasks take this over. A run that is tried again would take the result
            # of a subflow that is kept for what it is to do again, whatever lies on the disk.
            persist_result=False,
        )
        # Afterwards: a flow's version is the hash of the file that its function is from.
        made.fn = run
        return made

    return make


def _state(function: Callable[[], Finished[R]]) -> State[R]:
    """Run a function, and give the state that its flow run ends in."""
    try:
        done = function()
    except EXPECTED as error:
        return Failed(message=str(error), data=error)
    except Exception as error:  # noqa: BLE001 - logged, and what the run fails with
        # Prefect would raise it again after a retry that went well (3.9.1).
        get_run_logger().exception("The run met a fault that was not foreseen")
        return Failed(message=_fault(error), data=error)
    return Completed(message=done.message, data=done.result)


class _MirrorFlow(Flow[P, R]):
    def serialize_parameters(self, parameters: dict[str, Any]) -> dict[str, Any]:
        """As Prefect does, which imports all of FastAPI for it: a tenth of a second."""
        try:
            return {name: to_jsonable_python(value) for name, value in parameters.items()}
        except ValueError:
            return super().serialize_parameters(parameters)


def _is_tried_again() -> bool:
    """Return whether Prefect will run the flow again where it fails now."""
    context = FlowRunContext.get()
    if context is None or context.flow_run is None:
        return False
    return context.flow_run.run_count <= (context.flow_run.empirical_policy.retries or 0)


def _fault(error: Exception) -> str:
    return f"the run met a fault that was not foreseen: {type(error).__name__}: {error}"


def _log_why(flow: Flow[..., Any], flow_run: FlowRun, state: State[Any]) -> None:
    """Log the message of a run's last state as an error; the engine has it among its own words."""
    # A worker runs this for a crashed run in another process, whose logging is not set up yet.
    ensure_logging_setup()
    last = {IS_LAST: flow_run.parent_task_run_id is None}
    message = state.message or f"the run ended {state.name}"
    flow_run_logger(flow_run, flow).error(message, extra=last)


def _is_news(record: logging.LogRecord) -> bool:
    """Drop what `_log_why` says: the engine's last state of a failure, and its traceback."""
    if is_about_hook(record, _log_why.__name__) or is_end_of_run(record, "Failed("):
        return False
    error = record.exc_info[1] if record.exc_info else None
    returned = isinstance(error, (*EXPECTED, FailedRun))
    return not (returned and is_unexpected_end(record))


logging.getLogger("prefect.flow_runs").addFilter(_is_news)
