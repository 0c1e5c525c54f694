"""A worker that is there as long as `make up` is: one that ends is replaced."""

import os
import signal
import subprocess
import sys
import time

from deployments.deploy import POOL
from deployments.descendants import RUN_SECONDS, end_descendants
from deployments.project import FOLDER
from deployments.run_console import RunConsole
from flows.cli.server import stop

__all__ = ["WorkerError", "keep_worker"]

COMMAND = [sys.executable, "-m", "prefect", "--no-prompt", "worker", "start", "--pool", POOL]

OF_ITS_RUNS = {
    "PREFECT_LOGGING_HANDLERS_CONSOLE_CLASS": f"{RunConsole.__module__}.{RunConsole.__name__}"
}
"""What its flow runs have in their environment, too: they outlive it."""

SHORT_LIFE = 30
"""Seconds; a worker that ends sooner, three times running, will not do better the next time."""

LIVES = 3


class WorkerError(RuntimeError):
    """No worker lasts; the message says how the last one ended."""

    status = 1
    """The exit status of a command that ends with it."""


def keep_worker() -> None:
    """Run a worker, and another where it ends, until KeyboardInterrupt.

    The runs of one that was killed live on, with the server.

    Raises:
        WorkerError: where one after another ends soon.
    """
    short = 0
    while short < LIVES:
        started = time.monotonic()
        status = _run_worker()
        short = short + 1 if time.monotonic() - started < SHORT_LIFE else 0
        ended = f"The worker ended ({_reason(status)})"
        if short < LIVES:
            print(f"{ended}; starting another. Its runs go on.", file=sys.stderr, flush=True)
    raise WorkerError(f"{ended}, as did {LIVES - 1} before it: what it printed above says why")


def _run_worker() -> int:
    # In a session of its own: else Ctrl-C would reach its flow runs before it can end them.
    worker = subprocess.Popen(  # noqa: S603 - our own words
        COMMAND, cwd=FOLDER, env=os.environ | OF_ITS_RUNS, start_new_session=True
    )
    try:
        return worker.wait()
    except KeyboardInterrupt:
        # It would kill its runs, which then stay Running: a run that is told reports its end.
        end_descendants(RUN_SECONDS, spared=worker.pid)
        raise
    finally:
        stop(worker, signal.SIGINT, 30)


def _reason(status: int) -> str:
    return f"killed by {signal.Signals(-status).name}" if status < 0 else f"status {status}"
