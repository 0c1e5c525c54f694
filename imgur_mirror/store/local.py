"""A folder of this machine: files that are whole or not at all, with their manifest.

In `<downloads>/<album id>/` lie the images under their names, `album.json` (the manifest) and,
while a run is at work, `NAME.part` files and one `.run-ID/` folder a run. What reaches the disk
first: a file, then its folder, then the manifest that vouches for it. So at any instant a file
under its own name is whole, and what a manifest lists is there.

A `.run-ID/` folder holds the journals of a run: one line an image, as its outcome is known. They
let a task that is run again, and the next run after a crash, know what is done without asking.
"""

import fcntl
import hashlib
import json
import os
import secrets
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO, Self

from imgur_mirror.models import Album, Download, Image
from imgur_mirror.store.base import AlbumFolder, BatchState, Outcomes, StoredFile, latest
from imgur_mirror.store.fs import is_free, locked, md5, said, sync_folder, write_whole
from imgur_mirror.store.journal import Journal
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
from imgur_mirror.store.partial_file import Part, is_resumable, remove_unless_locked
from imgur_mirror.store.split_file import Resumable, SplitPart, is_sound, resumable

__all__ = ["LocalFile", "LocalFolder"]


@dataclass(frozen=True, slots=True)
class LocalFile(StoredFile):
    """A file of this machine."""

    path: Path

    def read(self) -> bytes | None:
        with said(self.path), suppress(FileNotFoundError):
            return self.path.read_bytes()
        return None

    def write(self, content: bytes) -> None:
        with said(self.path.parent):
            self.path.parent.mkdir(parents=True, exist_ok=True)
            write_whole(self.path, [content])

    @contextmanager
    def opened(self) -> Iterator[BinaryIO]:
        with self.path.open("rb") as file:
            yield file

    def exists(self) -> bool:
        return self.path.exists()

    def __str__(self) -> str:
        return str(self.path)


