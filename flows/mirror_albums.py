"""Mirror a list of albums and accounts: `python -m flows.mirror_albums ALBUM ALBUM …`."""

import sys
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
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
from flows.support.mirror_flow import Incomplete, mirror_flow
from flows.support.mirroring import one_pace
from flows.support.parameters import AlbumAddress, Choice, Workers
from imgur_mirror.api import (
    Address,
    ApiError,
    BadAddress,
    BadCredentials,
    Kind,
    RateLimited,
    parse_address,
)
from imgur_mirror.models import AlbumResult, Mirrored
from imgur_mirror.report import summary_headline, summary_text
from imgur_mirror.settings import BadSettings, Settings, read_settings
from tasks.album import fetch_account_albums
from tasks.credentials import access
from tasks.publish import publish_summary

__all__ = ["mirror_albums"]

VARIABLE = "imgur_albums"

NOT_TRIED = "not tried, and left for the next run: the limit of Imgur requests is reached"


@dataclass(frozen=True, slots=True)
class _AlbumRun:
    """What became of an album, and the error that its run ended with, if it did."""

    result: AlbumResult
    error: object = None


def _run_name() -> str:
    parameters: dict[str, Any] = runtime.flow_run.parameters or {}
    return choose(Choice(parameters["strategy"]), parameters["workers"]).name


@mirror_flow("mirror-albums", _run_name)
def mirror_albums(
    albums: list[AlbumAddress] = [],  # noqa: B006 - never changed, and shown in the form
    strategy: Choice = Choice.ASYNC,
    workers: Workers = 16,
    downloads: str = "",
    verify: bool = False,
) -> tuple[AlbumResult, ...] | State[Any]:
    """Copy several albums to the store, one after another, each as a run of its own.

    Args:
        albums: Albums, by id or address, and accounts (imgur.com/user/NAME: all their public
            albums); empty for the Prefect Variable imgur_albums.
        strategy: How the downloads of an album run at the same time; auto: as the last comparison
            advised.
        workers: How many connections are in use at once, at most; sequential always has one.
        downloads: The folder or address (s3://bucket/mirror) for all albums; empty for the
            setting IMGUR_DOWNLOADS.
        verify: Read back every stored file, and fetch again what is damaged or missing.
    """
    settings = read_settings()
    wanted = albums or _albums_of_variable()
    chosen = choose(strategy, workers).announce()
    one = partial(_mirror_one, chosen=chosen, downloads=downloads, verify=verify)
    with own_heartbeats(), one_pace(downloads or settings.downloads):
        runs = tuple(_mirror_each(wanted, one, settings))
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


def _mirror_each(
    albums: Sequence[str], one: Callable[[str], _AlbumRun], settings: Settings
) -> Iterator[_AlbumRun]:
    """Mirror one album after another, those of an account in its place, and each once.

    The failure of one stops no other. Only spent credits do: each further call would be one over
    Imgur's limit.
    """
    todo: deque[str | AlbumResult] = deque(albums)
    seen, is_limited = set[str](), False
    while todo:
        album = todo.popleft()
        if isinstance(album, AlbumResult):
            yield _AlbumRun(album)
            continue
        if is_limited:
            yield _AlbumRun(AlbumResult(album, None, NOT_TRIED))
            continue
        try:
            address = parse_address(album)
            if address.kind is Kind.ACCOUNT:
                todo.extendleft(reversed(_albums_of(address, settings)))
                continue
        except (BadAddress, BadSettings, ApiError) as error:
            run = _AlbumRun(AlbumResult(album, None, str(error)), error)
        else:
            if str(address) in seen:
                continue
            seen.add(str(address))
            run = one(album)
        is_limited = isinstance(run.error, RateLimited)
        yield run


def _albums_of(account: Address, settings: Settings) -> list[str | AlbumResult]:
    """List the albums of an account; an entry that names none is a result already."""
    return [
        entry if isinstance(entry, str) else AlbumResult(str(account), None, str(entry))
        for entry in fetch_account_albums(account, access(settings))
    ]


def _mirror_one(album: str, chosen: Chosen, downloads: str, verify: bool) -> _AlbumRun:
    """Mirror one album, as a run of its own; whatever happens to it is its result."""
    strategy = Choice(chosen.strategy)
    try:
        state: State[Any] = mirror_album(
            album, strategy, chosen.workers, downloads, verify, return_state=True
        )
        result = state.result(raise_on_failure=False)
    except Exception as error:  # noqa: BLE001 - Prefect's own, where it could not record the run
        raise_if_stopped()
        sentence = f"its run ended with {type(error).__name__}: {error}"
        return _AlbumRun(AlbumResult(album, None, sentence))
    if isinstance(result, Mirrored):
        return _AlbumRun(AlbumResult(album, result, None))
    mirrored = result.mirrored if isinstance(result, Incomplete) else None
    sentence = state.message or f"the run ended {state.name}"
    return _AlbumRun(AlbumResult(album, mirrored, sentence), result)


def _common_refusal(runs: Sequence[_AlbumRun]) -> object:
    """Give the error to fail with where the call is wrong, and not an album: no valid client id."""
    errors = [run.error for run in runs]
    return errors[0] if all(isinstance(error, BadCredentials) for error in errors) else None


if __name__ == "__main__":
    from flows.cli.command_line import main

    sys.exit(main(mirror_albums, summary_text))
