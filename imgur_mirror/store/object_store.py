"""An album at an address such as `s3://bucket/mirror`: objects instead of files, and no folder.

Each image is received as for a folder, in memory or in this machine's scratch, checked there, and
then sent as one object: whole or absent. Objects can neither be appended to nor locked. So a batch
has an object `.run-ID/BATCH.jsonl`, empty as it begins and with all its outcomes as it ends. Who
finds one has the outcomes; where it is empty, the batch was begun and its worker is dead: what lies
there under the names of its images is asked for conditionally, and so not sent again. The same goes
for what a run that died has left. Objects of runs that have long been over are removed by age.
"""

import json
import logging
import secrets
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from mimetypes import guess_type
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory
from typing import BinaryIO, ClassVar, Self

from imgur_mirror.models import Album, Download
from imgur_mirror.store.base import AlbumFolder, BatchState, Outcomes, StoredFile, latest
from imgur_mirror.store.fs import StoreError
from imgur_mirror.store.fsspec_client import Objects, Stored
from imgur_mirror.store.journal import Journal
from imgur_mirror.store.local import LocalFolder
from imgur_mirror.store.manifest import (
    MANIFEST,
    Entry,
    enter,
    entries_in,
    is_image,
    manifest_blocks,
    ordered,
    outcomes_in,
    set_aside,
)
from imgur_mirror.store.partial_file import Part
from imgur_mirror.store.run_state import STALE, scratch

__all__ = ["RemoteFile", "RemoteFolder"]

FEW_NAMES = 16
"""Objects that are asked for one by one, sooner than by a listing of all."""

READERS = 8
"""Objects that are read back at once."""

MOST_COPIED = 64 << 20
"""Bytes of objects that are copied to be looked at, together."""

_logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class RemoteFile(StoredFile):
    """An object that is no image."""

    objects: Objects
    name: str

    def read(self) -> bytes | None:
        return self.objects.read(self.name)

    def write(self, content: bytes) -> None:
        self.objects.write(self.name, content)

    def opened(self) -> AbstractContextManager[BinaryIO]:
        return self.objects.opened(self.name)

    def exists(self) -> bool:
        return self.objects.about(self.name) is not None

    def __str__(self) -> str:
        return f"{self.objects.address}/{self.name}"


