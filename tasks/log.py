"""What the run's log leaves out: it is read for what did not go well."""

import logging

from imgur_mirror.settings import BadSettings
from imgur_mirror.store import StoreError
from runners.prefect_internals import is_end_of_run

__all__ = ["drop_lines_of"]


def drop_lines_of(name: str) -> None:
    """Drop the engine's lines for task runs of that name, but those of a crash or of a fault.

    A failure that can be foreseen is told by the flow, in a sentence.
    """

    def is_worth_a_line(record: logging.LogRecord) -> bool:
        if getattr(record, "task_name", None) != name:
            return True
        # The engine logs the error, with its traceback, in a record of its own before.
        is_news = record.levelno > logging.INFO and not is_end_of_run(record)
        return is_news and not _is_foreseen(record)

    logging.getLogger("prefect.task_runs").addFilter(is_worth_a_line)


def _is_foreseen(record: logging.LogRecord) -> bool:
    """Return whether a record is of an error whose message is all there is to say.

    Errors that say of themselves whether another try may help have such messages.
    """
    error = record.exc_info[1] if record.exc_info else None
    return isinstance(error, BadSettings | StoreError) or hasattr(error, "retryable")
