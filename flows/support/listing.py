"""From addresses to albums that are listed: one after another, and each asked for once."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from prefect.logging import get_run_logger

from imgur_mirror.api import (
    Address,
    ApiError,
    BadAddress,
    Kind,
    Listed,
    RateLimited,
    parse_address,
    parse_album,
    with_earlier,
)
from imgur_mirror.models import Album, AlbumResult
from imgur_mirror.settings import BadSettings, Settings
from imgur_mirror.store import album_folder
from tasks.album import fetch_album, fetch_without_task
from tasks.credentials import access

__all__ = ["AlbumRun", "AlbumStream", "Wanted", "listing_at", "listing_of"]

NOT_TRIED = "not tried, and left for the next run: the limit of Imgur requests is reached"

ENDLESS = (Kind.TAG, Kind.SUBREDDIT, Kind.SEARCH)
"""Collections that may list millions of posts."""

MOST_OF_ENDLESS = 100
"""How many posts are taken of these where no limit is given."""


@dataclass(frozen=True, slots=True)
class AlbumRun:
    """What became of an album, and the error that its run ended with, if it did."""

    result: AlbumResult
    error: Exception | None = None


@dataclass(frozen=True, slots=True)
class Wanted:
    """An album to mirror, by its id or address.

    Where nothing need be asked any more, `listing` has its images. `collection` is the one that
    listed it, and `note` what its result is to say of that.
    """

    album: str
    listing: Album | None = None
    collection: Address | None = None
    note: str = ""

    @property
    def is_collection(self) -> bool:
        """Whether it stands for all single images of its collection."""
        return self.collection is not None and self.album == str(self.collection)


@dataclass(slots=True)
class AlbumStream:
    """The albums behind a list of albums and collections, in its order, each once.

    A collection is asked for when its turn has come: the albums before it need not wait for that.
    An entry that names nothing comes as the result that it is. `fetch` asks for a collection, with
    the number of posts to take at most, 0 for all; `is_stored` tells whether an album, by its id,
    was mirrored before. Once `is_limited` is set, nothing is asked any more, since each further
    call would be one over Imgur's limit.
    """

    albums: Sequence[str]
    fetch: Callable[[Address, int], Listed]
    is_stored: Callable[[str], bool]
    limit: int = 0
    is_limited: bool = False
    _seen: set[str] = field(default_factory=set)

    def __iter__(self) -> Iterator[Wanted | AlbumRun]:
        """Yield what to mirror, and what there is nothing to mirror of."""
        for album in self.albums:
            if self.is_limited:
                yield AlbumRun(AlbumResult(album, None, NOT_TRIED))
                continue
            try:
                address = parse_address(album)
                if self._is_new(address):
                    yield from self._albums_at(album, address)
            except (BadAddress, BadSettings, ApiError) as error:
                self.is_limited = self.is_limited or isinstance(error, RateLimited)
                yield AlbumRun(AlbumResult(album, None, str(error)), error)

    def _albums_at(self, album: str, address: Address) -> Iterator[Wanted | AlbumRun]:
        found = self._listed(address)
        if found is None:
            yield Wanted(album)
            return
        if error := found.interrupted:
            self.is_limited = True
            sentence = f"only its first {found.posts} posts could be listed: {error}"
            yield AlbumRun(AlbumResult(str(address), None, sentence), error)
        for each in self._parts(address, found):
            if isinstance(each, Wanted) and not each.is_collection:
                if not self._is_new(Address(Kind.ALBUM, each.album)):
                    continue
                if self.is_limited and each.listing is None:
                    yield AlbumRun(AlbumResult(each.album, None, NOT_TRIED))
                    continue
            yield each

    def _listed(self, address: Address) -> Listed | None:
        """Ask for a collection; None for an album."""
        if not address.is_collection:
            return None
        endless = MOST_OF_ENDLESS if address.kind in ENDLESS else 0
        return self.fetch(address, self.limit or endless)

    def _parts(self, address: Address, found: Listed) -> Iterator[Wanted | AlbumRun]:
        """Yield the single images of a collection as one album, then its albums."""
        note = self._note(address, found)
        if found.images.images:
            yield Wanted(str(address), found.images, address, note)
        elif note:
            yield AlbumRun(AlbumResult(str(address), None, None, note))
        # Those of earlier runs last: where the limit does not last for all of them, each run would
        # ask for the same ones, and never come to the others.
        for each in sorted(found.albums, key=self._is_known):
            if isinstance(each, BadAddress):
                yield AlbumRun(AlbumResult(str(address), None, str(each)))
            elif isinstance(each, Album):
                yield Wanted(each.id, each, address)
            else:
                yield Wanted(each, None, address)

    def _is_known(self, album: Album | str | BadAddress) -> bool:
        """Return whether an album, which must be asked for, was mirrored before."""
        return isinstance(album, str) and self.is_stored(album)

    def _note(self, address: Address, found: Listed) -> str:
        """Say of a collection what its user may not expect."""
        if not found.posts:
            return "Imgur lists nothing there"
        if self.limit or not found.is_cut:
            return ""
        note = f"its first {found.posts} posts were taken; --limit takes more, or fewer"
        get_run_logger().info("%s: %s", address, note)
        return note

    def _is_new(self, address: Address) -> bool:
        """Return whether an address comes for the first time."""
        known = str(address) in self._seen
        self._seen.add(str(address))
        return not known


def listing_at(album: str, settings: Settings) -> Album:
    """Return the images of an album, by its id or address.

    Raises:
        ApiError: where Imgur does not say.
        BadAddress: where the address is no album's.
    """
    return fetch_album(parse_album(album), access(settings))


def listing_of(wanted: Wanted, downloads: str, settings: Settings) -> Album:
    """Return the images of an album of a list; of a collection, those of earlier runs as well.

    An image that left the collection's pages is as wanted as before.

    Raises:
        ApiError: where Imgur does not say.
        BadAddress: where the address is no album's.
        StoreError: where the folder of a collection cannot be read.
    """
    if wanted.listing is None:
        return fetch_without_task(parse_album(wanted.album), access(settings))
    if not wanted.is_collection:
        return wanted.listing
    entries = album_folder(downloads, wanted.listing.id).read_manifest().values()
    return with_earlier(wanted.listing, [entry.image for entry in entries if entry.file])
