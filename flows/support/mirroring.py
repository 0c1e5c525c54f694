"""What all flows mean by mirroring an album that was listed."""

from prefect.logging import get_run_logger

from flows.cli.stopping import raise_if_stopped
from flows.download_images import download_images
from flows.support.progress import show_progress
from imgur_mirror.download.album_mirror import AlbumMirror, MirrorOptions
from imgur_mirror.models import Album, Download, Mirrored, Strategy, Work
from imgur_mirror.report import fetched_line, plan_line
from imgur_mirror.settings import Settings
from imgur_mirror.store import AlbumFolder

__all__ = ["announcement", "mirror", "options_of"]


def options_of(
    strategy: Strategy,
    workers: int,
    settings: Settings,
    verify: bool = False,
    work: Work = Work.NONE,
) -> MirrorOptions:
    """Return how an album is mirrored, by what the flow was called with and by the settings."""
    return MirrorOptions(
        strategy=strategy,
        workers=1 if strategy is Strategy.SEQUENTIAL else workers,
        max_task_runs=settings.max_task_runs,
        split_bytes=settings.split_bytes,
        verify=verify,
        work=work,
    )


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
    options = options_of(strategy, workers, settings, verify, work)
    with folder.start_run() as run_folder:
        run = AlbumMirror.prepare(album, run_folder, options)
        return run.finish(_download(run, settings))


def announcement(run: AlbumMirror) -> str:
    """Say in one line, for the log, what a run is about to do."""
    plan, options = run.plan, run.options
    counts = len(plan.settled), len(plan.images), len(plan.batches)
    return plan_line(*counts, options.strategy, options.workers, plan.stored)


def _download(run: AlbumMirror, settings: Settings) -> tuple[Download, ...]:
    plan, strategy, workers = run.plan, run.options.strategy, run.options.workers
    log = get_run_logger()
    log.info(announcement(run))
    if not plan.batches:
        return ()
    with show_progress(plan, run.folder, f"{run.folder.name} · {strategy}"):
        rows = download_images(
            plan, run.folder, settings.wire, strategy, workers, settings.dask_scheduler_address
        )
    log.info(fetched_line(rows))
    return rows
