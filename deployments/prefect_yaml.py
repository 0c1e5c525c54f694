"""The deployments that prefect.yaml lists, so that they are written down once."""

import hashlib
import json
from dataclasses import dataclass, field
from functools import cached_property
from importlib import import_module
from typing import Any

import yaml
from prefect import Flow
from prefect.client.schemas.actions import DeploymentScheduleCreate

from deployments.project import PREFECT_YAML

__all__ = ["Entry", "read_entries", "schedule_of"]

OF_ANY_SCHEDULE = {"active", "parameters", "slug", "replaces", "max_scheduled_runs"}
"""What an entry says around its schedule, whatever kind that is."""


@dataclass(frozen=True)
class Entry:
    """One deployment, as it is written in prefect.yaml."""

    name: str
    entrypoint: str
    description: str | None = None
    tags: list[str] = field(default_factory=list)
    parameters: dict[str, Any] = field(default_factory=dict)
    schedules: list[dict[str, Any]] = field(default_factory=list)
    concurrency_limit: dict[str, Any] | int | None = None
    work_pool: dict[str, Any] = field(default_factory=dict)

    @cached_property
    def flow(self) -> Flow[..., Any]:
        """The flow, by the module path that is its entrypoint."""
        module, _, name = self.entrypoint.rpartition(".")
        flow: Flow[..., Any] = getattr(import_module(module), name)
        return flow

    @property
    def version(self) -> str:
        """Tells one wording of the file from another, for what can be changed in the UI as well."""
        written = json.dumps([self.parameters, self.schedules], sort_keys=True, default=str)
        return f"prefect.yaml-{hashlib.sha256(written.encode()).hexdigest()[:8]}"

    def made_schedules(self) -> list[DeploymentScheduleCreate]:
        """Make the schedules; raises ValueError where one is none."""
        return [schedule_of(schedule) for schedule in self.schedules]


def read_entries() -> list[Entry]:
    """Read the deployments of prefect.yaml."""
    listed = yaml.safe_load(PREFECT_YAML.read_text(encoding="utf-8"))
    return [Entry(**entry) for entry in listed["deployments"]]


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
