"""Task runs a second that a Prefect server takes, with its database in SQLite and in PostgreSQL.

`python -m benchmarks.database COUNT` is one flow: it says that it is ready, and starts when it is
sent a line.
"""

import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

import httpx

from benchmarks.measuring import BenchmarkError, Options, Row, Run, Section
from benchmarks.postgres import postgres
from benchmarks.recorded import task_runs

__all__ = ["database"]

FLOWS = (1, 2, 4, 8, 16)
COUNT = 500
"""Task runs of each flow."""

QUICK_FLOWS = (1, 2)
QUICK_COUNT = 20
PATIENCE = 60
"""Seconds without a new record after which what is missing counts as lost."""

URL = "PREFECT_SERVER_DATABASE_CONNECTION_URL"
LOCKED = "database is locked"


def database(options: Options) -> Section:
    """Measure both, each with more and more flows at once."""
    flows, count = (QUICK_FLOWS, QUICK_COUNT) if options.quick else (FLOWS, COUNT)
    sqlite = options.ground / "sqlite"
    rows = _rows("SQLite", f"sqlite+aiosqlite:///{sqlite}/prefect.db", sqlite, flows, count)
    with postgres() as url:
        rows += _rows("PostgreSQL", url, options.ground / "postgres", flows, count)
    return Section(
        title=f"database: flows of {count} no-op task runs at once, until the server has all",
        unit="task runs",
        rows=tuple(rows),
        shown=("lost", LOCKED),
    )


def _rows(name: str, url: str, home: Path, flows: Sequence[int], count: int) -> list[Row]:
    with _server(url, home):
        return [
            Row(f"{name}, {number} at once", (_run(number, count, home),), number * count)
            for number in flows
        ]


@contextmanager
def _server(url: str, home: Path) -> Iterator[None]:
    """Run a server on that database."""
    from flows.cli.server import prefect_server

    before = os.environ.get(URL)
    os.environ[URL] = url
    try:
        with prefect_server(home):
            yield
    finally:
        del os.environ[URL]
        if before is not None:
            os.environ[URL] = before


def _run(flows: int, count: int, home: Path) -> Run:
    log = home / "server.log"
    logged, recorded = log.stat().st_size, _completed()
    with ExitStack() as stack:
        started = [stack.enter_context(_flow(count)) for _ in range(flows)]
        for flow in started:
            _say_go(flow)
        began = time.perf_counter()
        lost = _await_records(recorded + flows * count)
        seconds = time.perf_counter() - began
    said = log.read_text(encoding="utf-8", errors="replace")[logged:]
    print(f"  {flows} flows at once {seconds:.1f} s", file=sys.stderr, flush=True)
    return Run(seconds, {"lost": lost, LOCKED: said.count(LOCKED)})


@contextmanager
def _flow(count: int) -> Iterator[subprocess.Popen[str]]:
    """Start a flow, and wait until it has imported all."""
    command = [sys.executable, "-m", __name__, str(count)]
    with subprocess.Popen(  # noqa: S603 - our own module
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as flow:
        try:
            if not flow.stdout or not flow.stdout.readline():
                raise BenchmarkError("a flow of no-op task runs did not start")
            yield flow
        finally:
            flow.kill()


def _say_go(flow: subprocess.Popen[str]) -> None:
    if flow.stdin:
        flow.stdin.write("go\n")
        flow.stdin.flush()


def _await_records(wanted: int) -> int:
    """Wait until so many task runs are recorded as completed; gives how many never are."""
    found, deadline = _completed(), time.monotonic() + PATIENCE
    while found < wanted and time.monotonic() < deadline:
        time.sleep(0.25)
        if (now := _completed()) > found:
            found, deadline = now, time.monotonic() + PATIENCE
    return wanted - found


def _completed() -> int:
    try:
        return task_runs(state={"type": {"any_": ["COMPLETED"]}})
    except httpx.HTTPError:
        # A server that is too busy to answer has recorded nothing that could be counted.
        return 0


def _main(count: int) -> None:
    from benchmarks.noops import noop_async, seconds_each
    from imgur_mirror.models import Strategy
    from runners import task_runner

    print("ready", flush=True)
    sys.stdin.readline()
    flow = seconds_each.with_options(task_runner=task_runner(Strategy.ASYNC, 8))
    # It runs one more, to begin with.
    flow(noop_async, count - 1)


if __name__ == "__main__":
    _main(int(sys.argv[1]))
