"""Reads every way in which people name an album, an image or an account at Imgur."""

import re
from dataclasses import dataclass, field
from enum import StrEnum
from hashlib import sha256
from unicodedata import normalize
from urllib.parse import parse_qs, quote, unquote

from imgur_mirror.text import printable

__all__ = [
    "Address",
    "BadAddress",
    "Kind",
    "check_album",
    "original_link",
    "parse_address",
    "parse_album",
]


class BadAddress(ValueError):
    """A text names nothing at Imgur that can be mirrored; the message says what does."""


class Kind(StrEnum):
    """What an address names; a gallery address may be of an album or of a single image.

    From `ACCOUNT` on they are collections, which Imgur lists page by page: the public albums of an
    account, then posts, each an album or a single image.
    """

    ALBUM = "album"
    GALLERY = "gallery"
    IMAGE = "image"
    ACCOUNT = "account"
    POSTS = "posts"
    FAVORITES = "favorites"
    FAVORITES_FOLDER = "favorites folder"
    TAG = "tag"
    SUBREDDIT = "subreddit"
    SEARCH = "search"


_ID = r"(?:[A-Za-z0-9]{7}|[A-Za-z0-9]{5})"
_NAME = r"(?![Mm][Ee](?![A-Za-z0-9_-]))[A-Za-z0-9_-]{1,63}"
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
    r"(?:(?:https?:)?//)?(?P<host>[a-z0-9.-]+)(?::(?:80|443))?(?:/(?P<path>[^?#]*))?"
    r"(?:\?(?P<query>[^#]*))?(?:#.*)?",
    re.IGNORECASE | re.ASCII,
)
_HOST = re.compile(r"(?:(?:www|m|i)\.)?imgur\.(?:com|io)")
_ACCOUNT_HOST = re.compile(r"((?!me\.)[a-z0-9-]{1,63})\.imgur\.(?:com|io)")

# The words of a path may be in any capitals, which of an id matter.
_PATHS = (
    (Kind.ALBUM, re.compile(rf"[Aa]/{_SLUG}({_ID})(?:/.*)?")),
    (Kind.GALLERY, re.compile(rf"(?ai:gallery|(?:t|topic|r)/[^/]+)/{_SLUG}({_ID})(?:/.*)?")),
    (Kind.IMAGE, re.compile(rf"(?ai:download)/({_ID})(?:/.*)?")),
    (Kind.IMAGE, re.compile(rf"({_ID}){_THUMBNAIL}\.\w+")),
    (Kind.IMAGE, re.compile(rf"{_SLUG}({_ID})(?:\.\w+)?")),
)
_FILE = re.compile(r"download/.*|.*\.\w+")

_WINDOW = "(?:/(?P<window>day|week|month|year|all))?"
_GALLERY_SORT = f"(?:/(?P<sort>viral|top|time|newest|new){_WINDOW})?"
_POSTS_SORT = "newest|oldest|best|worst"
_WORD = "(?P<id>[^/]+)"
_USER = f"user/(?!me(?:/|$)){_WORD}"

# Looked at before the others: the sort of /t/TAG/viral has the form of an id.
_COLLECTIONS = tuple(
    (kind, re.compile(pattern, re.IGNORECASE | re.ASCII))
    for kind, pattern in (
        (Kind.ACCOUNT, f"{_USER}(?:/albums)?"),
        (Kind.POSTS, f"{_USER}/(?:posts|submitted)(?:/(?P<sort>newest|oldest|best|worst))?"),
        (Kind.FAVORITES, f"{_USER}/favorites(?:/(?P<sort>newest|oldest))?"),
        (Kind.FAVORITES_FOLDER, rf"{_USER}/favorites/folder/(?P<folder>\d{{1,18}})(?:/[^/]*)?"),
        (Kind.TAG, f"t/{_WORD}{_GALLERY_SORT}"),
        (Kind.SUBREDDIT, f"r/{_WORD}{_GALLERY_SORT}"),
        (Kind.SEARCH, f"search(?:/(?P<sort>viral|top|time|score|relevance|newest){_WINDOW})?"),
    )
)

# What Imgur has and the mirror does not: never taken for the account itself.
_OTHER_PAGES = tuple(
    (name, re.compile(pattern, re.IGNORECASE | re.ASCII))
    for name, pattern in (
        ("a page behind a log-in", "user/me(?:/.*)?"),
        ("a page behind an account", "user/[^/]+/.*"),
        ("a list in an order that the mirror does not know", "[tr]/[^/]+/.*"),
        ("a topic", "topic/[^/]+"),
        ("a search that the mirror does not know", "search(?:/.*)?"),
    )
)

