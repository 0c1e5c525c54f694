"""What runs are named by."""

from typing import Any

from prefect import runtime

from imgur_mirror.api import BadAddress, parse_address

__all__ = ["album_name"]


def album_name() -> str:
    """Return the id of the running flow's album, however it was named, or a collection's folder."""
    parameters: dict[str, Any] = runtime.flow_run.parameters or {}
    album = str(parameters.get("album", ""))
    try:
        return parse_address(album).name
    except BadAddress:
        return album[:40]
