"""Be told of runs that failed or crashed: `python -m deployments.notify slack-webhook/ops`.

The server sends the message itself, through a notification block of one's choice. A run whose
process is gone is Crashed by the automation of `deployments.watch`, and so is told of as well.
"""

import sys
from argparse import ArgumentParser
from collections.abc import Sequence

import httpx
from prefect.automations import (
    AutomationCore,
    EventTrigger,
    Posture,
    ResourceSpecification,
    SendNotification,
)
from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import BlockDocument
from prefect.exceptions import ObjectNotFound, PrefectHTTPStatusError

from deployments.automations import set_automation
from flows.cli.server import ServerError, prefect_api

__all__ = ["NoSuchBlock", "automation", "notify"]

TAG = "imgur"
"""The tag that prefect.yaml gives to every deployment."""

DEPLOYMENT_RUNS: list[ResourceSpecification | dict[str, str | list[str]]] = [
    {"prefect.resource.role": "tag", "prefect.resource.id": f"prefect.tag.{TAG}"},
    # A run that another run started has no deployment: the outer one tells what became of it.
    {"prefect.resource.role": "deployment", "prefect.resource.id": "prefect.deployment.*"},
]

SUBJECT = "{{ flow.name }}: {{ flow_run.name }} {{ flow_run.state.name }}"
BODY = """{{ flow_run.state.message }}

{{ flow.name }} · {{ flow_run.name }}
{{ flow_run|ui_url }}"""

DONE, WRONG_CALL, REFUSED = 0, 2, 1


class NoSuchBlock(ValueError):
    """There is no notification block of that name; the message says how to make one."""


def automation(block: BlockDocument, name: str) -> AutomationCore:
    """Return the automation that tells through this block, which is named `slug/name`."""
    return AutomationCore(
        name=f"imgur-mirror: a run that failed or crashed is told through {name}",
        trigger=EventTrigger(
            posture=Posture.Reactive,
            match={"prefect.resource.id": "prefect.flow-run.*"},
            match_related=DEPLOYMENT_RUNS,
            expect={"prefect.flow-run.Failed", "prefect.flow-run.Crashed"},
            for_each={"prefect.resource.id"},
            threshold=1,
        ),
        actions=[SendNotification(block_document_id=block.id, subject=SUBJECT, body=BODY)],
    )


def notify(name: str) -> None:
    """Have the configured server tell of runs that failed or crashed, once for each block.

    Raises:
        NoSuchBlock: where the server has no notification block `slug/name`.
        httpx.HTTPError: where the server does not take the automation.
    """
    set_automation(automation(_read_block(name), name))


def _read_block(name: str) -> BlockDocument:
    slug, slash, own = name.partition("/")
    if not (slug and slash and own):
        raise NoSuchBlock(f"{name!r} names no block: give its type and its name, slack-webhook/ops")
    try:
        with get_client(sync_client=True) as client:
            # Its secrets stay where they are: only its id is needed.
            block = client.read_block_document_by_name(own, slug, include_secrets=False)
    except ObjectNotFound as error:
        raise NoSuchBlock(
            f"there is no block {name}: make one of type {slug}, called {own}, in the UI under "
            f"Blocks, or with: prefect block create {slug}; prefect block type ls lists the types"
        ) from error
    if block.block_schema is None or "notify" not in block.block_schema.capabilities:
        raise NoSuchBlock(f"the block {name} sends no messages: name one for notifications")
    return block


def main(arguments: Sequence[str] | None = None) -> int:
    """Create the automation, and give the exit status; standard error says what to mend."""
    about = "Be told of runs of these deployments that failed or crashed."
    parser = ArgumentParser(prog="python -m deployments.notify", description=about)
    parser.add_argument("block", help="a notification block: its type and name, slack-webhook/ops")
    name: str = parser.parse_args(arguments).block
    try:
        with prefect_api():
            notify(name)
    except NoSuchBlock as error:
        print(error, file=sys.stderr)
        return WRONG_CALL
    except ServerError as error:
        print(error, file=sys.stderr)
        return error.status
    except (PrefectHTTPStatusError, httpx.HTTPError) as error:
        said = " ".join(str(error).split())
        print(f"the Prefect server did not take the automation: {said}", file=sys.stderr)
        return REFUSED
    print(f"Runs that fail or crash will be told of through {name}.")
    return DONE


if __name__ == "__main__":
    sys.exit(main())
