"""Mirror a list of albums and accounts: `python -m flows.mirror_albums ALBUM ALBUM …`."""

import sys
from collections.abc import Iterator, Sequence
from typing import Any

from prefect import flow
from prefect.client.schemas.objects import State
from prefect.states import Completed, Failed
from prefect.variables import Variable

from flows.mirror_album import mirror_album
from flows.mirroring import Incomplete
from flows.parameters import AlbumAddress, Workers
from imgur_mirror.address import BadAddress, Kind, parse
from imgur_mirror.answers import ApiError, RateLimited
from imgur_mirror.models import AlbumResult, Mirrored, Strategy
from imgur_mirror.settings import BadSettings, read_settings
from imgur_mirror.summary import summary_headline, summary_text
from tasks.album import fetch_account_albums
from tasks.credentials import access
from tasks.publish import publish_summary

__all__ = ["mirror_albums"]

VARIABLE = "imgur_albums"


@flow(name="mirror-albums", flow_run_name="{strategy}")
def mirror_albums(
    albums: list[AlbumAddress] = [],  # noqa: B006 - never changed, and shown in the form
    strategy: Strategy = Strategy.ASYNC,
    workers: Workers = 16,
    downloads: str = "",
) -> tuple[AlbumResult, ...] | State[Any]:
    """Copy several albums to the store, one after another, each as a run of its own.

    Args:
        albums: Albums, by id or address, and accounts (imgur.com/user/NAME: all their public
            albums); empty for the Prefect Variable imgur_albums.
        strategy: How the downloads of an album run at the same time.
        workers: How many connections are in use at once; sequential always has one.
        downloads: The folder for all albums; empty for the setting IMGUR_DOWNLOADS.
    """
    try:
        wanted = _listed(albums or _from_variable())
    except (BadAddress, BadSettings, ApiError) as error:
        return Failed(message=str(error), data=error)
    results = tuple(_mirrored(wanted, strategy, workers, downloads))
    publish_summary(results)
    if any(result.error for result in results):
        return Failed(message=summary_headline(results))
    return Completed(message=summary_headline(results), data=results)


def _from_variable() -> list[str]:
    """Read the albums that are edited in the UI: a list, or text with one a line."""
    value = Variable.get(VARIABLE, default=None)
    albums = value.split() if isinstance(value, str) else value
    if not isinstance(albums, list) or not albums:
        raise BadSettings(
            f"there is nothing to mirror: give albums, or set the Prefect Variable {VARIABLE}, "
            f"""such as with: prefect variable set {VARIABLE} '["PdA9Amq"]' --overwrite"""
        )
    return [str(album) for album in albums]


def _listed(albums: Sequence[str]) -> list[str]:
    """Put the albums of an account in its place, and each album once."""
    listed: dict[str, str] = {}
    for album in albums:
        address = parse(album)
        if address.kind is Kind.ACCOUNT:
            for found in fetch_account_albums(address, access(read_settings())):
                listed.setdefault(str(parse(found)), found)
        else:
            listed.setdefault(str(address), album)
    return list(listed.values())


def _mirrored(
    albums: Sequence[str], strategy: Strategy, workers: int, downloads: str
) -> Iterator[AlbumResult]:
    """Mirror one album after another; the failure of one stops no other.

    Only spent credits do: each further call would be one over Imgur's limit.
    """
    refused: RateLimited | None = None
    for album in albums:
        if refused is not None:
            yield AlbumResult(album, None, f"not tried: {refused}")
            continue
        state: State[Any] = mirror_album(album, strategy, workers, downloads, return_state=True)
        result = state.result(raise_on_failure=False)
        if isinstance(result, Mirrored):
            yield AlbumResult(album, result, None)
        else:
            mirrored = result.mirrored if isinstance(result, Incomplete) else None
            yield AlbumResult(album, mirrored, state.message or f"the run ended {state.name}")
        if isinstance(result, RateLimited) and not result.passing:
            refused = result


if __name__ == "__main__":
    from flows.command_line import main

    sys.exit(main(mirror_albums, summary_text))
