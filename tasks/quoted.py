"""Values that Prefect hands to a task without looking into them."""

from typing import TypeVar, cast

from prefect.utilities.annotations import quote

__all__ = ["quoted"]

T = TypeVar("T")


def quoted(value: T) -> T:
    """Quote a large value for a call of a task, which gets it unquoted.

    Prefect looks for futures in every field of every dataclass among a task's parameters: for an
    album of 20,000 images that takes seconds.
    """
    return cast(T, quote(value))
