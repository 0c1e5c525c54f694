"""When a task is tried again: where what went wrong may pass, later each time."""

from typing import Any

from prefect.client.schemas.objects import State, TaskRun
from prefect.tasks import Task, exponential_backoff

__all__ = ["may_pass", "patient"]

JITTER = 0.5
"""How far a delay may stray, so that what failed together does not come back together."""


def may_pass(_task: Task[..., Any], _run: TaskRun, state: State[Any]) -> bool:
    """Return whether the error of a failed try says of itself that the next may go well."""
    return getattr(state.data, "retryable", False)


def patient(task: Task[..., Any], retries: int, backoff: float) -> Task[..., Any]:
    """Let a task be tried again: after `backoff` seconds, then after twice as many, and so on."""
    return task.with_options(
        retries=retries,
        retry_delay_seconds=exponential_backoff(backoff),
        retry_jitter_factor=JITTER,
        retry_condition_fn=may_pass,
    )
