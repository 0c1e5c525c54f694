"""What a command prints of a run's log on standard error."""

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from enum import Enum
from pathlib import Path

from flows.cli.stopping import is_stopping

__all__ = ["Verbosity", "console", "verbosity"]


class Verbosity(Enum):
    """How much a command prints besides its result: warnings, its own lines, or all of the log."""

    QUIET = "quiet"
    NORMAL = "normal"
    ALL = "all"


verbosity: ContextVar[Verbosity] = ContextVar("verbosity", default=Verbosity.ALL)
"""Of the command that runs in this process; `python -m flows.…` prints all."""


@contextmanager
def console(last: str) -> Iterator[None]:
    """Print the log as the command's `verbosity` says, while the context is open.

    Records that have the attribute `last` are not printed: the command prints that itself, as its
    last line. Neither is what crashes once the command was told to stop. What Prefect's server gets
    of the log is not touched.
    """
    # Imported where a flow runs: a command's help must not wait for Prefect. It sets up logging as
    # it is imported, which takes long: whatever asks for that before has it done twice.
    import prefect.main  # noqa: F401

    root = logging.getLogger()
    before = root.handlers[:]
    root.handlers = before if verbosity.get() is Verbosity.ALL else [_plain_handler()]
    handlers = root.handlers[:]

    def is_news(record: logging.LogRecord) -> bool:
        return not (is_stopping() or getattr(record, last, False))

    for handler in handlers:
        handler.addFilter(is_news)
    try:
        yield
    finally:
        # What was told to stop goes on crashing until the process has ended.
        if not is_stopping():
            for handler in handlers:
                handler.removeFilter(is_news)
            root.handlers = before


def _plain_handler() -> logging.Handler:
    """Print bare messages: warnings, and this project's own lines unless a bar shows as much."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("%(message)s"))
    if verbosity.get() is Verbosity.QUIET or sys.stderr.isatty():
        handler.setLevel(logging.WARNING)
    handler.addFilter(_is_ours_or_warns)
    return handler


def _is_ours_or_warns(record: logging.LogRecord) -> bool:
    import prefect

    library = str(Path(prefect.__file__).parent)
    return record.levelno >= logging.WARNING or not record.pathname.startswith(library)
