"""Substitutes: one picture that comes in place of every other.

Where Imgur is blocked, every link answers with the same picture, whole and with its true digest.
Which picture that is differs, and changes; it is told by one digest for links whose sizes differ.
"""

from collections.abc import Iterable

__all__ = ["BLOCKED", "SUBSTITUTE", "SeenPictures", "is_blocked"]

BLOCKED_MD5S = frozenset({"f953f499c9824953791551bfef65fe61"})
"""The picture for the United Kingdom and others: PNG, 336 x 478."""

BLOCKED = "Imgur is blocked where this runs: its picture for that came in place of the image"

SUBSTITUTE = (
    "one and the same picture came for several links whose sizes differ, as it does where Imgur "
    "is blocked: it is none of them"
)


def is_blocked(md5: str | None) -> bool:
    """Return whether an MD5 is the one of a picture that is known to be a substitute."""
    return md5 in BLOCKED_MD5S


class SeenPictures:
    """The pictures that a run has seen, of one album or of several, and the substitutes of them.

    Several threads may add to it at once: each step is one operation of a dictionary or a set.
    """

    def __init__(self) -> None:
        self.substitutes = set(BLOCKED_MD5S)
        self._sizes: dict[str, int] = {}

    def add(self, pictures: Iterable[tuple[str | None, int | None]]) -> None:
        """Take the MD5 of each image, and its size as the API lists it.

        Without a size an image tells nothing: a picture may well be posted twice.
        """
        for md5, size in pictures:
            if md5 is not None and size is not None and self._sizes.setdefault(md5, size) != size:
                self.substitutes.add(md5)
