"""A row of a list, whatever its format, and the column that names what to fetch."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import NamedTuple

from imgur_mirror.api import BadAddress

__all__ = [
    "BATCH",
    "MAX_LENGTH",
    "BadSource",
    "Columns",
    "Record",
    "Rows",
    "choose_column",
    "in_batches",
    "known_column",
    "shortened",
]

COLUMNS = ("url", "link", "album", "image", "urls", "links", "albums", "images")
"""The names that a column with links may have; the first of them that the file has is read."""

BATCH = 1000
"""Rows that are read at a time."""

MAX_LENGTH = 4000
"""Characters of a cell that are kept: more than the longest link that is asked for."""


class BadSource(BadAddress):
    """The input of a job cannot be used; the sentence says why, and what can."""


class Record(NamedTuple):
    """A row of a list: its link, and the line that it begins in, counted from 1.

    `fault` says why some of the row, or all of it, could not be read. `beside` has what the other
    columns hold, by their names.
    """

    text: str
    line: int = 0
    fault: str = ""
    beside: Mapping[str, str] = MappingProxyType({})
    file: str = ""


@dataclass(frozen=True, slots=True)
class Rows:
    """Some rows of the input, in its order; `share_read` is the share of it read by now."""

    records: Sequence[Record]
    share_read: float

    @property
    def texts(self) -> list[str]:
        """What each row holds where a link belongs."""
        return [record.text for record in self.records]


@dataclass(frozen=True, slots=True)
class Columns:
    """The name of the column with the links, empty where there is none, and of those beside it."""

    link: str = ""
    beside: tuple[str, ...] = ()

    @classmethod
    def of(cls, link: str, names: Iterable[str]) -> "Columns":
        """Take all other columns that have a name as those beside the links."""
        return cls(link, tuple(dict.fromkeys(name for name in names if name and name != link)))


def known_column(names: Sequence[str]) -> str | None:
    """Return the column that has one of the names that a column of links has."""
    by_name = {name.strip().lower(): name for name in reversed(names)}
    return next((by_name[name] for name in COLUMNS if name in by_name), None)


def choose_column(path: str, names: Sequence[str], wanted: str = "") -> str:
    """Return the column with the links: the `wanted` one, or one of a known name, or the only one.

    Raises:
        BadSource: where there is none, or where two have its name.
    """
    found = _wanted(names, wanted) if wanted else known_column(names)
    if found is None and len(names) == 1 and not wanted:
        found = names[0]
    if found is None:
        named = repr(wanted) if wanted else f"{', '.join(COLUMNS[:3])} or {COLUMNS[3]}"
        there = ", ".join(map(repr, names[:20])) or "none"
        raise BadSource(
            f"no column of {path} is named {named}; its columns are {there}: rename the one with "
            "the links, or name it with --url-column"
        )
    if names.count(found) > 1:
        raise BadSource(f"{path} has several columns named {found!r}: rename all but one")
    return found


def _wanted(names: Sequence[str], wanted: str) -> str | None:
    if wanted in names:
        return wanted
    return next((name for name in names if name.strip().lower() == wanted.strip().lower()), None)


def shortened(cell: str) -> str:
    """Cut what is too long to be carried along."""
    return cell if len(cell) <= MAX_LENGTH else cell[: MAX_LENGTH - 1] + "…"


def in_batches(records: Iterable[Record]) -> Iterator[list[Record]]:
    """Put the records together, `BATCH` at a time."""
    batch: list[Record] = []
    for record in records:
        batch.append(record)
        if len(batch) == BATCH:
            yield batch
            batch = []
    if batch:
        yield batch
