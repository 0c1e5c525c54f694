"""Shards: the input of a job cut into runs of consecutive rows."""

import hashlib
import json
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Self

from imgur_mirror.bulk.source import Source

__all__ = ["Shard", "cut_into_shards"]


@dataclass(frozen=True, slots=True)
class Shard:
    """Some consecutive rows of the input; `first` is the number of the first, counted from 0.

    There are `count` of them, `packed`: a Dask scheduler unpickles what it hands on, and remembers
    what its last thousand steps were about. `share_read` is the share of the whole input that ends
    with this shard.
    """

    number: int
    first: int
    count: int
    packed: bytes
    share_read: float = 1.0

    @classmethod
    def pack(cls, number: int, first: int, texts: Sequence[str], share_read: float = 1.0) -> Self:
        """Make a shard of some rows."""
        packed = zlib.compress(json.dumps(texts).encode(), level=1)
        return cls(number, first, len(texts), packed, share_read)

    @property
    def texts(self) -> tuple[str, ...]:
        """The rows; unpacked at each call."""
        return tuple(json.loads(zlib.decompress(self.packed)))

    def __str__(self) -> str:
        return f"{self.number:06}"

    @property
    def digest(self) -> str:
        """The digest of the rows, to tell whether an earlier run had the same ones."""
        return hashlib.blake2b("\n".join(self.texts).encode(), digest_size=16).hexdigest()


def cut_into_shards(source: Source, size: int) -> Iterator[Shard]:
    """Cut the input into shards of `size` rows, in its order; the last may be smaller.

    Raises:
        BadSource: where the input cannot be read to its end.
    """
    texts: list[str] = []
    number, share_read = 0, 0.0
    for rows in source.rows():
        texts += rows.texts
        share_read = rows.share_read
        while len(texts) >= size:
            yield Shard.pack(number, number * size, texts[:size], share_read)
            del texts[:size]
            number += 1
    if texts:
        yield Shard.pack(number, number * size, texts, share_read)