@dataclass(frozen=True, slots=True)
class RemoteFolder(AlbumFolder):
    """The objects of one album, and the run that writes them.

    `journaled` says that another process, on another machine, may go on with this one's batches.
    """

    uri: str
    run: str = ""
    journaled: bool = True

    remote: ClassVar[bool] = True

    @property
    def path(self) -> PurePosixPath:
        return PurePosixPath(self.uri.partition("://")[2])

    @property
    def local_dir(self) -> Path:
        return scratch(self.uri)

    @property
    def run_dir(self) -> Path:
        # A worker's machine may not be the one where the run was opened.
        state = self.local_dir / f".run-{self.run}"
        state.mkdir(parents=True, exist_ok=True)
        return state

    @property
    def objects(self) -> Objects:
        """What lies there."""
        return Objects(self.uri)

    @contextmanager
    def opened(self) -> Iterator[Self]:
        with LocalFolder(self.local_dir).opened() as local:
            try:
                yield replace(self, run=local.run)
            finally:
                shutil.rmtree(local.run_dir, ignore_errors=True)

    def in_one_process(self, run: str) -> Self:
        return replace(self, run=run, journaled=False)

    # Files

    def files(self) -> dict[str, int]:
        return {name: stored.size for name, stored in self._images().items()}

    def digest(self, name: str) -> str:
        return self.objects.digest(name)

    def digests(self) -> dict[str, str]:
        # Read back: where a store encrypts, what looks like an MD5 is none.
        names = list(self._images())
        with ThreadPoolExecutor(READERS) as pool:
            return dict(zip(names, pool.map(self.digest, names), strict=True))

    def damaged(self, entries: Mapping[str, Entry], files: Mapping[str, int]) -> set[str]:
        """Compare all objects with what the manifest says of them.

        Where the store itself has an object's MD5, that is compared; others are read back.
        """
        digests = {entry.file: entry.md5 for entry in entries.values() if entry.file in files}
        there = self._images()
        doubtful = [name for name in digests if name in there and there[name].md5 != digests[name]]
        with ThreadPoolExecutor(READERS) as pool:
            read = dict(zip(doubtful, pool.map(self.digest, doubtful), strict=True))
        lost = {name for name in digests if name is not None and name not in there}
        return lost | {name for name, md5 in read.items() if md5 != digests[name]}

    def held(self, name: str) -> str | None:
        stored = self.objects.about(name)
        return None if stored is None else stored.md5 or self.digest(name)

    def beginning(self, name: str) -> tuple[int, bytes]:
        stored = self.objects.about(name)
        head = self.objects.read(name, 0, 64) if stored and stored.size else b""
        if stored is None or head is None:
            raise StoreError(f"{self.uri}/{name} was there and is no more: run this again")
        return stored.size, head

    @contextmanager
    def copies(self, names: Sequence[str]) -> Iterator[list[Path]]:
        with TemporaryDirectory(dir=self.local_dir) as folder:
            with ThreadPoolExecutor(READERS) as pool:
                list(pool.map(partial(self._copy, Path(folder)), self._looked_at(names)))
            yield [Path(folder) / name for name in names]

    def sibling(self, *parts: str) -> StoredFile:
        return RemoteFile(Objects(self.uri.rpartition("/")[0]), "/".join(parts))

    def erase(self) -> None:
        self.objects.erase()

    def settle(self) -> None:
        """Do nothing: what was sent is stored as soon as the store says so."""

    def _images(self) -> dict[str, Stored]:
        return {name: stored for name, stored in self.objects.listed().items() if is_image(name)}

    def _digests(self, stored: Mapping[str, Stored]) -> dict[str, str]:
        return {name: one.md5 or self.digest(name) for name, one in stored.items()}

    def _looked_at(self, names: Iterable[str]) -> Iterator[str]:
        """Give the pictures among them, as many as may be copied."""
        there, copied = self._images(), 0
        for name in names:
            if name in there and (guess_type(name)[0] or "").startswith("image/"):
                copied += there[name].size
                if copied > MOST_COPIED:
                    return
                yield name

    def _copy(self, folder: Path, name: str) -> None:
        (folder / name).write_bytes(self.objects.read(name) or b"")

    # What is being fetched

    def part(self, name: str) -> Part:
        return RemotePart(self.local_dir / name, self.objects)

    def sweep(self, wanted: Iterable[str]) -> None:
        LocalFolder(self.local_dir, self.run).sweep(wanted)

    # Runs

    def batch_state(self, batch: str, names: Mapping[str, bool]) -> BatchState:
        """Begin a batch, or go on with it: ask what lies there of it, where anything may."""
        earlier = self._begun(batch)
        outcomes = earlier or {}
        known = {row.name for row in outcomes.values() if not row.retryable}
        may_be = [
            name
            for name, there in names.items()
            if (there or earlier is not None) and name not in known
        ]
        if not may_be:
            return BatchState(outcomes, {})
        return BatchState(outcomes, self._digests(self._there(may_be)))

    def _there(self, names: Sequence[str]) -> dict[str, Stored]:
        """Say what there is of these objects; of few, without a listing of all."""
        if len(names) > FEW_NAMES:
            there = self._images()
            return {name: there[name] for name in names if name in there}
        found = {name: self.objects.about(name) for name in names}
        return {name: stored for name, stored in found.items() if stored is not None}

    def _begun(self, batch: str) -> Outcomes | None:
        """Give the outcomes of an earlier run of a batch, and None where there was none."""
        journal = self._journal_here(batch).path
        if not journal.exists() and self.journaled:
            before = self.objects.read(self._journal_there(batch))
            if before is None:
                self.objects.write(self._journal_there(batch), b"")
                return None
            # What comes is added to it.
            journal.write_bytes(before)
        return latest(outcomes_in(journal.read_bytes())) if journal.exists() else None

    def journal(self, batch: str) -> "RemoteJournal":
        there = RemoteFile(self.objects, self._journal_there(batch)) if self.journaled else None
        return RemoteJournal(self._journal_here(batch), there)

    def outcomes(self, batch: str) -> Outcomes:
        journal = self._journal_here(batch).path
        if journal.exists():
            return latest(outcomes_in(journal.read_bytes()))
        there = self.objects.read(self._journal_there(batch)) if self.journaled else None
        return latest(outcomes_in(there or b""))

    def gather(self) -> None:
        """Fetch the outcomes of batches that ended on other machines."""
        if not self.journaled:
            return
        there = Objects(f"{self.uri}/.run-{self.run}")
        for name, stored in there.listed().items():
            target = self.run_dir / name
            if stored.size and not target.exists():
                # Its own: more than one may be looking.
                draft = target.with_suffix(f".{secrets.token_hex(4)}.draft")
                draft.write_bytes(there.read(name) or b"")
                # A worker here that goes on with the batch may have made it meanwhile.
                with suppress(FileExistsError):
                    target.hardlink_to(draft)
                draft.unlink(missing_ok=True)

    def _journal_here(self, batch: str) -> Journal:
        return Journal(self.run_dir / f"{batch}.jsonl")

    def _journal_there(self, batch: str) -> str:
        return f".run-{self.run}/{batch}.jsonl"

    # The manifest

    def read_manifest(self) -> dict[str, Entry]:
        text = self.objects.read(MANIFEST)
        if text is None:
            return {}
        try:
            return {entry.image.id: entry for entry in entries_in(json.loads(text))}
        except (ValueError, RecursionError):
            # Another run may have set it aside already.
            with suppress(FileNotFoundError):
                self.objects.rename(MANIFEST, set_aside())
            return {}

    def write_manifest(self, album: Album, downloads: Iterable[Download]) -> None:
        """Vouch for the outcomes of this run, then forget its journals, and those of long ago.

        What another run enters in the same moment may be lost, as nothing can be locked there; the
        next run then finds those files, and asks for them without fetching them.
        """
        entries = self.read_manifest()
        images = {image.id: image for image in album.images}
        for download in downloads:
            enter(entries, download)
        blocks = manifest_blocks(album, ordered(entries, images))
        self.objects.write(MANIFEST, b"".join(blocks))
        self.objects.remove(self._over())

    def _over(self) -> list[str]:
        """Name what is of this run, or of one that must be over by its age."""
        before = datetime.now(UTC) - timedelta(seconds=STALE)
        return [
            name
            for name, stored in self.objects.listed().items()
            if name.startswith(f".run-{self.run}/")
            or (name.startswith(".") and stored.modified is not None and stored.modified < before)
        ]


