"""What lies at an fsspec address: listed, read and written, each object as a whole.

fsspec's own calls are made here and nowhere else. They block until their answer is there, while an
event loop of fsspec's, in a thread of each process, does the waiting for all of them at once. Every
process makes its own connections when it first needs them: none outlives a fork.
"""

import re
import secrets
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from io import SEEK_CUR, SEEK_END, SEEK_SET, BufferedReader, RawIOBase
from mimetypes import guess_type
from pathlib import Path
from threading import BoundedSemaphore
from typing import TYPE_CHECKING, Any, BinaryIO, cast

from imgur_mirror.http import md5_in_etag
from imgur_mirror.settings import BadSettings
from imgur_mirror.store.fs import StoreAway, StoreError, md5
from imgur_mirror.text import printable

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer
    from fsspec import AbstractFileSystem

__all__ = ["AT_ONCE", "BadStore", "Objects", "Stored", "check_address"]

AT_ONCE = 64
"""Requests that one process has under way to a store."""

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

S3 = ("s3", "s3a")

WHOLE = (*S3, "gs", "gcs", "az", "abfs", "abfss")
"""Stores where an object appears when all of it has come; elsewhere it is renamed once it has."""

Send = Callable[["AbstractFileSystem", str], object]
"""Sends something to a path."""


class BadStore(StoreError, BadSettings):
    """A store cannot be used as it is set: its address, its credentials, a package that is missing.

    The sentence says which, and how to mend it.
    """


@dataclass(frozen=True, slots=True)
class Stored:
    """An object: its bytes, its MD5 where the store says so, and since when it is as it is."""

    size: int
    md5: str | None
    modified: datetime | None


def check_address(address: str) -> None:
    """Refuse an address that no store is at, or whose store needs a package that is not there.

    Raises:
        BadStore: for such an address.
    """
    protocol = address.partition("://")[0]
    # Not by urlsplit, for which a secret with a slash in it is a path.
    if re.match(r"[^@]*:[^@]*@", address.partition("://")[2]):
        raise BadStore(
            f"the address of the {protocol} store holds a password, which Prefect would keep: "
            f"leave it out, and set FSSPEC_{protocol.upper()}_PASSWORD"
        )
    with _told(address):
        if set("*?[") & set(address):
            raise BadStore(f"{address} has one of * ? [ in it, which stand for other names too")
        if "::" in address or not address.partition("://")[2].strip("/"):
            raise BadStore(f"{address} names no place: give one such as s3://bucket/mirror")
        from fsspec import get_filesystem_class

        get_filesystem_class(protocol)


@dataclass(frozen=True, slots=True)
class Objects:
    """The objects below an address; small enough to send anywhere.

    Raises everywhere:
        BadStore: where the address or the credentials are wrong.
        StoreAway: where the store does not answer, though it was asked several times.
    """

    address: str

    def listed(self) -> dict[str, Stored]:
        """List all of them, by their names from the address on."""
        with _told(self.address):
            system, path = self._opened()
            try:
                found = system.find(path, detail=True)
            except FileNotFoundError as error:
                raise BadStore(self._nowhere) from error
            prefix = len(path) + 1
            return {name[prefix:]: self._stored(about) for name, about in found.items()}

    def about(self, name: str) -> Stored | None:
        """Say what there is of an object; None where there is none."""
        with _told(self.address), suppress(FileNotFoundError):
            system, path = self._opened(name)
            return self._stored(system.info(path))
        return None

    def read(self, name: str, start: int | None = None, stop: int | None = None) -> bytes | None:
        """Give an object, or its bytes `start` to before `stop`; None where it is not there."""
        with _told(self.address), suppress(FileNotFoundError):
            system, path = self._opened(name)
            # In one request: s3fs else asks for the size first, to read parts at once.
            at_once = {"max_concurrency": 1} if self._protocol in S3 else {}
            return cast("bytes", system.cat_file(path, start=start, end=stop, **at_once))
        return None

    def digest(self, name: str) -> str:
        """Read an object back, and give its MD5."""
        there, digest = self.about(name), md5()
        for start in range(0, there.size if there else 0, PART):
            digest.update(self.read(name, start, start + PART) or b"")
        return digest.hexdigest()

    def opened(self, name: str) -> BinaryIO:
        """Open an object to read some of it.

        Raises:
            FileNotFoundError: where it is not there.
        """
        there = self.about(name)
        if there is None:
            raise FileNotFoundError(f"{self.address}/{name}")
        return BufferedReader(_Reader(self, name, there.size), READ)

    def write(self, name: str, content: bytes, digest: str | None = None) -> None:
        """Put an object there, whole, from the memory; `digest` is its MD5, where it is known."""

        def send(system: "AbstractFileSystem", path: str) -> object:
            return system.pipe_file(path, content, **self._type(name))

        self._send(name, len(content), digest or _md5(content), send)

    def upload(self, name: str, file: Path, size: int, digest: str) -> None:
        """Put an object there, whole, from a file of this machine; a large one in parts."""
        in_parts = {"chunksize": PART, "max_concurrency": PARTS} if self._protocol in S3 else {}

        def send(system: "AbstractFileSystem", path: str) -> object:
            return system.put_file(str(file), path, **in_parts, **self._type(name))

        if size <= FEW:
            self._send(name, size, digest, send)
        else:
            with LARGE:
                self._send(name, size, digest, send)

    def remove(self, names: Sequence[str]) -> None:
        """Remove objects, where they are there."""
        if names:
            with _told(self.address), suppress(FileNotFoundError):
                system, path = self._opened()
                system.rm([f"{path}/{name}" for name in names])

    def erase(self) -> None:
        """Remove all of them."""
        with _told(self.address), suppress(FileNotFoundError):
            system, path = self._opened()
            system.rm(path, recursive=True)

    def rename(self, name: str, to: str) -> None:
        """Give an object another name."""
        with _told(self.address):
            system, path = self._opened(name)
            system.mv(path, self._opened(to)[1])

    # How it is sent

    def _send(self, name: str, size: int, digest: str, send: Send) -> None:
        """Send an object, and look at what the store then has."""
        with _told(self.address):
            try:
                answer = self._sent(name, size, send)
            except FileNotFoundError as error:
                raise BadStore(self._nowhere) from error
            # Of an object that came in one part, S3 answers with the MD5 at once.
            etag = answer.get("ETag", "") if isinstance(answer, Mapping) else ""
            if md5_in_etag(etag) == digest:
                return
            # Never removed here: by now it may be another run's.
            self._check(name, size, self.about(name))

    def _check(self, name: str, size: int, there: Stored | None) -> None:
        if there is None or there.size != size:
            raise StoreAway(
                f"{self.address} took {name}, and has {there.size if there else 'none'} of "
                f"its {size} bytes: run this again"
            )

    def _sent(self, name: str, size: int, send: Send) -> object:
        system, path = self._opened(name)
        if self._protocol in WHOLE:
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
        return {"ContentType": kind} if kind and self._protocol in S3 else {}

    # Where it is

    @property
    def _protocol(self) -> str:
        return self.address.partition("://")[0]

    @property
    def _nowhere(self) -> str:
        place = self.address.partition("://")[2].partition("/")[0]
        what = f"bucket {place}" if self._protocol in S3 else f"place {self.address}"
        return f"there is no {what}: create it, or mend IMGUR_DOWNLOADS or --downloads"

    def _opened(self, name: str = "") -> tuple["AbstractFileSystem", str]:
        """Give the file system, the same for all threads of a process, and the path there."""
        from fsspec.core import url_to_fs

        address = f"{self.address}/{name}" if name else self.address
        if self._protocol not in S3:
            return cast("tuple[AbstractFileSystem, str]", url_to_fs(address))
        system, path = url_to_fs(address, use_listings_cache=False, config_kwargs=_client())
        # botocore tries again what may pass; this is for answers that break off in their middle.
        system.retries = 2
        return system, path

    def _stored(self, about: Mapping[str, Any]) -> Stored:
        times = (about.get(key) for key in ("LastModified", "mtime", "updated", "created"))
        modified = next((time for time in times if isinstance(time, datetime)), None)
        if modified is not None and modified.tzinfo is None:
            modified = modified.replace(tzinfo=UTC)
        # Elsewhere an ETag of that form may be anything.
        etag = str(about.get("ETag", "")) if self._protocol in S3 else ""
        return Stored(int(about["size"] or 0), md5_in_etag(etag), modified)


