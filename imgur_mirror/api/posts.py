"""What a collection lists: albums, single images, and entries that make no sense."""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from imgur_mirror.api.address import Address, BadAddress, Kind
from imgur_mirror.api.errors import RateLimited
from imgur_mirror.api.file_names import distinct
from imgur_mirror.api.parsing import album_of, positive_int
from imgur_mirror.models import Album, Image
from imgur_mirror.text import printable

__all__ = ["Entry", "Listed", "each_once", "listed", "with_earlier"]

Entry = dict[str, Any]
"""An album or a post as the API lists it."""

_ID = re.compile("[A-Za-z0-9]{5}|[A-Za-z0-9]{7}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """A collection as Imgur listed it.

    `albums` has them in their order: whole where the list has all images of one, by its id where it
    has not, and an error where an entry names nothing. `images` are the posts that are one image
    each, as one album under the collection's name. `posts` is how many entries were taken, and
    `is_cut` says that no more were wanted. With `interrupted`, Imgur's limit was reached before its
    last page.
    """

    albums: tuple[Album | str | BadAddress, ...]
    images: Album
    posts: int
    is_cut: bool
    interrupted: RateLimited | None = None


def each_once(
    page_at: Callable[[int], Sequence[Entry]], max_pages: int
) -> Iterator[tuple[int, Entry]]:
    """Yield the entries of all pages, each once, with its number among all that came.

    Pages need not be full: what is private or removed is left out of them. The end is a page that
    brings nothing new. A page is asked for when its first entry is wanted.

    Raises:
        OverflowError: where there are more than `max_pages`.
    """
    seen: set[str] = set()
    number = 0
    for page in range(max_pages):
        known = len(seen)
        for place, entry in enumerate(page_at(page)):
            number += 1
            key = str(entry.get("id") or f"#{place}")
            if key not in seen:
                seen.add(key)
                yield number, entry
        if len(seen) == known:
            return
    raise OverflowError(f"more than {max_pages} pages")


def listed(address: Address, entries: Sequence[tuple[int, Entry]], limit: int) -> Listed:
    """Sort the entries of a collection into albums and single images."""
    albums: list[Album | str | BadAddress] = []
    images: list[Entry] = []
    for number, entry in entries:
        word = entry.get("id")
        if not isinstance(word, str) or not _ID.fullmatch(word):
            albums.append(_nonsense(number, word))
        elif address.kind is Kind.ACCOUNT or entry.get("is_album") is True:
            albums.append(_whole_album(word, entry) or word)
        else:
            images.append(entry)
    return Listed(
        albums=tuple(albums),
        images=album_of(address.name, {"link": str(address)}, images),
        posts=len(entries),
        is_cut=0 < limit <= len(entries),
    )


def _nonsense(number: int, word: object) -> BadAddress:
    found = f"the id {printable(str(word), 80)!r}, which is no album's" if word else "no id"
    return BadAddress(f"entry {number} in its list has {found}")


def _whole_album(album_id: str, entry: Entry) -> Album | None:
    """Return the album where its post has all of its images, which saves a request for them."""
    images = entry.get("images")
    if not isinstance(images, list) or not all(isinstance(image, dict) for image in images):
        return None
    if len(images) != positive_int(entry.get("images_count")):
        return None
    album = album_of(album_id, entry, images)
    usable = len(album.images) == len(images) and not any(each.unsafe for each in album.images)
    return album if usable else None


def with_earlier(album: Album, earlier: Sequence[Image]) -> Album:
    """Return a collection's images, and behind them those of earlier runs that left its pages."""
    on_page = {image.id for image in album.images}
    images = (*album.images, *(image for image in earlier if image.id not in on_page))
    # Names are set apart over all; those of earlier runs come first, so that they stay.
    safe = [image for image in reversed(images) if not image.unsafe]
    names = dict(zip((i.id for i in safe), distinct([i.name for i in safe]), strict=True))
    return replace(
        album,
        images=tuple(
            image if image.unsafe else replace(image, name=names[image.id]) for image in images
        ),
    )
