"""A Prefect server of one's own, for as long as something needs it.

Prefect's temporary server loses records of task runs and is slow to start, and each Dask worker
would start one more; so what is run without a server gets a real one. Commands on one home share
it: the first starts it, and it ends with the last (`flows.cli.server_process`).
"""

import fcntl
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
from typing import IO

import httpx
from prefect.context import refresh_global_settings_context
from prefect.events.worker import EventsWorker
from prefect.settings import PREFECT_API_URL, get_current_settings

from flows.cli.server_check import ServerError, WrongServer, checked_server
from flows.cli.server_files import ServerFiles, try_lock
from runners.prefect_internals import send_last_records

__all__ = [
    "IS_CHECKOUT",
    "PROJECT",
    "PROJECT_HOME",
    "ServerError",
    "WrongServer",
    "kill_servers",
    "prefect_api",
    "prefect_server",
    "running_server",
    "send_events",
    "starts_server",
    "stop",
]

MAX_START_SECONDS = 120
"""For a first start, with its migrations, on a slow machine."""

REPORT_EVERY_SECONDS = 10
"""Of a server that still starts: whoever waits for longer wants to know what for."""

MAX_EVENTS_SECONDS = 3
"""For a run's last events: a server that is away never takes them."""

PORTS = range(20_000, 32_768)

PROJECT = Path(__file__).parents[2]

IS_CHECKOUT = (PROJECT / "prefect.yaml").exists()

PROJECT_HOME = (PROJECT if IS_CHECKOUT else Path.cwd()) / ".prefect"
"""The home of the servers of `make up`, `make serve` and `make demo`."""

LOOPBACK = ("127.0.0.1", "localhost", "::1")


@contextmanager
def prefect_api(home: Path | None = None, port: int | None = None) -> Iterator[str]:
    """Use the Prefect server that is configured, or one that runs, or start one until the end.

    Its database is the one that is configured, or under `home`, or Prefect's own; it listens at
    `port` while that is free. Yields the address of its API.

    Raises:
        WrongServer: where the settings do not fit the server.
        ServerError: where there is none that can be used.
    """
    if configured := PREFECT_API_URL.value():
        with _environment(_no_proxy()), checked_server(configured):
            yield configured
    else:
        with prefect_server(home or _home(), port) as url:
            yield url


@contextmanager
def prefect_server(home: Path, port: int | None = None) -> Iterator[str]:
    """Use the Prefect server with its database and its log under `home`; start it if need be.

    A database that is configured (PREFECT_SERVER_DATABASE_CONNECTION_URL) is used instead. It
    listens at `port` while that is free, else at any that is. Until the end, this process and
    those that it starts use it. The server lives until its last user ends, whoever started it, and
    however that ends. Yields the address of its API.

    Raises:
        ServerError: where it does not start.
    """
    with _using(home) as (files, users):
        started: list[subprocess.Popen[bytes]] = []
        _servers.append((started, users))
        try:
            url = _join_or_start(files, port, started)
            environment = {"PREFECT_HOME": str(files.home), "PREFECT_API_URL": url}
            # Set in the environment: threads and processes do not see a context variable.
            with _environment(environment | _no_proxy()), checked_server(url):
                try:
                    yield url
                finally:
                    # Send the last logs and events while the server still runs.
                    send_last_records(seconds=5)
        finally:
            _leave(started, users, signal.SIGTERM, 20)
            _servers.remove((started, users))


_servers: list[tuple[list[subprocess.Popen[bytes]], IO[str]]] = []
"""What `prefect_server` has started in this process, with the file that says who uses it."""


def kill_servers() -> None:
    """Kill what `prefect_server` started, before this process exits without cleaning up.

    A server that hangs does not see that nobody uses it any more.
    """
    for started, users in _servers:
        _leave(started, users, signal.SIGKILL, 0)


def _leave(
    started: list[subprocess.Popen[bytes]], users: IO[str], number: signal.Signals, patience: float
) -> None:
    """Stop what this process has started; if others use it, it ends with the last of them."""
    if started and try_lock(users, fcntl.LOCK_EX):
        stop(started[-1], number, patience)


def running_server(home: Path) -> str | None:
    """Return the address of the API of the server of `home`; None where none answers."""
    url = ServerFiles(home.absolute()).address()
    return url if url and _answers(url) else None