class RemoteJournal:
    """The journal of one batch: kept here as it grows, and sent as the batch ends."""

    def __init__(self, here: Journal, there: RemoteFile | None) -> None:
        self._here = here
        self._there = there
        self._grown = False

    def append(self, download: Download) -> None:
        """Add an outcome.

        Raises:
            StoreError: where this machine's scratch is full.
        """
        self._here.append(download)
        self._grown = True

    def close(self) -> None:
        """Send what was appended, for who goes on with the batch on another machine."""
        self._here.close()
        if self._there is None or not self._grown:
            return
        try:
            self._there.write(self._here.path.read_bytes())
        except (StoreError, OSError) as error:
            # Who goes on with the batch then finds the files themselves.
            _logger.warning("the outcomes of a batch are not stored: %s", error)


class RemotePart(Part):
    """An image on its way: received as into a folder, then sent as one object.

    `target` is a name in this machine's scratch, where no more than the partial file ever lies.
    """

    def __init__(self, target: Path, objects: Objects) -> None:
        super().__init__(target)
        self._objects = objects

    def ready(self) -> None:
        """Do nothing: what waits in memory is sent from there."""

    def place(self) -> None:
        """Send what came.

        Raises:
            StoreError: where the store does not take it.
        """
        if self._descriptor is None:
            self._objects.write(self.target.name, b"".join(self._waiting), self.md5)
        else:
            self._objects.upload(self.target.name, self.path, self.size, self.md5)
            self._remove()
        self._placed = True
