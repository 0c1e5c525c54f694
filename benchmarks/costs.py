"""What a small album costs besides its downloads: whole processes, with a Prefect server running.

`processor` are the seconds of a process and of its children, `server` those that the Prefect server
spends until it has recorded the run. All is measured beside `import prefect`, which no flow does
without.
"""

import os
import resource
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

import psutil
from prefect.settings import PREFECT_API_URL

from benchmarks.measuring import (
    BenchmarkError,
    Contender,
    Options,
    Row,
    Run,
    Section,
    Target,
    in_turns,
)
from benchmarks.sources import Source, of_standin, with_album

__all__ = ["costs"]

IMPORT, NEW, UNCHANGED = "import prefect", "new images", "unchanged album"
SEVERAL, ONE, NO_NEWS = "new albums", "their images as one album", "unchanged albums"

SIZE, SMALL_SIZE = 150_000, 20_000
IMAGES, ALBUMS, EACH = 60, 50, 20
QUICK = 3
"""Images and albums of a quick run."""

RECORDED = 6
"""Seconds in which the server has written down what it was sent."""

PATIENCE = 600


def costs(options: Options) -> Section:
    """Measure the processes."""
    count, albums, each = (QUICK,) * 3 if options.quick else (IMAGES, ALBUMS, EACH)
    with of_standin("fast", album="Costs01", sizes=(SIZE,) * count) as source, ExitStack() as use:
        whole = with_album(source.address, "Costs02", (SMALL_SIZE,) * (albums * each))
        parts = [
            with_album(source.address, f"Part{number:03}", (SMALL_SIZE,) * each)
            for number in range(albums)
        ]
        use.enter_context(source.configured())
        rows = _measured(source, whole, parts, options)
    return Section(
        title=f"costs: {count} images of 150 kB; {albums} albums of {each} images of 20 kB",
        rows=tuple(rows.values()),
        baseline=rows[IMPORT].figure(),
        baseline_name=IMPORT,
        shown=("processor", "server"),
        targets=_targets(rows, albums),
        notes=(
            f"the server's seconds are counted for {RECORDED} s more, and have what it does idly",
        ),
    )


def _measured(
    source: Source, whole: Source, parts: Sequence[Source], options: Options
) -> dict[str, Row]:
    kept = options.ground / "kept"
    one = partial(_flow, "flows.mirror_album", [source])
    many = partial(_flow, "flows.mirror_albums", parts)
    # What is to be found unchanged.
    one(kept)
    many(kept)
    contenders: dict[str, Contender] = {
        IMPORT: lambda _: _process("-c", "import prefect"),
        NEW: one,
        UNCHANGED: lambda _: one(kept),
        SEVERAL: many,
        ONE: partial(_flow, "flows.mirror_album", [whole]),
        NO_NEWS: lambda _: many(kept),
    }
    return in_turns(contenders, options.rounds, options.ground)


def _flow(module: str, sources: Sequence[Source], folder: Path) -> Run:
    albums = [source.album for source in sources]
    server = _server()
    before = _spent(server)
    ran = _process("-m", module, *albums, "--downloads", str(folder))
    time.sleep(RECORDED)
    for source in sources:
        source.check(folder / source.album, module)
    return Run(ran.seconds, ran.more | {"server": _spent(server) - before})


def _process(*arguments: str) -> Run:
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    done = subprocess.run(  # noqa: S603 - our own modules
        [sys.executable, *arguments], capture_output=True, text=True, timeout=PATIENCE, check=False
    )
    seconds, after = time.perf_counter() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode != 0:
        raise BenchmarkError(
            f"{' '.join(arguments[:2])} ended with {done.returncode}: {done.stderr[-1500:]}"
        )
    spent = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Run(seconds, {"processor": spent, "server": 0.0})


def _server() -> psutil.Process:
    """Find the process of the Prefect server: the one that listens at the API's port."""
    port = urlsplit(os.environ.get("PREFECT_API_URL") or PREFECT_API_URL.value() or "").port
    for found in psutil.net_connections("tcp"):
        if found.status == psutil.CONN_LISTEN and found.pid and found.laddr[1:] == (port,):
            return psutil.Process(found.pid)
    raise BenchmarkError(f"no process of this user's listens at port {port}")


def _spent(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system + times.children_user + times.children_system)


def _targets(rows: dict[str, Row], albums: int) -> tuple[Target, ...]:
    seconds = {name: row.figure() for name, row in rows.items()}
    processor = {name: row.figure("processor") for name, row in rows.items()}
    each = (seconds[NO_NEWS] - seconds[UNCHANGED]) / (albums - 1) * 1000
    return (
        Target(f"costs: {NEW} / {IMPORT}", seconds[NEW] / seconds[IMPORT], 2.0),
        Target(f"costs: {NEW} / {IMPORT}, processor", processor[NEW] / processor[IMPORT], 2.2),
        Target(f"costs: {UNCHANGED} / {IMPORT}", seconds[UNCHANGED] / seconds[IMPORT], 1.5),
        Target("costs: each further unchanged album of mirror_albums", each, 100, "ms"),
        Target(f"costs: {SEVERAL} / {ONE}", seconds[SEVERAL] / seconds[ONE], 2.0),
    )