def starts_server() -> bool:
    """Return whether `prefect_api` would have to start a server."""
    return not PREFECT_API_URL.value() and running_server(_home()) is None


def send_events() -> None:
    """Let Prefect send the events that it still has, for some seconds.

    Otherwise it warns at exit that it is still sending, and that would be the last line printed.
    """
    sending = Thread(target=EventsWorker.instance().wait_until_empty, daemon=True)
    sending.start()
    sending.join(MAX_EVENTS_SECONDS)


def _home() -> Path:
    """Find the home of a command that is given none: the project's, while a server runs there."""
    settings = get_current_settings()
    is_chosen = "home" in settings.model_fields_set
    return PROJECT_HOME if not is_chosen and running_server(PROJECT_HOME) else settings.home


@contextmanager
def _using(home: Path) -> Iterator[tuple[ServerFiles, IO[str]]]:
    """Be one of those who keep the server of `home`."""
    files = ServerFiles(home.absolute())
    try:
        home.mkdir(parents=True, exist_ok=True)
        using = files.use()
    except OSError as error:
        raise ServerError(f"cannot use {home}: {error}; set PREFECT_HOME to a folder") from error
    with using as users:
        yield files, users


def _join_or_start(
    files: ServerFiles, port: int | None, started: list[subprocess.Popen[bytes]]
) -> str:
    """Wait for the server of a home to answer, and start it where there is none.

    Two may start one at the same time: then one of both ends at once, and the other is used.
    """
    began = reported = time.monotonic()
    while time.monotonic() < began + MAX_START_SECONDS:
        url = files.address()
        if url and _answers(url):
            return url
        if url is None and not started:
            started.append(_start(files.home, _free_port(port)))
        elif url is None and started[-1].poll() is not None:
            break
        if time.monotonic() > reported + REPORT_EVERY_SECONDS:
            reported = time.monotonic()
            _report_start(files)
        time.sleep(0.1)
    end = files.log.read_text(encoding="utf-8", errors="replace")[-2000:]
    raise ServerError(f"the Prefect server did not start; the end of {files.log}:\n{end}")


def _report_start(files: ServerFiles) -> None:
    what = "a Prefect server, which takes longest the first time"
    print(f"Waiting for {what}; its log is {files.log} …", file=sys.stderr, flush=True)


def _answers(url: str) -> bool:
    try:
        # Certificates, which this needs none of, would take longer to load than all else.
        answer = httpx.get(f"{url}/health", timeout=5, trust_env=False, verify=False)  # noqa: S501
    except httpx.TransportError:
        return False
    return answer.is_success


def _free_port(preferred: int | None = None) -> int:
    """Find a port below the ephemeral ones, which a connection may take before the server does."""
    for port in (preferred, *random.sample(PORTS, len(PORTS))):
        with socket.socket() as probe, suppress(OSError):
            # What a server has just left can be used again.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if port is not None:
                probe.bind(("127.0.0.1", port))
                return port
    raise ServerError(f"no port from {PORTS.start} to {PORTS.stop} is free for a Prefect server")


def _start(home: Path, port: int) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "flows.cli.server_process", str(home), str(port)]
    return subprocess.Popen(  # noqa: S603 - nothing in it comes from outside
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env=_database() | os.environ | {"PREFECT_HOME": str(home)},
        # Ctrl-C must not reach the server: what uses it has to end first.
        start_new_session=True,
    )


def _database() -> dict[str, str]:
    """Read the configured database, which may stand in a profile that another home lacks."""
    return get_current_settings().server.database.to_environment_variables(exclude_unset=True)


def _no_proxy() -> dict[str, str]:
    """Have what is on this machine asked directly, and everything else as before."""
    # Where both are set, most libraries read the one in small letters.
    before = os.environ.get("no_proxy") or os.environ.get("NO_PROXY") or ""
    hosts = ",".join(filter(None, (before, *LOOPBACK)))
    value = before if before.strip() == "*" else hosts
    return {"no_proxy": value, "NO_PROXY": value}


@contextmanager
def _environment(values: dict[str, str]) -> Iterator[None]:
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    # Reading all settings again takes a tenth of a second.
    if has_settings := any(name.startswith("PREFECT_") for name in values):
        refresh_global_settings_context()
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
        if has_settings:
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
