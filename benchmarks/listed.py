"""`mirror_many` and img2dataset over the same file with links, each as a user starts it."""

import os
import shutil
import sys
import time
from collections.abc import Mapping
from pathlib import Path

from benchmarks.cluster import dask_cluster
from benchmarks.measuring import Run
from benchmarks.session import Session
from benchmarks.sources import Listed, pointing_at
from imgur_mirror.models import Strategy

__all__ = [
    "INSTALL",
    "PROCESSES",
    "SIZE",
    "WORKERS",
    "img2dataset",
    "img2dataset_program",
    "mirrored",
    "mirrored_on_cluster",
    "started",
]

SIZE = 1000
"""Bytes of each picture."""

WORKERS = 64
"""Connections of each."""

PROCESSES = os.cpu_count() or 1

INSTALL = (
    "python3 -m venv i2d; i2d/bin/pip install img2dataset; export IMG2DATASET=i2d/bin/img2dataset"
)


def started(
    listed: Listed, strategy: Strategy, folder: Path, more: Mapping[str, str] | None = None
) -> Session:
    """Start `mirror_many`; its files go below `folder`."""
    options = ["--strategy", strategy, "--workers", str(WORKERS), "--downloads", str(folder)]
    command = [sys.executable, "-m", "flows.mirror_many", str(listed.path), *options]
    with pointing_at(listed.address):
        return Session(command, folder / "log", os.environ | dict(more or {}))


def mirrored(
    listed: Listed, strategy: Strategy, folder: Path, more: Mapping[str, str] | None = None
) -> Run:
    """Mirror everything: the seconds of the process, and the memory of it and of its workers.

    The scheduler of a local Dask cluster is in the flow's own process.

    Raises:
        BenchmarkError: where not all is there at the end.
    """
    began = time.perf_counter()
    session = started(listed, strategy, folder, more)
    return _ended(session, began, listed, folder)


def mirrored_on_cluster(listed: Listed, folder: Path) -> Run:
    """Do the same under `dask` on a scheduler and workers of their own; they are not timed."""
    with pointing_at(listed.address), dask_cluster(PROCESSES, folder) as cluster:
        more = {"DASK_SCHEDULER_ADDRESS": cluster.address}
        run = mirrored(listed, Strategy.DASK, folder, more)
        return Run(run.seconds, run.more | cluster.peaks())


def img2dataset_program() -> str | None:
    """Where img2dataset is: what `IMG2DATASET` says, or on the path."""
    return os.environ.get("IMG2DATASET") or shutil.which("img2dataset")


def img2dataset(listed: Listed, folder: Path) -> Run:
    """Have img2dataset fetch everything to files, as they come; raises as `mirrored` does."""
    flags = {
        "url_list": listed.path,
        "input_format": "txt",
        "output_folder": folder / "files",
        "output_format": "files",
        "distributor": "multiprocessing",
        "processes_count": PROCESSES,
        "thread_count": WORKERS // PROCESSES,
        "resize_mode": "no",
        "disable_all_reencoding": True,
        "compute_hash": "md5",
    }
    program = img2dataset_program() or "img2dataset"
    command = [program, *(f"--{name}={value}" for name, value in flags.items())]
    began = time.perf_counter()
    # One of its libraries asks for its own newest version otherwise.
    session = Session(command, folder / "log", os.environ | {"NO_ALBUMENTATIONS_UPDATE": "1"})
    return _ended(session, began, listed, folder)


def _ended(session: Session, began: float, listed: Listed, folder: Path) -> Run:
    with session:
        session.watch()
        seconds = time.perf_counter() - began
    listed.check(folder, session.name)
    return Run(seconds, session.memory())
