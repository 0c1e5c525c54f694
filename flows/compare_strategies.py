"""Mirror one album under several strategies: `python -m flows.compare_strategies ALBUM`."""

import sys
from collections.abc import Sequence
from typing import Annotated, Any

from prefect import flow
from prefect.client.schemas.objects import State
from prefect.states import Completed, Failed
from pydantic import Field

from flows.mirroring import mirror
from flows.parameters import AlbumAddress, Workers, album_name
from imgur_mirror.address import BadAddress, parse
from imgur_mirror.answers import ApiError
from imgur_mirror.comparison import comparison_headline, comparison_rows
from imgur_mirror.markdown import text_table
from imgur_mirror.models import Album, Mirrored, Strategy
from imgur_mirror.report import missing
from imgur_mirror.settings import BadSettings, Settings, read_settings
from imgur_mirror.store import AlbumFolder, StoreError, album_folder
from tasks.album import fetch_album
from tasks.credentials import access
from tasks.publish import publish_comparison

__all__ = ["compare_strategies"]

FOLDER = "compare-strategies"
"""Below the downloads: a folder for each strategy, made anew by each comparison."""

Strategies = Annotated[list[Strategy], Field(min_length=1)]
Rounds = Annotated[int, Field(ge=1, le=100)]


@flow(name="compare-strategies", flow_run_name=album_name)
def compare_strategies(
    album: AlbumAddress,
    strategies: Strategies = list(Strategy),  # noqa: B006 - never changed, and shown in the form
    workers: Workers = 8,
    rounds: Rounds = 1,
    downloads: str = "",
) -> tuple[Mirrored, ...] | State[Any]:
    """Mirror the same album from nothing under each strategy, and say which was fastest.

    Args:
        album: Where the album is: its id, or any address of it at imgur.com.
        strategies: Which strategies to compare.
        workers: How many connections each has in use at once; sequential always has one.
        rounds: How often each strategy runs; its figures are medians over the rounds.
        downloads: The folder for all albums; empty for the setting IMGUR_DOWNLOADS.
    """
    strategies = list(dict.fromkeys(strategies))
    try:
        settings = read_settings()
        root = f"{downloads or settings.downloads}/{FOLDER}"
        listing = fetch_album(parse(album), access(settings))
        runs = _rounds(listing, strategies, workers, rounds, root, settings)
        differing = _differing(listing, strategies, root)
    except (BadAddress, BadSettings, ApiError, StoreError) as error:
        return Failed(message=str(error), data=error)
    publish_comparison(runs, [differing] if differing else [])
    lost = differing or next(filter(None, map(missing, runs)), None)
    if lost:
        return Failed(message=lost)
    return Completed(message=comparison_headline(runs), data=runs)


def _rounds(
    listing: Album,
    strategies: Sequence[Strategy],
    workers: int,
    rounds: int,
    root: str,
    settings: Settings,
) -> tuple[Mirrored, ...]:
    """Run each strategy once a round; each round begins with another, so that none is always first.

    What a strategy warms up (the disk's cache, the host's) would else always serve the same next.
    """
    runs = []
    for turn in range(rounds):
        shift = turn % len(strategies)
        for strategy in (*strategies[shift:], *strategies[:shift]):
            folder = _folder(root, strategy, listing)
            folder.erase()
            runs.append(mirror(listing, strategy, workers, folder, settings))
    return tuple(runs)


def _folder(root: str, strategy: Strategy, listing: Album) -> AlbumFolder:
    return album_folder(f"{root}/{strategy}", listing.id)


def _differing(listing: Album, strategies: Sequence[Strategy], root: str) -> str | None:
    """Read all that the strategies left, and say which files are not the same in all."""
    left = [_folder(root, strategy, listing).digests() for strategy in strategies]
    names = {name for digests in left for name in digests}
    differing = sorted(name for name in names if len({digests.get(name) for digests in left}) > 1)
    if not differing:
        return None
    return f"the strategies left different files of {listing.id}: {', '.join(differing[:10])}"


def described(runs: Sequence[Mirrored]) -> str:
    """Say what a comparison found: the table, and the line that it comes to."""
    return f"{text_table(comparison_rows(runs))}\n\n{comparison_headline(runs)}"


if __name__ == "__main__":
    from flows.command_line import main

    sys.exit(main(compare_strategies, described))
