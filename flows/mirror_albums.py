"""Mirror a list of albums and collections: `python -m flows.mirror_albums ALBUM ALBUM …`."""

import sys
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

from prefect import runtime
from prefect.client.schemas.objects import State
from prefect.states import Completed, Failed
from prefect.variables import Variable

from flows.cli.stopping import raise_if_stopped
from flows.mirror_album import mirror_album
from flows.support.advice import Chosen, choose
from flows.support.heartbeat import own_heartbeats
from flows.support.listing import AlbumRun, AlbumStream, Wanted, listed_already
from flows.support.mirror_flow import Incomplete, mirror_flow
from flows.support.mirroring import one_pace
from flows.support.parameters import AlbumAddress, Choice, Limit, Workers
from imgur_mirror.api import Address, AlbumNotFound, BadCredentials, Listed, RateLimited
from imgur_mirror.models import AlbumResult, Mirrored, Work
from imgur_mirror.report import summary_headline, summary_text
from imgur_mirror.settings import BadSettings, Settings, read_settings
from tasks.album import fetch_collection
from tasks.credentials import access
from tasks.publish import publish_summary

__all__ = ["mirror_albums"]

VARIABLE = "imgur_albums"

NOT_THERE = "it was listed, and is not there any more"


def _run_name() -> str:
    parameters: dict[str, Any] = runtime.flow_run.parameters or {}
    return choose(
        Choice(parameters["strategy"]), parameters["workers"], Work(parameters["work"])
    ).name


@mirror_flow("mirror-albums", _run_name)
def mirror_albums(
    albums: list[AlbumAddress] = [],  # noqa: B006 - never changed, and shown in the form
    strategy: Choice = Choice.ASYNC,
    workers: Workers = 16,
    downloads: str = "",
    verify: bool = False,
    limit: Limit = 0,
    work: Work = Work.NONE,
) -> tuple[AlbumResult, ...] | State[Any]:
    """Copy several albums to the store, one after another, each as a run of its own.

    Args:
        albums: Albums, by id or address, and collections: the public albums of an account
            (imgur.com/user/NAME), its /posts or /favorites, a tag (/t/TAG), a subreddit (/r/SUB),
            a search (/search?q=WORDS); empty for the Prefect Variable imgur_albums.
        strategy: How the downloads of an album run at the same time; auto: as the last comparison
            advised.
        workers: How many connections are in use at once, at most; sequential always has one.
        downloads: The folder or address (s3://bucket/mirror) for all albums; empty for the
            setting IMGUR_DOWNLOADS.
        verify: Read back every stored file, and fetch again what is damaged or missing.
        limit: How many posts of each collection are taken, newest first where its address has no
            other order; 0 for all, and for 100 of a tag, a subreddit or a search.
        work: What each image's task computes from it as well: a thumbnail, in C code that lets go
            of Python's lock; a BlurHash, in Python, which holds it; or nothing.
    """
    settings = read_settings()
    wanted = albums or _albums_of_variable()
    chosen = choose(strategy, workers, work).announce()
    one = partial(_mirror_one, chosen=chosen, downloads=downloads, verify=verify, work=work)
    stream = AlbumStream(wanted, partial(_fetch, settings=settings), limit)
    with own_heartbeats(), one_pace(downloads or settings.downloads):
        runs = tuple(_mirror_each(stream, one))
    results = tuple(run.result for run in runs)
    publish_summary(results)
    if any(result.error for result in results):
        return Failed(message=summary_headline(results), data=_common_refusal(runs))
    return Completed(message=chosen.with_note(summary_headline(results)), data=results)


def _albums_of_variable() -> list[str]:
    """Read the albums that are edited in the UI: a list, or text with one a line."""
    value = Variable.get(VARIABLE, default=None)
    albums = value.split() if isinstance(value, str) else value
    if not isinstance(albums, list) or not albums:
        raise BadSettings(
            f"there is nothing to mirror: give albums, or set the Prefect Variable {VARIABLE}, "
            f"""such as with: prefect variable set {VARIABLE} '["PdA9Amq"]' --overwrite"""
        )
    return [str(album) for album in albums]


def _fetch(collection: Address, limit: int, settings: Settings) -> Listed:
    return fetch_collection(collection, access(settings), limit)


def _mirror_each(stream: AlbumStream, one: Callable[[Wanted], AlbumRun]) -> Iterator[AlbumRun]:
    """Mirror one album after another. The failure of one stops no other; only spent credits do."""
    for each in stream:
        run = one(each) if isinstance(each, Wanted) else each
        if isinstance(run.error, RateLimited):
            stream.is_limited = True
        yield run


def _mirror_one(
    wanted: Wanted, chosen: Chosen, downloads: str, verify: bool, work: Work
) -> AlbumRun:
    """Mirror one album, as a run of its own; whatever happens to it is its result."""
    album, strategy = wanted.album, Choice(chosen.strategy)
    try:
        with listed_already(wanted):
            state: State[Any] = mirror_album(
                album, strategy, chosen.workers, downloads, verify, work, return_state=True
            )
        result = state.result(raise_on_failure=False)
    except Exception as error:  # noqa: BLE001 - Prefect's own, where it could not record the run
        raise_if_stopped()
        sentence = f"its run ended with {type(error).__name__}: {error}"
        return AlbumRun(AlbumResult(album, None, sentence))
    if isinstance(result, Mirrored):
        return AlbumRun(AlbumResult(album, result, None, wanted.note))
    if isinstance(result, AlbumNotFound) and wanted.collection is not None:
        # Removed since Imgur made the list: as little a failure as an image that is gone.
        return AlbumRun(AlbumResult(album, None, None, NOT_THERE))
    mirrored = result.mirrored if isinstance(result, Incomplete) else None
    sentence = state.message or f"the run ended {state.name}"
    return AlbumRun(AlbumResult(album, mirrored, sentence, wanted.note), result)


def _common_refusal(runs: Sequence[AlbumRun]) -> object:
    """Give the error to fail with where the call is wrong, and not an album: no valid client id."""
    errors = [run.error for run in runs]
    return errors[0] if all(isinstance(error, BadCredentials) for error in errors) else None


if __name__ == "__main__":
    from flows.cli.command_line import main

    sys.exit(main(mirror_albums, summary_text))
