"""An address such as `s3://bucket/mirror`: objects instead of files, and no folder.

Each image is received as for a folder, in memory or in this machine's scratch, checked there, and
then sent as one object: whole or absent. Objects can neither be appended to nor locked.
"""

import os
import secrets
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from io import SEEK_CUR, SEEK_END, SEEK_SET, BufferedReader, RawIOBase
from mimetypes import guess_type
from pathlib import Path
from threading import BoundedSemaphore
from typing import TYPE_CHECKING, Any, BinaryIO, ClassVar, Self, cast

from imgur_mirror.http import md5_in_etag
from imgur_mirror.store.errors import StoreAway
from imgur_mirror.store.fs import md5
from imgur_mirror.store.fsspec_client import S3, BadStore, file_system, protocol, store_errors
from imgur_mirror.store.partial_file import ExclusiveFile
from imgur_mirror.store.run_state import scratch
from imgur_mirror.store.storage import Capabilities, Storage, Stored

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer
    from fsspec import AbstractFileSystem

__all__ = ["ObjectStorage", "UploadedFile"]

PART = 8 << 20
"""Bytes of one part of an upload in parts, and of what is read at a time."""

READ = 1 << 18
"""Bytes that are read at least, where some of an object is."""

PARTS = 2
"""Parts of one file that are under way at once."""

FEW = 1 << 20
"""Bytes up to which a file may be sent beside any number of others; of larger ones, `LARGE`."""

LARGE = BoundedSemaphore(4)
"""So all uploads together have no more than 4 × 2 × 8 MiB and 64 × 1 MiB in memory."""

WHOLE = (*S3, "gs", "gcs", "az", "abfs", "abfss")
"""Stores where an object appears when all of it has come; elsewhere it is renamed once it has."""

Send = Callable[["AbstractFileSystem", str], object]
"""Sends something to a path."""


