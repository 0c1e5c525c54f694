"""What the task runners cost: a task run of each, and a Dask cluster until it can run one.

`python -m benchmarks.runners ready N` and `… each RUNNER COUNT` are one run of it each.
"""

import json
import sys
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.measuring import Options, Row, Run, Section, Target, child, in_turns

__all__ = ["runners"]

WORKERS = 8


def runners(options: Options) -> Section:
    """Measure the runners side by side."""
    count, cluster = (20, 2) if options.quick else (200, WORKERS)
    contenders = {
        "Dask, 1 worker ready": ("ready", 1),
        f"Dask, {cluster} workers ready": ("ready", cluster),
        "threads(1), a sync task run": ("each", "threads", count),
        "dask(1), a sync task run": ("each", "dask", count),
        f"threads({WORKERS}), an async task run": ("each", "threads-async", count),
        f"AsyncTaskRunner({WORKERS}), an async task run": ("each", "async", count),
    }
    runs = {name: partial(_run, call) for name, call in contenders.items()}
    rows = in_turns(runs, options.rounds, options.ground)
    return Section(
        title=f"task runners: {count} no-op task runs each",
        rows=tuple(rows.values()),
        targets=_targets(*rows.values()),
    )


def _run(call: Sequence[object], _: Path) -> Run:
    return child("benchmarks.runners", *call)


def _targets(one: Row, several: Row, *each: Row) -> tuple[Target, ...]:
    threads, dask, threads_async, ours = (row.figure() for row in each)
    return (
        Target(f"{several.name} / {one.name}", several.figure() / one.figure(), 1.3),
        Target("dask, added per task run over threads", (dask - threads) * 1000, 15, "ms"),
        Target("AsyncTaskRunner / ThreadPoolTaskRunner, async no-op", ours / threads_async, 0.7),
    )


def ready(workers: int) -> float:
    """Seconds until each of so many Dask workers has imported what it takes to run a task."""
    began = time.perf_counter()
    import distributed

    from runners.dask import local_cluster

    with local_cluster(workers) as cluster, distributed.Client(cluster) as client:  # type: ignore[no-untyped-call]  # distributed's is untyped
        client.wait_for_workers(workers)
        client.run(_import_engine)
        return time.perf_counter() - began


def _import_engine() -> None:
    import runners.dask  # noqa: F401 - what a worker needs for its first task run


def each(runner: str, count: int) -> float:
    """Seconds for each of so many no-op task runs."""
    from prefect.task_runners import TaskRunner, ThreadPoolTaskRunner

    from benchmarks.noops import noop, noop_async, seconds_each
    from imgur_mirror.models import Strategy
    from runners import task_runner

    made: dict[str, TaskRunner[Any]] = {
        "threads": task_runner(Strategy.THREADS, 1),
        "threads-async": ThreadPoolTaskRunner(max_workers=WORKERS),
        "async": task_runner(Strategy.ASYNC, WORKERS),
    }
    chosen = made.get(runner) or task_runner(Strategy.DASK, 1)
    one = noop_async if "async" in runner else noop
    return seconds_each.with_options(task_runner=chosen)(one, count)


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["ready", workers]:
            seconds = ready(int(workers))
        case ["each", runner, count]:
            seconds = each(runner, int(count))
        case _:
            sys.exit(__doc__)
    print(json.dumps({"seconds": seconds}))
