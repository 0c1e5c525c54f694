"""A progress bar in a terminal; nothing in a pipe."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Event, Thread

from imgur_mirror.plan import Plan
from imgur_mirror.progress import Progress
from imgur_mirror.store import AlbumFolder

__all__ = ["progress_shown"]

INTERVAL = 0.25
"""Seconds between two looks at the journals."""


@contextmanager
def progress_shown(plan: Plan, folder: AlbumFolder, title: str) -> Iterator[None]:
    """Show how far the downloads are, while the context is open, if a person may be looking."""
    if not sys.stderr.isatty():
        yield
        return
    done = Event()
    watcher = Thread(target=_watch, args=(plan, Progress(folder), title, done), daemon=True)
    watcher.start()
    try:
        yield
    finally:
        done.set()
        watcher.join()


def _watch(plan: Plan, progress: Progress, title: str, done: Event) -> None:
    # Imported where there is a terminal to draw on.
    from rich import progress as bars
    from rich.console import Console

    total = len(plan.images)
    columns = (
        bars.TextColumn("{task.description}"),
        bars.BarColumn(),
        bars.MofNCompleteColumn(),
        bars.TextColumn("{task.fields[megabytes]:.1f} MB"),
        bars.TimeElapsedColumn(),
    )
    with bars.Progress(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task(title, total=total, megabytes=0.0)
        finished = False
        while not finished:
            finished = done.wait(INTERVAL)
            progress.read()
            bar.update(task, completed=progress.images, megabytes=progress.bytes / 1e6)