@dataclass(frozen=True, slots=True)
class ObjectStorage(Storage):
    """The objects below an address.

    Raises everywhere:
        BadStore: where the address or the credentials are wrong.
        StoreAway: where the store does not answer, though it was asked several times.
    """

    address: str

    capabilities: ClassVar[Capabilities] = Capabilities(byte_ranges=False, local=False)

    @property
    def uri(self) -> str:
        return self.address

    @property
    def local_dir(self) -> Path:
        return scratch(self.address)

    @property
    def parent(self) -> "ObjectStorage":
        return ObjectStorage(self.address.rpartition("/")[0])

    def below(self, name: str) -> Self:
        return type(self)(f"{self.address}/{name}")

    def list(self) -> dict[str, Stored]:
        with store_errors(self.address):
            system, path = self._at()
            try:
                found = system.find(path, detail=True)
            except FileNotFoundError as error:
                raise BadStore(self._nowhere) from error
            prefix = len(path) + 1
            return {name[prefix:]: self._stored(about) for name, about in found.items()}

    def stat(self, name: str) -> Stored | None:
        with store_errors(self.address), suppress(FileNotFoundError):
            system, path = self._at(name)
            return self._stored(system.info(path))
        return None

    def read(self, name: str, start: int = 0, stop: int | None = None) -> bytes | None:
        with store_errors(self.address), suppress(FileNotFoundError):
            system, path = self._at(name)
            # In one request: s3fs else asks for the size first, to read parts at once.
            at_once = {"max_concurrency": 1} if self._is_s3 else {}
            # An empty object has no range, not even all of it.
            first = start if start or stop else None
            return cast("bytes", system.cat_file(path, start=first, end=stop, **at_once))
        return None

    def digest(self, name: str) -> str:
        there, digest = self.stat(name), md5()
        for start in range(0, there.size if there else 0, PART):
            digest.update(self.read(name, start, start + PART) or b"")
        return digest.hexdigest()

    def open(self, name: str) -> AbstractContextManager[BinaryIO]:
        there = self.stat(name)
        if there is None:
            raise FileNotFoundError(f"{self.address}/{name}")
        return BufferedReader(_Reader(self, name, there.size), READ)

    def write(self, name: str, blocks: Iterable[bytes]) -> None:
        content = b"".join(blocks)
        self.put(name, content, md5(content).hexdigest())

    def put(self, name: str, content: bytes, digest: str) -> None:
        """Put an object of that MD5 there, whole, from the memory."""

        def send(system: "AbstractFileSystem", path: str) -> object:
            return system.pipe_file(path, content, **self._type(name))

        self._send(name, len(content), digest, send)

    def upload(self, name: str, file: Path, size: int, digest: str) -> None:
        """Put an object there, whole, from a file of this machine; a large one in parts."""
        in_parts = {"chunksize": PART, "max_concurrency": PARTS} if self._is_s3 else {}

        def send(system: "AbstractFileSystem", path: str) -> object:
            return system.put_file(str(file), path, **in_parts, **self._type(name))

        if size <= FEW:
            self._send(name, size, digest, send)
        else:
            with LARGE:
                self._send(name, size, digest, send)

    def delete(self, names: Sequence[str]) -> None:
        if names:
            with store_errors(self.address), suppress(FileNotFoundError):
                system, path = self._at()
                system.rm([f"{path}/{name}" for name in names])

    def erase(self) -> None:
        with store_errors(self.address), suppress(FileNotFoundError):
            system, path = self._at()
            system.rm(path, recursive=True)

    def rename(self, name: str, to: str) -> None:
        with store_errors(self.address), suppress(FileNotFoundError):
            system, path = self._at(name)
            system.mv(path, self._at(to)[1])

    def copy(self, name: str, other: Self, other_name: str) -> None:
        there = other.stat(other_name)
        if there is None:
            raise StoreAway(f"{other.address} has no {other_name} any more")
        source = other._at(other_name)[1]

        def send(system: "AbstractFileSystem", path: str) -> object:
            return system.cp_file(source, path)

        self._send(name, there.size, there.md5 or "", send)

    def locked(self) -> AbstractContextManager[None]:
        return nullcontext()

    def sync(self) -> None:
        """Do nothing: what was sent is stored as soon as the store says so."""

    def partial_file(self, name: str, run: str) -> ExclusiveFile:
        return UploadedFile(self.local_dir / name, run, self)

    # How it is sent

    def _send(self, name: str, size: int, digest: str, send: Send) -> None:
        """Send an object, and look at what the store then has."""
        with store_errors(self.address):
            try:
                answer = self._sent(name, size, send)
            except FileNotFoundError as error:
                raise BadStore(self._nowhere) from error
            # Of an object that came in one part, S3 answers with the MD5 at once.
            etag = answer.get("ETag", "") if isinstance(answer, Mapping) else ""
            if md5_in_etag(etag) == digest:
                return
            # Never removed here: by now it may be another run's.
            self._check(name, size, self.stat(name))

    def _check(self, name: str, size: int, there: Stored | None) -> None:
        if there is None or there.size != size:
            raise StoreAway(
                f"{self.address} took {name}, and has {there.size if there else 'none'} of "
                f"its {size} bytes: run this again"
            )

    def _sent(self, name: str, size: int, send: Send) -> object:
        system, path = self._at(name)
        if protocol(self.address) in WHOLE:
            return send(system, path)
        folder = path.rpartition("/")[0]
        draft = f"{folder}/.{name.rpartition('/')[2]}.{secrets.token_hex(4)}"
        system.makedirs(folder, exist_ok=True)
        try:
            send(system, draft)
            self._check(name, size, self._stored(system.info(draft)))
            system.mv(draft, path)
        except BaseException:
            with suppress(Exception):  # what failed is raised; the draft is swept by a later run
                system.rm_file(draft)
            raise
        return None

    def _type(self, name: str) -> dict[str, str]:
        """Say what kind of file it is, where the store keeps that: browsers show it then."""
        kind, _ = guess_type(name)
        return {"ContentType": kind} if kind and self._is_s3 else {}

    # Where it is

    @property
    def _is_s3(self) -> bool:
        return protocol(self.address) in S3

    @property
    def _nowhere(self) -> str:
        place = self.address.partition("://")[2].partition("/")[0]
        what = f"bucket {place}" if self._is_s3 else f"place {self.address}"
        return f"there is no {what}: create it, or mend IMGUR_DOWNLOADS or --downloads"

    def _at(self, name: str = "") -> tuple["AbstractFileSystem", str]:
        return file_system(f"{self.address}/{name}" if name else self.address)

    def _stored(self, about: Mapping[str, Any]) -> Stored:
        times = (about.get(key) for key in ("LastModified", "mtime", "updated", "created"))
        modified = next((time for time in times if isinstance(time, datetime)), None)
        if modified is not None and modified.tzinfo is None:
            modified = modified.replace(tzinfo=UTC)
        # Elsewhere an ETag of that form may be anything.
        etag = str(about.get("ETag", "")) if self._is_s3 else ""
        return Stored(int(about["size"] or 0), md5_in_etag(etag), modified)


class UploadedFile(ExclusiveFile):
    """An image on its way: received as into a folder, then sent as one object.

    `target` is a name in this machine's scratch, where no more than the partial file ever lies.
    """

    def __init__(self, target: Path, run: str, storage: ObjectStorage) -> None:
        super().__init__(target, run)
        self._storage = storage

    def _commit_as(self, target: str) -> None:
        name = target.removeprefix(f"{os.path.dirname(self._target)}/")  # noqa: PTH120 - both text
        if self._descriptor is None:
            self._storage.put(name, b"".join(self._waiting), self.md5)
        else:
            self._storage.upload(name, self.path, self.size, self.md5)
            self._remove()
        self._committed = True


class _Reader(RawIOBase):
    """An object as a file to read from, wherever it is sought; each read is a request."""

    def __init__(self, objects: ObjectStorage, name: str, size: int) -> None:
        super().__init__()
        self._objects, self._name, self._size = objects, name, size
        self._at = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = SEEK_SET) -> int:
        self._at = offset + {SEEK_SET: 0, SEEK_CUR: self._at, SEEK_END: self._size}[whence]
        return self._at

    def readinto(self, buffer: "WriteableBuffer") -> int:
        room = memoryview(buffer)
        stop = min(self._at + len(room), self._size)
        block = (self._objects.read(self._name, self._at, stop) or b"") if stop > self._at else b""
        room[: len(block)] = block
        self._at += len(block)
        return len(block)
