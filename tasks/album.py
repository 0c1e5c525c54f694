"""Ask Imgur's API for an album or an account: a task each."""

from prefect.cache_policies import NO_CACHE
from prefect.tasks import Task, task

from imgur_mirror.api import Address, BadAddress
from imgur_mirror.models import Album
from imgur_mirror.settings import Access
from tasks.log import drop_lines_of
from tasks.retries import patient

__all__ = ["fetch_account_albums", "fetch_album", "list_ahead"]

ALBUM, ACCOUNT = "fetch-album", "fetch-account"

drop_lines_of(ALBUM)
drop_lines_of(ACCOUNT)

_listed_ahead: dict[Address, Album] = {}
"""What this process asked for before its run began."""


@task(name=ALBUM, task_run_name="{address.id}", cache_policy=NO_CACHE)
def _fetch_album(address: Address, access: Access) -> Album:
    if album := _listed_ahead.pop(address, None):
        return album
    # Imported where it is used: imgurpython brings an HTTP library that not every worker needs.
    from imgur_mirror.api import client

    return client.fetch_album(address, access)


def list_ahead(address: Address, access: Access) -> None:
    """Ask the API for an album, once, before there is a run: its `fetch_album` then need not.

    Raises:
        ApiError: one of its kinds, with a sentence that says what to do.
    """
    from imgur_mirror.api import client

    _listed_ahead[address] = client.fetch_album(address, access)


def fetch_album(address: Address, access: Access) -> Album:
    """Ask the API for an album, again where that may help.

    Raises:
        ApiError: one of its kinds, with a sentence that says what to do.
    """
    task: Task[[Address, Access], Album] = patient(_fetch_album, access.retries, access.backoff)
    return task(address, access)


@task(name=ACCOUNT, task_run_name="{address.id}", cache_policy=NO_CACHE)
def _fetch_account_albums(address: Address, access: Access) -> list[str | BadAddress]:
    from imgur_mirror.api import client

    return client.fetch_account_albums(address, access)


def fetch_account_albums(address: Address, access: Access) -> list[str | BadAddress]:
    """Ask the API for the ids of an account's public albums, again where that may help.

    In the place of an entry that names no album is the error that says so.

    Raises:
        ApiError: one of its kinds, with a sentence that says what to do.
    """
    task: Task[[Address, Access], list[str | BadAddress]] = patient(
        _fetch_account_albums, access.retries, access.backoff
    )
    return task(address, access)
