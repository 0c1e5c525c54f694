"""Mirror a list of albums and collections: `python -m flows.mirror_albums ALBUM ALBUM …`."""

import sys
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from typing import Any

from prefect import runtime
from prefect.logging import get_run_logger
from prefect.variables import Variable

from flows.download_images import downloading
from flows.support.album_queue import AlbumQueue
from flows.support.albums_progress import AlbumsProgress
from flows.support.choice import choose
from flows.support.listing import AlbumRun, AlbumStream, Wanted, listing_of
from flows.support.mirror_flow import EXPECTED, Finished, Incomplete, mirror_flow
from flows.support.mirroring import options_of
from flows.support.parameters import AlbumAddress, Choice, Limit, Workers
from flows.support.progress import ProgressArtifact
from imgur_mirror.api import Address, AlbumNotFound, BadCredentials, Listed, RateLimited
from imgur_mirror.download import AlbumMirror, MirrorOptions
from imgur_mirror.download.settling import has_substitutes, settle_again
from imgur_mirror.download.substitutes import SeenPictures
from imgur_mirror.models import Album, AlbumResult, Mirrored, Outcome, Work
from imgur_mirror.report import missing_text, summary_headline, summary_text
from imgur_mirror.settings import BadSettings, Settings, read_settings
from imgur_mirror.store import AlbumFolder, StoreError, album_folder, albums_run
from imgur_mirror.text import counted
from tasks.album import fetch_collection
from tasks.credentials import access
from tasks.publish import publish_mirror, publish_summary

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
) -> Finished[tuple[AlbumResult, ...]]:
    """Copy several albums to the store, several of them at once.

    Args:
        albums: Albums, by id or address, and collections: the public albums of an account
            (imgur.com/user/NAME), its /posts, /favorites or /favorites/folder/ID, a tag (/t/TAG), a
            subreddit (/r/SUB), a search (/search?q=WORDS); empty for the Prefect Variable
            imgur_albums.
        strategy: How the downloads run at the same time; auto: as the last comparison advised.
        workers: How many connections are in use at once, at most; sequential always has one.
        downloads: The folder or address (s3://bucket/mirror) for all albums; empty for the
            setting IMGUR_DOWNLOADS.
        verify: Read back every stored file, and fetch again what is damaged or missing.
        limit: How many posts of each collection are taken, newest first where its address has no
            other order; 0 for all of them, but 100 of a tag, a subreddit or a search.
        work: What each image's task computes from it as well: a thumbnail, in C code that lets go
            of Python's lock; a BlurHash, in Python, which holds it; or nothing.
    """
    settings = read_settings()
    wanted = albums or _albums_of_variable()
    chosen = choose(strategy, workers, work).announce()
    root = downloads or settings.downloads
    fetch, is_stored = partial(_fetch, settings=settings), partial(_is_stored, root)
    stream = AlbumStream(wanted, fetch, is_stored, limit)
    with albums_run(root) as larger:
        options = options_of(chosen.strategy, chosen.workers, settings, verify, work)
        runs = _ListRun(stream, settings, root, larger, options).mirror()
    results = tuple(run.result for run in runs)
    publish_summary(results)
    if any(result.error for result in results):
        raise Incomplete(summary_headline(results), results) from _common_refusal(runs)
    return Finished(results, chosen.with_note(summary_headline(results)))


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


def _is_stored(root: str, album: str) -> bool:
    """Return whether an album has a folder; a remote store is not asked, which would take long."""
    folder = album_folder(root, album)
    return folder.capabilities.local and folder.local_dir.exists()


@dataclass(frozen=True, slots=True)
class _ListRun:
    """A run over the albums of a list, all of which are part of one larger run."""

    stream: AlbumStream
    settings: Settings
    root: str
    larger: AlbumFolder
    options: MirrorOptions

    def mirror(self) -> tuple[AlbumRun, ...]:
        """Mirror them all. The failure of one stops no other; only spent credits do."""
        options, total = self.options, len(self.stream.albums)
        progress = AlbumsProgress(
            f"{counted(total, 'album')} · {options.strategy}",
            total,
            ProgressArtifact("progress-albums"),
        )
        start = partial(
            downloading,
            options.strategy,
            options.workers,
            self.settings.wire,
            self.settings.dask_scheduler_address,
        )
        seen = SeenPictures()
        queue = AlbumQueue(self._plan, self._finished, self._failed, start, progress, seen)
        return tuple(self._without_substitutes(run, seen) for run in queue.run(self.stream))

    def _without_substitutes(self, run: AlbumRun, seen: SeenPictures) -> AlbumRun:
        """Take from an album what only later ones have shown to be substitutes."""
        mirrored = run.result.mirrored
        if mirrored is None or not has_substitutes(mirrored, seen):
            return run
        wanted = Wanted(run.result.album, note=run.result.note)
        try:
            return self._finished(
                wanted, settle_again(mirrored, self._folder(mirrored.album), seen)
            )
        except StoreError as error:
            return self._failed(wanted, error)

    def _folder(self, album: Album) -> AlbumFolder:
        return album_folder(self.root, album.id).as_part_of(self.larger)

    def _plan(self, wanted: Wanted, held: ExitStack) -> AlbumMirror:
        album = listing_of(wanted, self.root, self.settings)
        run_folder = held.enter_context(self._folder(album).start_run())
        return AlbumMirror.prepare(album, run_folder, self.options)

    def _finished(self, wanted: Wanted, mirrored: Mirrored) -> AlbumRun:
        """Publish what an album brought; one that is as it was has its report already."""
        if any(row.outcome is not Outcome.UNCHANGED for row in mirrored.downloads):
            publish_mirror(mirrored, self._folder(mirrored.album))
        lacking = missing_text(mirrored)
        if lacking:
            get_run_logger().error(lacking)
        return AlbumRun(AlbumResult(wanted.album, mirrored, lacking, wanted.note))

    def _failed(self, wanted: Wanted, error: Exception) -> AlbumRun:
        if isinstance(error, AlbumNotFound) and wanted.collection is not None:
            # Removed since Imgur made the list: as little a failure as an image that is gone.
            return AlbumRun(AlbumResult(wanted.album, None, None, NOT_THERE))
        if isinstance(error, RateLimited):
            self.stream.is_limited = True
        sentence = str(error)
        if not isinstance(error, EXPECTED):
            get_run_logger().exception("%s met a fault that was not foreseen", wanted.album)
            sentence = f"it met a fault that was not foreseen: {type(error).__name__}: {error}"
        else:
            get_run_logger().error("%s: %s", wanted.album, sentence)
        return AlbumRun(AlbumResult(wanted.album, None, sentence, wanted.note), error)


def _common_refusal(runs: Sequence[AlbumRun]) -> BadCredentials | None:
    """Return why the call is wrong, and not an album, where it is: no valid client id."""
    refusals = [run.error for run in runs if isinstance(run.error, BadCredentials)]
    return refusals[0] if refusals and len(refusals) == len(runs) else None


if __name__ == "__main__":
    from flows.cli.command_line import main

    sys.exit(main(mirror_albums, summary_text))
