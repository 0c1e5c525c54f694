"""Ask Imgur's API for an album or for what a collection lists: a task each."""

import time

from prefect.cache_policies import NO_CACHE
from prefect.tasks import Task, task

from imgur_mirror.api import Address, ApiError, Listed
from imgur_mirror.http import backoff
from imgur_mirror.models import Album
from imgur_mirror.settings import Access
from tasks.log import drop_lines_of
from tasks.retries import patient

__all__ = ["fetch_album", "fetch_collection", "fetch_without_task", "list_ahead"]

ALBUM, COLLECTION = "fetch-album", "fetch-collection"

drop_lines_of(ALBUM)
drop_lines_of(COLLECTION)

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


def fetch_without_task(address: Address, access: Access) -> Album:
    """Ask the API for an album as `fetch_album` does, without a task run for the question.

    Of the hundreds of albums of a list most are as they were, and cost no more than this.

    Raises:
        ApiError: one of its kinds, with a sentence that says what to do.
    """
    from imgur_mirror.api import client

    for attempt in range(1, access.retries + 1):
        try:
            return client.fetch_album(address, access)
        except ApiError as error:
            if not error.retryable:
                raise
            time.sleep(backoff(access.backoff, attempt))
    return client.fetch_album(address, access)


@task(name=COLLECTION, task_run_name="{address.name}", cache_policy=NO_CACHE)
def _fetch_collection(address: Address, access: Access, limit: int) -> Listed:
    from imgur_mirror.api import client

    return client.fetch_collection(address, access, limit)


def fetch_collection(address: Address, access: Access, limit: int) -> Listed:
    """Ask the API for the first `limit` entries of a collection, again where that may help.

    Raises:
        ApiError: one of its kinds, with a sentence that says what to do.
    """
    task: Task[[Address, Access, int], Listed] = patient(
        _fetch_collection, access.retries, access.backoff
    )
    return task(address, access, limit)
