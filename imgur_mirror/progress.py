"""How far a run is, read from its journals: the same for all strategies, in whatever process."""

from dataclasses import dataclass, field
from pathlib import Path

from imgur_mirror.manifest import outcomes_in
from imgur_mirror.models import Download, Outcome
from imgur_mirror.store import AlbumFolder

__all__ = ["Progress"]


@dataclass
class Progress:
    """Images and bytes done so far; `read` again for what has come since."""

    folder: AlbumFolder
    bytes: int = 0
    _done: set[str] = field(default_factory=set)
    _read: dict[Path, int] = field(default_factory=dict)

    @property
    def images(self) -> int:
        """Images whose outcome is known."""
        return len(self._done)

    def read(self) -> "Progress":
        """Take in the lines that were added to the journals since the last time."""
        for journal in self.folder.state.glob("*.jsonl"):
            with journal.open("rb") as file:
                file.seek(self._read.get(journal, 0))
                whole, _, _ = file.read().rpartition(b"\n")
            if whole:
                self._read[journal] = self._read.get(journal, 0) + len(whole) + 1
                for row in outcomes_in(whole):
                    self._take(row)
        return self

    def _take(self, row: Download) -> None:
        if row.passing:
            return
        self.bytes += row.received
        if row.outcome is not Outcome.PIECE:
            self._done.add(row.id)
