"""How long a test waits for what must come: on a busy machine everything takes its time."""

import time
from collections.abc import Callable
from typing import TypeVar

__all__ = ["LONG", "eventually"]

LONG = 120
"""Seconds; what no test comes near, unless something hangs."""

T = TypeVar("T")


def eventually(condition: Callable[[], T], seconds: float = LONG) -> T:
    """Wait until the condition holds, and give what it gave last."""
    deadline = time.monotonic() + seconds
    while not (met := condition()) and time.monotonic() < deadline:
        time.sleep(0.05)
    return met
