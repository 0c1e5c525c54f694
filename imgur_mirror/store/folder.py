"""The images of one album with their manifest, and the run that writes them.

Under their names lie the images, beside them `album.json` (the manifest) and, while a run is at
work, partial files and a `.run-ID/` folder for each run: at a folder of this machine right there,
for a store elsewhere in this machine's scratch. A store elsewhere has copies of the journals, so
that another machine can go on. Where one is empty, its batch was begun and its worker is dead: what
lies there under the names of its images is asked for conditionally, and so not sent again.
"""

import json
import secrets
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from io import BytesIO
from pathlib import Path
from typing import BinaryIO, Self

from imgur_mirror.models import Album, Download, Image, Outcome
from imgur_mirror.store.errors import StoreError, os_errors_as_store_errors
from imgur_mirror.store.fs import locked
from imgur_mirror.store.journal import Outcomes, outcomes_in
from imgur_mirror.store.left_over import Resumable, resumable, sweep
from imgur_mirror.store.manifest import (
    MANIFEST,
    Entry,
    enter,
    entries_in,
    is_image,
    manifest_blocks,
    ordered,
    set_aside,
)
from imgur_mirror.store.partial_file import ExclusiveFile, SharedFile, held_name
from imgur_mirror.store.run_state import STALE, RunState, dead_runs
from imgur_mirror.store.storage import Capabilities, Storage, Stored, StoredFile
from imgur_mirror.store.thumbnails import Thumbnails

__all__ = ["REPORTS", "AlbumFolder", "BatchState"]

FEW_NAMES = 16
"""Files that are asked for one by one, sooner than by a listing of all."""

READERS = 8
"""Files that are read back at once."""

REPORTS = "_reports"
"""The folder for the reports of all albums, beside theirs: no album's id starts so."""