class _Reader(RawIOBase):
    """An object as a file to read from, wherever it is sought; each read is a request."""

    def __init__(self, objects: Objects, name: str, size: int) -> None:
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


def _client() -> dict[str, Any]:
    """How the client of S3 waits and tries again, where FSSPEC_S3 does not say otherwise."""
    from fsspec.config import conf

    own = {
        "max_pool_connections": AT_ONCE,
        "connect_timeout": 10,
        "read_timeout": 30,
        "retries": {"mode": "standard", "total_max_attempts": 5},
    }
    return own | dict(conf.get("s3", {}).get("config_kwargs", {}))


def _md5(content: bytes) -> str:
    digest = md5()
    digest.update(content)
    return digest.hexdigest()


# By name: botocore may not be there, and is imported by nobody where the store is another.
_SETTINGS = {
    "NoCredentialsError": "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY",
    "PartialCredentialsError": "set both AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY",
    "CredentialRetrievalError": "look at the credentials",
    "ProfileNotFound": "mend AWS_PROFILE",
    "NoRegionError": "set AWS_DEFAULT_REGION",
    "InvalidRegionError": "mend AWS_DEFAULT_REGION",
    "ParamValidationError": "mend the address",
    "ValueError": "mend the address, or AWS_ENDPOINT_URL",
}

_CODES = {
    "InvalidBucketName": "mend the address",
    "AuthorizationHeaderMalformed": "set AWS_DEFAULT_REGION to the region of the bucket",
    "PermanentRedirect": "set AWS_DEFAULT_REGION or AWS_ENDPOINT_URL to where the bucket is",
    "301": "set AWS_DEFAULT_REGION or AWS_ENDPOINT_URL to where the bucket is",
}


@contextmanager
def _told(address: str) -> Iterator[None]:
    """Turn what a store, or the library that asks it, says into a sentence with its remedy."""
    try:
        yield
    except (StoreError, FileNotFoundError):
        raise
    except PermissionError as error:
        raise BadStore(
            f"{address} refuses the credentials: {printable(str(error))}; set those that may read "
            "and write there"
        ) from error
    except Exception as error:  # the library of each store has its own
        said = printable(str(error)) or type(error).__name__
        if remedy := _remedy(error):
            raise BadStore(f"{address} cannot be used: {said}; {remedy}") from error
        raise StoreAway(
            f"{address} does not answer as it should, though asked several times: {said}; run "
            "this again when it does: what was stored is kept"
        ) from error


def _remedy(error: Exception) -> str | None:
    """Say what to mend, where it is a setting and not the store or the way there."""
    if isinstance(error, ImportError):
        return "install that package beside this one"
    answer = getattr(error.__cause__, "response", None)
    code = str(answer.get("Error", {}).get("Code")) if isinstance(answer, Mapping) else ""
    return _CODES.get(code) or _SETTINGS.get(type(error).__name__)
