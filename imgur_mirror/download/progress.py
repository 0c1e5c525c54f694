"""How far a run is, read from its journals: the same for all strategies, in whatever process."""

import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from imgur_mirror.models import Download, Outcome
from imgur_mirror.store import AlbumFolder, StoreError, outcomes_in
from imgur_mirror.text import counted_images, size

__all__ = ["Progress"]

GATHER_SECONDS = 10.0
"""Between two reads of what other machines have noted in a store that all of them share."""


@dataclass
class Progress:
    """Images and bytes done so far; `read` again for what has come since."""

    folder: AlbumFolder
    bytes: int = 0
    _done: set[str] = field(default_factory=set)
    _failed: set[str] = field(default_factory=set)
    _read: dict[Path, int] = field(default_factory=dict)
    _gathered: float = field(default_factory=time.monotonic)

    @property
    def images(self) -> int:
        """Images whose outcome is known."""
        return len(self._done)

    @property
    def succeeded(self) -> int:
        """Images whose outcome is known, and is no failure."""
        return len(self._done) - len(self._failed)

    def read(self) -> "Progress":
        """Take in the lines that were added to the journals since the last time."""
        if time.monotonic() - self._gathered > GATHER_SECONDS:
            # Where the store does not answer, the run itself will say so.
            with suppress(StoreError, OSError):
                self.folder.run_state.gather()
            self._gathered = time.monotonic()
        for journal in self.folder.run_dir.glob("*.jsonl"):
            # A run removes its journals when it ends.
            with suppress(FileNotFoundError), journal.open("rb") as file:
                file.seek(self._read.get(journal, 0))
                whole, _, _ = file.read().rpartition(b"\n")
                if whole:
                    self._read[journal] = self._read.get(journal, 0) + len(whole) + 1
                    for row in outcomes_in(whole):
                        self._take(row)
        return self

    def text(self, total: int) -> str:
        """Say how far it is: `123 of 400 images, 45.2 MB`."""
        failed = f", {len(self._failed)} failed" if self._failed else ""
        return f"{self.succeeded} of {counted_images(total)}, {size(self.bytes)}{failed}"

    def _take(self, row: Download) -> None:
        if row.retryable:
            return
        # The work on an image is noted in a row of its own, after what brought the bytes.
        self.bytes += row.received if row.work_started is None else 0
        if row.outcome is not Outcome.BYTE_RANGE:
            self._done.add(row.id)
            (self._failed.add if row.outcome is Outcome.FAILED else self._failed.discard)(row.id)
