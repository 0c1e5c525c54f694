"""All deployments of prefect.yaml from one process, without a work pool: `make serve`."""

import json
import sys
from importlib import import_module
from typing import Any

import yaml
from prefect import Flow, serve
from prefect.client.schemas.actions import DeploymentScheduleCreate
from prefect.client.schemas.objects import ConcurrencyLimitConfig
from prefect.deployments.runner import RunnerDeployment

from deployments.demo import HOME
from deployments.watch import watch
from flows.cli.server import PROJECT, ServerError, prefect_api

__all__ = ["deployments", "schedule_of"]

OF_ANY_SCHEDULE = {"active", "parameters", "slug", "replaces", "max_scheduled_runs"}
"""What an entry says around its schedule, whatever kind that is."""


def deployments() -> list[RunnerDeployment]:
    """Read the deployments of prefect.yaml, so that they are written down once."""
    listed = yaml.safe_load((PROJECT / "prefect.yaml").read_text(encoding="utf-8"))
    return [_deployment(entry) for entry in listed["deployments"]]


def _deployment(entry: dict[str, Any]) -> RunnerDeployment:
    limit = entry.get("concurrency_limit")
    flow = _flow(entry["entrypoint"])
    deployment: RunnerDeployment = flow.to_deployment(  # type: ignore[assignment]
        name=entry["name"],
        description=entry.get("description"),
        parameters=entry.get("parameters"),
        tags=entry.get("tags"),
        schedules=[schedule_of(schedule) for schedule in entry.get("schedules") or []],
        concurrency_limit=ConcurrencyLimitConfig(**limit) if isinstance(limit, dict) else limit,
    )
    return deployment


def _flow(entrypoint: str) -> Flow[..., Any]:
    module, _, name = entrypoint.rpartition(".")
    flow: Flow[..., Any] = getattr(import_module(module), name)
    return flow


def schedule_of(entry: dict[str, Any]) -> DeploymentScheduleCreate:
    """Read a schedule as `prefect deploy` does: a cron, an interval or an rrule.

    Raises:
        ValueError: where it is none of them, or has a field that they don't have.
    """
    around = {key: entry[key] for key in OF_ANY_SCHEDULE & entry.keys()}
    schedule = {key: value for key, value in entry.items() if key not in around}
    if str(schedule.get("rrule")).startswith("{"):
        # The rule may be JSON, with a time zone of its own.
        schedule = json.loads(schedule.pop("rrule")) | schedule
    return DeploymentScheduleCreate.model_validate({"schedule": schedule, **around})


def main() -> int:
    """Serve until Ctrl-C, with the Prefect server that is configured or one of its own."""
    try:
        with prefect_api(HOME) as api:
            watch()
            print(f"Serving; the UI is at {api.removesuffix('/api')} - Ctrl-C stops it", flush=True)
            serve(*deployments())
    except ServerError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
