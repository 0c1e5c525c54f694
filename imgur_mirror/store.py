"""Where files land: whole or not at all, in an album's folder with its manifest.

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
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Self

from imgur_mirror.disk import StoreError, is_free, locked, md5, said, sync_folder, write_whole
from imgur_mirror.journal import Journal
from imgur_mirror.manifest import (
    MANIFEST,
    Entry,
    enter,
    entries_in,
    is_image,
    manifest_text,
    ordered,
    outcomes_in,
)
from imgur_mirror.models import Album, Download, Image
from imgur_mirror.part import Part, is_resumable, remove_unless_locked
from imgur_mirror.split import Begun, SplitPart, begun, is_sound

__all__ = ["AlbumFolder", "StoreError", "album_folder"]


def album_folder(downloads: str, album_id: str) -> "AlbumFolder":
    """Give the folder of one album below `downloads`.

    Raises:
        StoreError: where `downloads` is not a local folder.
    """
    if "://" in downloads:
        raise StoreError(
            f"{downloads} is not a local folder; this version writes to folders only: "
            "set IMGUR_DOWNLOADS or --downloads to one"
        )
    try:
        return AlbumFolder(Path(downloads).expanduser().absolute() / album_id)
    except RuntimeError as error:
        raise StoreError(f"{downloads} is no folder: {error}") from error


@dataclass(frozen=True, slots=True)
class AlbumFolder:
    """One album's folder, and the run that writes to it; small enough to send anywhere."""

    path: Path
    run: str = ""

    @contextmanager
    def opened(self) -> Iterator[Self]:
        """Hold a run's own `.run-ID/` folder for as long as the run writes."""
        mine = replace(self, run=secrets.token_hex(4))
        with said(mine.path):
            mine.path.mkdir(parents=True, exist_ok=True)
            # Who looks for dead runs holds the folder's lock, and so never sees this one unlocked.
            with locked(mine.path):
                mine.state.mkdir()
                lock = os.open(mine.state, os.O_RDONLY)
                fcntl.flock(lock, fcntl.LOCK_EX)
        try:
            yield mine
        finally:
            os.close(lock)

    @property
    def state(self) -> Path:
        """The run's own folder, for its journals and for what its workers tell each other."""
        return self.path / f".run-{self.run}"

    def files(self) -> dict[str, int]:
        """List the bytes of every whole file by its name."""
        with said(self.path), os.scandir(self.path) as entries:
            return {
                entry.name: entry.stat().st_size
                for entry in entries
                if is_image(entry.name) and entry.is_file(follow_symlinks=False)
            }

    def digest(self, name: str) -> str:
        """Read a file's MD5, in hex."""
        with said(self.path), (self.path / name).open("rb") as file:
            return hashlib.file_digest(file, md5).hexdigest()

    def digests(self) -> dict[str, str]:
        """Read the MD5 of every whole file, by its name."""
        return {name: self.digest(name) for name in self.files()}

    def damaged(self, entries: Mapping[str, Entry], files: Mapping[str, int]) -> set[str]:
        """Read back all files that the manifest lists, and name those that are not as it says."""
        digests = {entry.file: entry.md5 for entry in entries.values() if entry.file is not None}
        return {name for name, md5 in digests.items() if name in files and self.digest(name) != md5}

    def erase(self) -> None:
        """Remove the folder with all that is in it."""
        with said(self.path), suppress(FileNotFoundError):
            shutil.rmtree(self.path)

    def part(self, name: str) -> "Part":
        """Give the partial file of an image, locked for this writer alone once it is opened."""
        return Part(self.path / name)

    def split_part(self, name: str) -> SplitPart:
        """Open the partial file of an image that this run's workers fetch in pieces together."""
        return SplitPart.open(self.path / name, self.run)

    def begun(self, images: Iterable[Image], wholes_above: int | None) -> dict[str, Begun]:
        """Take over what dead runs have of these images, by name, so that pieces go on from it.

        The beginning of a whole file is taken over as a piece where the image is larger than
        `wholes_above` bytes; never where that is None.
        """
        with said(self.path), locked(self.path):
            parts = [path.name for path in self.path.glob("*.part")]
            if not parts:
                return {}
            found = {}
            for image in images:
                if any(part.startswith(f"{image.name}.") for part in parts):
                    wholes = wholes_above is not None and (image.size or 0) > wholes_above
                    target = self.path / image.name
                    found[image.name] = begun(target, self.run, image.size, wholes)
        return {name: what for name, what in found.items() if what is not None}

    # The manifest

    def read_manifest(self) -> dict[str, Entry]:
        """Read what is vouched for, by image id: the manifest and the journals of dead runs.

        A manifest that cannot be read is set aside as `album.json.damaged-TIME`, and nothing is
        vouched for.
        """
        with said(self.path):
            if not self.path.exists():
                return {}
            with locked(self.path):
                return self._vouched(self._dead_runs())

    def write_manifest(self, album: Album, downloads: Iterable[Download]) -> None:
        """Vouch for the outcomes of this run, then forget the journals of it and of dead runs.

        What another run entered meanwhile stays; images that left the album stay as well, with
        `listed` false.
        """
        with said(self.path), locked(self.path):
            dead = self._dead_runs()
            entries = self._vouched(dead)
            images = {image.id: image for image in album.images}
            for download in downloads:
                enter(entries, download)
            # The names of new files reach the disk before the manifest that lists them.
            sync_folder(self.path)
            write_whole(self.path / MANIFEST, manifest_text(album, ordered(entries, images)))
            for state in [*dead, self.state]:
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
            stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
            path.rename(path.with_name(f"{MANIFEST}.damaged-{stamp}"))
            return {}

    # Runs

    def sweep(self, wanted: Iterable[str]) -> None:
        """Remove what no run is writing and none can continue: partial files and drafts."""
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

    def journal(self, batch: str) -> Journal:
        """Give the journal of one batch of this run."""
        return Journal(self.state / f"{batch}.jsonl")

    def outcomes(self, batch: str) -> dict[tuple[str, int | None], Download]:
        """Read the latest outcome of each piece in a batch's journal, by image id and offset."""
        with said(self.path):
            try:
                journal = self.journal(batch).path.read_bytes()
            except FileNotFoundError:
                return {}
            return {(row.id, row.piece): row for row in outcomes_in(journal)}

    def _dead_runs(self) -> list[Path]:
        """The `.run-ID/` folders that no living run holds."""
        return [
            state for state in self.path.glob(".run-*") if state != self.state and is_free(state)
        ]

    @staticmethod
    def _journals(states: Iterable[Path]) -> list[Path]:
        journals = [journal for state in states for journal in state.glob("*.jsonl")]
        return sorted(journals, key=lambda path: path.stat().st_mtime)
