"""Mirror one album under several strategies: `python -m flows.compare_strategies ALBUM`."""

import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from prefect.client.schemas.objects import State
from prefect.states import Completed, Failed

from flows.support.advice import keep_advice
from flows.support.mirror_flow import mirror_flow
from flows.support.mirroring import mirror
from flows.support.parameters import AlbumAddress, Rounds, Strategies, Workers
from flows.support.run_name import album_name
from imgur_mirror.api import parse_album
from imgur_mirror.compare import (
    Comparison,
    advise,
    comparison_text,
    points,
    why_not_comparable,
    worker_counts,
)
from imgur_mirror.models import Album, Mirrored, Strategy
from imgur_mirror.settings import Settings, read_settings
from imgur_mirror.store import album_folder, downloads_root
from tasks.album import fetch_album
from tasks.credentials import access
from tasks.history import earlier_comparisons
from tasks.publish import publish_comparison

__all__ = ["compare_strategies", "comparison_text"]

FOLDER = "compare-strategies"
"""Below the downloads: a folder for each strategy, made anew by each comparison."""

Trial = tuple[Strategy, int]
"""A strategy, and how many workers it runs with."""


@mirror_flow("compare-strategies", album_name)
def compare_strategies(
    album: AlbumAddress,
    strategies: Strategies = list(Strategy),  # noqa: B006 - never changed, and shown in the form
    workers: Workers = 8,
    rounds: Rounds = 1,
    downloads: str = "",
    sweep: bool = False,
) -> Comparison | State[Any]:
    """Mirror the same album from nothing under each strategy, and say which was fastest.

    Args:
        album: Where the album is: its id, or any address of it at imgur.com.
        strategies: Which strategies to compare.
        workers: How many connections each has in use at once; sequential always has one.
        rounds: How often each strategy runs; its figures are medians over the rounds.
        downloads: The folder or address (s3://bucket/mirror) for all albums; empty for the
            setting IMGUR_DOWNLOADS.
        sweep: Run each strategy with 1, 2, 4, … workers up to the number above, and draw the curve.
    """
    settings = read_settings()
    root = downloads_root(downloads or settings.downloads)
    listing = fetch_album(parse_album(album), access(settings))
    trials = _trials(strategies, workers, sweep)
    runs, failure = _rounds(listing, trials, rounds, f"{root}/{FOLDER}", settings)
    advice = None if failure else advise(points(runs), listing.id, _now())
    earlier = earlier_comparisons(listing.id)
    comparison = Comparison(runs, earlier, advice, (failure,) if failure else ())
    publish_comparison(comparison, album_folder(root, listing.id))
    if failure:
        return Failed(message=failure)
    if advice:
        keep_advice(advice)
    return Completed(message=comparison.headline, data=comparison)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def _trials(strategies: Sequence[Strategy], workers: int, sweep: bool) -> list[Trial]:
    """Pair each strategy, once, with each number of workers that it is to run with."""
    return [
        (strategy, count)
        for strategy in dict.fromkeys(strategies)
        for count in (worker_counts(strategy, workers) if sweep else [workers])
    ]


def _rounds(
    listing: Album, trials: Sequence[Trial], rounds: int, root: str, settings: Settings
) -> tuple[tuple[Mirrored, ...], str | None]:
    """Run each trial once a round; each round begins with another, so that none is always first.

    Otherwise what a strategy warms up (the disk's cache, the host's) would always favour the same
    next one. Gives the runs, and why they cannot be compared, where they cannot.
    """
    runs: list[Mirrored] = []
    digests: list[dict[str, str]] = []
    for number in range(rounds):
        shift = number % len(trials)
        for strategy, workers in (*trials[shift:], *trials[:shift]):
            folder = album_folder(f"{root}/{strategy}", listing.id)
            folder.erase()
            runs.append(mirror(listing, folder, strategy, workers, settings))
            digests.append(folder.digests())
    return tuple(runs), why_not_comparable(runs, digests)


if __name__ == "__main__":
    from flows.cli.command_line import main

    sys.exit(main(compare_strategies, comparison_text))