@dataclass(frozen=True, slots=True)
class BatchState:
    """What is known of a batch as its task run begins.

    `outcomes` are those of an earlier run of it, `digests` the MD5s of files that lie there under
    names of its images, as far as the store told them.
    """

    outcomes: Outcomes
    digests: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class AlbumFolder:
    """Where the images of one album lie with their manifest; small enough to send anywhere.

    At any instant a file under its own name is whole, and what the manifest lists is there. All
    methods raise `StoreError` where the store cannot be read or written. `run` is the run that
    writes to it, empty before `start_run`; `journaled` says that another process, on another
    machine, may go on with this one's batches. `part_of` is the folder of the larger run that this
    one is a part of: all of its parts ask at one pace.
    """

    storage: Storage
    run: str = ""
    journaled: bool = True
    part_of: "AlbumFolder | None" = None

    @property
    def name(self) -> str:
        """The album's id."""
        return self.uri.rpartition("/")[2]

    @property
    def uri(self) -> str:
        """Where it is, as the setting has it."""
        return self.storage.uri

    @property
    def capabilities(self) -> Capabilities:
        """What can be done there."""
        return self.storage.capabilities

    @property
    def local_dir(self) -> Path:
        """A folder on this machine that stands for it."""
        return self.storage.local_dir

    @property
    def run_dir(self) -> Path:
        """The run's own folder."""
        return self.run_state.path

    @property
    def run_state(self) -> RunState:
        """What the workers of the run tell each other."""
        name = f".run-{self.run}"
        pace_dir = None if self.part_of is None else self.part_of.run_dir
        state = RunState(self.local_dir / name, pace_dir=pace_dir)
        if self.capabilities.local:
            return state
        # A worker's machine may not be the one where the run was started.
        state.path.mkdir(parents=True, exist_ok=True)
        return replace(state, shared=self.storage.below(name)) if self.journaled else state

    @contextmanager
    def start_run(self) -> Iterator[Self]:
        """Hold a run's own state for as long as the run writes."""
        mine = replace(self, run=secrets.token_hex(4))
        with ExitStack() as stack:
            with os_errors_as_store_errors(self.local_dir):
                self.local_dir.mkdir(parents=True, exist_ok=True)
                # Who looks for dead runs locks the folder, and so never sees this one unlocked.
                with locked(self.local_dir):
                    stack.enter_context(mine.run_state.lock())
            if not self.capabilities.local:
                stack.callback(mine.run_state.remove)
            yield mine

    def in_one_process(self, run: str) -> Self:
        """Return it for a run that keeps its name from start to start, and has one process."""
        return replace(self, run=run, journaled=False)

    def as_part_of(self, larger: "AlbumFolder | None") -> Self:
        """Return it for a run that is a part of a larger one, if there is one."""
        return replace(self, part_of=larger)

    # Files

    def files(self) -> dict[str, int]:
        """List the bytes of every whole file by its name."""
        return {name: stored.size for name, stored in self._images().items()}

    def digest(self, name: str) -> str:
        """Return a file's MD5, in hex."""
        return self.storage.digest(name)

    def digests(self) -> dict[str, str]:
        """Return the MD5 of every whole file, by its name."""
        # Read back: where a store encrypts, what looks like an MD5 is none.
        return self._read_back(list(self._images()))

    def damaged(self, entries: Mapping[str, Entry], files: Mapping[str, int]) -> set[str]:
        """Compare all files with what the manifest says of them, and name those that differ.

        Where the store itself has a file's MD5, that is compared; others are read back.
        """
        wanted = {e.file: e.md5 for e in entries.values() if e.file is not None and e.file in files}
        there = self._images()
        doubtful = [name for name in wanted if name in there and there[name].md5 != wanted[name]]
        read = self._read_back(doubtful)
        return (wanted.keys() - there) | {name for name in doubtful if read[name] != wanted[name]}

    def existing_md5(self, name: str) -> str | None:
        """Return the MD5 of a file, None where there is none of that name."""
        stored = self.storage.stat(name)
        return None if stored is None else stored.md5 or self.digest(name)

    def beginning(self, name: str) -> tuple[int, bytes]:
        """Return a file's bytes in all, and the first of them: enough to tell its kind."""
        stored = self.storage.stat(name)
        head = self.storage.read(name, 0, 64) if stored and stored.size else b""
        if stored is None or head is None:
            raise StoreError(f"{self.uri}/{name} was there and is no more: run this again")
        return stored.size, head

    @contextmanager
    def open(self, name: str) -> Iterator[BinaryIO]:
        """Open an image's file to read all of it; one that is elsewhere comes at once.

        Raises `OSError` where one of this machine cannot be read.
        """
        if not self.capabilities.local:
            yield BytesIO(self.storage.read(name) or b"")
            return
        with self.storage.open(name) as file:
            yield file

    @property
    def thumbnails(self) -> Thumbnails:
        """The thumbnails of its images, which lie beside the reports of the album."""
        place = self.storage.parent
        for part in (REPORTS, self.name, "thumbnails"):
            place = place.below(part)
        return Thumbnails(place)

    def sibling(self, *parts: str) -> StoredFile:
        """Return a file next to the album's folder, by its path from there."""
        return StoredFile(self.storage.parent, "/".join(parts))

    def take_held(self, name: str) -> None:
        """Give a file its name that this run holds, in place of the one that is there."""
        self.storage.rename(self.held(name), name)

    def held(self, name: str) -> str:
        """Return where a file is that this run holds, as a name in the folder."""
        return held_name(self.run, name)

    def erase(self) -> None:
        """Remove the folder with all that is in it."""
        self.storage.erase()

    def settle(self) -> None:
        """Have the names of all files reach the disk, before anything vouches for them."""
        self.storage.sync()
        self.storage.parent.sync()

    def _images(self) -> dict[str, Stored]:
        return {name: stored for name, stored in self.storage.list().items() if is_image(name)}

    def _read_back(self, names: Sequence[str]) -> dict[str, str]:
        with ThreadPoolExecutor(READERS) as pool:
            return dict(zip(names, pool.map(self.digest, names), strict=True))

    # What is being fetched

    def partial_file(self, name: str) -> ExclusiveFile:
        """Return the partial file of an image, locked for this writer alone once it is opened."""
        return self.storage.partial_file(name, self.run)

    def shared_file(self, name: str) -> SharedFile:
        """Open the partial file of an image that this run's workers fetch in ranges together."""
        if not self.capabilities.byte_ranges:
            raise StoreError(f"{name} cannot be put together from ranges at {self.uri}")
        return SharedFile(self.local_dir / name, self.run)

    def resumable(self, images: Iterable[Image], wholes_above: int | None) -> dict[str, Resumable]:
        """Take over what dead runs have of these images, by name, so that ranges go on from it.

        The beginning of a whole file is taken over as a range where the image is larger than
        `wholes_above` bytes; never where that is None.
        """
        if not self.capabilities.byte_ranges:
            return {}
        return resumable(self.local_dir, self.run, images, wholes_above)

    def sweep(self, wanted: Iterable[str]) -> None:
        """Remove what no run is writing and none can continue; `wanted` are the names of images."""
        sweep(self.local_dir, self.run, wanted)

    def batch_state(self, batch: str, names: Mapping[str, bool]) -> BatchState:
        """Begin a batch, or go on with it.

        `names` are those of its images' files, each with whether one lies there already. A folder
        is not asked here: each file is read when its turn has come.
        """
        earlier = self.run_state.begin(batch)
        outcomes = earlier or {}
        known = {row.name for row in outcomes.values() if not row.retryable}
        may_be = [
            name
            for name, there in names.items()
            if (there or earlier is not None) and name not in known
        ]
        if self.capabilities.local or not may_be:
            return BatchState(outcomes, {})
        found = self._among(may_be)
        return BatchState(outcomes, {name: one.md5 or self.digest(name) for name, one in found})

    def _among(self, names: Sequence[str]) -> Iterator[tuple[str, Stored]]:
        """Return what is there of these files; of few, without a listing of all."""
        find = self.storage.stat if len(names) <= FEW_NAMES else self._images().get
        for name in names:
            if (stored := find(name)) is not None:
                yield name, stored

    # The manifest

    def read_manifest(self) -> dict[str, Entry]:
        """Read what is vouched for, by image id: by the manifest, and by journals of dead runs.

        A manifest that cannot be read is set aside as `album.json.damaged-TIME`, and vouches for
        nothing.
        """
        with self.storage.locked():
            return self._vouched(self._dead_runs())

    def write_manifest(
        self, album: Album, downloads: Sequence[Download], forgotten: Iterable[str] = ()
    ) -> None:
        """Vouch for the outcomes of this run, then forget the journals of it and of dead runs.

        Nothing is vouched for any more of images whose ids are `forgotten`. Of one that failed, the
        listing stays as it was when its file came: the next run sees what has changed since.
        What another run entered meanwhile stays; images that left the album stay as well, with
        `listed` false. In a store that cannot be locked, what another run enters in the same moment
        may be lost; the next run then finds those files, and asks for them without fetching them.
        """
        with self.storage.locked():
            dead = self._dead_runs()
            entries = self._vouched(dead)
            for download in downloads:
                enter(entries, download)
            for image in forgotten:
                entries.pop(image, None)
            # The names of new files reach the disk before the manifest that lists them.
            self.storage.sync()
            images = {image.id: image for image in album.images}
            failed = {row.id for row in downloads if row.outcome is Outcome.FAILED}
            self.storage.write(MANIFEST, manifest_blocks(album, ordered(entries, images, failed)))
            for state in [*dead, self.run_state]:
                state.remove()
        if not self.capabilities.local:
            self.storage.delete(self._over())

    def _vouched(self, dead: Iterable[RunState]) -> dict[str, Entry]:
        entries = self._manifest_alone()
        journals = [journal for state in dead for journal in state.path.glob("*.jsonl")]
        for journal in sorted(journals, key=lambda path: path.stat().st_mtime):
            for download in outcomes_in(journal.read_bytes()):
                enter(entries, download)
        return entries

    def _manifest_alone(self) -> dict[str, Entry]:
        text = self.storage.read(MANIFEST)
        if text is None:
            return {}
        try:
            return {entry.image.id: entry for entry in entries_in(json.loads(text))}
        except (ValueError, RecursionError):
            self.storage.rename(MANIFEST, set_aside())
            return {}

    def _dead_runs(self) -> list[RunState]:
        """Find the runs whose journals nobody else will enter: those of a folder."""
        return dead_runs(self.local_dir) if self.capabilities.local else []

    def _over(self) -> list[str]:
        """Name the objects of this run, and of those that must be over by their age."""
        before = datetime.now(UTC) - timedelta(seconds=STALE)
        return [
            name
            for name, stored in self.storage.list().items()
            if name.startswith(f".run-{self.run}/")
            or (name.startswith(".") and stored.modified is not None and stored.modified < before)
        ]
