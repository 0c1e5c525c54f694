"""All that this project knows of the insides of distributed, as they are in 2026.8.

None of it is promised to stay. tests/test_internals.py has a test for each, which fails when a new
distributed has it otherwise, and says where to look.
"""

import logging

from runners.prefect_internals import LATE_EVENTS

__all__ = ["drop_known_noise"]

LATE_HEARTBEAT = "Failed to communicate with scheduler during"
"""At the end of a run the scheduler goes before a worker. Where it goes earlier, the worker says so
itself as it ends."""

CANCELLED_TASK = "Async instruction for"
"""A worker that is told to stop says this of the task run that it had begun."""

KILLED_WORKER = "Worker process still alive after"
"""So a worker is stopped that is at work when its run is cancelled."""


def drop_known_noise() -> None:
    """Log nothing of what belongs to a run's end, in this process and those forked from it."""
    for name, start in (
        ("distributed.worker", LATE_HEARTBEAT),
        ("distributed.worker.state_machine", CANCELLED_TASK),
        ("distributed.nanny", KILLED_WORKER),
        # Prefect's, of the last events that a worker sends as it ends.
        ("EventsWorker", LATE_EVENTS),
    ):
        logging.getLogger(name).addFilter(_Without(start))


class _Without(logging.Filter):
    """Drops what starts with a text."""

    def __init__(self, start: str) -> None:
        super().__init__()
        self._start = start

    def filter(self, record: logging.LogRecord) -> bool:
        return not record.getMessage().startswith(self._start)