_CANONICAL = {
    Kind.ALBUM: "a/{id}",
    Kind.GALLERY: "gallery/{id}",
    Kind.IMAGE: "{id}",
    Kind.ACCOUNT: "user/{id}",
    Kind.POSTS: "user/{id}/posts{order}",
    Kind.FAVORITES: "user/{id}/favorites{order}",
    Kind.FAVORITES_FOLDER: "user/{id}/favorites/folder/{folder}",
    Kind.TAG: "t/{id}{order}",
    Kind.SUBREDDIT: "r/{id}{order}",
    Kind.SEARCH: "search{order}?q={id}",
}

# Each has a hyphen, which no id of an album has.
_FOLDERS = {
    Kind.ACCOUNT: "user-{id}",
    Kind.POSTS: "user-{id}-posts",
    Kind.FAVORITES: "user-{id}-favorites",
    Kind.FAVORITES_FOLDER: "user-{id}-folder-{folder}",
    Kind.TAG: "t-{id}",
    Kind.SUBREDDIT: "r-{id}",
    Kind.SEARCH: "search-{id}",
}


@dataclass(frozen=True, slots=True)
class Address:
    """What to ask the API for; the id keeps its case, which matters at Imgur.

    `is_file` says of an image that the address is of its file: an image's page has the form of an
    album's, a file has not. Of a collection, the id is the name of the account, of the tag or of
    the subreddit, or the words of the search; `sort` and `window` are its order, empty where the
    address has none, and `folder` is the number of a folder of favorites.

    Raises:
        BadAddress: on creation, for an id that would lead a request anywhere else.
    """

    kind: Kind
    id: str
    is_file: bool = field(default=False, compare=False)
    sort: str = ""
    window: str = ""
    folder: str = ""

    def __post_init__(self) -> None:
        if self.kind not in tuple(Kind) or not _is_id(Kind(self.kind), self.id):
            raise BadAddress(
                f"{printable(self.id, 80)!r} is no id of an {printable(self.kind, 20)}"
            )
        if not re.fullmatch("[a-z]*/[a-z]*/[0-9]*", f"{self.sort}/{self.window}/{self.folder}"):
            raise BadAddress(f"{printable(self.id, 80)!r} has no such order or folder")
        object.__setattr__(self, "kind", Kind(self.kind))

    def __str__(self) -> str:
        """The address to open in a browser, which `parse_address` reads back to this value."""
        order = "".join(f"/{part}" for part in (self.sort, self.window) if part)
        path = _CANONICAL[self.kind].format(
            id=quote(self.id, safe=""), order=order, folder=self.folder
        )
        return f"https://imgur.com/{path}"

    @property
    def is_collection(self) -> bool:
        """Whether Imgur lists albums or posts there, page by page."""
        return self.kind in _FOLDERS

    @property
    def name(self) -> str:
        """The id; of a collection, the name of the folder of its single images.

        That is the same for each order of a collection, and in any capitals: for Imgur they are the
        same, and for some file systems as well.
        """
        if not self.is_collection:
            return self.id
        return _FOLDERS[self.kind].format(id=_folder_words(self.id), folder=self.folder)


def _is_id(kind: Kind, word: str) -> bool:
    """Return whether a word may stand in a request for something of that kind."""
    match kind:
        case Kind.ALBUM | Kind.GALLERY | Kind.IMAGE:
            return re.fullmatch(_ID, word) is not None
        case Kind.TAG | Kind.SEARCH:
            sayable = word.isprintable() and "\ufffd" not in word and word.strip(" .") != ""
            unsafe = kind is Kind.TAG and re.search(r"[/\\]", word)
            return sayable and word == word.strip() and len(word) <= 200 and not unsafe
        case Kind.SUBREDDIT:
            return re.fullmatch("[A-Za-z0-9_-]{1,63}", word) is not None
    return re.fullmatch(_NAME, word) is not None


