"""Runs whose process is gone become Crashed: `python -m deployments.watch`, once a server.

A run that was killed cannot say so, and would stay Running for ever. The server makes it Crashed
when it was heard of, has not ended, and has not been heard of for a while.
"""

import sys
from typing import Any

import httpx
from prefect.client.orchestration import get_client
from prefect.events.schemas.automations import AutomationCore

from flows.cli.server import ServerError, prefect_api

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


def watch() -> None:
    """Create the automation at the configured server, unless it is there.

    Raises:
        httpx.HTTPError: where the server does not take it.
    """
    # Prefect's client brings the key that Prefect Cloud, or a server with a password, asks for.
    with get_client(sync_client=True) as client:
        if not client.read_automations_by_name(NAME):
            client.create_automation(AutomationCore.model_validate(automation()))


if __name__ == "__main__":
    try:
        with prefect_api():
            watch()
    except ServerError as error:
        print(error, file=sys.stderr)
        sys.exit(error.status)
    except httpx.HTTPError as error:
        sys.exit(str(error))
    print("Runs that stop sending heartbeats will be Crashed after", PATIENCE, "seconds.")
