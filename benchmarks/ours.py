"""The flows, timed in a process of their own: `python -m benchmarks.ours WHAT …`.

The seconds are from the call to its return, in a process that has imported the flow and run
nothing before, and that sends its heartbeats itself, as a command does. `start-up` and `download`
are the run's own times.
"""

import argparse
import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from prefect import flow

from benchmarks.measuring import memory
from flows.download_images import download_images
from flows.mirror_album import mirror_album
from flows.support.heartbeat import own_heartbeats
from flows.support.parameters import Choice
from flows.support.usage import metering
from imgur_mirror.api import parse_address
from imgur_mirror.api.client import fetch_album
from imgur_mirror.compare import parts
from imgur_mirror.download.plan import Splitting, plan
from imgur_mirror.models import Download, Mirrored, Strategy, Work
from imgur_mirror.settings import read_settings
from imgur_mirror.store import album_folder

__all__: list[str] = []


@dataclass(frozen=True, slots=True)
class Call:
    """What to download, and how."""

    album: str
    folder: Path
    strategy: Strategy
    workers: int
    work: Work


def mirror(call: Call) -> dict[str, float]:
    """Time the whole flow."""
    began = time.perf_counter()
    mirrored = _mirrored(call)
    return {"seconds": time.perf_counter() - began, "download": mirrored.timings.download}


def work(call: Call) -> dict[str, float]:
    """Return the parts of a run as a comparison tells them: all but what is published."""
    with metering() as meter:
        mirrored = _mirrored(call)
        used, told = meter.usage(mirrored.timings), parts(mirrored)
    return {
        "seconds": told.total,
        "start-up": told.startup,
        "download": told.download,
        "work": told.work,
        "cores": used.processor_seconds / told.total,
    }


def _mirrored(call: Call) -> Mirrored:
    strategy, folder = Choice(call.strategy), str(call.folder)
    # It raises unless the run is Completed.
    return mirror_album(call.album, strategy, call.workers, folder, work=call.work)


@flow(name="benchmark", validate_parameters=False)
def downloads(call: Call) -> dict[str, float]:
    """Time the downloads, with the start and the end of their task runner."""
    settings = read_settings()
    album = fetch_album(parse_address(call.album), settings.access)
    with album_folder(str(call.folder), album.id).start_run() as folder:
        alone = call.strategy is Strategy.SEQUENTIAL
        splitting = None if alone else Splitting(call.workers, settings.split_bytes)
        todo = plan(album, {}, {}, settings.max_task_runs, splitting)
        began = time.perf_counter()
        rows = download_images(todo, folder, settings.wire, call.strategy, call.workers)
        return {"seconds": time.perf_counter() - began, "download": _wire(rows)}


def _wire(rows: tuple[Download, ...]) -> float:
    """Seconds from the first request to the last file in place."""
    started = [row.started for row in rows if row.started is not None]
    finished = [row.finished for row in rows if row.finished is not None]
    return max(finished) - min(started)


WHAT: dict[str, Callable[[Call], dict[str, float]]] = {
    "mirror": mirror,
    "downloads": downloads,
    "work": work,
}


def _main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.ours")
    parser.add_argument("what", choices=WHAT)
    parser.add_argument("album")
    parser.add_argument("folder", type=Path)
    parser.add_argument("strategy", type=Strategy)
    parser.add_argument("workers", type=int)
    parser.add_argument("work", type=Work)
    flags = vars(parser.parse_args())
    with own_heartbeats():
        figures = WHAT[flags.pop("what")](Call(**flags))
    print(json.dumps({**figures, "memory": memory()}))


if __name__ == "__main__":
    _main()