def _folder_words(text: str) -> str:
    """Return a text in small letters; one that makes no folder's name as words and a digest."""
    small = normalize("NFC", text).casefold()
    if re.fullmatch("[a-z0-9_-]{1,63}", small):
        return small
    digest = sha256(small.encode()).hexdigest()[:8]
    return "-".join([*re.findall("[a-z0-9]+", small[:40]), digest])


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
        found = parts and _at_host(parts["host"].lower(), parts["path"] or "", parts["query"] or "")
    if not isinstance(found, Address):
        raise BadAddress(_refusal(text, found or "names no album at Imgur"))
    return found


def parse_album(text: str) -> Address:
    """Parse the address of one album or image.

    Raises:
        BadAddress: as `parse_address` does, and for a collection.
    """
    return check_album(parse_address(text))


def check_album(address: Address) -> Address:
    """Return the address of one album or image.

    Raises:
        BadAddress: for a collection; it says how that is mirrored.
    """
    if address.is_collection:
        article = "an" if address.kind is Kind.ACCOUNT else "a"
        what = _KIND_IN_WORDS.get(address.kind, f"{article} {address.kind}")
        raise BadAddress(
            f"{address} is {what}, not an album; mirror all of it with"
            f" imgur-mirror albums '{address}'"
        )
    return address


_KIND_IN_WORDS = {
    Kind.POSTS: "a list of the posts of an account",
    Kind.FAVORITES: "a list of the favorites of an account",
    Kind.FAVORITES_FOLDER: "a folder of favorites",
}


def original_link(link: str) -> str:
    """Return the link of the image whose thumbnail a link leads to; any other link as it is.

    A thumbnail `ID_d.webp` is converted by its extension. Under .jpg, Imgur has the original,
    whatever its kind.
    """
    found = _THUMBNAIL_LINK.fullmatch(link)
    return f"{found['folder']}{found['id']}{found['rest'] or '.jpg'}" if found else link


def _at_host(host: str, path: str, query: str) -> Address | str | None:
    """Return what is at a path of one of Imgur's hosts, or what is wrong; None for nothing."""
    path = "/".join(part for part in path.split("/") if part)
    if _HOST.fullmatch(host):
        return _collection_at(path, query) or _at_path(path)
    account = _ACCOUNT_HOST.fullmatch(host)
    if account and not _OTHER_SITES.fullmatch(account[1]) and path in ("", "all"):
        return _unless_page(Kind.ACCOUNT, account[1])
    return None


def _collection_at(path: str, query: str) -> Address | str | None:
    """Return the collection at a path of imgur.com, or what is wrong with it; None for neither."""
    for kind, pattern in _COLLECTIONS:
        if match := pattern.fullmatch(path):
            parts = {name: part or "" for name, part in match.groupdict().items()}
            words = _searched(query) if kind is Kind.SEARCH else unquote(parts["id"])
            if not _is_id(kind, words):
                return _no_collection(kind, words, query)
            return Address(
                kind,
                words,
                sort=_sort_in_api(kind, parts.get("sort", "").lower()),
                window=parts.get("window", "").lower(),
                folder=parts.get("folder", ""),
            )
    return None


_IN_GALLERY = (Kind.TAG, Kind.SUBREDDIT, Kind.SEARCH)


def _sort_in_api(kind: Kind, word: str) -> str:
    """Return what the API calls an order."""
    return "time" if kind in _IN_GALLERY and word in ("new", "newest") else word


def _no_collection(kind: Kind, words: str, query: str) -> str:
    """Return what is wrong with the words of an address that has the form of a collection's."""
    if kind is not Kind.SEARCH or words:
        return f"names no {kind if kind in _IN_GALLERY else Kind.ACCOUNT}"
    if re.search("(?:^|&)q_", query):
        return "is an advanced search, which the mirror does not know"
    return "is a search without words"


def _searched(query: str) -> str:
    """Return the words of a search, from the query of its address."""
    return " ".join(parse_qs(query).get("q", [""])[0].split())


def _at_path(path: str) -> Address | str | None:
    """Return what is at a path of imgur.com, or what it is that cannot be mirrored, or None."""
    for kind, pattern in _PATHS:
        if match := pattern.fullmatch(path):
            return _unless_page(kind, match[1], is_file=_FILE.fullmatch(path) is not None)
    for name, pattern in _OTHER_PAGES:
        if pattern.fullmatch(path):
            return f"is {name}, which cannot be mirrored"
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
        " of an account (https://imgur.com/user/NAME: its public albums; /posts, /favorites),"
        " of a tag (/t/TAG), a subreddit (/r/SUB) or a search (/search?q=WORDS), or an album's ID,"
        " which has 5 or 7 letters and digits"
    )
