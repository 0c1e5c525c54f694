"""JSON: one value a line, or an array of them; each is a link, or an object that has one."""

import json
import re
from collections.abc import Iterator
from io import TextIOWrapper
from itertools import islice
from typing import Any, NamedTuple

from imgur_mirror.bulk.formats.opening import OpenFile
from imgur_mirror.bulk.formats.record import (
    MAX_LENGTH,
    BadSource,
    Columns,
    Record,
    choose_column,
    shortened,
)

__all__ = ["json_columns", "json_records"]

BLOCK = 1 << 16
"""Characters that are read at a time."""

LARGEST = 1 << 20
"""Characters of the largest value."""

BETWEEN = " \t\r\n,[]\ufeff"
"""What stands between values; arrays are read as what they hold."""

PREVIEW = 100
"""Values that are looked at for the names of columns."""

_decoder = json.JSONDecoder()

# Where reading goes on behind what is no JSON: an array may hold all of its values on one line.
_NEXT_OBJECT = re.compile(r"(?<=\})\s*,\s*(?=\{)|\n")
_NEXT_VALUE = re.compile(r',\s*(?=["{])|\n')


class _Value(NamedTuple):
    """A value and its line; or the text that is none, with the reason."""

    value: Any
    line: int
    fault: str = ""


def json_columns(path: str, file: OpenFile, wanted: str) -> Columns:
    """Choose the key with the links out of those of the first objects."""
    values = [
        each.value for each in islice(_values(file.text(newline=None)), PREVIEW) if not each.fault
    ]
    objects = [value for value in values if isinstance(value, dict)]
    names = list(dict.fromkeys(str(name) for each in objects for name in each))
    if not names and not wanted:
        return Columns()
    if not names:
        raise BadSource(f"{path} has no column {wanted!r}: it holds no objects of JSON")
    return Columns.of(choose_column(path, names, wanted), names)


def json_records(file: OpenFile, column: str) -> Iterator[Record]:
    """Read the values, each as a row."""
    for value, line, fault in _values(file.text(newline=None)):
        if fault or not isinstance(value, dict):
            yield Record(_as_text(value)[:MAX_LENGTH], line, fault)
        elif column not in value:
            yield Record("", line, f"it has no {column!r}")
        else:
            beside = {
                name: shortened(_as_text(cell))
                for name, cell in value.items()
                if name and name != column and cell is not None
            }
            yield Record(_as_text(value[column])[:MAX_LENGTH], line, "", beside)


def _as_text(value: object) -> str:
    if value is None:
        return ""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    # An escape may name half a character, which cannot be written anywhere.
    return text.encode(errors="replace").decode()


def _values(text: TextIOWrapper) -> Iterator[_Value]:
    """Read value by value; what is none is left out and said, up to the next or its line's end."""
    buffer, at, line, ended = "", 0, 1, False
    while True:
        start = _skip(buffer, at)
        line += buffer.count("\n", at, start)
        at = start
        try:
            if at == len(buffer):
                raise ValueError("nothing is left")  # noqa: TRY301 - more is read below
            value, stop = _decoder.raw_decode(buffer, at)
            if stop == len(buffer) and not ended:
                raise ValueError("it may go on")  # noqa: TRY301
        except (ValueError, RecursionError) as error:
            if not ended and len(buffer) - at < LARGEST:
                more = text.read(BLOCK)
                buffer, at, ended = buffer[at:] + more, 0, not more
                continue
            if at == len(buffer):
                return
            stop = _next_value(buffer, at)
            yield _Value(buffer[at:stop], line, f"it is no JSON ({error})")
        else:
            yield _Value(value, line)
        line += buffer.count("\n", at, stop)
        at = stop


def _skip(buffer: str, at: int) -> int:
    while at < len(buffer) and buffer[at] in BETWEEN:
        at += 1
    return at


def _next_value(buffer: str, at: int) -> int:
    pattern = _NEXT_OBJECT if buffer[at] == "{" else _NEXT_VALUE
    found = pattern.search(buffer, at + 1)
    return len(buffer) if found is None else found.start()
