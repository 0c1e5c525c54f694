"""A very large job: its input cut into shards, and what became of each as one Parquet file.

`<downloads>/_many/<job>/` holds `job.json` and, for each shard, the folder `000012/` with its
images and, when it is done, `000012.parquet` with a row for each image. That file is whole or not
there, and is written after all that it vouches for has reached the disk: so a job that was stopped
goes on with the shards that have none, and a query over all of them is the whole report.
"""

import hashlib
import json
import os
import re
import zlib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields, replace
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from imgur_mirror.bulk.source import BadSource, Source
from imgur_mirror.models import NAMES_ON_DISK, Download, Outcome
from imgur_mirror.store import AlbumFolder, StoreError, album_folder, downloads_root
from imgur_mirror.store.base import StoredFile
from imgur_mirror.store.fs import said, try_lock

if TYPE_CHECKING:
    import pyarrow

__all__ = ["Job", "Report", "Row", "Shard", "Tally", "job_name", "opened_job", "shards", "tallied"]

JOBS = "_many"
"""Below the downloads; no album's id begins with an underscore."""

RUN = "shard"
"""The name of a shard's run, always the same: the next takes up the journals of the last."""

MOST_ERRORS = 20
"""Kinds of errors that are counted, the most frequent ones."""

_FIELDS = tuple(field.name for field in fields(Download))
_META = b"imgur_mirror"


@dataclass(frozen=True, slots=True)
class Shard:
    """Some consecutive rows of the input; `first` is the number of the first, counted from 0.

    There are `count` of them, `packed`: a Dask scheduler unpickles what it hands on, and remembers
    what its last thousand steps were about. `read` is the share of the whole input that ends with
    this shard.
    """

    number: int
    first: int
    count: int
    packed: bytes
    read: float = 1.0

    @classmethod
    def of(cls, number: int, first: int, texts: Sequence[str], read: float = 1.0) -> Self:
        """Pack some rows."""
        packed = zlib.compress(json.dumps(texts).encode(), level=1)
        return cls(number, first, len(texts), packed, read)

    @property
    def texts(self) -> tuple[str, ...]:
        """The rows; unpacked at each call."""
        return tuple(json.loads(zlib.decompress(self.packed)))

    def __str__(self) -> str:
        return f"{self.number:06}"

    @property
    def digest(self) -> str:
        """What tells whether its rows are those of an earlier run."""
        return hashlib.blake2b("\n".join(self.texts).encode(), digest_size=16).hexdigest()


def shards(source: Source, size: int) -> Iterator[Shard]:
    """Cut the input into shards of `size` rows, in its order; the last may be smaller.

    Raises:
        BadSource: where the input cannot be read to its end.
    """
    texts: list[str] = []
    number, read = 0, 0.0
    for rows in source.rows():
        texts += rows.texts
        read = rows.share_read
        while len(texts) >= size:
            yield Shard.of(number, number * size, texts[:size], read)
            del texts[:size]
            number += 1
    if texts:
        yield Shard.of(number, number * size, texts, read)


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """What became of the images of some shards, counted.

    `fetched` of the `downloaded` ones, and `received` bytes, came in this run; `bytes` are those
    of all files. `again` of the `failed` ones are tried again by the next run. `errors` counts
    the sentences of what failed, most frequent first.
    """

    shards: int = 0
    downloaded: int = 0
    unchanged: int = 0
    gone: int = 0
    failed: int = 0
    again: int = 0
    fetched: int = 0
    bytes: int = 0
    received: int = 0
    errors: tuple[tuple[str, int], ...] = ()

    @property
    def images(self) -> int:
        """All of which the outcome is known."""
        return self.downloaded + self.unchanged + self.gone + self.failed

    def __add__(self, other: "Tally") -> "Tally":
        sums = {
            field.name: getattr(self, field.name) + getattr(other, field.name)
            for field in fields(self)
            if field.name != "errors"
        }
        counts = Counter(dict(self.errors))
        counts.update(dict(other.errors))
        return Tally(**sums, errors=tuple(counts.most_common(MOST_ERRORS)))


@dataclass(frozen=True, slots=True)
class Row:
    """An image of a shard's report: the row of the input it comes from, and what became of it.

    `text` is that row, `folder` where its file is below the downloads. `again` says of a failed
    one that the next run tries it again.
    """

    row: int
    text: str
    folder: str
    download: Download
    again: bool = False


@dataclass(frozen=True, slots=True)
class Report:
    """A shard's Parquet file."""

    file: StoredFile

    def tally(self, shard: Shard) -> Tally | None:
        """Read what it counted, without its rows; None where it is not of these rows, or absent."""
        from pyarrow import ArrowException
        from pyarrow.parquet import read_schema

        try:
            with self.file.opened() as file:
                about = json.loads((read_schema(file).metadata or {})[_META])
            if about.pop("digest") != shard.digest:
                return None
            errors = tuple((str(error), int(count)) for error, count in about.pop("errors"))
            return Tally(**about, errors=errors)
        except StoreError:
            raise
        except (OSError, ArrowException, KeyError, ValueError, TypeError):
            # Not there, or not ours: the shard is done anew.
            return None

    def rows(self, shard: Shard) -> list[Row]:
        """Read the rows; none where the file is not of this shard's rows, or absent."""
        from pyarrow.parquet import read_table

        if self.tally(shard) is None:
            return []
        with self.file.opened() as file:
            rows = read_table(file).to_pylist()
        return [
            Row(row["row"], row["link"], row["folder"], _download(row), row["again"])
            for row in rows
        ]

    def write(self, shard: Shard, rows: Sequence[Row], tally: Tally) -> None:
        """Put the rows in place, whole, with their counts for who needs no more.

        What they vouch for has reached the disk before.
        """
        from pyarrow.parquet import write_table

        # What came in one run is no news to the next.
        about = asdict(replace(tally, fetched=0, received=0)) | {"digest": shard.digest}
        table = _table(rows).replace_schema_metadata({_META: json.dumps(about)})
        content = BytesIO()
        write_table(table, content, compression="zstd")
        self.file.write(content.getvalue())


