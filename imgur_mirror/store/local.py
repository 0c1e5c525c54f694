"""A folder of this machine.

What reaches the disk first: a file, then its folder, then the manifest that vouches for it. So at
any instant a file under its own name is whole, and what a manifest lists is there.
"""

import hashlib
import os
import shutil
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from stat import S_ISREG
from typing import BinaryIO, ClassVar, Self

from imgur_mirror.store.errors import os_errors_as_store_errors
from imgur_mirror.store.fs import locked, md5, sync_folder, write_whole
from imgur_mirror.store.partial_file import ExclusiveFile
from imgur_mirror.store.storage import Capabilities, Storage, Stored

__all__ = ["LocalStorage"]

COPIED_AT_ONCE = 1 << 20


@dataclass(frozen=True, slots=True)
class LocalStorage(Storage):
    """A folder of this machine."""

    root: Path

    capabilities: ClassVar[Capabilities] = Capabilities(byte_ranges=True, local=True)

    @property
    def uri(self) -> str:
        return str(self.root)

    @property
    def local_dir(self) -> Path:
        return self.root

    @property
    def parent(self) -> "LocalStorage":
        return LocalStorage(self.root.parent)

    def below(self, name: str) -> Self:
        return type(self)(self.root / name)

    def list(self) -> dict[str, Stored]:
        found = {}
        with os_errors_as_store_errors(self.root), os.scandir(self.root) as entries:
            for entry in entries:
                # Another run may remove or rename it just now.
                with suppress(FileNotFoundError):
                    if entry.is_file(follow_symlinks=False):
                        found[entry.name] = Stored(entry.stat().st_size)
        return found

    def stat(self, name: str) -> Stored | None:
        path = self.root / name
        with os_errors_as_store_errors(path), suppress(FileNotFoundError, NotADirectoryError):
            about = path.stat()
            return Stored(about.st_size) if S_ISREG(about.st_mode) else None
        return None

    def read(self, name: str, start: int = 0, stop: int | None = None) -> bytes | None:
        path = self.root / name
        with os_errors_as_store_errors(path), suppress(FileNotFoundError), path.open("rb") as file:
            file.seek(start)
            return file.read(-1 if stop is None else stop - start)
        return None

    @contextmanager
    def open(self, name: str) -> Iterator[BinaryIO]:
        with (self.root / name).open("rb") as file:
            yield file

    def digest(self, name: str) -> str:
        path = self.root / name
        with os_errors_as_store_errors(path), path.open("rb") as file:
            return hashlib.file_digest(file, md5).hexdigest()

    def write(self, name: str, blocks: Iterable[bytes]) -> None:
        self._write(name, blocks, durable=True)

    def write_derived(self, name: str, content: bytes) -> None:
        self._write(name, [content], durable=False)

    def _write(self, name: str, blocks: Iterable[bytes], durable: bool) -> None:
        path = self.root / name
        with os_errors_as_store_errors(path.parent):
            path.parent.mkdir(parents=True, exist_ok=True)
            write_whole(path, blocks, durable)

    def rename(self, name: str, to: str) -> None:
        with os_errors_as_store_errors(self.root), suppress(FileNotFoundError):
            (self.root / name).rename(self.root / to)

    def copy(self, name: str, other: Self, other_name: str) -> None:
        source, target = other.root / other_name, self.root / name
        with os_errors_as_store_errors(target):
            try:
                os.link(source, target)
            except FileExistsError:
                raise
            except OSError:
                # Another file system, or one without links.
                with source.open("rb") as file:
                    write_whole(target, iter(lambda: file.read(COPIED_AT_ONCE), b""))

    def delete(self, names: Sequence[str]) -> None:
        with os_errors_as_store_errors(self.root):
            for name in names:
                (self.root / name).unlink(missing_ok=True)

    def erase(self) -> None:
        with os_errors_as_store_errors(self.root), suppress(FileNotFoundError):
            shutil.rmtree(self.root)

    @contextmanager
    def locked(self) -> Iterator[None]:
        with os_errors_as_store_errors(self.root), ExitStack() as lock:
            # Nothing is there to be kept from others before the first run has made the folder.
            if self.root.exists():
                lock.enter_context(locked(self.root))
            yield

    def sync(self) -> None:
        with os_errors_as_store_errors(self.root):
            sync_folder(self.root)

    def partial_file(self, name: str, run: str) -> ExclusiveFile:
        return ExclusiveFile(f"{self.root}/{name}", run)
