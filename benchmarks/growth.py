"""Images a second over worker processes, where waiting for the host is the limit."""

import os
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from benchmarks.cluster import dask_cluster
from benchmarks.contenders import ours
from benchmarks.measuring import Contender, Options, Row, Run, Section, Target, in_turns
from benchmarks.sources import Source, of_standin
from imgur_mirror.models import Strategy

__all__ = ["growth", "workers"]

FIRST_BYTE = 0.1
"""Seconds until the first byte of each answer."""

EACH = 8
"""Connections of each process."""

PROCESSES = (1, 2, 4)
COUNT = 2400
QUICK_PROCESSES, QUICK = (1, 2), 100
SIZE = 5000
BOUND = 0.85
"""The least part of growth in proportion."""


def workers(options: Options) -> Section:
    """Measure clusters of more and more processes, from the first request to the last file."""
    sizes = (SIZE,) * (QUICK if options.quick else COUNT)
    processes = QUICK_PROCESSES if options.quick else PROCESSES
    with of_standin(
        "fast", "--first-byte", str(FIRST_BYTE), album="Growth1", sizes=sizes
    ) as source:
        ran = in_turns(_contenders(source, processes), options.rounds, options.ground)
    rows = [Row(row.name, row.runs, len(sizes)) for row in ran.values()]
    return Section(
        title=f"workers: {len(sizes):,} images, {FIRST_BYTE * 1000:.0f} ms to the first byte of "
        f"each, {EACH} connections a process",
        rows=tuple(rows),
        baseline=rows[0].each,
        baseline_name="1 process",
        targets=tuple(
            growth(rows[0], row, count) for row, count in zip(rows[1:], processes[1:], strict=True)
        ),
        notes=("the times are of the downloads, from the first request to the last file",),
    )


def growth(one: Row, several: Row, processes: int) -> Target:
    """The rate of several processes, as a part of so many times the rate of one."""
    part = one.each / several.each / processes
    return Target(f"workers: {processes} processes / {processes} × one", part, BOUND, at_least=True)


def _contenders(source: Source, processes: Sequence[int]) -> dict[str, Contender]:
    return {
        f"mirror_album, dask on {count} process{'es' * (count > 1)}": partial(_run, source, count)
        for count in processes
    }


def _run(source: Source, processes: int, folder: Path) -> Run:
    with source.configured(), dask_cluster(processes, folder) as cluster:
        os.environ["DASK_SCHEDULER_ADDRESS"] = cluster.address
        ran = ours("mirror", source, Strategy.DASK, EACH * processes)(folder)
    return Run(ran.more["download"], {"whole": ran.seconds})
