"""What the run's log leaves out: it is read for what did not go well."""

import logging

__all__ = ["drop_lines_of"]


def drop_lines_of(name: str) -> None:
    """Drop the engine's line for each task run of that name that went well."""

    def is_worth_a_line(record: logging.LogRecord) -> bool:
        return record.levelno > logging.INFO or getattr(record, "task_name", None) != name

    logging.getLogger("prefect.task_runs").addFilter(is_worth_a_line)
