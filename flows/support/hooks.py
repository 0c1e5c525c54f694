"""What the flows say when they do not end well: the one sentence, at a level that is looked for."""

import logging
from typing import Any

from prefect.client.schemas.objects import FlowRun, State
from prefect.exceptions import FailedRun
from prefect.flows import Flow
from prefect.logging.configuration import ensure_logging_setup
from prefect.logging.loggers import flow_run_logger

from flows.support.mirroring import Incomplete
from imgur_mirror.api import ApiError, BadAddress
from imgur_mirror.settings import BadSettings
from imgur_mirror.store import StoreError

__all__ = ["say_why"]

SAID = (ApiError, BadAddress, BadSettings, FailedRun, Incomplete, StoreError)
"""What the flows return as a failed state's data; its message is all there is to say."""


def say_why(flow: Flow[..., Any], flow_run: FlowRun, state: State[Any]) -> None:
    """Log the message of a run's last state as an error; the engine has it among its own words."""
    # A worker has this run in a process of its own for one that crashed, where nothing did it.
    ensure_logging_setup()
    flow_run_logger(flow_run, flow).error(state.message or f"the run ended {state.name}")


def _is_news(record: logging.LogRecord) -> bool:
    """Drop the engine's traceback of what a flow returned as its state: nothing was raised."""
    error = record.exc_info[1] if record.exc_info else None
    return not (isinstance(error, SAID) and record.getMessage().startswith("Engine execution"))


logging.getLogger("prefect.flow_runs").addFilter(_is_news)
