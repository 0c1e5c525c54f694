"""All deployments of prefect.yaml from one process, without a work pool: `make serve`."""

import sys
from importlib import import_module
from typing import Any

import yaml
from prefect import Flow, serve
from prefect.client.schemas.objects import ConcurrencyLimitConfig
from prefect.deployments.runner import RunnerDeployment
from prefect.schedules import Cron, Schedule

from deployments.demo import HOME
from deployments.watch import watch
from flows.cli.server import PROJECT, ServerError, prefect_api

__all__ = ["deployments"]


def deployments() -> list[RunnerDeployment]:
    """Read the deployments of prefect.yaml, so that they are written down once."""
    listed = yaml.safe_load((PROJECT / "prefect.yaml").read_text(encoding="utf-8"))
    return [_deployment(entry) for entry in listed["deployments"]]


def _deployment(entry: dict[str, Any]) -> RunnerDeployment:
    limit = entry.get("concurrency_limit")
    flow = _flow(entry["entrypoint"])
    deployment: RunnerDeployment = flow.to_deployment(  # type: ignore[assignment]
        name=entry["name"],
        description=entry["description"],
        parameters=entry["parameters"],
        tags=entry["tags"],
        schedules=[_schedule(schedule) for schedule in entry["schedules"]],
        concurrency_limit=ConcurrencyLimitConfig(**limit) if limit else None,
    )
    return deployment


def _flow(entrypoint: str) -> Flow[..., Any]:
    module, _, name = entrypoint.rpartition(".")
    flow: Flow[..., Any] = getattr(import_module(module), name)
    return flow


def _schedule(entry: dict[str, str]) -> Schedule:
    return Cron(entry["cron"], timezone=entry["timezone"], slug=entry["slug"])


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
