"""How far a list of albums is: a bar in a terminal, and an artifact in Prefect's UI."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import Lock

from prefect.logging import get_run_logger

from flows.support.progress import HowFar, ProgressArtifact, show_bar
from imgur_mirror.download import AlbumMirror
from imgur_mirror.download.progress import Progress
from imgur_mirror.text import counted, counted_images, size

__all__ = ["AlbumsProgress"]

UPDATE_SECONDS = 2.0
"""Between two updates of the artifact, and before there is one."""


@dataclass(frozen=True, slots=True)
class _Album:
    """An album that is being fetched: how many images it is to have, and how far it is."""

    images: int
    progress: Progress


@dataclass
class AlbumsProgress:
    """Counts the albums that have ended, of `total` or more, and the images that have come.

    The bar reads it from a thread of its own. Neither the bar nor the artifact can fail the run.
    """

    title: str
    total: int
    artifact: ProgressArtifact
    _fetching: dict[int, _Album] = field(default_factory=dict)
    _ended: int = 0
    _planned: int = 0
    _done: int = 0
    _received: int = 0
    _last_update: float = field(default_factory=time.monotonic)
    _lock: Lock = field(default_factory=Lock)

    @contextmanager
    def shown(self) -> Iterator[None]:
        """Show the bar while the context is open, and at its end how far the artifact got."""
        with show_bar(self.title, self._how_far):
            yield
        if self.artifact:
            self._update()

    def add(self, place: int, run: AlbumMirror) -> None:
        """Take an album in that is about to be fetched."""
        images = len(run.plan.images)
        with self._lock:
            self._planned += images
            self._fetching[place] = _Album(images, Progress(run.folder))

    def end(self, place: int, received: int) -> None:
        """Count an album that has ended, of which so many bytes came."""
        with self._lock:
            album = self._fetching.pop(place, None)
            self._ended += 1
            self._done += album.images if album else 0
            self._received += received

    def show(self) -> None:
        """Keep the artifact up to date, every few seconds."""
        if time.monotonic() - self._last_update > UPDATE_SECONDS:
            self._update()

    def _how_far(self) -> HowFar:
        with self._lock:
            progress = [album.progress.read() for album in self._fetching.values()]
            done = self._done + sum(each.images for each in progress)
            received = self._received + sum(each.bytes for each in progress)
            return HowFar(done, self._planned, received)

    def _update(self) -> None:
        self._last_update = time.monotonic()
        how_far = self._how_far()
        total = max(self.total, self._ended + len(self._fetching))
        text = (
            f"{self._ended} of {counted(total, 'album')}, "
            f"{counted_images(how_far.done)} of {how_far.total} that were not there, "
            f"{size(how_far.bytes)}"
        )
        parts = [one.progress.images / max(1, one.images) for one in self._fetching.values()]
        percent = 100 * (self._ended + sum(parts)) / max(1, total)
        try:
            self.artifact.show(round(min(percent, 100.0), 1), text)
        except Exception as error:  # noqa: BLE001 - whatever the client raises, the run goes on
            get_run_logger().warning("the progress of this run is not shown: %s", error)
