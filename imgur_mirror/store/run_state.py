"""The state of one run: what its workers tell each other, in files of the folder `.run-ID/`.

The folder is locked while the run is alive. It holds the journals of the run's batches, which let
a task that is run again, and the next run after a crash, know what is done without asking; the
time until which nobody asks; the time of the last turn; the slots of a rate limit; and the notes
of a shard. Nobody else makes files there.

For a store elsewhere the folder is in scratch on this machine: in
`<temporary folder>/imgur-mirror-<user>/`, which only that user can enter. `TMPDIR` says where the
temporary folder is.
"""

import fcntl
import hashlib
import os
import secrets
import shutil
import stat
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from imgur_mirror.models import Download
from imgur_mirror.store.errors import StoreError, os_errors_as_store_errors
from imgur_mirror.store.fs import is_at, is_free, try_lock, write_whole
from imgur_mirror.store.journal import Journal, Outcomes, latest, outcomes_in
from imgur_mirror.store.storage import Storage, StoredFile

__all__ = ["STALE", "RunState", "dead_runs", "scratch"]

STALE = 24 * 3600.0
"""Seconds after which a run that has noted nothing more is taken for dead."""

UNUSED = 600.0
"""Seconds after which an empty folder is nobody's who has just made it."""


@dataclass(frozen=True, slots=True)
class RunState:
    """The folder of one run; small enough to send to other processes.

    `shared` is where workers on other machines find the journals. Objects can't be appended to: one
    is empty as its batch begins, and has all outcomes as it ends. `pace_dir` is where the pace is,
    if not here: in the folder of the larger run that this one is a part of.
    """

    path: Path
    shared: Storage | None = None
    pace_dir: Path | None = None

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Hold the run for the block, once whoever has it is done: a worker may outlive its run."""
        descriptor = self._lock()
        try:
            yield
        finally:
            os.close(descriptor)

    def _lock(self) -> int:
        while True:
            self.path.mkdir(parents=True, exist_ok=True)
            with suppress(FileNotFoundError):
                descriptor = os.open(self.path, os.O_RDONLY)
                fcntl.flock(descriptor, fcntl.LOCK_EX)
                if is_at(descriptor, self.path):
                    return descriptor
                os.close(descriptor)

    @contextmanager
    def begun_anew(self) -> Iterator[None]:
        """Have the folder for the block, without what a run of this name left that was killed."""
        self.remove()
        with os_errors_as_store_errors(self.path):
            self.path.mkdir(parents=True)
        try:
            yield
        finally:
            self.remove()

    def remove(self) -> None:
        """Forget the run."""
        shutil.rmtree(self.path, ignore_errors=True)

    # Journals

    def journal(self, batch: str) -> Journal:
        """Return the journal of one batch."""
        name = f"{batch}.jsonl"
        return Journal(
            self.path / name, None if self.shared is None else StoredFile(self.shared, name)
        )

    def begin(self, batch: str) -> Outcomes | None:
        """Return the outcomes of an earlier run of a batch; None, if none has begun it."""
        path = self.path / f"{batch}.jsonl"
        with os_errors_as_store_errors(self.path.parent):
            if self.shared is not None and not path.exists():
                before = self.shared.read(path.name)
                if before is None:
                    self.shared.write(path.name, [])
                    return None
                # What comes is added to it.
                path.write_bytes(before)
            return latest(path.read_bytes()) if path.exists() else None

    def outcomes(self, batch: str) -> Outcomes:
        """Return what a batch's journal has."""
        path = self.path / f"{batch}.jsonl"
        with os_errors_as_store_errors(self.path.parent), suppress(FileNotFoundError):
            return latest(path.read_bytes())
        there = None if self.shared is None else self.shared.read(path.name)
        return latest(there or b"")

    def all_outcomes(self) -> Iterator[Download]:
        """Read all journals, in the order of their batches' names."""
        for journal in sorted(self.path.glob("*.jsonl")):
            yield from outcomes_in(journal.read_bytes())

    def next_batch(self) -> int:
        """Return a number that no batch has for a name yet, nor any above it."""
        return 1 + max((int(path.stem) for path in self.path.glob("*.jsonl")), default=-1)

    def gather(self) -> None:
        """Have here what batches have noted that ended on other machines."""
        if self.shared is None:
            return
        for name, stored in self.shared.list().items():
            target = self.path / name
            if stored.size and not target.exists():
                # Each reader has a draft of its own: several may gather at once.
                draft = target.with_suffix(f".{secrets.token_hex(4)}.draft")
                draft.write_bytes(self.shared.read(name) or b"")
                # A worker here that goes on with the batch may have made it meanwhile.
                with suppress(FileExistsError):
                    target.hardlink_to(draft)
                draft.unlink(missing_ok=True)

    # The pace

    def paused_until(self) -> float:
        """Return the time until which no worker of the run asks; 0 where nobody said any."""
        try:
            return ((self.pace_dir or self.path) / "pause").stat().st_mtime
        except FileNotFoundError:
            return 0.0

    def pause_until(self, until: float) -> None:
        """Keep every worker of the run from asking until then, or until a later time set before."""
        with self._pace_file("pause") as pause:
            # One at a time, so that a short pause never replaces a longer one.
            fcntl.flock(pause, fcntl.LOCK_EX)
            if os.fstat(pause).st_mtime < until:
                os.utime(pause, (until, until))

    def take_turn(self, gap: float, furthest: float) -> float:
        """Take the next turn, `gap` seconds after the last, and return the seconds until it comes.

        It is no more than `furthest` seconds away, in case the clock was turned back.
        """
        with self._pace_file("turns") as turns:
            fcntl.flock(turns, fcntl.LOCK_EX)
            now, last = time.time(), float(os.pread(turns, 32, 0) or 0)
            at = min(max(now, last + gap), now + furthest)
            os.pwrite(turns, f"{at:<32.6f}".encode("ascii"), 0)
        return at - now

    def take_slots(self, wanted: int, pause: float, ask: Callable[[], int]) -> int:
        """Take at most so many slots of a rate limit; 0 if there are none now.

        When the run has no more, one of its workers asks for some, for all of them; after a refusal
        again in `pause` seconds.
        """
        with self._pace_file("slots") as slots:
            if not wanted or not try_lock(slots):
                return 0
            left, refused = map(float, (os.pread(slots, 64, 0) or b"0 0").split())
            if not left and time.time() - refused > pause:
                left = ask()
                refused = refused if left else time.time()
            taken = min(wanted, int(left))
            os.pwrite(slots, f"{left - taken:.0f} {refused:.3f}".ljust(64).encode("ascii"), 0)
            return taken

    @contextmanager
    def _pace_file(self, name: str) -> Iterator[int]:
        """Open a file that all workers share, also those of the larger run's other parts."""
        folder, flags = self.pace_dir or self.path, os.O_RDWR | os.O_CREAT
        try:
            descriptor = os.open(folder / name, flags, 0o644)
        except FileNotFoundError:
            # A worker may outlive the larger run, which removes its folder at its end.
            folder.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(folder / name, flags, 0o644)
        try:
            yield descriptor
        finally:
            os.close(descriptor)

    # The notes of a shard

    def keep_only(self, digest: str) -> None:
        """Forget what was noted, unless it was of an input of this digest."""
        noted = self.path / "digest"
        with suppress(FileNotFoundError):
            if noted.read_text() == digest:
                return
        for stale in self.path.iterdir():
            stale.unlink()
        noted.write_text(digest)

    def note(self, name: str, content: bytes) -> None:
        """Keep a note, whole."""
        write_whole(self.path / name, [content])

    def notes(self, ending: str) -> list[bytes]:
        """Return the notes whose names end so."""
        return [path.read_bytes() for path in self.path.glob(f"*{ending}")]


