"""What the store needs of a place for files, be it a folder of this machine or an address."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import BinaryIO, ClassVar, Self

from imgur_mirror.store.partial_file import ExclusiveFile

__all__ = ["Capabilities", "Storage", "Stored", "StoredFile"]


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What a storage can do.

    `byte_ranges`: several writers can put a file together there. `local`: its files are on this
    machine, where they can be locked and appended to; elsewhere each is sent as a whole.
    """

    byte_ranges: bool
    local: bool


@dataclass(frozen=True, slots=True)
class Stored:
    """A file: its bytes, its MD5 where the storage knows it, and since when it is as it is."""

    size: int
    md5: str | None = None
    modified: datetime | None = None


class Storage(ABC):
    """A place with files, each whole at any instant; small enough to send to other processes.

    A file is named by its path from there. All methods raise `StoreError` where the place cannot
    be read or written.
    """

    __slots__ = ()

    capabilities: ClassVar[Capabilities]

    @property
    @abstractmethod
    def uri(self) -> str:
        """Where it is, as the setting has it."""

    @property
    @abstractmethod
    def local_dir(self) -> Path:
        """A folder on this machine for what is being fetched, and for what runs note."""

    @property
    @abstractmethod
    def parent(self) -> "Storage":
        """The place that this one is in."""

    @abstractmethod
    def below(self, name: str) -> Self:
        """Return a place in this one."""

    @abstractmethod
    def list(self) -> dict[str, Stored]:
        """List the files by name; an address lists those of places below as well."""

    @abstractmethod
    def stat(self, name: str) -> Stored | None:
        """Return what is known of a file; None where there is none."""

    @abstractmethod
    def read(self, name: str, start: int = 0, stop: int | None = None) -> bytes | None:
        """Return a file's bytes from `start` to before `stop`; None where it is not there."""

    @abstractmethod
    def open(self, name: str) -> AbstractContextManager[BinaryIO]:
        """Open a file to read some of it. Raises `FileNotFoundError` where it is not there."""

    @abstractmethod
    def digest(self, name: str) -> str:
        """Read a file back, and return its MD5 in hex."""

    @abstractmethod
    def write(self, name: str, blocks: Iterable[bytes]) -> None:
        """Replace a file as a whole."""

    def write_derived(self, name: str, content: bytes) -> None:
        """Replace a file that is made again where it is lost: a loss of power may empty it."""
        self.write(name, [content])

    @abstractmethod
    def rename(self, name: str, to: str) -> None:
        """Give a file another name, where it is there."""

    @abstractmethod
    def copy(self, name: str, other: Self, other_name: str) -> None:
        """Have a file of another place of this kind here as well: linked, or copied over there.

        Raises `StoreError` where it is not there, or cannot be copied. Neither place ever changes
        the other's file: what replaces a file is a new one.
        """

    @abstractmethod
    def delete(self, names: Sequence[str]) -> None:
        """Remove files, where they are there."""

    @abstractmethod
    def erase(self) -> None:
        """Remove the place with all that is in it."""

    @abstractmethod
    def locked(self) -> AbstractContextManager[None]:
        """Keep other runs from the manifest for the block, where that is possible."""

    @abstractmethod
    def sync(self) -> None:
        """Have the names of all files reach the disk, before anything vouches for them."""

    @abstractmethod
    def partial_file(self, name: str, run: str) -> ExclusiveFile:
        """Return what a file is written to, by one writer, until it is whole."""


@dataclass(frozen=True, slots=True)
class StoredFile:
    """One file below the downloads that is no image: a page, a report, a job's description."""

    storage: Storage
    name: str

    def read(self) -> bytes | None:
        """Return its content; None where it is not there. Raises `StoreError`."""
        return self.storage.read(self.name)

    def write(self, content: bytes) -> None:
        """Replace it as a whole. Raises `StoreError`."""
        self.storage.write(self.name, [content])

    def open(self) -> AbstractContextManager[BinaryIO]:
        """Open it to read some of it. Raises `OSError` where it is not there."""
        return self.storage.open(self.name)

    def exists(self) -> bool:
        """Return whether it is there. Raises `StoreError`."""
        return self.storage.stat(self.name) is not None

    def __str__(self) -> str:
        """Say where it is."""
        return f"{self.storage.uri}/{self.name}"
