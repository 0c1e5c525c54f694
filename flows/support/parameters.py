"""The types of the flows' parameters, and what their defaults are made of.

The help of the commands needs this module alone, so it imports neither Prefect nor pydantic: what
validates, the types name by the field's own means (annotated-types) or import when they are asked.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, Any

from annotated_types import Interval, MinLen

from imgur_mirror.models import Strategy, Work

__all__ = [
    "AlbumAddress",
    "Choice",
    "JobName",
    "Limit",
    "Rounds",
    "ShardSize",
    "SourceAddress",
    "Strategies",
    "Strategy",
    "Work",
    "Workers",
    "Works",
]

MAX_WORKERS = 256


class Choice(StrEnum):
    """A strategy by its name, or the one that the last comparison advised."""

    AUTO = "auto"
    SEQUENTIAL = Strategy.SEQUENTIAL.value
    THREADS = Strategy.THREADS.value
    DASK = Strategy.DASK.value
    ASYNC = Strategy.ASYNC.value


@dataclass(frozen=True, slots=True)
class Text:
    """Text, of which digits alone may come as a number: `-p album=1234567`."""

    min_length: int = 0
    pattern: str | None = None

    def __get_pydantic_core_schema__(
        self, _source: object, _handler: Callable[..., Any]
    ) -> Mapping[str, Any]:
        from pydantic_core import core_schema

        text = core_schema.str_schema(min_length=self.min_length or None, pattern=self.pattern)
        return core_schema.no_info_before_validator_function(_as_text, text)


def _as_text(value: object) -> object:
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


AlbumAddress = Annotated[str, Text(min_length=1)]
SourceAddress = Annotated[str, MinLen(1)]
JobName = Annotated[str, Text(pattern=r"^([A-Za-z0-9_-][A-Za-z0-9._-]{0,79})?$")]
Strategies = Annotated[list[Strategy], MinLen(1)]
Works = Annotated[list[Work], MinLen(1)]
Workers = Annotated[int, Interval(ge=1, le=MAX_WORKERS)]
Rounds = Annotated[int, Interval(ge=1, le=100)]
ShardSize = Annotated[int, Interval(ge=1, le=100_000)]
Limit = Annotated[int, Interval(ge=0, le=1_000_000)]
