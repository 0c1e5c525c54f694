"""What all flows mean by mirroring an album that was listed."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from prefect.logging import get_run_logger

from flows.cli.stopping import raise_if_stopped
from flows.download_images import download_images
from flows.support.progress import show_progress
from imgur_mirror.download.album_mirror import AlbumMirror, MirrorOptions
from imgur_mirror.download.sharing import SharedImages
from imgur_mirror.models import Album, Download, Mirrored, Strategy, Work
from imgur_mirror.report import fetched_line, plan_line
from imgur_mirror.settings import Settings
from imgur_mirror.store import AlbumFolder, albums_run

__all__ = ["mirror", "one_pace"]

_shared: ContextVar[SharedImages | None] = ContextVar("shared", default=None)
"""What the albums of a list have fetched so far, and need not fetch again."""

_larger_run: ContextVar[AlbumFolder | None] = ContextVar("larger_run", default=None)
"""What the albums of a list are parts of; each is a flow, whose parameters are for people."""


@contextmanager
def one_pace(downloads: str) -> Iterator[None]:
    """Have all albums that are mirrored in the block ask at one pace, and share what they have.

    Raises:
        StoreError: where the downloads cannot be written.
    """
    with albums_run(downloads) as run:
        tokens = _larger_run.set(run), _shared.set(SharedImages())
        try:
            yield
        finally:
            _larger_run.reset(tokens[0])
            _shared.reset(tokens[1])


def mirror(
    album: Album,
    folder: AlbumFolder,
    strategy: Strategy,
    workers: int,
    settings: Settings,
    verify: bool = False,
    work: Work = Work.NONE,
) -> Mirrored:
    """Fetch what the folder lacks of an album, and write its manifest.

    With `verify`, a file that is no longer as the manifest says counts as lacking. `work` is done
    on each image, also on those that were stored without it.

    Raises:
        StoreError: where the folder cannot be written.
        KeyboardInterrupt: where the command was told to stop before.
    """
    raise_if_stopped()
    options = MirrorOptions(
        strategy=strategy,
        workers=1 if strategy is Strategy.SEQUENTIAL else workers,
        max_task_runs=settings.max_task_runs,
        split_bytes=settings.split_bytes,
        verify=verify,
        work=work,
    )
    with folder.as_part_of(_larger_run.get()).start_run() as opened:
        run = AlbumMirror.prepare(album, opened, options)
        shared = _shared.get() or SharedImages()
        run = shared.spare(run)
        mirrored = run.finish(_download(run, settings))
        shared.add(mirrored, folder)
        return mirrored


def _download(run: AlbumMirror, settings: Settings) -> tuple[Download, ...]:
    plan, strategy, workers = run.plan, run.options.strategy, run.options.workers
    log = get_run_logger()
    counts = len(plan.settled), len(plan.images), len(plan.batches)
    log.info(plan_line(*counts, strategy, workers, plan.stored))
    if not plan.batches:
        return ()
    with show_progress(plan, run.folder, f"{run.folder.name} · {strategy}"):
        rows = download_images(
            plan, run.folder, settings.wire, strategy, workers, settings.dask_scheduler_address
        )
    log.info(fetched_line(rows))
    return rows
