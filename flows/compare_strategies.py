"""Mirror one album under several strategies: `python -m flows.compare_strategies ALBUM`."""

import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Annotated, Any

from prefect.client.schemas.objects import State
from prefect.flows import flow
from prefect.states import Completed, Failed
from pydantic import Field

from flows.support.advice import keep_advice
from flows.support.heartbeat import heartbeat
from flows.support.hooks import say_why
from flows.support.mirroring import mirror
from flows.support.parameters import AlbumAddress, Workers, album_name
from imgur_mirror.api import ApiError, BadAddress, parse_address
from imgur_mirror.compare import Comparison, advise, comparison_text, points, worker_counts
from imgur_mirror.models import Album, Mirrored, Outcome, Strategy
from imgur_mirror.report import missing_text
from imgur_mirror.settings import BadSettings, Settings, read_settings
from imgur_mirror.store import StoreError, album_folder, downloads_root
from tasks.album import fetch_album
from tasks.credentials import access
from tasks.history import earlier_comparisons
from tasks.publish import publish_comparison

__all__ = ["compare_strategies", "comparison_text"]

FOLDER = "compare-strategies"
"""Below the downloads: a folder for each strategy, made anew by each comparison."""

Strategies = Annotated[list[Strategy], Field(min_length=1)]
Rounds = Annotated[int, Field(ge=1, le=100)]


@flow(
    name="compare-strategies",
    flow_run_name=album_name,
    on_failure=[say_why],
    on_crashed=[say_why],
)
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
    strategies = list(dict.fromkeys(strategies))
    trials = [
        (s, n) for s in strategies for n in (worker_counts(s, workers) if sweep else [workers])
    ]
    with heartbeat():
        try:
            settings = read_settings()
            root = downloads_root(downloads or settings.downloads)
            listing = fetch_album(parse_address(album), access(settings))
            runs, differing = _rounds(listing, trials, rounds, f"{root}/{FOLDER}", settings)
            beside = album_folder(root, listing.id)
        except (BadAddress, BadSettings, ApiError, StoreError) as error:
            return Failed(message=str(error), data=error)
        lost = differing or next(filter(None, map(missing_text, runs)), None)
        advice = None if lost else advise(points(runs), listing.id, _now())
        earlier = earlier_comparisons(listing.id)
        found = Comparison(runs, earlier, advice, (differing,) if differing else ())
        publish_comparison(found, beside)
        if lost:
            return Failed(message=lost)
        if advice:
            keep_advice(advice)
        return Completed(message=found.headline, data=found)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def _rounds(
    listing: Album,
    trials: Sequence[tuple[Strategy, int]],
    rounds: int,
    root: str,
    settings: Settings,
) -> tuple[tuple[Mirrored, ...], str | None]:
    """Run each trial once a round; each round begins with another, so that none is always first.

    What a strategy warms up (the disk's cache, the host's) would else always serve the same next.
    Gives the runs, and which files were not the same in all of them.
    """
    runs, left = [], []
    for turn in range(rounds):
        shift = turn % len(trials)
        for strategy, workers in (*trials[shift:], *trials[:shift]):
            folder = album_folder(f"{root}/{strategy}", listing.id)
            folder.erase()
            runs.append(mirror(listing, strategy, workers, folder, settings))
            left.append(folder.digests())
    return tuple(runs), _differing(listing, runs, left)


def _differing(
    listing: Album, runs: Sequence[Mirrored], left: Sequence[dict[str, str]]
) -> str | None:
    """Say which files the runs did not leave the same, by the digests of what each left."""
    names = {name for digests in left for name in digests}
    # What a run says it downloaded and did not leave is none that all have in common.
    names |= {row.name for run in runs for row in run.having(Outcome.DOWNLOADED)}
    found = {name: {digests.get(name) for digests in left} for name in names}
    differing = sorted(name for name, each in found.items() if len(each) > 1 or None in each)
    if not differing:
        return None
    return f"the strategies left different files of {listing.id}: {', '.join(differing[:10])}"


if __name__ == "__main__":
    from flows.cli.command_line import main

    sys.exit(main(compare_strategies, comparison_text))