@dataclass(frozen=True, slots=True)
class LocalFolder(AlbumFolder):
    """One album's folder on this machine, and the run that writes to it."""

    path: Path
    run: str = ""

    @property
    def uri(self) -> str:
        return str(self.path)

    @property
    def local_dir(self) -> Path:
        return self.path

    @contextmanager
    def opened(self) -> Iterator[Self]:
        mine = replace(self, run=secrets.token_hex(4))
        with said(mine.path):
            mine.path.mkdir(parents=True, exist_ok=True)
            # Who looks for dead runs holds the folder's lock, and so never sees this one unlocked.
            with locked(mine.path):
                mine.run_dir.mkdir()
                lock = os.open(mine.run_dir, os.O_RDONLY)
                fcntl.flock(lock, fcntl.LOCK_EX)
        try:
            yield mine
        finally:
            os.close(lock)

    def in_one_process(self, run: str) -> Self:
        return replace(self, run=run)

    # Files

    def files(self) -> dict[str, int]:
        with said(self.path), os.scandir(self.path) as entries:
            return {
                entry.name: entry.stat().st_size
                for entry in entries
                if is_image(entry.name) and entry.is_file(follow_symlinks=False)
            }

    def digest(self, name: str) -> str:
        with said(self.path), (self.path / name).open("rb") as file:
            return hashlib.file_digest(file, md5).hexdigest()

    def digests(self) -> dict[str, str]:
        return {name: self.digest(name) for name in self.files()}

    def damaged(self, entries: Mapping[str, Entry], files: Mapping[str, int]) -> set[str]:
        digests = {entry.file: entry.md5 for entry in entries.values() if entry.file is not None}
        return {name for name, md5 in digests.items() if name in files and self.digest(name) != md5}

    def held(self, name: str) -> str | None:
        return self.digest(name) if (self.path / name).is_file() else None

    def beginning(self, name: str) -> tuple[int, bytes]:
        with said(self.path), (self.path / name).open("rb") as file:
            return os.fstat(file.fileno()).st_size, file.read(64)

    @contextmanager
    def copies(self, names: Sequence[str]) -> Iterator[list[Path]]:
        yield [self.path / name for name in names]

    def sibling(self, *parts: str) -> StoredFile:
        return LocalFile(self.path.parent.joinpath(*parts))

    def erase(self) -> None:
        with said(self.path), suppress(FileNotFoundError):
            shutil.rmtree(self.path)

    def settle(self) -> None:
        sync_folder(self.path)
        sync_folder(self.path.parent)

    # What is being fetched

    def part(self, name: str) -> Part:
        return Part(f"{self.path}/{name}", self.run)

    def split_part(self, name: str) -> SplitPart:
        return SplitPart.open(self.path / name, self.run)

    def resumable(self, images: Iterable[Image], wholes_above: int | None) -> dict[str, Resumable]:
        with said(self.path), locked(self.path):
            parts = [path.name for path in self.path.glob("*.part")]
            if not parts:
                return {}
            found = {}
            for image in images:
                if any(part.startswith(f"{image.name}.") for part in parts):
                    wholes = wholes_above is not None and (image.size or 0) > wholes_above
                    target = self.path / image.name
                    found[image.name] = resumable(target, self.run, image.size, wholes)
        return {name: what for name, what in found.items() if what is not None}

    # The manifest

    def read_manifest(self) -> dict[str, Entry]:
        """Read what is vouched for: by the manifest, and by the journals of dead runs."""
        with said(self.path):
            if not self.path.exists():
                return {}
            with locked(self.path):
                return self._vouched(self._dead_runs())

    def write_manifest(self, album: Album, downloads: Iterable[Download]) -> None:
        """Vouch for the outcomes of this run, then forget the journals of it and of dead runs."""
        with said(self.path), locked(self.path):
            dead = self._dead_runs()
            entries = self._vouched(dead)
            images = {image.id: image for image in album.images}
            for download in downloads:
                enter(entries, download)
            # The names of new files reach the disk before the manifest that lists them.
            sync_folder(self.path)
            write_whole(self.path / MANIFEST, manifest_blocks(album, ordered(entries, images)))
            for state in [*dead, self.run_dir]:
                shutil.rmtree(state, ignore_errors=True)

    def _vouched(self, dead: Iterable[Path]) -> dict[str, Entry]:
        entries = self._manifest_alone()
        for journal in self._journals(dead):
            for download in outcomes_in(journal.read_bytes()):
                enter(entries, download)
        return entries

    def _manifest_alone(self) -> dict[str, Entry]:
        path = self.path / MANIFEST
        try:
            text = path.read_bytes()
        except FileNotFoundError:
            return {}
        try:
            return {entry.image.id: entry for entry in entries_in(json.loads(text))}
        except (ValueError, RecursionError):
            path.rename(path.with_name(set_aside()))
            return {}

    # Runs

    def sweep(self, wanted: Iterable[str]) -> None:
        with said(self.path):
            names = set(wanted)
            with locked(self.path):
                # Who writes a draft of the manifest holds the lock: these are of dead runs.
                for draft in self.path.glob(f".{MANIFEST}.*"):
                    draft.unlink()
            for part in self.path.glob("*.part"):
                if not self._is_of_use(part, names):
                    remove_unless_locked(part)
            for beside in (*self.path.glob("*.part.etag"), *self.path.glob("*.part.log")):
                if not beside.with_suffix("").exists():
                    beside.unlink(missing_ok=True)

    def _is_of_use(self, part: Path, names: set[str]) -> bool:
        """Tell whether a partial file can be continued, or is shared by a living run's workers."""
        stem = part.name.removesuffix(".part")
        name, _, run = stem.rpartition(".")
        if stem in names:
            return is_resumable(part)
        if run == self.run:
            return name in names and is_sound(part)
        state = self.path / f".run-{run}"
        return state.exists() and not is_free(state)

    def batch_state(self, batch: str, names: Mapping[str, bool]) -> BatchState:  # noqa: ARG002 - each is read as it is asked for
        return BatchState(self.outcomes(batch), {})

    def journal(self, batch: str) -> Journal:
        return Journal(self.run_dir / f"{batch}.jsonl")

    def outcomes(self, batch: str) -> Outcomes:
        with said(self.path):
            try:
                journal = self.journal(batch).path.read_bytes()
            except FileNotFoundError:
                return {}
            return latest(outcomes_in(journal))

    def _dead_runs(self) -> list[Path]:
        """The `.run-ID/` folders that no living run holds."""
        return [
            state for state in self.path.glob(".run-*") if state != self.run_dir and is_free(state)
        ]

    @staticmethod
    def _journals(states: Iterable[Path]) -> list[Path]:
        journals = [journal for state in states for journal in state.glob("*.jsonl")]
        return sorted(journals, key=lambda path: path.stat().st_mtime)
