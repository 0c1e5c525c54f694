"""The sign of life of a flow run, by which a server knows one whose process is gone.

Prefect's own thread for it sleeps in whole seconds and is waited for: up to a second at the end of
each flow and of each subflow (`_send_heartbeats` in prefect 3.8.8). Where this project calls a flow
itself, it sends the same events by a thread that ends at once; a worker has Prefect send them.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import copy_context
from threading import Event, Thread

from prefect.context import FlowRunContext
from prefect.events import emit_event
from prefect.settings import (
    PREFECT_FLOWS_HEARTBEAT_FREQUENCY,
    get_current_settings,
    temporary_settings,
)

__all__ = ["heartbeat", "own_heartbeats"]

EVERY = 30
"""Seconds between two heartbeats; prefect.toml has Prefect's own come as often."""


@contextmanager
def own_heartbeats() -> Iterator[None]:
    """Have the flows that are called here send their heartbeats themselves (`heartbeat`)."""
    with temporary_settings({PREFECT_FLOWS_HEARTBEAT_FREQUENCY: None}):
        yield


@contextmanager
def heartbeat() -> Iterator[None]:
    """Send the heartbeats of the flow run that this is called in, unless Prefect does."""
    context = FlowRunContext.get()
    prefects = get_current_settings().flows.heartbeat_frequency is not None
    if prefects or context is None or context.flow_run is None:
        yield
        return
    run, ended = context.flow_run, Event()
    resource = {
        "prefect.resource.id": f"prefect.flow-run.{run.id}",
        "prefect.resource.name": run.name,
    }

    def beat() -> None:
        while True:
            emit_event("prefect.flow-run.heartbeat", resource)
            if ended.wait(EVERY):
                return

    # With the context of the run, which has the server's address.
    heart = Thread(target=copy_context().run, args=(beat,), name="heartbeat", daemon=True)
    heart.start()
    try:
        yield
    finally:
        ended.set()
        heart.join()
