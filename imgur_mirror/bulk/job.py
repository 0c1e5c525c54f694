"""A very large job: its folder, and what keeps two runs of it apart.

`<downloads>/_many/<job>/` holds `job.json` and, for each shard, the folder `000012/` with its
images and, when it is done, `000012.parquet` with a row for each image. That file is whole or not
there, and is written after all that it vouches for has reached the disk: so a job that was stopped
goes on with the shards that have none, and a query over all of them is the whole report.
"""

import json
import os
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

from imgur_mirror.bulk.formats.detection import list_name
from imgur_mirror.bulk.parquet_report import ShardReport
from imgur_mirror.bulk.shard import Shard
from imgur_mirror.bulk.source import BadSource, Source
from imgur_mirror.store import (
    AlbumFolder,
    StoredFile,
    StoreError,
    album_folder,
    downloads_root,
    os_errors_as_store_errors,
)
from imgur_mirror.store.fs import remove_drafts, try_lock

__all__ = ["Job", "JobOptions", "job_name", "open_job"]

JOBS = "_many"
"""The folder of all jobs below the downloads; no album's id begins with an underscore."""

GAP = 20
"""Reports in a row that are absent where there are no more: shards do not end in their order."""

RUN = "shard"
"""The name of every run of a shard: being the same, the next run finds the journals of the last."""

JOB_RUN = "job"
"""The name of every run of a job; one at a time has the job's folder."""


@dataclass(frozen=True, slots=True, kw_only=True)
class JobOptions:
    """What a run of a job does besides fetching what is missing.

    With `verify`, every stored file is read back, and fetched again where it is damaged; with
    `retry_gone`, images that were gone are asked for again.
    """

    verify: bool = False
    retry_gone: bool = False


_NO_OPTIONS = JobOptions()


@dataclass(frozen=True, slots=True)
class Job:
    """A job by its name, below the downloads; this run of it began at `began`, since 1970."""

    downloads: str
    name: str
    options: JobOptions = _NO_OPTIONS
    began: float = 0.0

    @property
    def folder(self) -> AlbumFolder:
        """The job's folder; it holds no images itself."""
        return album_folder(self.downloads, f"{JOBS}/{self.name}")

    @property
    def run(self) -> AlbumFolder:
        """The job's folder as that of a run, which all shards and their albums are parts of."""
        return self.folder.in_one_process(JOB_RUN)

    def file(self, name: str) -> StoredFile:
        """Return a file in the job's folder."""
        return self.folder.sibling(self.name, name)

    def report(self, shard: Shard) -> ShardReport:
        """Return the file with the shard's outcomes."""
        return ShardReport(self.file(f"{shard}.parquet"))

    def remove_reports_from(self, number: int) -> int:
        """Remove the reports of shards of this number and above, and return how many there were.

        An input that became shorter has left them. Files of their images stay.
        """
        left = []
        for first in count(number, GAP):
            names = [f"{each:06}.parquet" for each in range(first, first + GAP)]
            there = [name for name in names if self.file(name).exists()]
            left += there
            if not there:
                break
        if left:
            self.file("").storage.delete([f"{self.name}/{name}" for name in left])
        return len(left)

    def remove_state(self, shard: Shard) -> None:
        """Forget the run of a finished shard, which was killed after it had written its report."""
        folder = self.shard_folder(shard)
        # That of a store elsewhere is in scratch, where what is old is removed by itself.
        if folder.capabilities.local:
            folder.run_state.remove()

    def shard_folder(self, shard: Shard) -> AlbumFolder:
        """Return the folder with the shard's images."""
        folder = album_folder(self.downloads, f"{JOBS}/{self.name}/{shard}")
        return folder.in_one_process(RUN).as_part_of(self.run)

    def relative(self, folder: AlbumFolder) -> str:
        """Return the path of a folder from the downloads on."""
        return folder.uri.removeprefix(self.downloads).lstrip("/")


def job_name(source: Source) -> str:
    """Make the name of a job out of its input's; one without Latin letters has a digest."""
    stem = list_name(Path(source.path)).stem
    word = re.sub(r"[^A-Za-z0-9._-]+", "-", stem).strip(".-")[:80]
    is_lost = not word or (not stem.isascii() and not re.search("[A-Za-z]", word))
    return f"job-{source.digest}" if is_lost else word


@contextmanager
def open_job(
    downloads: str,
    name: str,
    source: Source,
    shard_size: int,
    options: JobOptions = _NO_OPTIONS,
) -> Iterator[Job]:
    """Make the folder of a job, or find that of an earlier run, and lock it against other runs.

    Raises:
        BadSource: where that one is of another input, or was cut otherwise.
        StoreError: where another run is at work on it on this machine, or on the folder that
            several share, or where it cannot be written.
    """
    job = Job(downloads_root(downloads), name, options, time.time())
    with _locked(job.folder):
        _check_description(
            job, {"source": source.path, "column": source.column, "shard_size": shard_size}
        )
        with job.run.run_state.begun_anew():
            yield job


@contextmanager
def _locked(folder: AlbumFolder) -> Iterator[None]:
    with os_errors_as_store_errors(folder.local_dir):
        folder.local_dir.mkdir(parents=True, exist_ok=True)
        lock = os.open(folder.local_dir, os.O_RDONLY)
    try:
        if not try_lock(lock):
            raise StoreError(
                f"another run is at work on {folder.uri}: wait for its end, or choose another "
                "name for this job"
            )
        with os_errors_as_store_errors(folder.local_dir):
            remove_drafts(folder.local_dir)
        yield
    finally:
        os.close(lock)


def _check_description(job: Job, description: dict[str, Any]) -> None:
    """Write `job.json`, or compare it with the one that an earlier run wrote."""
    file = job.file("job.json")
    content = file.read()
    if content is None:
        file.write(json.dumps(description, indent=1).encode())
        return
    earlier = _read_description(content)
    if earlier is None:
        raise BadSource(
            f"{file} describes no job: mend it, or remove it to have it written anew, if "
            f"{description['source']} is what this job is of; else give another --name"
        )
    if differing := [key for key, value in description.items() if earlier.get(key) != value]:
        then = ", ".join(f"{key} {earlier.get(key)}" for key in differing)
        raise BadSource(
            f"{job.folder.uri} holds a job with another {' and '.join(differing)} "
            f"({then}): give that, or another --name; where only the file's place has "
            f"changed, mend {file}"
        )


def _read_description(content: bytes) -> dict[str, Any] | None:
    """Read a `job.json`; None where it is none."""
    try:
        found = json.loads(content)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None
