"""Mirror one album under several strategies: `python -m flows.compare_strategies ALBUM`."""

import sys
from collections.abc import Sequence
from datetime import UTC, datetime

from flows.support.advice import keep_advice
from flows.support.mirror_flow import Finished, Incomplete, mirror_flow
from flows.support.mirroring import mirror
from flows.support.parameters import AlbumAddress, Rounds, Strategies, Workers, Works
from flows.support.run_name import album_name
from flows.support.usage import Meter, metering
from imgur_mirror.api import parse_album
from imgur_mirror.compare import (
    Comparison,
    advise_each,
    busy_note,
    comparison_text,
    points,
    this_machine,
    why_not_comparable,
    worker_counts,
)
from imgur_mirror.models import Album, Mirrored, Strategy, Work
from imgur_mirror.settings import Settings, read_settings
from imgur_mirror.store import album_folder, downloads_root
from tasks.album import fetch_album
from tasks.credentials import access
from tasks.history import earlier_comparisons
from tasks.publish_comparison import publish_comparison

__all__ = ["compare_strategies", "comparison_text"]

FOLDER = "compare-strategies"
"""Below the downloads: a folder for each strategy, made anew by each comparison."""

Trial = tuple[Work, Strategy, int]
"""A work, a strategy, and how many workers it runs with."""


@mirror_flow("compare-strategies", album_name)
def compare_strategies(
    album: AlbumAddress,
    strategies: Strategies = list(Strategy),  # noqa: B006 - never changed, and shown in the form
    workers: Workers = 8,
    rounds: Rounds = 1,
    downloads: str = "",
    sweep: bool = False,
    work: Works = [Work.NONE],  # noqa: B006 - never changed, and shown in the form
) -> Finished[Comparison]:
    """Mirror the same album from nothing under each strategy, and say which was fastest.

    Args:
        album: Where the album is: its id, or any address of it at imgur.com.
        strategies: Which strategies to compare.
        workers: How many connections each has in use at once; sequential always has one.
        rounds: How often each strategy runs; its figures are medians over the rounds.
        downloads: The folder or address (s3://bucket/mirror) for all albums; empty for the
            setting IMGUR_DOWNLOADS.
        sweep: Run each strategy with 1, 2, 4, … workers up to the number above, and draw the curve.
        work: What is computed from each image as well, one comparison each: nothing, a thumbnail (C
            code that lets go of Python's lock), or a BlurHash (Python, which holds it).
    """
    settings = read_settings()
    root = downloads_root(downloads or settings.downloads)
    listing = fetch_album(parse_album(album), access(settings))
    trials, machine = _trials(work, strategies, workers, sweep), this_machine()
    with metering() as meter:
        runs, failure = _rounds(listing, trials, rounds, f"{root}/{FOLDER}", settings, meter)
        busy = busy_note(meter.others(), machine)
    advice = () if failure else advise_each(points(runs), listing.id, _now())
    earlier = earlier_comparisons(listing.id)
    notes = filter(None, (failure, busy))
    comparison = Comparison(runs, earlier, advice, tuple(notes), machine)
    publish_comparison(comparison, album_folder(root, listing.id))
    if failure:
        raise Incomplete(failure, comparison)
    for each in advice:
        keep_advice(each)
    return Finished(comparison, comparison.headline)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def _trials(
    works: Sequence[Work], strategies: Sequence[Strategy], workers: int, sweep: bool
) -> list[Trial]:
    """Pair each work and strategy, once, with each number of workers that it is to run with."""
    return [
        (work, strategy, count)
        for work in dict.fromkeys(works)
        for strategy in dict.fromkeys(strategies)
        for count in (worker_counts(strategy, workers) if sweep else [workers])
    ]


def _rounds(
    listing: Album,
    trials: Sequence[Trial],
    rounds: int,
    root: str,
    settings: Settings,
    meter: Meter,
) -> tuple[tuple[Mirrored, ...], str | None]:
    """Run each trial once a round; each round begins with another, so that none is always first.

    Otherwise what a strategy warms up (the disk's cache, the host's) would always favour the same
    next one. Gives the runs, and why they cannot be compared, where they cannot.
    """
    runs: list[Mirrored] = []
    digests: list[dict[str, str]] = []
    for number in range(rounds):
        shift = number % len(trials)
        for work, strategy, workers in (*trials[shift:], *trials[:shift]):
            folder = album_folder(f"{root}/{strategy}", listing.id)
            folder.erase()
            run = mirror(listing, folder, strategy, workers, settings, work=work)
            # What other machines used cannot be seen from here.
            if not (strategy is Strategy.DASK and settings.dask_scheduler_address):
                run.usage = meter.usage(run.timings)
            runs.append(run)
            digests.append(folder.digests())
    return tuple(runs), why_not_comparable(runs, digests)


if __name__ == "__main__":
    from flows.cli.command_line import main

    sys.exit(main(compare_strategies, comparison_text))
