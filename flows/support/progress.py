"""How far a run is while it downloads: a bar in a terminal, and an artifact in Prefect's UI."""

import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from contextvars import copy_context
from threading import Event, Thread
from typing import cast
from uuid import UUID

from prefect.artifacts import create_progress_artifact, update_progress_artifact
from prefect.logging import get_run_logger

from imgur_mirror.download.plan import Plan
from imgur_mirror.download.progress import Progress
from imgur_mirror.store import AlbumFolder
from imgur_mirror.text import size
from tasks.artifact_key import artifact_key

__all__ = ["ProgressArtifact", "progress_shown"]

INTERVAL = 0.25
"""Seconds between two looks at the journals, for the bar."""

UPDATE = 1.0
"""Seconds between two updates of the artifact, and before there is one."""

LAST_CALL = 2.0
"""Seconds that the end of a run waits for the artifact's last update."""


class ProgressArtifact:
    """A progress artifact, which is made when there first is something to show."""

    def __init__(self, key: str) -> None:
        self._key = key
        self._id: UUID | None = None

    def __bool__(self) -> bool:
        return self._id is not None

    def show(self, percent: float, said: str) -> None:
        """Show how far it is; raises what Prefect's client does."""
        if self._id is None:
            self._id = cast("UUID", create_progress_artifact(percent, self._key, said))
        else:
            update_progress_artifact(self._id, percent, said)


@contextmanager
def progress_shown(plan: Plan, folder: AlbumFolder, title: str) -> Iterator[None]:
    """Show how far the downloads are, while the context is open.

    The bar is for a person who may be looking, the artifact for a run of more than a second. What
    goes wrong with either is no matter of the run's, whose end waits no longer than `LAST_CALL`.
    """
    total = len(plan.images)
    with ExitStack() as shown:
        if sys.stderr.isatty():
            shown.enter_context(_meanwhile(lambda done: _bar(Progress(folder), total, title, done)))
        key = f"progress-{artifact_key(folder.name)}"
        shown.enter_context(_meanwhile(lambda done: _artifact(Progress(folder), total, key, done)))
        yield


@contextmanager
def _meanwhile(watch: Callable[[Event], None]) -> Iterator[None]:
    """Run a watcher in a thread with the flow run's context; it is told when it is done."""
    done = Event()
    # A daemon: a call to a server that is away holds up no process's end.
    watcher = Thread(target=copy_context().run, args=(watch, done), daemon=True)
    watcher.start()
    try:
        yield
    finally:
        done.set()
        watcher.join(LAST_CALL)


def _artifact(progress: Progress, total: int, key: str, done: Event) -> None:
    """Keep the artifact up to date, until it says the end; a short run has none."""
    if done.wait(UPDATE):
        return
    artifact = ProgressArtifact(key)
    try:
        artifact.show(*_far(progress.read(), total))
        while not done.is_set():
            done.wait(UPDATE)
            artifact.show(*_far(progress.read(), total))
    except Exception as error:  # noqa: BLE001 - whatever the client raises, the downloads go on
        get_run_logger().warning("the progress of this run is not shown: %s", error)


def _far(progress: Progress, total: int) -> tuple[float, str]:
    """Give the percentage, in one decimal since the UI shows all it gets, and the words."""
    return round(min(100 * progress.came / total, 100.0), 1), progress.said(total)


def _bar(progress: Progress, total: int, title: str, done: Event) -> None:
    # Imported where there is a terminal to draw on.
    from rich import progress as bars
    from rich.console import Console

    columns = (
        bars.TextColumn("{task.description}"),
        bars.BarColumn(),
        bars.MofNCompleteColumn(),
        bars.TextColumn("{task.fields[received]}"),
        bars.TimeElapsedColumn(),
    )
    with bars.Progress(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task(title, total=total, received=size(0))
        finished = False
        while not finished:
            finished = done.wait(INTERVAL)
            progress.read()
            bar.update(task, completed=progress.images, received=size(progress.bytes))
