"""An automation at the configured server: made once, and brought up to date where it is there."""

from typing import Any

from prefect.automations import AutomationCore
from prefect.client.orchestration import get_client

__all__ = ["set_automation"]


def set_automation(wanted: AutomationCore) -> None:
    """Make the automation, or have the one of its name do what this one does.

    One that was switched off in the UI stays off.

    Raises:
        httpx.HTTPError: where the server does not take it.
    """
    # Prefect's client brings the key that Prefect Cloud, or a server with a password, asks for.
    with get_client(sync_client=True) as client:
        found = client.read_automations_by_name(wanted.name)
        if not found:
            client.create_automation(wanted)
        elif _definition(found[0]) != _definition(wanted):
            kept = {"enabled": found[0].enabled}
            client.update_automation(found[0].id, wanted.model_copy(update=kept))


def _definition(automation: AutomationCore) -> dict[str, Any]:
    """Return what an automation does: not its ids, nor whether it is switched on."""
    return automation.model_dump(
        mode="json", exclude={"id": True, "enabled": True, "trigger": {"id"}}
    )
