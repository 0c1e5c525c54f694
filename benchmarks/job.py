"""One very large job: links to pictures of 1 kB, mirrored whole; killed half-way, and resumed."""

import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.listed import PROCESSES, SIZE, WORKERS, mirrored, mirrored_on_cluster, started
from benchmarks.measuring import BenchmarkError, Options, Row, Run, Section, Target
from benchmarks.recorded import task_runs
from benchmarks.sources import Listed, listed_by_nginx
from imgur_mirror.models import Strategy

__all__ = ["job"]

STRATEGY = Strategy.DASK
"""The quickest on two cores, by `beside`."""

QUICK = 4000
SETTLED = 10
"""Seconds within which the server has recorded the last task runs."""


def job(options: Options) -> Section:
    """Measure both, and what the second fetches twice."""
    count = QUICK if options.quick else options.images
    name = f"mirror_many, {STRATEGY}({WORKERS})"
    with listed_by_nginx(options.ground, count, SIZE) as listed:
        with _folder(options.ground) as folder:
            whole = Row(f"{name}, on a cluster of {PROCESSES}", (_whole(listed, folder),), count)
        with _folder(options.ground) as folder:
            killed, resumed = _killed_half_way(listed, folder)
    fetched = int(resumed.more["fetched"])
    rows = (
        whole,
        Row(f"{name}, until SIGKILL", (killed,), int(killed.more["fetched"])),
        Row(f"{name}, resumed", (resumed,), fetched),
    )
    return Section(
        title=f"job: {count:,} links to pictures of 1 kB as one job",
        rows=rows,
        shown=(
            "fetched",
            "fetched twice",
            "task runs",
            "flow memory",
            "scheduler memory",
            "worker memory",
        ),
        targets=(_twice(resumed),),
    )


def _twice(resumed: Run) -> Target:
    # Each connection has one image on the wire, one that is brought to the disk, and some that
    # wait to be.
    return Target(
        "job: fetched twice, after SIGKILL", resumed.more["fetched twice"], WORKERS * 4, ""
    )


@contextmanager
def _folder(ground: Path) -> Iterator[Path]:
    folder = ground / "job"
    folder.mkdir()
    try:
        yield folder
    finally:
        shutil.rmtree(folder)


def _whole(listed: Listed, folder: Path) -> Run:
    listed.forget()
    before = task_runs()
    run = mirrored_on_cluster(listed, folder)
    asked = listed.requests()
    more = {"fetched": asked.total(), "fetched twice": asked.total() - len(asked)}
    return Run(run.seconds, run.more | more | {"task runs": _settled() - before})


def _killed_half_way(listed: Listed, folder: Path) -> tuple[Run, Run]:
    """Kill a run and all its processes when half was asked for, and run it again to its end."""
    listed.forget()
    began = time.perf_counter()
    session = started(listed, STRATEGY, folder)
    if not session.until(lambda: 2 * listed.asked >= listed.count, every=0.1):
        raise BenchmarkError(f"mirror_many ended before it could be killed: {session.said}")
    session.kill()
    killed = time.perf_counter() - began
    first = listed.requests().total()
    before = task_runs()
    resumed = mirrored(listed, STRATEGY, folder)
    asked = listed.requests()
    more = {
        "fetched": asked.total() - first,
        "fetched twice": asked.total() - len(asked),
        "task runs": _settled() - before,
    }
    return Run(killed, {"fetched": first}), Run(resumed.seconds, resumed.more | more)


def _settled() -> int:
    time.sleep(SETTLED)
    return task_runs()
