"""Substitutes: one picture that comes in place of every other.

Where Imgur is blocked, every link answers with the same picture, whole and with its true digest.
Which picture that is differs, and changes; it is told by one digest for links whose sizes differ.
"""

from collections import defaultdict
from collections.abc import Iterable

__all__ = ["BLOCKED", "SUBSTITUTE", "is_blocked", "substitutes"]

BLOCKED_MD5S = frozenset({"f953f499c9824953791551bfef65fe61"})
"""The picture for the United Kingdom and others: PNG, 336 x 478."""

BLOCKED = "Imgur is blocked where this runs: its picture for that came in place of the image"

SUBSTITUTE = (
    "one and the same picture came for several links whose sizes differ, as it does where Imgur "
    "is blocked: it is none of them"
)


def is_blocked(md5: str | None) -> bool:
    """Tell whether an MD5 is the one of a picture that is known to be a substitute."""
    return md5 in BLOCKED_MD5S


def substitutes(pictures: Iterable[tuple[str | None, int | None]]) -> frozenset[str]:
    """Return the MD5s of substitutes, given the MD5 of each image and its size as the API lists it.

    Without a size an image tells nothing: a picture may well be posted twice.
    """
    sizes: defaultdict[str, set[int]] = defaultdict(set)
    for md5, size in pictures:
        if md5 is not None and size is not None:
            sizes[md5].add(size)
    return BLOCKED_MD5S | {md5 for md5, listed in sizes.items() if len(listed) > 1}