def _download(row: Mapping[str, Any]) -> Download:
    about = {name: row[NAMES_ON_DISK.get(name, name)] for name in _FIELDS}
    return Download(**(about | {"outcome": Outcome(row["outcome"])}))


def _table(rows: Sequence[Row]) -> "pyarrow.Table":
    import pyarrow as pa

    text, real, whole, flag = pa.string(), pa.float64(), pa.int64(), pa.bool_()
    kinds: dict[str, Any] = {
        **dict.fromkeys(("bytes", "received", "piece", "attempts"), whole),
        **dict.fromkeys(("started", "first_byte", "finished"), real),
        **dict.fromkeys(("passing", "instead"), flag),
    }
    downloads = [row.download for row in rows]
    columns = {
        "row": pa.array([row.row for row in rows], whole),
        "link": pa.array([row.text for row in rows], text),
        "folder": pa.array([row.folder for row in rows], text),
        "again": pa.array([row.again for row in rows], flag),
    }
    for field in _FIELDS:
        name = NAMES_ON_DISK.get(field, field)
        values = [getattr(download, field) for download in downloads]
        columns[name] = pa.array(values, kinds.get(name, text))
    return pa.table(columns)


def tallied(rows: Iterable[Row], fetched: int, received: int) -> Tally:
    """Count the rows of one shard; an image that several rows name counts for each."""
    outcomes: Counter[Outcome] = Counter()
    errors: Counter[str] = Counter()
    again = size = 0
    for row in rows:
        outcomes[row.download.outcome] += 1
        again += row.again
        size += row.download.bytes
        if row.download.outcome is Outcome.FAILED:
            errors[_kind(row.download.error or "no reason given")] += 1
    return Tally(
        shards=1,
        downloaded=outcomes[Outcome.DOWNLOADED],
        unchanged=outcomes[Outcome.UNCHANGED],
        gone=outcomes[Outcome.GONE],
        failed=outcomes[Outcome.FAILED],
        again=again,
        fetched=fetched,
        bytes=size,
        received=received,
        errors=tuple(errors.most_common(MOST_ERRORS)),
    )


# What makes the sentences of one kind of error differ: what they quote, and how long they wait.
_OWN = re.compile(r"(?P<quote>['\"]).*?(?P=quote)|(?<=https://imgur\.com/)[\w/-]+|\d+\.\d+")


def _kind(error: str) -> str:
    return _OWN.sub("…", error)[:160]


# Jobs


@dataclass(frozen=True, slots=True)
class Job:
    """The folder of one job, and that of the downloads it is in."""

    downloads: str
    name: str

    @property
    def place(self) -> AlbumFolder:
        """Where it is; it holds no images itself."""
        return album_folder(self.downloads, f"{JOBS}/{self.name}")

    def file(self, name: str) -> StoredFile:
        """Give a file of the job's own."""
        return self.place.sibling(self.name, name)

    def report(self, shard: Shard) -> Report:
        """Give the file with the shard's outcomes."""
        return Report(self.file(f"{shard}.parquet"))

    def folder(self, shard: Shard) -> AlbumFolder:
        """Give the folder with the shard's images."""
        folder = album_folder(self.downloads, f"{JOBS}/{self.name}/{shard}")
        return folder.in_one_process(RUN)

    def below(self, folder: AlbumFolder) -> str:
        """Say where a folder is, from the downloads on."""
        return folder.uri.removeprefix(self.downloads).lstrip("/")


def job_name(source: Source) -> str:
    """Make the name of a job out of its input's."""
    word = re.sub(r"[^A-Za-z0-9._-]+", "-", Path(source.path).stem)
    return word.strip(".-")[:80] or "job"


@contextmanager
def opened_job(downloads: str, name: str, source: Source, shard_size: int) -> Iterator[Job]:
    """Make the folder of a job, or find the one of an earlier run, and keep other runs from it.

    Raises:
        BadSource: where that one is of another input, or was cut otherwise.
        StoreError: where another run is at work on it on this machine, or on the folder that
            several share, or where it cannot be written.
    """
    job = Job(downloads_root(downloads), name)
    place = job.place
    about = {"source": source.path, "column": source.column, "shard_size": shard_size}
    with said(place.local_dir):
        place.local_dir.mkdir(parents=True, exist_ok=True)
        lock = os.open(place.local_dir, os.O_RDONLY)
    try:
        if not try_lock(lock):
            raise StoreError(
                f"another run is at work on {place.uri}: wait for its end, or choose another "
                "name for this job"
            )
        _check(job, about)
        yield job
    finally:
        os.close(lock)


def _check(job: Job, about: dict[str, Any]) -> None:
    """Write down how a job is cut, or compare it with what was written down."""
    file = job.file("job.json")
    content = file.read()
    if content is None:
        file.write(json.dumps(about, indent=1).encode())
        return
    try:
        before = json.loads(content)
    except ValueError:
        before = {}
    if differing := [key for key, value in about.items() if before.get(key) != value]:
        said_then = ", ".join(f"{key} {before.get(key)}" for key in differing)
        raise BadSource(
            f"{job.place.uri} holds a job with another {' and '.join(differing)} "
            f"({said_then}): give that, or another --name; where only the file's place has "
            f"changed, mend {file}"
        )
