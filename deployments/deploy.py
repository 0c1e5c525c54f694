"""Make the deployments of prefect.yaml known to a Prefect server: `python -m deployments.deploy`.

Unlike `prefect deploy --all`, it keeps the schedules, parameters and pauses that were changed in
the UI.
"""

import sys
from collections.abc import Iterable
from contextlib import suppress
from typing import Any
from uuid import UUID

import httpx
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.actions import (
    DeploymentScheduleUpdate,
    DeploymentUpdate,
    WorkPoolCreate,
)
from prefect.client.schemas.objects import ConcurrencyLimitConfig, ConcurrencyOptions
from prefect.client.schemas.responses import DeploymentResponse
from prefect.exceptions import ObjectAlreadyExists, ObjectNotFound, PrefectHTTPStatusError
from prefect.utilities.callables import parameter_schema

from deployments.prefect_yaml import Entry, read_entries
from deployments.steps import PULL_STEPS
from deployments.watch import watch
from flows.cli.server import ServerError, prefect_api

__all__ = ["POOL", "deploy", "deploy_entry", "make_work_pool"]

POOL = "imgur-mirror"


def deploy(entries: Iterable[Entry] | None = None) -> None:
    """Deploy what prefect.yaml lists to the configured server, for a worker of its work pool.

    Raises:
        httpx.HTTPError, PrefectHTTPStatusError: where the server refuses.
    """
    with get_client(sync_client=True) as client:
        make_work_pool(client)
        for entry in read_entries() if entries is None else entries:
            deploy_entry(client, entry, POOL)


def make_work_pool(client: SyncPrefectClient) -> None:
    """Make the work pool, unless it is there; its first worker completes it."""
    with suppress(ObjectAlreadyExists):
        client.create_work_pool(WorkPoolCreate(name=POOL, type="process"))


def deploy_entry(client: SyncPrefectClient, entry: Entry, pool: str | None) -> UUID:
    """Make a deployment as prefect.yaml has it, for a pool's workers or, without, to be served.

    Of one that is there, only what belongs to the code is brought up to date. Its schedules and
    parameters are the file's again if the file has changed since.
    """
    name = f"{entry.flow.name}/{entry.name}"
    try:
        there = client.read_deployment_by_name(name)
    except ObjectNotFound:
        flow = client.create_flow_from_name(entry.flow.name)
        return client.create_deployment(
            flow, entry.name, **_code(entry, pool), **_choices(entry), paused=False
        )
    client.update_deployment(
        there.id, DeploymentUpdate(**_code(entry, pool), **_changes(entry, there))
    )
    return there.id


def _code(entry: Entry, pool: str | None) -> dict[str, Any]:
    """Return what no one changes in the UI; `None` for the pool takes it out of one."""
    return {
        # The same fields however it is run, so that one way takes over from the other.
        "entrypoint": entry.entrypoint,
        "path": None,
        "pull_steps": PULL_STEPS,
        "work_pool_name": pool,
        "version": entry.version,
        "description": entry.description or entry.flow.description,
        "tags": entry.tags,
        "parameter_openapi_schema": parameter_schema(entry.flow).model_dump(exclude_unset=True),
        **_limit(entry),
    }


def _limit(entry: Entry) -> dict[str, Any]:
    limit = entry.concurrency_limit
    if not isinstance(limit, dict):
        return {"concurrency_limit": limit}
    config = ConcurrencyLimitConfig(**limit)
    options = ConcurrencyOptions(collision_strategy=config.collision_strategy)
    return {"concurrency_limit": config.limit, "concurrency_options": options}


def _choices(entry: Entry) -> dict[str, Any]:
    """Return what people change in the UI, too."""
    return {"parameters": entry.parameters, "schedules": entry.made_schedules()}


def _changes(entry: Entry, there: DeploymentResponse) -> dict[str, Any]:
    """Return what of people's choices is replaced."""
    ours = (there.version or "").startswith("prefect.yaml-")
    if not ours and there.work_pool_name is None:
        # `serve` of the version before paused all when it stopped, and woke them when it started.
        return {"paused": False}
    if not ours or there.version == entry.version:
        return {}
    schedules = [
        DeploymentScheduleUpdate(**schedule.model_dump(exclude_unset=True))
        for schedule in entry.made_schedules()
    ]
    return {"parameters": entry.parameters, **({"schedules": schedules} if schedules else {})}


def main() -> int:
    """Deploy to the configured server, or say why not."""
    try:
        with prefect_api():
            deploy()
            watch()
    except ServerError as error:
        print(error, file=sys.stderr)
        return error.status
    except (PrefectHTTPStatusError, httpx.HTTPError) as error:
        print(" ".join(str(error).split()), file=sys.stderr)
        return 1
    print(f"Deployed; start a worker with: prefect worker start --pool {POOL}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
