"""What the stand-in lists page by page: posts, favorites, tags, subreddits, searches.

A collection is known by its path at imgur.com without its order: `user/NAME/albums`, `…/posts`,
`…/favorites`, `…/favorites/folder/12`, `t/TAG`, `r/SUB`, `search/WORDS`, in any capitals. Its pages
are as unkind as the real ones: what has been removed is left out of its page, which so is not full;
the last posts of a page come again on the next one, as where the list moves meanwhile; and the
count that a tag tells is wrong.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from standin.albums import BORN, Library

__all__ = ["Collection", "page_of", "shown"]

IMAGES_IN_POST = 3
"""So many images of an album come with its post."""

GALLERY = {
    "vote": None,
    "ups": 12,
    "downs": 1,
    "points": 11,
    "score": 11,
    "comment_count": 2,
    "favorite_count": 3,
    "topic": None,
    "topic_id": 0,
    "in_most_viral": False,
}


@dataclass(frozen=True, slots=True)
class Collection:
    """Posts, newest first: ids of albums and single images, or entries to list just as they are.

    A page has `size` of them at most, of which the first `repeats` were on the page before.
    """

    posts: Sequence[object]
    size: int = 60
    repeats: int = 1


def page_of(
    collection: Collection, library: Library, base: str, page: int, sort: str
) -> list[object]:
    """One page as the API lists it; `base` is the address of the image host."""
    posts = list(collection.posts)
    if sort not in ("", "time", "newest"):
        # Any other order, and always the same.
        posts.reverse()
    start = page * collection.size
    repeated = posts[max(0, start - collection.repeats) : start] if start < len(posts) else []
    listed = (*repeated, *posts[start : start + collection.size])
    entries = (_post(each, library, base) if isinstance(each, str) else each for each in listed)
    return [entry for entry in entries if entry is not REMOVED]


REMOVED = object()


def _post(name: str, library: Library, base: str) -> Mapping[str, Any] | object:
    """An album or an image as the gallery shows it; `REMOVED` where neither is there any more."""
    if name in library.albums:
        album = library.albums[name]
        images = list(album.images(base) or [])[:IMAGES_IN_POST]
        return {**album.listing(base, whole=False), **GALLERY, "images": images}
    if name in library.singles:
        shown = library.singles[name].image(base)
        return {**shown, **GALLERY, "datetime": BORN, "in_gallery": True, "is_album": False}
    return REMOVED


def shown() -> dict[str, Collection]:
    """What every profile has, by path."""
    posts = Collection(("GaLry01", "GaLimg1"))
    paths = (
        "user/mirrorfan/posts",
        "user/mirrorfan/favorites",
        "user/mirrorfan/favorites/folder/1",
    )
    return dict.fromkeys((*paths, "t/cats", "r/cats", "search/cats"), posts)