def dead_runs(folder: Path) -> list[RunState]:
    """Find the runs of a folder that no process holds; this one's own is held, where it has one."""
    return [RunState(path) for path in folder.glob(".run-*") if is_free(path)]


def scratch(address: str) -> Path:
    """Return the folder for an address, made if need be.

    Raises:
        StoreError: where it cannot be made, or is another user's.
    """
    root = Path(tempfile.gettempdir()) / f"imgur-mirror-{os.getuid()}"
    folder = root / hashlib.blake2b(address.encode(), digest_size=8).hexdigest()
    with os_errors_as_store_errors(folder):
        root.mkdir(mode=0o700, parents=True, exist_ok=True)
        _check(root)
        if not folder.exists():
            _sweep(root)
            folder.mkdir(exist_ok=True)
    return folder


def _check(root: Path) -> None:
    """Refuse a folder that somebody else could write to."""
    about = root.lstat()
    mine = stat.S_ISDIR(about.st_mode) and about.st_uid == os.getuid()
    if not mine or about.st_mode & 0o022:
        raise StoreError(
            f"{root} is not this user's alone: remove it, or set TMPDIR to another folder"
        )


def _sweep(root: Path) -> None:
    """Remove what was left by who was killed, and by workers on machines that no run ends on."""
    before = time.time() - STALE
    for folder in root.iterdir():
        # Another process may sweep as well, or begin to use it again.
        with suppress(OSError):
            used = folder.stat().st_mtime
            for left in folder.iterdir():
                if left.stat().st_mtime < before and is_free(left):
                    shutil.rmtree(left) if left.is_dir() else left.unlink()
            if used < time.time() - UNUSED:
                folder.rmdir()
