"""What the flows' parameters have in common: their types, and the run's name that they make."""

from enum import StrEnum
from typing import Annotated, Any

from prefect import runtime
from pydantic import BeforeValidator, Field

from imgur_mirror.api import BadAddress, parse_address
from imgur_mirror.models import Strategy

__all__ = ["AlbumAddress", "Choice", "Workers", "album_name"]

MAX_WORKERS = 256


class Choice(StrEnum):
    """A strategy by its name, or the one that the last comparison advised."""

    AUTO = "auto"
    SEQUENTIAL = Strategy.SEQUENTIAL.value
    THREADS = Strategy.THREADS.value
    DASK = Strategy.DASK.value
    ASYNC = Strategy.ASYNC.value


def _as_text(value: object) -> object:
    """Take an id of digits alone as text: `-p album=1234567` arrives as a number."""
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


AlbumAddress = Annotated[str, BeforeValidator(_as_text), Field(min_length=1)]

Workers = Annotated[int, Field(ge=1, le=MAX_WORKERS)]


def album_name() -> str:
    """Give the id of the running flow's album, however the album was named."""
    parameters: dict[str, Any] = runtime.flow_run.parameters or {}
    album = str(parameters.get("album", ""))
    try:
        return parse_address(album).id
    except BadAddress:
        return album[:40]
