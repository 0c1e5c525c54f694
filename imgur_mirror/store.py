"""Where files land: whole or not at all, in an album's folder with its manifest.

In `<downloads>/<album id>/` lie the images under their names, `album.json` (the manifest) and,
while a run is at work, `NAME.part` files and one `.run-ID/` folder a run. What reaches the disk
first: a file, then its folder, then the manifest that vouches for it. So at any instant a file
under its own name is whole, and what a manifest lists is there.

A `.run-ID/` folder holds the journals of a run: one line an image, as its outcome is known. They
let a task that is run again, and the next run after a crash, know what is done without asking.
"""

import errno
import fcntl
import hashlib
import json
import os
import secrets
import shutil
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import TypeAdapter
from typing_extensions import TypedDict

from imgur_mirror.models import Album, Download, Image, Outcome

__all__ = ["AlbumFolder", "Entry", "Part", "StoreError", "album_folder", "outcomes_in"]

MANIFEST = "album.json"
RESUMABLE = 1 << 20
"""Bytes from which a partial file is worth a `Range` request, and its ETag worth a file."""

_READ = 1 << 20


class StoreError(Exception):
    """The store cannot be written or read; the sentence says what to mend. Never tried again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """What the manifest says of one image's file.

    `verified` says what vouches for the bytes: "etag" (its MD5 is the host's ETag), "two fetches"
    (the ETag is no digest, two fetches agreed) or "length". `gone` is when Imgur said that the
    image was removed; a file mirrored before then is kept. Times are ISO 8601, UTC.
    """

    image: Image
    file: str | None = None
    bytes: int | None = None
    md5: str | None = None
    etag: str | None = None
    real_type: str | None = None
    verified: str | None = None
    fetched: str | None = None
    gone: str | None = None
    listed: bool = True


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
        with _said(mine.path):
            mine.path.mkdir(parents=True, exist_ok=True)
            # Who looks for dead runs holds the folder's lock, and so never sees this one unlocked.
            with _locked(mine.path):
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
        with _said(self.path), os.scandir(self.path) as entries:
            return {
                entry.name: entry.stat().st_size
                for entry in entries
                if _is_image(entry.name) and entry.is_file(follow_symlinks=False)
            }

    def digest(self, name: str) -> str:
        """Read a file's MD5, in hex."""
        with _said(self.path), (self.path / name).open("rb") as file:
            return hashlib.file_digest(file, _md5).hexdigest()

    def digests(self) -> dict[str, str]:
        """Read the MD5 of every whole file, by its name."""
        return {name: self.digest(name) for name in self.files()}

    def damaged(self, entries: Mapping[str, Entry], files: Mapping[str, int]) -> set[str]:
        """Read back all files that the manifest lists, and name those that are not as it says."""
        digests = {entry.file: entry.md5 for entry in entries.values() if entry.file is not None}
        return {name for name, md5 in digests.items() if name in files and self.digest(name) != md5}

    def erase(self) -> None:
        """Remove the folder with all that is in it."""
        with _said(self.path), suppress(FileNotFoundError):
            shutil.rmtree(self.path)

    def part(self, name: str) -> "Part":
        """Open the partial file of an image, locked for this writer alone."""
        with _said(self.path):
            return Part.open(self.path / name)

    # The manifest

    def read_manifest(self) -> dict[str, Entry]:
        """Read what is vouched for, by image id: the manifest and the journals of dead runs.

        A manifest that cannot be read is set aside as `album.json.damaged-TIME`, and nothing is
        vouched for.
        """
        with _said(self.path):
            if not self.path.exists():
                return {}
            with _locked(self.path):
                return self._vouched(self._dead_runs())

    def write_manifest(self, album: Album, downloads: Iterable[Download]) -> None:
        """Vouch for the outcomes of this run, then forget the journals of it and of dead runs.

        What another run entered meanwhile stays; images that left the album stay as well, with
        `listed` false.
        """
        with _said(self.path), _locked(self.path):
            dead = self._dead_runs()
            entries = self._vouched(dead)
            images = {image.id: image for image in album.images}
            for download in downloads:
                _enter(entries, download)
            # The names of new files reach the disk before the manifest that lists them.
            _sync_folder(self.path)
            ordered = _ordered(entries, images)
            _write_whole(self.path / MANIFEST, _manifest_text(album, ordered))
            for state in [*dead, self.state]:
                shutil.rmtree(state, ignore_errors=True)

    def _vouched(self, dead: Iterable[Path]) -> dict[str, Entry]:
        entries = self._manifest_alone()
        for journal in self._journals(dead):
            for download in outcomes_in(journal.read_bytes()):
                _enter(entries, download)
        return entries

    def _manifest_alone(self) -> dict[str, Entry]:
        path = self.path / MANIFEST
        try:
            text = path.read_bytes()
        except FileNotFoundError:
            return {}
        try:
            return {entry.image.id: entry for entry in _entries(json.loads(text))}
        except (ValueError, RecursionError):
            stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
            path.rename(path.with_name(f"{MANIFEST}.damaged-{stamp}"))
            return {}

    # Runs

    def sweep(self, wanted: Iterable[str]) -> None:
        """Remove what no run is writing and none can continue: partial files and drafts."""
        with _said(self.path):
            names = set(wanted)
            with _locked(self.path):
                # Who writes a draft of the manifest holds the lock: these are of dead runs.
                for draft in self.path.glob(f".{MANIFEST}.*"):
                    draft.unlink()
            for part in self.path.glob("*.part"):
                if part.name.removesuffix(".part") not in names or not _resumable(part):
                    _remove_unless_locked(part)
            for etag in self.path.glob("*.part.etag"):
                if not etag.with_suffix("").exists():
                    etag.unlink(missing_ok=True)

    def journal(self, batch: str) -> Path:
        """Name the journal of one batch of this run."""
        return self.state / f"{batch}.jsonl"

    def append(self, batch: str, download: Download) -> None:
        """Add an outcome to a batch's journal; only its one task run writes there."""
        # The newline before it ends a line that a full disk or a killed worker cut short.
        line = f"\n{json.dumps(asdict(download))}\n".encode()
        with _said(self.path), self.journal(batch).open("ab") as journal:
            journal.write(line)

    def outcomes(self, batch: str) -> dict[str, Download]:
        """Read the latest outcome of each image in a batch's journal, by image id."""
        with _said(self.path):
            try:
                journal = self.journal(batch).read_bytes()
            except FileNotFoundError:
                return {}
            return {row.id: row for row in outcomes_in(journal)}

    def _dead_runs(self) -> list[Path]:
        """The `.run-ID/` folders that no living run holds."""
        return [
            state for state in self.path.glob(".run-*") if state != self.state and _is_free(state)
        ]

    @staticmethod
    def _journals(states: Iterable[Path]) -> list[Path]:
        journals = [journal for state in states for journal in state.glob("*.jsonl")]
        return sorted(journals, key=lambda path: path.stat().st_mtime)


class Part:
    """The file an image is written to until it is whole: hashed as it is written, then renamed.

    Use it as a context manager: unless `place` was called, what was written is kept when it can
    be continued (`RESUMABLE` bytes and an ETag) and removed when not.
    """

    def __init__(self, target: Path, path: Path, descriptor: int) -> None:
        self.target = target
        self.path = path
        self.size = 0
        self._descriptor = descriptor
        self._digest = _md5()
        self._placed = False

    @classmethod
    def open(cls, target: Path) -> Self:
        """Open `TARGET.part`, or one of its own name where another writer holds that."""
        path = _part_file(target)
        while True:
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
            if not _try_lock(descriptor):
                os.close(descriptor)
                path = target.with_name(f"{target.name}.{secrets.token_hex(4)}.part")
            elif not _is_at(descriptor, path):
                # Another run renamed or removed it between our opening and our locking.
                os.close(descriptor)
            else:
                return cls(target, path, descriptor)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        try:
            # What lies under a name of this writer's own, nobody would look for.
            own = self.path != _part_file(self.target)
            if not self._placed and (own or not _resumable(self.path)):
                self._remove()
        finally:
            os.close(self._descriptor)

    @property
    def md5(self) -> str:
        """The digest of what was written, in hex."""
        return self._digest.hexdigest()

    @property
    def head(self) -> bytes:
        """The first bytes, enough to tell the kind of file."""
        return os.pread(self._descriptor, 64, 0)

    def resume(self) -> str | None:
        """Take up what an earlier try left, and give its ETag; None where there is nothing to."""
        with _said(self.path):
            etag = self._etag.read_text("latin-1") if _resumable(self.path) else ""
            if not _may_be_sent(etag):
                self.restart()
                return None
            while block := os.pread(self._descriptor, _READ, self.size):
                self._digest.update(block)
                self.size += len(block)
            return etag

    def restart(self, etag: str | None = None) -> None:
        """Throw away what is there; `etag` is kept beside what comes, so that it can go on."""
        with _said(self.path):
            os.ftruncate(self._descriptor, 0)
            self.size = 0
            self._digest = _md5()
            if etag is None or not _may_be_sent(etag):
                self._etag.unlink(missing_ok=True)
            else:
                self._etag.write_text(etag, encoding="ascii")

    def write(self, block: bytes) -> None:
        """Append a block.

        Raises:
            StoreError: where the disk is full or the file cannot be written.
        """
        with _said(self.path):
            written = 0
            while written < len(block):
                written += os.pwrite(self._descriptor, block[written:], self.size + written)
        self._digest.update(block)
        self.size += len(block)

    def place(self) -> None:
        """Bring the bytes to the disk, then the file to its name."""
        with _said(self.path):
            os.fdatasync(self._descriptor)
            self.path.rename(self.target)
            self._placed = True
            self._etag.unlink(missing_ok=True)

    def discard(self) -> None:
        """Throw away what is there, whatever could be continued."""
        self.restart()

    @property
    def _etag(self) -> Path:
        return _etag_file(self.path)

    def _remove(self) -> None:
        # What cannot be removed now, the next run sweeps; the image's outcome must not be lost.
        with suppress(OSError):
            self.path.unlink(missing_ok=True)
            self._etag.unlink(missing_ok=True)


# Reading and writing the manifest


class _Manifest(TypedDict):
    version: Literal[1]
    images: list[dict[str, Any]]


_MANIFEST = TypeAdapter(_Manifest)
_ENTRY = TypeAdapter(Entry)
_DOWNLOAD = TypeAdapter(Download)


def _entries(manifest: object) -> Iterator[Entry]:
    """Give the entries of a manifest as it was parsed.

    Raises:
        ValueError: where it is no manifest of ours.
    """
    for row in _MANIFEST.validate_python(manifest)["images"]:
        entry = _ENTRY.validate_python(row | {"image": row | {"name": row.get("file") or ""}})
        _check(entry)
        yield entry


def _check(entry: Entry) -> None:
    """Refuse an entry that would be trusted wrongly, or would name another folder's file."""
    if entry.file is None:
        return
    if not _is_image(entry.file):
        raise ValueError(f"{entry.file!r} is no name of an image's file")
    if entry.bytes is None or entry.md5 is None:
        raise ValueError(f"{entry.file} has no size or digest")


def _is_image(name: str) -> bool:
    """Tell whether a name is an image's: not a path, and none of our own files."""
    ours = name.startswith((".", MANIFEST)) or ".part" in name
    return name != "" and name.isprintable() and Path(name).name == name and not ours


def _enter(entries: dict[str, Entry], download: Download) -> None:
    """Let an outcome change what is vouched for; a failure changes nothing."""
    old = entries.get(download.id) or Entry(image=_unlisted(download))
    if old.file is not None and download.outcome is Outcome.UNCHANGED and not download.attempts:
        return  # read from a manifest; another run may have entered something newer since
    when = _iso(download.finished)
    if download.outcome is Outcome.GONE:
        entries[download.id] = replace(old, gone=old.gone or when)
    elif download.outcome is not Outcome.FAILED:
        fetched = download.outcome is Outcome.DOWNLOADED
        entries[download.id] = replace(
            old,
            file=download.name,
            bytes=download.bytes,
            md5=download.md5,
            etag=download.etag,
            real_type=download.type,
            verified=download.verified,
            fetched=when if fetched else old.fetched or when,
            gone=None if fetched else old.gone,
        )


def _unlisted(download: Download) -> Image:
    return Image(id=download.id, link="", name=download.name)


def _ordered(entries: Mapping[str, Entry], images: Mapping[str, Image]) -> list[Entry]:
    """Give the entries in the album's order with its metadata, then those that left it."""
    listed = [
        replace(entries.get(image.id, Entry(image=image)), image=image, listed=True)
        for image in images.values()
    ]
    left = [replace(entry, listed=False) for key, entry in entries.items() if key not in images]
    return [*listed, *sorted(left, key=lambda entry: entry.image.id)]


def _manifest_text(album: Album, entries: Iterable[Entry]) -> bytes:
    about = {key: value for key, value in asdict(album).items() if key != "images"}
    rows = []
    for entry in entries:
        row = asdict(entry)
        image = row.pop("image")
        del image["name"], image["unsafe"]
        rows.append(image | row)
    manifest = {"version": 1, **about, "images": rows}
    text = json.dumps(manifest, ensure_ascii=False, indent=1) + "\n"
    # Half of a surrogate pair has no UTF-8, but with a backslash it is what JSON writes for it.
    return text.encode(errors="backslashreplace")


def outcomes_in(journal: bytes) -> Iterator[Download]:
    """Read the lines of a journal; one that a crash cut short is not there."""
    for line in journal.splitlines():
        with suppress(ValueError, RecursionError):
            row = _DOWNLOAD.validate_python(json.loads(line))
            if _is_image(row.name):
                yield row


def _iso(seconds: float | None) -> str | None:
    if seconds is None:
        return None
    with suppress(ValueError, OverflowError, OSError):  # a damaged journal may hold any number
        return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return None


# Files, locks and the disk


def _md5() -> "hashlib._Hash":
    return hashlib.md5(usedforsecurity=False)


def _write_whole(path: Path, content: bytes) -> None:
    """Replace a file so that at any instant the old or the new one is there, whole."""
    draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        with draft.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        draft.rename(path)
    finally:
        draft.unlink(missing_ok=True)
    _sync_folder(path.parent)


def _sync_folder(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _try_lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _is_at(descriptor: int, path: Path) -> bool:
    """Tell whether the open file is still the one of that name."""
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except FileNotFoundError:
        return False


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Keep the other runs of an album from its manifest for a moment."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _is_free(path: Path) -> bool:
    """Tell whether nobody holds the lock of a file or folder."""
    try:
        descriptor = os.open(path, os.O_RDONLY)
    except FileNotFoundError:
        return False
    try:
        return _try_lock(descriptor)
    finally:
        os.close(descriptor)


def _part_file(target: Path) -> Path:
    return target.with_name(f"{target.name}.part")


def _may_be_sent(etag: str) -> bool:
    """Tell whether an ETag fits a header; a file cut short by a crash, or a host, may hold any."""
    return etag != "" and etag.isascii() and etag.isprintable()


def _etag_file(part: Path) -> Path:
    return part.with_name(f"{part.name}.etag")


def _resumable(part: Path) -> bool:
    try:
        return part.stat().st_size >= RESUMABLE and _etag_file(part).exists()
    except FileNotFoundError:
        return False


def _remove_unless_locked(part: Path) -> None:
    with suppress(FileNotFoundError):
        descriptor = os.open(part, os.O_RDONLY)
        try:
            # Another run may have placed that file and begun a new one of its name.
            if _try_lock(descriptor) and _is_at(descriptor, part):
                part.unlink()
                _etag_file(part).unlink(missing_ok=True)
        finally:
            os.close(descriptor)


@contextmanager
def _said(path: Path) -> Iterator[None]:
    """Turn what the operating system refuses into a sentence with its remedy."""
    try:
        yield
    except OSError as error:
        remedies = {
            errno.ENOSPC: "free some space on its disk",
            errno.EDQUOT: "free some space in your quota",
            errno.EACCES: "make it writable for the user that runs this",
            errno.EPERM: "make it writable for the user that runs this",
            errno.EROFS: "mount it writable, or choose another folder",
            errno.EFBIG: "raise the limit on a file's size (ulimit -f), or choose another disk",
            errno.EMFILE: "raise the limit on open files (ulimit -n), or lower the workers",
            errno.EEXIST: "a file is where the folder belongs: move it, or choose another folder",
            errno.ENOTDIR: "a file is where the folder belongs: move it, or choose another folder",
            errno.ENAMETOOLONG: "choose a folder with a shorter name",
        }
        remedy = remedies.get(error.errno or 0, "look at the disk and at the folder")
        raise StoreError(
            f"cannot write to {path}: {error.strerror or error}; {remedy}, then run this again: "
            "what was stored is kept"
        ) from error
