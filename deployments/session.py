"""What `make up` and `make serve` share: one at a time, a server, and nothing left behind."""

import fcntl
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from prefect.settings import PREFECT_API_URL

from deployments.descendants import guarded_descendants
from deployments.project import HOME, PREFECT_YAML
from flows.cli.server import PROJECT, ServerError, prefect_api

__all__ = ["PREFECT_PORT", "session", "until_stopped"]

PREFECT_PORT = 4200
"""Prefect's own, so that bookmarks and PREFECT_API_URL hold over restarts; another if taken."""


@contextmanager
def until_stopped() -> Iterator[None]:
    """Have Ctrl-C and SIGTERM raise KeyboardInterrupt in the block.

    A shell without job control has what it starts by `&` ignore Ctrl-C. That would be inherited by
    a worker and its runs, which are stopped by it.

    Raises:
        KeyboardInterrupt: also where a library made another error of it, as pydantic does.
    """
    received: list[int] = []

    def stop(number: int, frame: FrameType | None) -> None:
        received.append(number)
        signal.default_int_handler(number, frame)

    signal.signal(signal.SIGINT, stop)
    signal.signal(signal.SIGTERM, stop)
    try:
        yield
    except Exception as error:
        if not received:
            raise
        raise KeyboardInterrupt from error


@contextmanager
def session(command: str) -> Iterator[str]:
    """Hold the project, use the configured server or one of its own, and end what was started.

    Yields the address of the server's API.

    Raises:
        ServerError: where the project is held by another, or there is no server.
    """
    with _single(command):
        if PREFECT_API_URL.value() is None:
            print("Starting a Prefect server …", flush=True)
        with prefect_api(HOME, PREFECT_PORT) as api:
            _lead_imports_here()
            # After the server, which runs send their last words to.
            with guarded_descendants(HOME):
                yield api


def _lead_imports_here() -> None:
    """Have the worker and its runs import this project, whichever their Python has installed."""
    if PREFECT_YAML.exists():
        inherited = os.environ.get("PYTHONPATH")
        os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [str(PROJECT), inherited]))


@contextmanager
def _single(command: str) -> Iterator[None]:
    """Hold the lock of the project: two servers would share one SQLite file.

    It is free once the process is gone, however that ends.
    """
    path = HOME / "running.lock"
    try:
        HOME.mkdir(parents=True, exist_ok=True)
        lock = path.open("a+", encoding="utf-8")
    except OSError as error:
        raise ServerError(f"cannot write {path}: {error}") from error
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            lock.seek(0)
            raise ServerError(f"{lock.read().strip()}: stop it first") from error
        lock.truncate(0)
        lock.write(f"{command} is running here already, as process {os.getpid()}")
        lock.flush()
        yield
