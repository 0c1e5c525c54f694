"""A Prefect server of one's own, for as long as something needs it.

Prefect's temporary server loses records of task runs and is slow to start, and each Dask worker
would start one more; so what is run without a server gets a real one.
"""

import os
import random
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Thread

import httpx
from prefect.context import refresh_global_settings_context
from prefect.events.worker import EventsWorker
from prefect.logging.handlers import APILogWorker
from prefect.settings import PREFECT_API_URL, PREFECT_HOME, get_current_settings

__all__ = ["ServerError", "kill_servers", "prefect_api", "prefect_server", "send_events", "stop"]

MAX_START_SECONDS = 120
"""For a first start, with its migrations, on a slow machine."""

MAX_EVENTS_SECONDS = 3
"""For a run's last events: a server that is away never takes them."""

PORTS = range(20_000, 32_768)

PROJECT = Path(__file__).parents[2]


class ServerError(RuntimeError):
    """The Prefect server did not start; the message has the end of its log."""


@contextmanager
def prefect_api(home: Path | None = None) -> Iterator[str]:
    """Use the Prefect server that is configured, or start one until the end.

    Its database is the one that is configured, or under `home`, or Prefect's own. Yields the
    address of its API.

    Raises:
        ServerError: where one was needed and did not start.
    """
    if configured := PREFECT_API_URL.value():
        _check_reachable(configured)
        yield configured
    else:
        with prefect_server(home or PREFECT_HOME.value()) as url:
            yield url


@contextmanager
def prefect_server(home: Path) -> Iterator[str]:
    """Run a Prefect server with its database and its log under `home`, on a free port.

    A database that is configured (PREFECT_SERVER_DATABASE_CONNECTION_URL) is used instead. While
    it runs, this process and those that it starts use it. Yields the address of its API.

    Raises:
        ServerError: where it does not start.
    """
    try:
        home.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ServerError(f"cannot make {home}: {error}; set PREFECT_HOME to a folder") from error
    port = _free_port()
    url = f"http://127.0.0.1:{port}/api"
    # Set in the environment: threads and processes do not see a context variable.
    environment = {"PREFECT_HOME": str(home.absolute()), "PREFECT_API_URL": url}
    server = _start(port, home, _database() | os.environ | environment)
    _started.append(server)
    try:
        _await_health(server, url, home)
        with _environment(environment):
            try:
                yield url
            finally:
                # Send the last logs and events while the server still runs.
                APILogWorker.drain_all(timeout=5)
                EventsWorker.drain_all(timeout=5)
    finally:
        try:
            stop(server, signal.SIGTERM, 20)
        finally:
            _started.remove(server)


_started: list[subprocess.Popen[bytes]] = []
"""The servers that this process has started and not yet stopped."""


def kill_servers() -> None:
    """Kill what `prefect_server` started, before this process exits without cleaning up."""
    for server in _started:
        stop(server, signal.SIGKILL, 0)


def send_events() -> None:
    """Let Prefect send the events that it still has, for some seconds.

    Otherwise it warns at exit that it is still sending, and that would be the last line printed.
    """
    sending = Thread(target=EventsWorker.instance().wait_until_empty, daemon=True)
    sending.start()
    sending.join(MAX_EVENTS_SECONDS)


def _database() -> dict[str, str]:
    """Read the configured database, which may stand in a profile that another home lacks."""
    return get_current_settings().server.database.to_environment_variables(exclude_unset=True)


def _check_reachable(url: str) -> None:
    try:
        httpx.get(f"{url}/health", timeout=30)
    except (httpx.TransportError, httpx.InvalidURL) as error:
        raise ServerError(
            f"no Prefect server answers at {url} ({error}): start it, or set PREFECT_API_URL to "
            "one that runs; without PREFECT_API_URL one is started for this run"
        ) from error


def _free_port() -> int:
    """Find a port below the ephemeral ones, which a connection may take before the server does."""
    for port in random.sample(PORTS, len(PORTS)):
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
    raise ServerError(f"no port from {PORTS.start} to {PORTS.stop} is free for a Prefect server")


def _start(port: int, home: Path, environment: dict[str, str]) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "prefect", "server", "start", "--port", str(port)]
    with (home / "server.log").open("wb") as log:
        return subprocess.Popen(  # noqa: S603 - nothing in it comes from outside
            command,
            stdout=log,
            stderr=subprocess.STDOUT,
            # The folder of prefect.toml, whose settings the server needs.
            cwd=PROJECT if (PROJECT / "prefect.toml").exists() else None,
            env=environment,
            # Ctrl-C must not reach the server: what uses it has to end first.
            start_new_session=True,
        )


def _await_health(server: subprocess.Popen[bytes], url: str, home: Path) -> None:
    deadline = time.monotonic() + MAX_START_SECONDS
    while time.monotonic() < deadline and server.poll() is None:
        try:
            if httpx.get(f"{url}/health", timeout=5, trust_env=False).is_success:
                return
        except httpx.TransportError:
            time.sleep(0.1)
    end = (home / "server.log").read_text(encoding="utf-8", errors="replace")[-2000:]
    raise ServerError(f"the Prefect server did not start; the end of {home}/server.log:\n{end}")


@contextmanager
def _environment(values: dict[str, str]) -> Iterator[None]:
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    refresh_global_settings_context()
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
        refresh_global_settings_context()


def stop(child: subprocess.Popen[bytes], number: signal.Signals, patience: float) -> None:
    """Stop a process and all of its session, by force after `patience` seconds or a Ctrl-C."""
    if child.poll() is not None:
        return
    try:
        os.killpg(child.pid, number)
        child.wait(patience)
    except BaseException as error:
        with suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGKILL)
        child.wait()
        if not isinstance(error, subprocess.TimeoutExpired | ProcessLookupError):
            raise
