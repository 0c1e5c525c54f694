"""Reads every way in which people name an album, an image or an account at Imgur."""

import re
from dataclasses import dataclass, field
from enum import StrEnum

from imgur_mirror.text import printable

__all__ = ["Address", "BadAddress", "Kind", "original_link", "parse_address"]


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

# What follows the id in the name of a thumbnail. A suffix makes 5 or 7 letters 6 or 8, and so is
# none where the letters are 5 or 7: an id may end in any of these letters.
_THUMBNAIL = r"(?:[sbtmlhgr]|_d)"
_THUMBNAIL_LINK = re.compile(
    rf"(?P<folder>.*/)(?P<id>{_ID})(?:[sbtmlhgr](?P<rest>\.\w+(?:[?#].*)?)|_d\.\w+(?:[?#].*)?)"
)

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
    (Kind.ACCOUNT, re.compile(rf"user/({_NAME})(?:/albums)?")),
    (Kind.IMAGE, re.compile(rf"download/({_ID})(?:/.*)?")),
    (Kind.IMAGE, re.compile(rf"({_ID}){_THUMBNAIL}\.\w+")),
    (Kind.IMAGE, re.compile(rf"{_SLUG}({_ID})(?:\.\w+)?")),
)
_FILE = re.compile(r"download/.*|.*\.\w+")

# What Imgur lists as well, and the mirror does not yet: never taken for the account itself.
_COLLECTIONS = (
    ("the posts of an account", re.compile(rf"user/{_NAME}/(?:posts|submitted)(?:/.*)?")),
    ("the favorites of an account", re.compile(rf"user/{_NAME}/favorites(?:/.*)?")),
    ("a page behind an account", re.compile(rf"user/{_NAME}/.*")),
    ("a tag", re.compile(r"(?:t|topic)/[^/]+")),
    ("a subreddit", re.compile(r"r/[^/]+")),
    ("a search", re.compile(r"search(?:/.*)?")),
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

    `is_file` says of an image that the address is of its file: an image's page has the form of an
    album's, a file has not.

    Raises:
        BadAddress: on creation, for an id that would lead a request anywhere else.
    """

    kind: Kind
    id: str
    is_file: bool = field(default=False, compare=False)

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
    found: Address | str | None
    if re.fullmatch(_ID, wanted):
        found = _unless_page(Kind.ALBUM, wanted)
    else:
        parts = _ADDRESS.fullmatch(wanted) if wanted.isprintable() else None
        found = parts and _at_host(parts["host"].lower(), parts["path"] or "")
    if not isinstance(found, Address):
        raise BadAddress(_refusal(text, found or "names no album at Imgur"))
    return found


def original_link(link: str) -> str:
    """Return the link of the image whose thumbnail a link leads to; any other link as it is.

    A thumbnail `ID_d.webp` is converted by its extension. Under .jpg, Imgur has the original,
    whatever its kind.
    """
    found = _THUMBNAIL_LINK.fullmatch(link)
    return f"{found['folder']}{found['id']}{found['rest'] or '.jpg'}" if found else link


def _at_host(host: str, path: str) -> Address | str | None:
    """Return what is at a path of one of Imgur's hosts, or what is wrong; None for nothing."""
    path = "/".join(part for part in path.split("/") if part)
    if _HOST.fullmatch(host):
        return _at_path(path)
    account = _ACCOUNT_HOST.fullmatch(host)
    if account and not _OTHER_SITES.fullmatch(account[1]) and path in ("", "all"):
        return _unless_page(Kind.ACCOUNT, account[1])
    return None


def _at_path(path: str) -> Address | str | None:
    """Return what is at a path of imgur.com, or what it is that cannot be mirrored, or None."""
    for kind, pattern in _PATHS:
        if match := pattern.fullmatch(path):
            return _unless_page(kind, match[1], is_file=_FILE.fullmatch(path) is not None)
    for name, pattern in _COLLECTIONS:
        if pattern.fullmatch(path):
            return f"is {name}, which cannot be mirrored as a whole"
    return None


def _unless_page(kind: Kind, id: str, is_file: bool = False) -> Address | None:  # noqa: A002
    """Return the address, or None if the id is the name of one of Imgur's own pages."""
    page = kind is not Kind.ACCOUNT and _PAGES.fullmatch(id.lower())
    return None if page else Address(kind, id, is_file)


def _refusal(text: str, problem: str) -> str:
    """Return the message for a text that is refused, without a password that it may hold."""
    shown = printable(re.sub(r"(^|//)[^/]*@", r"\1…@", text.strip()), 80)
    return (
        f"{shown!r} {problem}; give the address of an album"
        " (https://imgur.com/a/ID or /gallery/ID), of an image (https://imgur.com/ID),"
        " of an account (https://imgur.com/user/NAME: its public albums), or an album's ID,"
        " which has 5 or 7 letters and digits"
    )
