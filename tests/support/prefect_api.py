"""What tests ask a Prefect server, which may be busy, and writes some things down late."""

import os
import time
from http import HTTPStatus
from typing import Any

import httpx
from prefect.client.orchestration import get_client
from prefect.client.schemas.actions import GlobalConcurrencyLimitCreate

from tests.support.waiting import LONG

__all__ = ["artifact", "artifacts", "ask", "delete", "filtered", "make_limit", "read"]


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


def artifact(key: str) -> Any:
    """The data of the latest artifact of a key, a table in JSON or Markdown."""
    return artifacts(os.environ["PREFECT_API_URL"], key)[0]["data"]


def make_limit(name: str, limit: int = 20, rate: float = 20) -> None:
    """Make a limit of so many requests at once, and so many a second."""
    with get_client(sync_client=True) as client:
        client.create_global_concurrency_limit(
            GlobalConcurrencyLimitCreate(name=name, limit=limit, slot_decay_per_second=rate)
        )


def delete(address: str) -> None:
    """Delete what is there; it is no error where something else has deleted it."""
    answer = ask("DELETE", address)
    if answer.status_code != HTTPStatus.NOT_FOUND:
        answer.raise_for_status()
