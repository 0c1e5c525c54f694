"""The strategies, and img2dataset where it is installed, over the same links in turns."""

from functools import partial

from benchmarks.listed import (
    INSTALL,
    PROCESSES,
    SIZE,
    WORKERS,
    img2dataset,
    img2dataset_program,
    mirrored,
    mirrored_on_cluster,
)
from benchmarks.measuring import Contender, Options, Row, Section, Target, in_turns
from benchmarks.sources import Listed, listed_by_nginx
from imgur_mirror.models import Strategy

__all__ = ["beside", "target"]

COUNT = 50_000
QUICK = 2000
OURS = (Strategy.THREADS, Strategy.DASK, Strategy.ASYNC)
IMG2DATASET = f"img2dataset, multiprocessing({PROCESSES} × {WORKERS // PROCESSES})"


def beside(options: Options) -> Section:
    """Measure who is quickest."""
    count = QUICK if options.quick else min(COUNT, options.images)
    with listed_by_nginx(options.ground, count, SIZE) as listed:
        ran = in_turns(_contenders(listed), options.rounds, options.ground)
    rows = tuple(Row(row.name, row.runs, count) for row in ran.values())
    fastest = min((row for row in rows if row.name != IMG2DATASET), key=Row.figure)
    return Section(
        title=f"beside: {count:,} links to pictures of 1 kB, {WORKERS} connections",
        rows=rows,
        baseline=fastest.each,
        baseline_name=fastest.name,
        shown=("flow memory", "scheduler memory", "worker memory"),
        targets=tuple(target(fastest, row) for row in rows if row.name == IMG2DATASET),
        notes=() if img2dataset_program() else (f"img2dataset is not installed: {INSTALL}",),
    )


def target(ours: Row, theirs: Row) -> Target:
    """At least their rate."""
    rate = theirs.each / ours.each
    return Target(f"images/s: {ours.name} / img2dataset", rate, 1, at_least=True)


def _contenders(listed: Listed) -> dict[str, Contender]:
    found: dict[str, Contender] = {
        f"mirror_many, {strategy}({WORKERS})": partial(mirrored, listed, strategy)
        for strategy in OURS
    }
    found[f"mirror_many, dask({WORKERS}) on a cluster"] = partial(mirrored_on_cluster, listed)
    if img2dataset_program():
        found[IMG2DATASET] = partial(img2dataset, listed)
    return found
