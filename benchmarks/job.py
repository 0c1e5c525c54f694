"""One very large job: links to pictures of 1 kB, mirrored whole; or killed, and resumed."""

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

__all__ = ["job", "killed", "twice"]

STRATEGY = Strategy.DASK
"""The quickest on two cores, by `beside`."""

NAME = f"mirror_many, {STRATEGY}({WORKERS})"
FETCHED = ("fetched", "fetched twice", "task runs")
QUICK = 4000
SETTLED = 10
"""Seconds within which the server has recorded the last task runs."""

TWICE = 4 * WORKERS
"""Images that may be fetched twice: one on the wire of each connection, and some that wait to be
brought to the disk."""


def job(options: Options) -> Section:
    """Mirror all links as one job, on a Dask cluster of as many processes as there are cores."""
    with _source(options) as (listed, folder):
        run = _whole(listed, folder)
    return Section(
        title=f"job: {listed.count:,} links to pictures of 1 kB as one job",
        rows=(Row(f"{NAME}, on a cluster of {PROCESSES}", (run,), listed.count),),
        shown=(*FETCHED, "flow memory", "scheduler memory", "worker memory"),
    )


def killed(options: Options) -> Section:
    """Kill such a job with all its processes when half was asked for, and run it again."""
    with _source(options) as (listed, folder):
        first, resumed = _killed_half_way(listed, folder)
    fetched = [int(run.more["fetched"]) for run in (first, resumed)]
    return Section(
        title=f"killed: the same job of {listed.count:,} links, stopped by SIGKILL half-way",
        rows=(
            Row(f"{NAME}, until SIGKILL", (first,), fetched[0]),
            Row(f"{NAME}, resumed", (resumed,), fetched[1]),
        ),
        shown=(*FETCHED, "flow memory", "worker memory"),
        targets=(twice(resumed),),
    )


def twice(resumed: Run) -> Target:
    """At most so many images are fetched twice."""
    return Target("killed: images fetched twice", resumed.more["fetched twice"], TWICE, "")


@contextmanager
def _source(options: Options) -> Iterator[tuple[Listed, Path]]:
    """The links, and the folder that they are mirrored to."""
    folder = options.ground / "job"
    folder.mkdir()
    try:
        count = QUICK if options.quick else options.images
        with listed_by_nginx(options.ground, count, SIZE) as listed:
            yield listed, folder
    finally:
        shutil.rmtree(folder)


def _whole(listed: Listed, folder: Path) -> Run:
    before = _recorded()
    run = mirrored_on_cluster(listed, folder)
    fetched = _fetched(listed)
    return Run(run.seconds, run.more | fetched | {"task runs": _recorded() - before})


def _killed_half_way(listed: Listed, folder: Path) -> tuple[Run, Run]:
    before = _recorded()
    began = time.perf_counter()
    with started(listed, STRATEGY, folder) as session:

        def half() -> bool:
            session.look()
            return 2 * listed.asked >= listed.count

        if not session.until(half, every=0.25):
            raise BenchmarkError(f"mirror_many ended before it could be killed: {session.said}")
    seconds = time.perf_counter() - began
    fetched, memory, half_way = _fetched(listed), session.memory(), _recorded()
    first = Run(seconds, fetched | memory | {"task runs": half_way - before})
    resumed = mirrored(listed, STRATEGY, folder)
    both = _fetched(listed)
    mine = both | {
        "fetched": both["fetched"] - first.more["fetched"],
        "task runs": _recorded() - half_way,
    }
    return first, Run(resumed.seconds, resumed.more | mine)


def _fetched(listed: Listed) -> dict[str, float]:
    asked = listed.requests()
    return {"fetched": asked.total(), "fetched twice": asked.total() - len(asked)}


def _recorded() -> int:
    """Count all task runs; the last of another benchmark, too, is recorded after its end."""
    time.sleep(SETTLED)
    return task_runs()
