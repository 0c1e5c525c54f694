"""Mirror one album: `python -m flows.mirror_album ALBUM`."""

import sys
from typing import Any

from prefect import runtime

from flows.support.choice import choose
from flows.support.listing import listing_at
from flows.support.mirror_flow import Finished, Incomplete, mirror_flow
from flows.support.mirroring import mirror
from flows.support.parameters import AlbumAddress, Choice, Workers
from flows.support.run_name import album_name
from imgur_mirror.models import Mirrored, Work
from imgur_mirror.report import mirror_headline, missing_text
from imgur_mirror.settings import read_settings
from imgur_mirror.store import album_folder

__all__ = ["mirror_album"]


def _run_name() -> str:
    parameters: dict[str, Any] = runtime.flow_run.parameters or {}
    chosen = choose(Choice(parameters["strategy"]), parameters["workers"], Work(parameters["work"]))
    return f"{album_name()} · {chosen.name}"


@mirror_flow("mirror-album", _run_name)
def mirror_album(
    album: AlbumAddress,
    strategy: Choice = Choice.ASYNC,
    workers: Workers = 16,
    downloads: str = "",
    verify: bool = False,
    work: Work = Work.NONE,
) -> Finished[Mirrored]:
    """Copy one album to the store, and say how long it took.

    Args:
        album: Where the album is: its id, or any address of it at imgur.com.
        strategy: How the downloads run at the same time; auto: as the last comparison advised.
        workers: How many connections are in use at once, at most; sequential always has one.
        downloads: The folder or address (s3://bucket/mirror) for all albums; empty for the
            setting IMGUR_DOWNLOADS.
        verify: Read back every stored file, and fetch again what is damaged or missing.
        work: What each image's task computes from it as well: a thumbnail, in C code that lets go
            of Python's lock; a BlurHash, in Python, which holds it; or nothing.
    """
    settings = read_settings()
    chosen = choose(strategy, workers, work).announce()
    root = downloads or settings.downloads
    listing = listing_at(album, settings)
    folder = album_folder(root, listing.id)
    mirrored = mirror(listing, folder, chosen.strategy, chosen.workers, settings, verify, work)
    # Imported where it is used: it needs all that reports are made with.
    from tasks.publish import publish_mirror

    publish_mirror(mirrored, folder)
    if lacking := missing_text(mirrored):
        raise Incomplete(lacking, mirrored)
    return Finished(mirrored, chosen.with_note(mirror_headline(mirrored)))


if __name__ == "__main__":
    from flows.cli.command_line import main

    sys.exit(main(mirror_album, mirror_headline))
