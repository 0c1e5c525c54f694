"""What runs are named by."""

from typing import Any

from prefect import runtime

from imgur_mirror.api import BadAddress, parse_address

__all__ = ["album_name"]


def album_name() -> str:
    """Give the id of the running flow's album, however the album was named."""
    parameters: dict[str, Any] = runtime.flow_run.parameters or {}
    album = str(parameters.get("album", ""))
    try:
        return parse_address(album).id
    except BadAddress:
        return album[:40]
