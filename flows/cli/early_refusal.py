"""What is wrong with a call is said before a Prefect server is started for it.

The start of a server takes longer than all that Imgur's API may refuse at once. What the API lists
here is what the run begins with, which then does not ask again.
"""

import time
from typing import Any

from imgur_mirror.api import (
    Address,
    AlbumNotFound,
    ApiError,
    ApiUnavailable,
    BadCredentials,
    Blocked,
    Private,
    parse_address,
)
from imgur_mirror.settings import Access, Settings
from tasks.album import list_ahead

__all__ = ["refuse_early"]

FINAL = (AlbumNotFound, BadCredentials, Blocked, Private)
"""What a second try would not change."""

PAUSE_SECONDS = 0.5
"""Before the second try where nothing answers: one broken connection refuses no run."""


def refuse_early(parameters: dict[str, Any], settings: Settings) -> None:
    """List the first album of a call, unless the credentials are in a Prefect block.

    Raises:
        ApiError: where no run could go well. Whatever may pass is left to the run's retries.
    """
    albums = parameters.get("albums") or [parameters.get("album")]
    if albums[0] is None or settings.credentials_block is not None:
        return
    address = parse_address(albums[0])
    if address.is_collection:
        return
    final = FINAL if len(albums) == 1 else (BadCredentials,)
    try:
        _list_ahead(address, settings.access)
    except ApiError as error:
        if isinstance(error, final) or _is_unreachable(error):
            raise


def _list_ahead(address: Address, access: Access) -> None:
    try:
        list_ahead(address, access)
        return  # noqa: TRY300 - the second try is no part of the first one's failure
    except ApiError as error:
        if not _is_unreachable(error):
            raise
    time.sleep(PAUSE_SECONDS)
    list_ahead(address, access)


def _is_unreachable(error: ApiError) -> bool:
    return isinstance(error, ApiUnavailable) and error.status is None
