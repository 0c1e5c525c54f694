"""What every store does for an album, be it a folder of this machine or objects at an address."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import BinaryIO, ClassVar, Protocol, Self

from imgur_mirror.models import Album, Download, Image
from imgur_mirror.store.fs import StoreError
from imgur_mirror.store.manifest import Entry
from imgur_mirror.store.partial_file import Part
from imgur_mirror.store.split_file import Resumable, SplitPart

__all__ = ["AlbumFolder", "BatchState", "Journal", "Outcomes", "StoredFile", "latest"]

Outcomes = dict[tuple[str, int | None], Download]
"""The latest outcome of each piece of a batch, by image id and offset."""


class Journal(Protocol):
    """Where the outcomes of one batch are kept, as each is known."""

    def append(self, download: Download) -> None:
        """Add an outcome; raises `StoreError` where it cannot be kept."""

    def close(self) -> None:
        """End the batch; what was appended is there for who takes it up."""


@dataclass(frozen=True, slots=True)
class BatchState:
    """What is known of a batch as its task run begins.

    `outcomes` are those of an earlier run of it, `digests` the MD5s of files that lie there under
    names of its images, as far as the store told them.
    """

    outcomes: Outcomes
    digests: Mapping[str, str]


class StoredFile(ABC):
    """One file below the downloads that is no image: a page, a report, a job's description."""

    @abstractmethod
    def read(self) -> bytes | None:
        """Give its content; None where it is not there. Raises `StoreError`."""

    @abstractmethod
    def write(self, content: bytes) -> None:
        """Replace it as a whole. Raises `StoreError`."""

    @abstractmethod
    def opened(self) -> AbstractContextManager[BinaryIO]:
        """Open it to read some of it. Raises `OSError` where it is not there."""

    @abstractmethod
    def exists(self) -> bool:
        """Tell whether it is there. Raises `StoreError`."""

    @abstractmethod
    def __str__(self) -> str:
        """Say where it is."""


class AlbumFolder(ABC):
    """Where the images of one album lie with their manifest; small enough to send anywhere.

    At any instant a file under its own name is whole, and what the manifest lists is there. All
    methods raise `StoreError` where the store cannot be read or written.
    """

    __slots__ = ()

    run: str
    """The run that writes to it; empty before `opened`."""

    remote: ClassVar[bool] = False
    """Whether files are sent there, each as a whole, instead of being made there piece by piece."""

    @property
    @abstractmethod
    def path(self) -> PurePath:
        """Where it is, without the name of the store; its last part is the album's id."""

    @property
    def name(self) -> str:
        """The album's id."""
        return self.path.name

    @property
    @abstractmethod
    def uri(self) -> str:
        """Where it is, as the setting has it."""

    @property
    @abstractmethod
    def local_dir(self) -> Path:
        """A folder on this machine that stands for it: where its runs note what they do."""

    @property
    def run_dir(self) -> Path:
        """The run's own folder, for its journals and for what its workers tell each other."""
        return self.local_dir / f".run-{self.run}"

    @abstractmethod
    def opened(self) -> AbstractContextManager[Self]:
        """Hold a run's own state for as long as the run writes."""

    @abstractmethod
    def in_one_process(self, run: str) -> Self:
        """Give it for a run that keeps its name from start to start, and has one process."""

    # Files

    @abstractmethod
    def files(self) -> dict[str, int]:
        """List the bytes of every whole file by its name."""

    @abstractmethod
    def digest(self, name: str) -> str:
        """Give a file's MD5, in hex."""

    @abstractmethod
    def digests(self) -> dict[str, str]:
        """Give the MD5 of every whole file, by its name."""

    @abstractmethod
    def damaged(self, entries: Mapping[str, Entry], files: Mapping[str, int]) -> set[str]:
        """Compare all files with what the manifest says of them, and name those that differ."""

    @abstractmethod
    def held(self, name: str) -> str | None:
        """Give the MD5 of a file, None where there is none of that name."""

    @abstractmethod
    def beginning(self, name: str) -> tuple[int, bytes]:
        """Give a file's bytes in all, and the first of them: enough to tell its kind."""

    @abstractmethod
    def copies(self, names: Sequence[str]) -> AbstractContextManager[list[Path]]:
        """Give files to look at, on this machine; one that is too large may not be there."""

    @abstractmethod
    def sibling(self, *parts: str) -> StoredFile:
        """Give a file next to the album's folder, by its path from there."""

    @abstractmethod
    def erase(self) -> None:
        """Remove the folder with all that is in it."""

    @abstractmethod
    def settle(self) -> None:
        """Have the names of all files reach the disk, before anything vouches for them."""

    # What is being fetched

    @abstractmethod
    def part(self, name: str) -> Part:
        """Give the partial file of an image, locked for this writer alone once it is opened."""

    def split_part(self, name: str) -> SplitPart:
        """Open the partial file of an image that this run's workers fetch in pieces together."""
        raise StoreError(f"{name} cannot be put together from pieces at {self.uri}")

    def resumable(self, images: Iterable[Image], wholes_above: int | None) -> dict[str, Resumable]:  # noqa: ARG002 - for those that have pieces
        """Take over what dead runs have of these images, by name, so that pieces go on from it.

        The beginning of a whole file is taken over as a piece where the image is larger than
        `wholes_above` bytes; never where that is None.
        """
        return {}

    @abstractmethod
    def sweep(self, wanted: Iterable[str]) -> None:
        """Remove what no run is writing and none can continue; `wanted` are the names of images."""

    # Runs

    @abstractmethod
    def batch_state(self, batch: str, names: Mapping[str, bool]) -> BatchState:
        """Begin a batch, or go on with it.

        `names` are those of its images' files, each with whether one lies there already.
        """

    @abstractmethod
    def journal(self, batch: str) -> Journal:
        """Give the journal of one batch of this run."""

    @abstractmethod
    def outcomes(self, batch: str) -> Outcomes:
        """Read what a batch's journal has."""

    def gather(self) -> None:
        """Have in `state` what workers on other machines have noted, as far as they tell it."""
        return

    # The manifest

    @abstractmethod
    def read_manifest(self) -> dict[str, Entry]:
        """Read what is vouched for, by image id.

        A manifest that cannot be read is set aside as `album.json.damaged-TIME`, and nothing is
        vouched for.
        """

    @abstractmethod
    def write_manifest(self, album: Album, downloads: Iterable[Download]) -> None:
        """Vouch for the outcomes of this run, then forget its journals.

        What another run entered meanwhile stays; images that left the album stay as well, with
        `listed` false.
        """


def latest(rows: Iterator[Download]) -> Outcomes:
    """Give the last outcome of each piece in a journal."""
    return {(row.id, row.range_start): row for row in rows}
