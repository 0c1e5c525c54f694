"""Parquet: a column of links, and those beside it that hold text, numbers or times."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from imgur_mirror.bulk.formats.record import (
    BATCH,
    MAX_LENGTH,
    BadSource,
    Columns,
    Record,
    Rows,
    choose_column,
    shortened,
)

if TYPE_CHECKING:
    from pyarrow.parquet import ParquetFile

__all__ = ["MAGIC", "parquet_columns", "parquet_rows"]

MAGIC = b"PAR1"

ArrowType = Any
"""A type of pyarrow, which is imported where it is used."""


@contextmanager
def _open_parquet(path: Path) -> Iterator["ParquetFile"]:
    # Imported where a job is run: it takes 0.2 s.
    from pyarrow import ArrowException
    from pyarrow.parquet import ParquetFile

    try:
        # Streamed page by page; by default a whole row group is fetched ahead.
        with ParquetFile(path, pre_buffer=False, buffer_size=1 << 20) as file:
            yield file
    except ArrowException as error:
        raise BadSource(
            f"{path} is no whole Parquet file: {' '.join(str(error).split())}; make it anew"
        ) from error


def parquet_columns(path: Path, wanted: str) -> Columns:
    """Choose the column with the links, and those that can be carried along as text."""
    with _open_parquet(path) as file:
        schema = file.schema_arrow
    column = choose_column(str(path), schema.names, wanted)
    kind = schema.field(column).type
    if not _is_text(kind) and not _is_integer(kind):
        raise BadSource(f"the column {column!r} of {path} holds {kind}; make it one of text")
    plain = [field.name for field in schema if _is_plain(field.type)]
    once = [name for name in plain if schema.names.count(name) == 1]
    return Columns.of(column, once)


def parquet_rows(path: Path, columns: Columns) -> Iterator[Rows]:
    """Read the rows, some at a time.

    Raises:
        BadSource: where they are fewer than the file says.
    """
    names = [columns.link, *columns.beside]
    with _open_parquet(path) as file:
        total, read = file.metadata.num_rows, 0
        for batch in file.iter_batches(BATCH, columns=names):
            cells = [batch.column(name).to_pylist() for name in names]
            records = [_record(row, columns) for row in zip(*cells, strict=True)]
            records = [
                record._replace(line=number) for number, record in enumerate(records, read + 1)
            ]
            read += len(records)
            yield Rows(records, read / total)
    if read != total:
        raise BadSource(f"{path} should have {total} rows, and {read} can be read: make it anew")


def _record(row: tuple[Any, ...], columns: Columns) -> Record:
    link, *others = row
    beside = {
        name: shortened(str(cell))
        for name, cell in zip(columns.beside, others, strict=True)
        if cell is not None
    }
    return Record("" if link is None else str(link)[:MAX_LENGTH], 0, "", beside)


def _value_type(kind: ArrowType) -> ArrowType:
    from pyarrow import types

    return kind.value_type if types.is_dictionary(kind) else kind


def _is_text(kind: ArrowType) -> bool:
    from pyarrow import types

    kind = _value_type(kind)
    return bool(types.is_string(kind) or types.is_large_string(kind) or types.is_string_view(kind))


def _is_integer(kind: ArrowType) -> bool:
    from pyarrow import types

    return bool(types.is_integer(_value_type(kind)))


def _is_plain(kind: ArrowType) -> bool:
    """Return whether a cell of this type is short, and reads well as text."""
    from pyarrow import types

    kind = _value_type(kind)
    others = (types.is_boolean, types.is_floating, types.is_decimal, types.is_temporal)
    return _is_text(kind) or _is_integer(kind) or any(is_one(kind) for is_one in others)
