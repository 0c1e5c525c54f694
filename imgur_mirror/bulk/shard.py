"""Shards: the input of a job cut into runs of consecutive rows."""

import hashlib
import json
import zlib
from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Self

from imgur_mirror.bulk.formats.record import Record
from imgur_mirror.bulk.source import Source

__all__ = ["Shard", "ShardContext", "cut_into_shards"]


Json = Any


@dataclass(frozen=True, slots=True)
class ShardContext:
    """What is known of the rows of a shard besides their links, each by its index.

    `places` are the lines that rows begin in, with the file if there are several; a row without a
    place is on the line after the row before it. `faults` say why some rows cannot be read.
    `beside` has what is in the other columns, by their names.
    """

    places: Sequence[tuple[int, int, str]] = ()
    faults: Mapping[int, str] = field(default_factory=dict)
    beside: Mapping[str, Sequence[str | None]] = field(default_factory=dict)

    @classmethod
    def of(cls, records: Sequence[Record], names: Sequence[str]) -> Self:
        """Take it from the records of the rows; `names` are columns that there are in any case."""
        all_names = dict.fromkeys(names)
        for record in records:
            all_names.update(dict.fromkeys(record.beside))
        return cls(
            list(_places(records)),
            {index: record.fault for index, record in enumerate(records) if record.fault},
            {name: [record.beside.get(name) for record in records] for name in all_names},
        )

    def place(self, index: int) -> str:
        """Say where a row is: `line 3`, or `line 3 of b.csv`; empty where that is not known."""
        at = bisect_right(self.places, index, key=lambda place: place[0]) - 1
        if at < 0 or not self.places[at][1]:
            return ""
        first, line, file = self.places[at]
        return f"line {line + index - first}" + (f" of {file}" if file else "")

    def beside_row(self, index: int) -> dict[str, str | None]:
        """Return what the other columns hold in a row."""
        return {name: cells[index] for name, cells in self.beside.items()}

    def packed(self) -> bytes:
        """Return it as bytes; empty where there is nothing to say."""
        content = [self.places, list(self.faults.items()), self.beside]
        return _pack(content) if any(content) else b""

    @classmethod
    def unpacked(cls, packed: bytes) -> Self:
        """Return what was packed."""
        places, faults, beside = _unpack(packed) if packed else ([], [], {})
        return cls([(index, line, file) for index, line, file in places], dict(faults), beside)


def _places(records: Sequence[Record]) -> Iterator[tuple[int, int, str]]:
    expected = None
    for index, record in enumerate(records):
        if (record.line, record.file) != expected:
            yield index, record.line, record.file
        expected = (record.line + 1, record.file)


def _pack(content: object) -> bytes:
    return zlib.compress(json.dumps(content).encode(), level=1)


def _unpack(packed: bytes) -> Json:
    return json.loads(zlib.decompress(packed))


@dataclass(frozen=True, slots=True)
class Shard:
    """Some consecutive rows of the input; `first` is the number of the first, counted from 0.

    There are `count` of them, `packed`: a Dask scheduler unpickles what it hands on, and remembers
    what its last thousand steps were about. `share_read` is the share of the whole input that ends
    with this shard, `packed_context` what is known of the rows besides their links.
    """

    number: int
    first: int
    count: int
    packed: bytes
    share_read: float = 1.0
    packed_context: bytes = b""

    @classmethod
    def pack(
        cls,
        number: int,
        first: int,
        texts: Sequence[str],
        share_read: float = 1.0,
        context: ShardContext | None = None,
    ) -> Self:
        """Make a shard of some rows."""
        known = (context or ShardContext()).packed()
        return cls(number, first, len(texts), _pack(texts), share_read, known)

    @property
    def texts(self) -> tuple[str, ...]:
        """The rows; unpacked at each call."""
        return tuple(_unpack(self.packed))

    @property
    def context(self) -> ShardContext:
        """What is known of the rows besides their links; unpacked at each call."""
        return ShardContext.unpacked(self.packed_context)

    def __str__(self) -> str:
        return f"{self.number:06}"

    @property
    def digest(self) -> str:
        """The digest of the rows, to tell whether an earlier run had the same ones."""
        content = "\n".join(self.texts).encode(errors="surrogatepass")
        return hashlib.blake2b(content, digest_size=16).hexdigest()


def cut_into_shards(source: Source, size: int) -> Iterator[Shard]:
    """Cut the input into shards of `size` rows, in its order; the last may be smaller.

    Raises:
        BadSource: where the input cannot be read to its end.
    """
    names = source.beside
    records: list[Record] = []
    number, share_read = 0, 0.0

    def cut() -> Shard:
        some = records[:size]
        context = ShardContext.of(some, names)
        texts = [record.text for record in some]
        return Shard.pack(number, number * size, texts, share_read, context)

    for rows in source.rows():
        records += rows.records
        share_read = rows.share_read
        while len(records) >= size:
            yield cut()
            del records[:size]
            number += 1
    if records:
        yield cut()
