"""Runs whose process is gone become Crashed: `python -m deployments.watch`, once a server.

A run that was killed cannot say so, and would stay Running for ever. The server makes it Crashed
when it was heard of, has not ended, and has not been heard of for a while.
"""

import sys
from typing import Any

import httpx

from flows.server import ServerError, prefect_api

__all__ = ["automation", "watch"]

NAME = "imgur-mirror: a run without a heartbeat is Crashed"
PATIENCE = 90
"""Seconds without a heartbeat; prefect.toml has one sent every 30."""

ENDS = ("Completed", "Failed", "Cancelled", "Crashed")


def automation(within: int = PATIENCE) -> dict[str, Any]:
    """Give the automation, as Prefect's API takes it."""
    return {
        "name": NAME,
        "trigger": {
            "type": "event",
            "posture": "Proactive",
            "match": {"prefect.resource.id": ["prefect.flow-run.*"]},
            "after": ["prefect.flow-run.heartbeat"],
            "expect": ["prefect.flow-run.heartbeat", *(f"prefect.flow-run.{end}" for end in ENDS)],
            "for_each": ["prefect.resource.id"],
            "threshold": 1,
            "within": within,
        },
        "actions": [
            {
                "type": "change-flow-run-state",
                "state": "CRASHED",
                "message": "its process is gone",
            }
        ],
    }


def watch(api: str) -> None:
    """Create the automation at a server, unless it is there.

    Raises:
        httpx.HTTPError: where the server does not take it.
    """
    wanted = {"automations": {"name": {"any_": [NAME]}}}
    found = httpx.post(f"{api}/automations/filter", json=wanted, timeout=30)
    if not found.raise_for_status().json():
        made = httpx.post(f"{api}/automations/", json=automation(), timeout=30)
        made.raise_for_status()


if __name__ == "__main__":
    try:
        with prefect_api() as url:
            watch(url)
    except (ServerError, httpx.HTTPError) as error:
        sys.exit(str(error))
    print("Runs that stop sending heartbeats will be Crashed after", PATIENCE, "seconds.")
