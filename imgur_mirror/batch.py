"""A batch: the pieces that one task run fetches one after another, and what became of each."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

from imgur_mirror.exchange import Exchange
from imgur_mirror.models import Download, Outcome, Piece
from imgur_mirror.pace import Pace
from imgur_mirror.settings import Wire
from imgur_mirror.store import AlbumFolder, StoreError

__all__ = ["Batch", "BatchFailed", "Work"]


@dataclass(frozen=True, slots=True)
class Batch:
    """What one task run fetches, in this order; `name` is unique in its run."""

    name: str
    pieces: tuple[Piece, ...]

    def __str__(self) -> str:
        """Give the name of the task run: the first file, and how many come with it."""
        first = self.pieces[0].image.name
        return first if len(self.pieces) == 1 else f"{first} +{len(self.pieces) - 1}"


class BatchFailed(Exception):
    """Some images of a batch failed; `downloads` has the outcome of every one."""

    def __init__(self, downloads: tuple[Download, ...]) -> None:
        self.downloads = downloads
        failed = [row for row in downloads if row.outcome is Outcome.FAILED]
        shown = "; ".join(f"{row.name}: {row.error}" for row in failed[:3])
        more = f"; and {len(failed) - 3} more" if len(failed) > 3 else ""
        super().__init__(f"{len(failed)} of {len(downloads)} images failed: {shown}{more}")

    def __reduce__(self) -> tuple[type["BatchFailed"], tuple[tuple[Download, ...]]]:
        return type(self), (self.downloads,)

    @property
    def passing(self) -> bool:
        """Whether trying again may help."""
        return any(row.passing for row in self.downloads)


class Work:
    """One run of a batch: takes up where an earlier run of the same batch ended.

    The batch's journal says what is done. So a task that is tried again, on whichever worker,
    fetches only what is missing, and no outcome is lost with an exception.
    """

    def __init__(
        self, batch: Batch, folder: AlbumFolder, wire: Wire, worker: str | None = None
    ) -> None:
        self._batch = batch
        self._folder = folder
        self._wire = wire
        self._worker = worker
        self._rows = folder.outcomes(batch.name)
        self._broken: str | None = None
        self.pace = Pace(folder.state, wire.max_requests_per_second)

    def exchanges(self) -> Iterator[Exchange]:
        """Give what is still to be fetched; ends early when the store cannot be written."""
        for piece in self._batch.pieces:
            last = self._rows.get(piece.image.id)
            if self._broken is None and (last is None or last.passing):
                try:
                    exchange = Exchange(
                        piece, self._folder, self._wire, self.pace, last, self._worker
                    )
                except StoreError as error:
                    self._broken = str(error)
                else:
                    yield exchange

    def give_up(self, exchange: Exchange, error: Exception) -> Download:
        """Turn what went wrong into an outcome; a store that fails ends the whole batch."""
        if isinstance(error, StoreError):
            self._broken = str(error)
        try:
            return exchange.gave_up(error)
        except StoreError as also:
            self._broken = str(also)
            return self._failed(exchange.image.id, exchange.image.name)

    def record(self, download: Download) -> None:
        """Keep an outcome, on the disk as well."""
        self._rows[download.id] = download
        try:
            self._folder.append(self._batch.name, download)
        except StoreError as error:
            self._broken = str(error)

    def result(self) -> tuple[Download, ...]:
        """Give every outcome, in the batch's order.

        Raises:
            BatchFailed: where an image failed; it carries the outcomes too.
        """
        images = [piece.image for piece in self._batch.pieces]
        rows = tuple(
            self._rows.get(image.id) or self._failed(image.id, image.name) for image in images
        )
        if self._broken is not None:
            # What might pass otherwise does not while nothing can be stored.
            rows = tuple(replace(row, passing=False) for row in rows)
        if any(row.outcome is Outcome.FAILED for row in rows):
            raise BatchFailed(rows)
        return rows

    def _failed(self, image_id: str, name: str) -> Download:
        return Download(
            id=image_id,
            name=name,
            outcome=Outcome.FAILED,
            error=self._broken,
            worker=self._worker,
        )
