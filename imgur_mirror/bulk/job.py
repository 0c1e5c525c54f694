"""A very large job: its folder, and what keeps two runs of it apart.

`<downloads>/_many/<job>/` holds `job.json` and, for each shard, the folder `000012/` with its
images and, when it is done, `000012.parquet` with a row for each image. That file is whole or not
there, and is written after all that it vouches for has reached the disk: so a job that was stopped
goes on with the shards that have none, and a query over all of them is the whole report.
"""

import json
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

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
from imgur_mirror.store.fs import try_lock

__all__ = ["Job", "job_name", "open_job"]

JOBS = "_many"
"""The folder of all jobs below the downloads; no album's id begins with an underscore."""

RUN = "shard"
"""The name of every run of a shard: being the same, the next run finds the journals of the last."""

JOB_RUN = "job"
"""The name of every run of a job; one at a time has the job's folder."""


@dataclass(frozen=True, slots=True)
class Job:
    """A job by its name, below the downloads."""

    downloads: str
    name: str

    @property
    def folder(self) -> AlbumFolder:
        """The job's folder; it holds no images itself."""
        return album_folder(self.downloads, f"{JOBS}/{self.name}")

    @property
    def run(self) -> AlbumFolder:
        """The job's folder as that of a run, which all shards and their albums are parts of."""
        return self.folder.in_one_process(JOB_RUN)

    def file(self, name: str) -> StoredFile:
        """Give a file in the job's folder."""
        return self.folder.sibling(self.name, name)

    def report(self, shard: Shard) -> ShardReport:
        """Give the file with the shard's outcomes."""
        return ShardReport(self.file(f"{shard}.parquet"))

    def shard_folder(self, shard: Shard) -> AlbumFolder:
        """Give the folder with the shard's images."""
        folder = album_folder(self.downloads, f"{JOBS}/{self.name}/{shard}")
        return folder.in_one_process(RUN).as_part_of(self.run)

    def relative(self, folder: AlbumFolder) -> str:
        """Give the path of a folder from the downloads on."""
        return folder.uri.removeprefix(self.downloads).lstrip("/")


def job_name(source: Source) -> str:
    """Make the name of a job out of its input's."""
    word = re.sub(r"[^A-Za-z0-9._-]+", "-", Path(source.path).stem)
    return word.strip(".-")[:80] or "job"


@contextmanager
def open_job(downloads: str, name: str, source: Source, shard_size: int) -> Iterator[Job]:
    """Make the folder of a job, or find that of an earlier run, and lock it against other runs.

    Raises:
        BadSource: where that one is of another input, or was cut otherwise.
        StoreError: where another run is at work on it on this machine, or on the folder that
            several share, or where it cannot be written.
    """
    job = Job(downloads_root(downloads), name)
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
