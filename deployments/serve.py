"""All deployments of prefect.yaml from one process, without a work pool: `make serve`."""

import asyncio
import sys
from collections.abc import Sequence
from typing import Any
from uuid import UUID

from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import VersionInfo
from prefect.deployments.runner import RunnerDeployment
from prefect.runner import Runner
from pydantic import PrivateAttr

from deployments.deploy import deploy_entry
from deployments.prefect_yaml import Entry, read_entries
from deployments.session import session, until_stopped
from deployments.watch import watch
from flows.cli.server import ServerError

__all__ = ["serve"]

SERVING = """
Serving; the UI is at {ui} - Ctrl-C stops it.
Prefect's commands find this server with: export PREFECT_API_URL={api}
"""


class Served(RunnerDeployment):
    """A deployment that is registered as `deploy` does, and so keeps what was changed in the UI."""

    _entry: Entry = PrivateAttr()

    @classmethod
    def of(cls, entry: Entry) -> "Served":
        return cls(name=entry.name, flow_name=entry.flow.name).written(entry)

    def written(self, entry: Entry) -> "Served":
        """Return the deployment, which is now as prefect.yaml has it."""
        self._entry = entry
        return self

    async def aapply(
        self,
        schedules: list[dict[str, Any]] | None = None,  # noqa: ARG002 - Prefect's signature
        work_pool_name: str | None = None,  # noqa: ARG002
        image: str | None = None,  # noqa: ARG002
        version_info: VersionInfo | None = None,  # noqa: ARG002
    ) -> UUID:
        return await asyncio.to_thread(self._apply)

    def _apply(self) -> UUID:
        with get_client(sync_client=True) as client:
            return deploy_entry(client, self._entry, None)


def serve(entries: Sequence[Entry]) -> None:
    """Run what is due of these deployments, until Ctrl-C or SIGTERM."""
    # Not paused when it stops: a schedule that was paused by hand could not be told from it.
    runner = Runner(pause_on_shutdown=False)
    for entry in entries:
        runner.add_deployment(Served.of(entry))
    asyncio.run(runner.start())


def main() -> int:
    """Serve until Ctrl-C, with the Prefect server that is configured or one of its own."""
    try:
        with until_stopped(), session("make serve") as api:
            entries = read_entries()
            watch()
            print(SERVING.format(ui=api.removesuffix("/api"), api=api), flush=True)
            serve(entries)
    except ServerError as error:
        print(error, file=sys.stderr)
        return error.status
    except KeyboardInterrupt:
        pass
    print("stopped", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
