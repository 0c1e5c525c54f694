"""What tests ask a Prefect server, which may be busy, and writes some things down late."""

import time
from collections.abc import Callable
from http import HTTPStatus
from typing import Any, TypeVar

import httpx

__all__ = ["artifacts", "ask", "delete", "eventually", "filtered", "read"]

LONG = 120
"""Seconds; what no test comes near, unless something hangs."""

T = TypeVar("T")


def eventually(condition: Callable[[], T], seconds: float = LONG) -> T:
    """Wait until the condition holds, and give what it gave last."""
    deadline = time.monotonic() + seconds
    while not (met := condition()) and time.monotonic() < deadline:
        time.sleep(0.05)
    return met


def ask(method: str, address: str, body: Any = None) -> httpx.Response:
    """Send a request, again while the server says that its database is busy; give the answer.

    Such a server has done nothing of what it was asked: it answers 503 where SQLite is locked.
    """
    deadline = time.monotonic() + LONG
    while True:
        answer = httpx.request(method, address, json=body, timeout=LONG)
        busy = answer.status_code == HTTPStatus.SERVICE_UNAVAILABLE
        if not busy or time.monotonic() > deadline:
            return answer
        time.sleep(0.2)


def read(address: str) -> Any:
    return ask("GET", address).raise_for_status().json()


def filtered(api: str, what: str, **wanted: Any) -> Any:
    """All that the server has of a kind, or what is wanted of it."""
    return ask("POST", f"{api}/{what}/filter", wanted).raise_for_status().json()


def artifacts(api: str, key: str) -> Any:
    """The artifacts of a key, the latest first."""
    return filtered(api, "artifacts", sort="CREATED_DESC", artifacts={"key": {"any_": [key]}})


def delete(address: str) -> None:
    """Delete what is there; it is no error where something else has deleted it."""
    answer = ask("DELETE", address)
    if answer.status_code != HTTPStatus.NOT_FOUND:
        answer.raise_for_status()
