"""Runs whose process is gone become Crashed: `python -m deployments.watch`, once a server.

A run that was killed cannot say so, and would stay Running for ever. The server makes it Crashed
when it was heard of, has not ended, and has not been heard of for a while.
"""

import sys
from datetime import timedelta

import httpx
from prefect.automations import AutomationCore, ChangeFlowRunState, EventTrigger, Posture
from prefect.client.schemas.objects import StateType

from deployments.automations import set_automation
from flows.cli.server import ServerError, prefect_api
from flows.support.heartbeat import HEARTBEAT, LEFT

__all__ = ["automation", "watch"]

NAME = "imgur-mirror: a run without a heartbeat is Crashed"
PATIENCE = 90
"""Seconds without a heartbeat; prefect.toml has one sent every 30."""

ENDS = {"Completed", "Failed", "Cancelled", "Crashed"}

CRASH = ChangeFlowRunState(
    name=None, state=StateType.CRASHED, message="its process is gone", force=False
)

RESTS = {"Paused", "Suspended"}
"""A run may stay so for ever, and go on when it is resumed."""


def automation(within: int = PATIENCE) -> AutomationCore:
    """Return the automation that takes a run for dead after so many seconds."""
    # A run that is suspended beats on until it comes to the end of its task runs: what it sends
    # when it has left its flow is what no heartbeat follows.
    quiet = {LEFT, *(f"prefect.flow-run.{state}" for state in ENDS | RESTS)}
    return AutomationCore(
        name=NAME,
        trigger=EventTrigger(
            posture=Posture.Proactive,
            match={"prefect.resource.id": ["prefect.flow-run.*"]},
            after={HEARTBEAT},
            expect={HEARTBEAT, *quiet},
            for_each={"prefect.resource.id"},
            threshold=1,
            within=timedelta(seconds=within),
        ),
        actions=[CRASH],
    )


def watch() -> None:
    """Have the configured server take runs without a heartbeat for dead.

    Raises:
        httpx.HTTPError: where the server does not take the automation.
    """
    set_automation(automation())


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
