"""Reads every way in which people name an album, an image or an account at Imgur."""

import re
from dataclasses import dataclass
from enum import StrEnum

from imgur_mirror.text import printable

__all__ = ["Address", "BadAddress", "Kind", "parse_address"]


class BadAddress(ValueError):
    """A text names nothing at Imgur that can be mirrored; the message says what does."""


class Kind(StrEnum):
    """What an address names; a gallery address may be of an album or of a single image."""

    ALBUM = "album"
    GALLERY = "gallery"
    IMAGE = "image"
    ACCOUNT = "account"


_ID = r"(?:[A-Za-z0-9]{7}|[A-Za-z0-9]{5})"
_NAME = r"(?!me(?![A-Za-z0-9_-]))[A-Za-z0-9_-]{1,63}"
_SLUG = r"(?:[^/]*-)?"

# Pages of Imgur's own: their names have the form of ids.
_PAGES = re.compile("about|account|apidocs|contact|emerald|gallery|memegen|privacy|rules|topic")
_OTHER_SITES = re.compile("api|apidocs|blog|community|help|s|status|store")

_ADDRESS = re.compile(
    r"(?:(?:https?:)?//)?(?P<host>[a-z0-9.-]+)(?::(?:80|443))?(?:/(?P<path>[^?#]*))?(?:[?#].*)?",
    re.IGNORECASE | re.ASCII,
)
_HOST = re.compile(r"(?:(?:www|m|i)\.)?imgur\.(?:com|io)")
_ACCOUNT_HOST = re.compile(r"((?!me\.)[a-z0-9-]{1,63})\.imgur\.(?:com|io)")

_PATHS = (
    (Kind.ALBUM, re.compile(rf"a/{_SLUG}({_ID})(?:/.*)?")),
    (Kind.GALLERY, re.compile(rf"(?:gallery|(?:t|topic|r)/[^/]+)/{_SLUG}({_ID})(?:/.*)?")),
    (Kind.ACCOUNT, re.compile(rf"user/({_NAME})(?:/.*)?")),
    (Kind.IMAGE, re.compile(rf"download/({_ID})(?:/.*)?")),
    (Kind.IMAGE, re.compile(rf"{_SLUG}({_ID})(?:\.\w+)?")),
)
_CANONICAL = {
    Kind.ALBUM: "https://imgur.com/a/{}",
    Kind.GALLERY: "https://imgur.com/gallery/{}",
    Kind.ACCOUNT: "https://imgur.com/user/{}",
    Kind.IMAGE: "https://imgur.com/{}",
}


@dataclass(frozen=True, slots=True)
class Address:
    """What to ask the API for; the id keeps its case, which matters at Imgur.

    Raises:
        BadAddress: on creation, for an id that would lead a request anywhere else.
    """

    kind: Kind
    id: str

    def __post_init__(self) -> None:
        word = _NAME if self.kind == Kind.ACCOUNT else _ID
        if self.kind not in tuple(Kind) or not re.fullmatch(word, self.id):
            raise BadAddress(
                f"{printable(self.id, 80)!r} is no id of an {printable(self.kind, 20)}"
            )
        object.__setattr__(self, "kind", Kind(self.kind))

    def __str__(self) -> str:
        """The address to open in a browser, which `parse_address` reads back to this value."""
        return _CANONICAL[self.kind].format(self.id)


def parse_address(text: str) -> Address:
    """Parse a URL or a bare album id, as people copy them.

    Raises:
        BadAddress: quoting the text and listing what is accepted; nothing else for any text.
    """
    wanted = text.strip()
    if re.fullmatch(_ID, wanted):
        found = _unless_page(Kind.ALBUM, wanted)
    else:
        parts = _ADDRESS.fullmatch(wanted) if wanted.isprintable() else None
        found = parts and _at_host(parts["host"].lower(), parts["path"] or "")
    if not found:
        raise BadAddress(_refusal(text))
    return found


def _at_host(host: str, path: str) -> Address | None:
    """Return what is at a path of one of Imgur's hosts; None for another host or path."""
    path = "/".join(part for part in path.split("/") if part)
    if _HOST.fullmatch(host):
        return _at_path(path)
    account = _ACCOUNT_HOST.fullmatch(host)
    if account and not _OTHER_SITES.fullmatch(account[1]) and path in ("", "all"):
        return _unless_page(Kind.ACCOUNT, account[1])
    return None


def _at_path(path: str) -> Address | None:
    """Return what is at a path of imgur.com, or None."""
    for kind, pattern in _PATHS:
        if match := pattern.fullmatch(path):
            return _unless_page(kind, match[1])
    return None


def _unless_page(kind: Kind, id: str) -> Address | None:  # noqa: A002 - as the field it becomes
    """Return the address, or None if the id is the name of one of Imgur's own pages."""
    page = kind is not Kind.ACCOUNT and _PAGES.fullmatch(id.lower())
    return None if page else Address(kind, id)


def _refusal(text: str) -> str:
    """Return the message for a text that names nothing, without a password that it may hold."""
    shown = printable(re.sub(r"(^|//)[^/]*@", r"\1…@", text.strip()), 80)
    return (
        f"{shown!r} names no album at Imgur; give the address of an album"
        " (https://imgur.com/a/ID or /gallery/ID), of an image (https://imgur.com/ID),"
        " of an account (https://imgur.com/user/NAME), or an album's ID,"
        " which has 5 or 7 letters and digits"
    )
