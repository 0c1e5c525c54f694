"""The report of a shard: a Parquet file with a row for each image, and their counts."""

import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, fields, replace
from io import BytesIO
from typing import TYPE_CHECKING, Any

from imgur_mirror.bulk.outcomes import Row, Tally
from imgur_mirror.bulk.shard import Shard
from imgur_mirror.models import NAMES_ON_DISK, Download, Outcome
from imgur_mirror.store import StoredFile, StoreError

if TYPE_CHECKING:
    import pyarrow

__all__ = ["ShardReport"]

_NOT_OF_JOBS = {
    "work_started",
    "work_seconds",
    "work_error",
    "blurhash",
    "perceptual_hash",
    "copied_from",
}
"""A job computes nothing from its images, and copies none from one of its folders to another."""

_COLUMNS = {
    field.name: NAMES_ON_DISK.get(field.name, field.name)
    for field in fields(Download)
    if field.name not in _NOT_OF_JOBS
}
"""The column of each other field of a `Download`."""

_METADATA = b"imgur_mirror"

_PREFIX = "input_"
"""What the name of a column of the input gets where the report has a column of that name."""


@dataclass(frozen=True, slots=True)
class ShardReport:
    """A shard's Parquet file: whole, or not there."""

    file: StoredFile

    def tally(self, shard: Shard) -> Tally | None:
        """Read the counts, without the rows; None if it is about other rows, or absent."""
        from pyarrow import ArrowException
        from pyarrow.parquet import read_schema

        try:
            with self.file.open() as file:
                metadata = json.loads((read_schema(file).metadata or {})[_METADATA])
            if metadata.pop("digest") != shard.digest:
                return None
            metadata.pop("began", None)
            if "foreign" not in metadata:
                # Made when links to other sites counted as failures: it is made anew.
                metadata["again"] = metadata["failed"]
            errors = tuple((str(error), int(count)) for error, count in metadata.pop("errors"))
            notes = tuple(map(str, metadata.pop("notes", ())))
            return Tally(**metadata, errors=errors, notes=notes)
        except StoreError:
            raise
        except (OSError, ArrowException, KeyError, ValueError, TypeError):
            # A file that is absent, damaged or not ours: the shard is mirrored anew.
            return None

    def rows(self, shard: Shard) -> list[Row]:
        """Read the rows; none if the file is about other rows of the input, or absent."""
        from pyarrow.parquet import read_table

        if self.tally(shard) is None:
            return []
        with self.file.open() as file:
            rows = read_table(file).to_pylist()
        return [
            Row(
                row["row"],
                row["link"],
                row["folder"],
                _download(row),
                row["again"],
                album_note=row.get("album_note"),
            )
            for row in rows
        ]

    def is_of_run(self, began: float) -> bool:
        """Return whether it was written by an earlier try of the run that began then."""
        from pyarrow import ArrowException
        from pyarrow.parquet import read_schema

        with suppress(OSError, ArrowException, KeyError, ValueError), self.file.open() as file:
            metadata = json.loads((read_schema(file).metadata or {})[_METADATA])
            return bool(metadata.get("began") == began)
        return False

    def write(self, shard: Shard, rows: Sequence[Row], tally: Tally, began: float) -> None:
        """Write the rows as a whole file, with their counts in its metadata.

        The images that they vouch for have reached the disk before. `began` is when the run began.
        """
        from pyarrow.parquet import write_table

        # A later run that reads these counts has fetched nothing of this itself.
        counts = asdict(replace(tally, fetched=0, received=0))
        if not tally.noted:
            # Version 0.1 knows neither, and would take the shard for one that is not done.
            del counts["noted"], counts["notes"]
        metadata = counts | {"digest": shard.digest, "began": began}
        table = _table(rows).replace_schema_metadata({_METADATA: json.dumps(metadata)})
        content = BytesIO()
        write_table(table, content, compression="zstd")
        self.file.write(content.getvalue())


def _download(row: Mapping[str, Any]) -> Download:
    values = {field: row[column] for field, column in _COLUMNS.items()}
    return Download(**(values | {"outcome": Outcome(row["outcome"])}))


def _table(rows: Sequence[Row]) -> "pyarrow.Table":
    import pyarrow as pa

    types: dict[str, Any] = {
        **dict.fromkeys(("bytes", "received", "range_start", "attempts"), pa.int64()),
        **dict.fromkeys(("started", "first_byte", "finished"), pa.float64()),
        **dict.fromkeys(("retryable", "refetch_whole"), pa.bool_()),
    }
    columns = {
        "row": pa.array([row.row for row in rows], pa.int64()),
        "link": pa.array([row.text for row in rows], pa.string()),
        "folder": pa.array([row.folder for row in rows], pa.string()),
        "again": pa.array([row.again for row in rows], pa.bool_()),
    }
    for field, column in _COLUMNS.items():
        values = [getattr(row.download, field) for row in rows]
        columns[column] = pa.array(values, types.get(field, pa.string()))
    columns["foreign"] = pa.array([row.foreign for row in rows], pa.bool_())
    columns["album_note"] = pa.array([row.album_note for row in rows], pa.string())
    for name in dict.fromkeys(name for row in rows for name in row.beside):
        cells = [row.beside.get(name) for row in rows]
        columns[_free_name(name, columns)] = pa.array(cells, pa.string())
    return pa.table(columns)


def _free_name(name: str, columns: Mapping[str, Any]) -> str:
    # Engines that query Parquet do not tell capitals apart.
    taken = {each.lower() for each in columns}
    while name.lower() in taken:
        name = f"{_PREFIX}{name}"
    return name
