"""The heartbeat of a flow run, without which the server takes its process for dead.

Prefect's own thread for it sleeps in whole seconds, and each flow and subflow waits for its end, up
to a second. Where this project calls a flow itself, from the command line or as one album of a
list, a thread that ends at once sends the same events; under a worker Prefect sends them.
"""

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from contextvars import copy_context
from threading import Event, Thread

from prefect.client.schemas.objects import FlowRun
from prefect.context import FlowRunContext, SettingsContext, get_settings_context
from prefect.events import emit_event
from prefect.settings import get_current_settings

from runners.prefect_internals import HEARTBEAT, emit_heartbeat

__all__ = ["HEARTBEAT", "LEFT", "heartbeat", "own_heartbeats"]

LEFT = "imgur-mirror.flow-run.left"
"""A flow run was left: it ended, or its process does and it waits to be resumed.

A run that is suspended goes on beating until its task runs have ended, and no other event follows
its last heartbeat: the watch would take it for dead.
"""

HEARTBEAT_SECONDS = 30
"""Between two heartbeats; prefect.toml has the same for Prefect's own."""


@contextmanager
def own_heartbeats() -> Iterator[None]:
    """Have the flows that are called here send their heartbeats themselves (`heartbeat`)."""
    # Not `temporary_settings`, which reads all settings again for the one that changes.
    before = get_settings_context()
    flows = before.settings.flows.model_copy(update={"heartbeat_frequency": None})
    settings = before.settings.model_copy(update={"flows": flows})
    with SettingsContext(profile=before.profile, settings=settings):
        yield


@contextmanager
def heartbeat() -> Iterator[None]:
    """Send the heartbeats of the flow run that this is called in, unless Prefect does.

    Either way, the end of this block is told as `LEFT`.
    """
    context = FlowRunContext.get()
    if context is None or context.flow_run is None:
        yield
        return
    run = context.flow_run
    resource = {
        "prefect.resource.id": f"prefect.flow-run.{run.id}",
        "prefect.resource.name": run.name,
    }
    sent_by_prefect = get_current_settings().flows.heartbeat_frequency is not None
    try:
        with nullcontext() if sent_by_prefect else _beating(run):
            yield
    finally:
        emit_event(LEFT, resource)


@contextmanager
def _beating(run: FlowRun) -> Iterator[None]:
    ended = Event()

    def beat() -> None:
        while True:
            emit_heartbeat(run)
            if ended.wait(HEARTBEAT_SECONDS):
                return

    # With the context of the run, which has the server's address.
    thread = Thread(target=copy_context().run, args=(beat,), name="heartbeat", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
