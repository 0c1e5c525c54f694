"""How far a run is while it downloads: a bar in a terminal, and an artifact in Prefect's UI."""

import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from contextvars import copy_context
from dataclasses import dataclass
from functools import partial
from threading import Event, Thread
from typing import cast
from uuid import UUID

from prefect.artifacts import create_progress_artifact, update_progress_artifact
from prefect.logging import get_run_logger

from flows.cli.console import Verbosity, verbosity
from imgur_mirror.download.plan import Plan
from imgur_mirror.download.progress import Progress
from imgur_mirror.store import AlbumFolder
from imgur_mirror.text import size
from tasks.artifact_key import artifact_key

__all__ = ["HowFar", "ProgressArtifact", "show_bar", "show_progress"]

BAR_SECONDS = 0.25
"""Between two updates of the bar."""

ARTIFACT_SECONDS = 1.0
"""Between two updates of the artifact, and before there is one."""

MAX_WAIT_SECONDS = 2.0
"""For the artifact's last update, at the end of a run."""


class ProgressArtifact:
    """A progress artifact, which is made when there first is something to show."""

    def __init__(self, key: str) -> None:
        self._key = key
        self._id: UUID | None = None

    def __bool__(self) -> bool:
        return self._id is not None

    def show(self, percent: float, text: str) -> None:
        """Show how far it is; raises what Prefect's client does."""
        if self._id is None:
            self._id = cast("UUID", create_progress_artifact(percent, self._key, text))
        else:
            update_progress_artifact(self._id, percent, text)


@contextmanager
def show_progress(plan: Plan, folder: AlbumFolder, title: str) -> Iterator[None]:
    """Show how far the downloads are, while the context is open.

    The bar is for a person at a terminal, the artifact for a run of more than a second. Neither can
    fail the run, whose end waits for them no longer than `MAX_WAIT_SECONDS`.
    """
    total = len(plan.images)
    key = f"progress-{artifact_key(folder.name)}"
    with ExitStack() as threads:
        threads.enter_context(show_bar(title, partial(_how_far, Progress(folder), total)))
        threads.enter_context(_thread(lambda done: _artifact(Progress(folder), total, key, done)))
        yield


@contextmanager
def _thread(watch: Callable[[Event], None]) -> Iterator[None]:
    """Run a watcher in a thread with the flow run's context; the event tells it when to end."""
    done = Event()
    # A daemon: it must not keep the process alive while it waits for a server that is away.
    watcher = Thread(target=copy_context().run, args=(watch, done), daemon=True)
    watcher.start()
    try:
        yield
    finally:
        done.set()
        watcher.join(MAX_WAIT_SECONDS)


def _artifact(progress: Progress, total: int, key: str, done: Event) -> None:
    """Keep the artifact up to date, to the end of the run; a short run has none."""
    if done.wait(ARTIFACT_SECONDS):
        return
    artifact = ProgressArtifact(key)
    try:
        artifact.show(*_percent_and_text(progress.read(), total))
        while not done.is_set():
            done.wait(ARTIFACT_SECONDS)
            artifact.show(*_percent_and_text(progress.read(), total))
    except Exception as error:  # noqa: BLE001 - whatever the client raises, the downloads go on
        get_run_logger().warning("the progress of this run is not shown: %s", error)


def _percent_and_text(progress: Progress, total: int) -> tuple[float, str]:
    # One decimal, since the UI shows all that it gets.
    return round(min(100 * progress.succeeded / total, 100.0), 1), progress.text(total)


@dataclass(frozen=True, slots=True)
class HowFar:
    """The images that are done, out of how many where that is known, and the bytes that came."""

    done: int
    total: int | None
    bytes: int


def _how_far(progress: Progress, total: int) -> HowFar:
    progress.read()
    return HowFar(progress.images, total, progress.bytes)


@contextmanager
def show_bar(title: str, how_far: Callable[[], HowFar]) -> Iterator[None]:
    """Show a bar while the context is open, in a terminal and unless the command is quiet."""
    if verbosity.get() is Verbosity.QUIET or not sys.stderr.isatty():
        yield
        return
    with _thread(lambda done: _bar(title, how_far, done)):
        yield


def _bar(title: str, how_far: Callable[[], HowFar], done: Event) -> None:
    # Imported where there is a terminal to draw on.
    from rich import progress as bars
    from rich.console import Console

    columns = (
        bars.TextColumn("{task.description}"),
        bars.BarColumn(),
        bars.MofNCompleteColumn(),
        bars.TextColumn("{task.fields[received]}"),
        bars.TextColumn("{task.fields[rate]}"),
        bars.TimeElapsedColumn(),
        bars.TimeRemainingColumn(),
    )
    with bars.Progress(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task(title, total=None, received=size(0), rate="")
        finished = False
        while not finished:
            finished = done.wait(BAR_SECONDS)
            now = how_far()
            rate = f"{bar.tasks[task].speed or 0:.0f} images/s"
            bar.update(
                task, completed=now.done, total=now.total, received=size(now.bytes), rate=rate
            )
