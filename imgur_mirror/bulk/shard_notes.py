"""What a run of a shard notes as it goes, so that the next one goes on after a crash.

The folder of its run holds the journals of the shard's images (`00000.jsonl`, …), a file for each
album that is complete, and `digest`, which tells of which rows all of this is.
"""

import fcntl
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from imgur_mirror.api import Address, BadAddress
from imgur_mirror.bulk.outcomes import AlbumOutcome
from imgur_mirror.models import Download, Outcome
from imgur_mirror.store.fs import is_at, write_whole
from imgur_mirror.store.manifest import outcomes_in

__all__ = ["ShardNotes"]


@dataclass(frozen=True, slots=True)
class ShardNotes:
    """The folder of a shard's runs, which all have the same name."""

    run_dir: Path

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Wait for the lock of the folder, and hold it.

        A worker may outlive the flow run that it belongs to, and be at this shard still.
        """
        while True:
            self.run_dir.mkdir(parents=True, exist_ok=True)
            with suppress(FileNotFoundError):
                lock = os.open(self.run_dir, os.O_RDONLY)
                fcntl.flock(lock, fcntl.LOCK_EX)
                if is_at(lock, self.run_dir):
                    break
                os.close(lock)
        try:
            yield
        finally:
            os.close(lock)

    def discard_unless_of(self, digest: str) -> None:
        """Remove what an earlier run noted about other rows."""
        path = self.run_dir / "digest"
        if not path.exists() or path.read_text() != digest:
            for stale in self.run_dir.iterdir():
                stale.unlink()
            path.write_text(digest)

    def downloads(self) -> Iterator[Download]:
        """Read the journals, oldest first."""
        for journal in sorted(self.run_dir.glob("*.jsonl")):
            yield from outcomes_in(journal.read_bytes())

    def next_batch(self) -> int:
        """Give a number that no journal has, nor has any above it."""
        numbers = [int(path.stem) for path in self.run_dir.glob("*.jsonl")]
        return max(numbers, default=-1) + 1

    def albums(self) -> Iterator[tuple[Address, AlbumOutcome]]:
        """Read what became of the albums that are complete."""
        for path in self.run_dir.glob("*.album"):
            with suppress(ValueError, KeyError, TypeError, BadAddress):
                note = json.loads(path.read_bytes())
                rows = [
                    Download(**row | {"outcome": Outcome(row["outcome"])}) for row in note["rows"]
                ]
                yield Address(note["kind"], note["id"]), AlbumOutcome(note["folder"], rows)

    def write_album(self, address: Address, album: AlbumOutcome) -> None:
        """Keep what became of an album, so that it is not listed again after a crash."""
        note = {
            "kind": address.kind,
            "id": address.id,
            "folder": album.folder,
            "rows": [asdict(row) for row in album.downloads],
        }
        path = self.run_dir / f"{address.kind}-{address.id}.album"
        write_whole(path, [json.dumps(note).encode()])

    def remove(self) -> None:
        """Remove all notes; the shard's report has what they said."""
        shutil.rmtree(self.run_dir)
