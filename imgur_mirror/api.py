"""What Imgur's API says, as albums or as one of six errors, through imgurpython.

The package's endpoints stay in use; its one transport method is replaced, since it has no
timeout, follows redirects with the credentials, and lets odd answers end in a TypeError.
"""

import json
import os
import re
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import cache, lru_cache
from http.cookiejar import DefaultCookiePolicy
from importlib.metadata import version
from typing import Any, ClassVar, Self

import requests
import urllib3
from imgurpython import ImgurClient
from imgurpython.helpers import GalleryAlbum, GalleryImage

from imgur_mirror.address import Address, BadAddress, Kind
from imgur_mirror.models import Album, Image
from imgur_mirror.names import UnsafeName, distinct, file_name, printable
from imgur_mirror.settings import Access

__all__ = [
    "AlbumNotFound",
    "Answer",
    "ApiError",
    "ApiUnavailable",
    "BadCredentials",
    "Credits",
    "Imgur",
    "OverCapacity",
    "RateLimited",
    "UnexpectedAnswer",
    "fetch_account_albums",
    "fetch_album",
]

# An album of 3,500 images is about 5 MB.
_LARGEST_ANSWER = 64 << 20
_BLOCK = 64 << 10
# Read timeouts that one answer may take in all.
_PATIENCE = 10

_PAGE = 50
_PAGES = 1_000

# Seconds. Imgur counts by the hour and by the day, and blocks who goes on asking.
_DAY = 24 * 60 * 60
_UNKNOWN_WAIT = 15 * 60
_UNKNOWN_RESET = 60 * 60
_SHORT_WAIT = 2 * 60


class ApiError(Exception):
    """What was asked, what came back and what to do; `passing` where it may be tried again."""

    passing: bool = False
    finding: ClassVar[str]
    remedy: ClassVar[str]

    def __init__(self, message: str, *, status: int | None = None) -> None:
        super().__init__(message)
        self.status = status


class AlbumNotFound(ApiError):
    """Nothing is at that address, or nothing that the public may see."""

    finding = "Imgur has no such thing"
    remedy = "check the address in a browser: it may be mistyped, private or removed"


class BadCredentials(ApiError):
    """The client id is missing, wrong, or not allowed to see this."""

    finding = "Imgur asks for a client id that is valid"
    remedy = "set IMGUR_CLIENT_ID, in the environment or in .env, to a client id that works"


class RateLimited(ApiError):
    """The credits are spent: come back in `wait` seconds."""

    finding = "the limit of Imgur requests is reached"
    remedy = "try again"

    def __init__(
        self, message: str, *, status: int | None = None, wait: float = _UNKNOWN_WAIT
    ) -> None:
        super().__init__(message, status=status)
        self.wait = wait
        self.passing = wait <= _SHORT_WAIT


class OverCapacity(ApiError):
    """Imgur has too much to do."""

    passing = True
    finding = "Imgur is over capacity"
    remedy = "try again in a few minutes"


class ApiUnavailable(ApiError):
    """No answer, a server error, or a web page in the place of an answer."""

    passing = True
    finding = "the Imgur API is not available"
    remedy = "try again in a few minutes; if it stays so, check the network and IMGUR_API_URL"


class UnexpectedAnswer(ApiError):
    """An answer that cannot be what was asked for."""

    finding = "the Imgur API gave an answer that cannot be used"
    remedy = "open the address in a browser, and check IMGUR_API_URL"


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer of the server; the body is None where it was too large to be read."""

    status: int
    headers: Mapping[str, str]
    body: bytes | None


@dataclass(frozen=True, slots=True)
class Credits:
    """The calls that are left, as last heard, and when there are more (seconds since 1970)."""

    user_remaining: int | None = None
    user_reset_at: float | None = None
    client_remaining: int | None = None
    client_reset_at: float | None = None

    @classmethod
    def read(cls, headers: Mapping[str, str], now: float) -> Self | None:
        """The credits in an answer's headers; None where they tell nothing."""
        user = _number(headers.get("X-RateLimit-UserRemaining"))
        client = _number(headers.get("X-RateLimit-ClientRemaining"))
        if user is None and client is None:
            return None
        user_wait, client_wait = (
            _seconds_left(headers.get(f"X-RateLimit-{who}Reset"), now) for who in ("User", "Client")
        )
        return cls(
            user_remaining=user,
            user_reset_at=now + (_UNKNOWN_RESET if user_wait is None else user_wait),
            client_remaining=client,
            client_reset_at=now + (_UNKNOWN_RESET if client_wait is None else client_wait),
        )

    def wait(self, now: float) -> float:
        """Seconds until there is a credit to spend."""
        resets = (
            (self.user_remaining, self.user_reset_at),
            (self.client_remaining, self.client_reset_at),
        )
        return max([0, *(reset - now for left, reset in resets if left == 0 and reset is not None)])


def _number(value: str | None) -> int | None:
    """The whole number in a header, where it is one; below zero is none left."""
    found = re.fullmatch(r"\s*(-?\d{1,12})(?:\.\d*)?\s*", value or "", re.ASCII)
    return max(0, int(found[1])) if found else None


def _seconds_left(value: str | None, now: float) -> float | None:
    """Imgur documents the Unix time of a reset, and sends the seconds until then."""
    number = _number(value)
    if number is None:
        return None
    return min(max(0, number - now if number > 1_000_000_000 else number), _DAY)


def _retry_after(value: str | None, now: float) -> float | None:
    """The seconds to wait in a Retry-After header, which may hold an HTTP date."""
    number = _number(value)
    if number is not None:
        return min(number, _DAY)
    try:
        date = parsedate_to_datetime(value or "")
        return min(max(0, date.replace(tzinfo=date.tzinfo or UTC).timestamp() - now), _DAY)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None


def _wait(headers: Mapping[str, str], now: float) -> float:
    """Seconds to wait after a refusal: what the server says, else long enough to annoy no one."""
    hints = (
        _retry_after(headers.get("Retry-After"), now),
        _seconds_left(headers.get("X-RateLimit-UserReset"), now),
    )
    return next((hint for hint in hints if hint is not None), _UNKNOWN_WAIT)


def _when(wait: float, now: float) -> str:
    """`in 12 minutes (at 14:05 UTC)`."""
    clock = datetime.fromtimestamp(now + wait, UTC).strftime("%H:%M UTC")
    if wait < 2 * 60:
        return f"in {max(1, round(wait))} s (at {clock})"
    return f"in {round(wait / 60)} minutes (at {clock})"


_NOT_JSON = object()


def _content(answer: Answer) -> object:
    """The JSON of the body, or `_NOT_JSON`."""
    try:
        return json.loads(answer.body or b"")
    except (ValueError, RecursionError):
        return _NOT_JSON


def _said(content: object) -> tuple[str, int | None]:
    """The words and the code of an error in any of its envelopes; no words where there is none."""
    match content:
        case {"data": {"error": error}} | {"errors": [error, *_]} | {"data": str(error)}:
            pass
        case {"success": False}:
            error = "a failure without a reason"
        case _:
            return "", None
    inner = error if isinstance(error, dict) else {"message": error}
    words = inner.get("message") or inner.get("detail")
    outer = content.get("status") if isinstance(content, dict) else None
    codes = (
        _number(str(code)) for code in (inner.get("code"), outer) if isinstance(code, int | str)
    )
    return (
        words if isinstance(words, str) and words else "an error without words",
        next((code for code in codes if code in range(300, 600)), None),
    )


def _problem(answer: Answer, content: object) -> tuple[type[ApiError], str] | None:
    """What is wrong with an answer by its status and its words, if anything is."""
    words, code = _said(content)
    # A success that is none has the true status in its body.
    status = answer.status if answer.status >= 300 else code or answer.status
    if 429 in (status, code):
        return RateLimited, words
    if 300 <= status < 400:
        return UnexpectedAnswer, f"a redirect, to {answer.headers.get('Location', 'nowhere')}"
    if content is _NOT_JSON and _is_page(answer):
        return ApiUnavailable, f"a web page, status {status}"
    if "over capacity" in words.lower():
        return OverCapacity, words
    if status >= 400:
        return _by_status(status, words), words or f"status {status}"
    if answer.body == b"":
        return ApiUnavailable, "an empty answer"
    if content is _NOT_JSON:
        return UnexpectedAnswer, _unreadable(answer)
    return (UnexpectedAnswer, words) if words or status not in range(200, 300) else None


def _by_status(status: int, words: str) -> type[ApiError]:
    """The error behind a status of 400 or more."""
    if status == 404:
        return AlbumNotFound
    # A bare 403 is not about the client id: it comes from what stands before the API.
    if status == 401 or (status == 403 and words):
        return BadCredentials
    return ApiUnavailable if status >= 500 or status == 408 else UnexpectedAnswer


def _is_page(answer: Answer) -> bool:
    """Whether the body is HTML, by what is said of it or by how it starts."""
    declared = answer.headers.get("Content-Type", "").lower().startswith("text/html")
    return declared or (answer.body or b"").lstrip()[:1] == b"<"


def _unreadable(answer: Answer) -> str:
    """Why a body is no JSON, in words."""
    if answer.body is None:
        return f"more than {_LARGEST_ANSWER >> 20} MiB"
    return "text that is no JSON, or too deeply nested"


_RECORD = re.compile(r"(?:gallery/)?(?:album|image)/[^/]+")
_RECORDS = re.compile(r"album/[^/]+/images|account/[^/]+/albums/\d+")


def _shaped(route: str, data: object) -> Any:  # noqa: ANN401 - as imgurpython wants it
    """The data of an answer to a route in the shape that imgurpython takes for granted.

    None where it is another.
    """
    if _RECORDS.fullmatch(route):
        return _records(data)
    if not isinstance(data, dict):
        return None
    if _RECORD.fullmatch(route) and not isinstance(data.get("id"), str):
        return None
    return _record(data)


def _records(data: object) -> list[dict[str, Any]] | None:
    """The data as a list of objects, where it is one."""
    if not isinstance(data, list) or not all(isinstance(item, dict) for item in data):
        return None
    return [_record(item) for item in data]


def _record(data: dict[str, Any]) -> dict[str, Any]:
    """An object without keys such as `__class__`: imgurpython sets each as an attribute."""
    return {key: value for key, value in data.items() if not key.startswith("_")}


class _Session(requests.Session):
    def get_redirect_target(self, resp: requests.Response) -> None:
        """Say that nothing redirects: requests reads a redirect's body, however long it is."""


class _Authorization(requests.auth.AuthBase):
    """Sets the header when nothing can replace it: without `auth`, a netrc entry would."""

    def __init__(self, header: str) -> None:
        self._header = header

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers["Authorization"] = self._header
        return request


@cache
def _agent() -> str:
    return f"imgur-mirror/{version('imgur-mirror')}"


def _session() -> requests.Session:
    session = _Session()
    session.headers.update({"User-Agent": _agent(), "Accept": "application/json"})
    session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
    return session


class Imgur(ImgurClient):  # type: ignore[misc]  # imgurpython has no types
    """imgurpython's client, with a transport that waits only so long and fails in six ways."""

    def __init__(self, access: Access) -> None:
        # Not the package's constructor: it spends a credit on /3/credits.
        self.client_id = access.client_id
        self.client_secret = access.client_secret
        self.auth = None
        self.mashape_key = None
        self.credits = Credits()
        self._access = access
        self._session = _session()

    def get_client_id(self) -> str:
        """The id in clear, for the one header that needs it."""
        return self.client_id.get_secret_value().strip() if self.client_id else ""

    def make_request(
        self,
        method: str,
        route: str,
        data: dict[str, Any] | None = None,
        force_anon: bool = False,
    ) -> Any:  # noqa: ANN401 - as imgurpython wants it
        """Ask once, and return the `data` of the answer in the shape its route promises.

        Raises:
            ApiError: one of its six kinds, and nothing else.
        """
        asked = _asked(route)
        self._check_before(asked)
        answer = self._answer(method, route, data, force_anon)
        self.credits = Credits.read(answer.headers, time.time()) or self.credits
        content = _content(answer)
        problem = _problem(answer, content)
        if problem:
            raise self._error(problem[0], asked, problem[1], answer)
        shaped = _shaped(route, content.get("data") if isinstance(content, dict) else None)
        if shaped is None:
            raise self._error(UnexpectedAnswer, asked, "data of the wrong kind", answer)
        return shaped

    def _check_before(self, asked: str) -> None:
        """Refuse a request that is bound to fail before it costs anything."""
        if not self.get_client_id():
            raise self._error(BadCredentials, asked, "none is set")
        if not re.fullmatch("[!-~]+", self.get_client_id()):
            raise self._error(BadCredentials, asked, "it holds characters that no client id has")
        now = time.time()
        if (wait := self.credits.wait(now)) > 0:
            raise self._limited(asked, "no credits left", wait, now)

    def _answer(
        self, method: str, route: str, data: dict[str, Any] | None, force_anon: bool
    ) -> Answer:
        """What the server answers, or ApiUnavailable where it does not."""
        try:
            return self.send(method, route, data, force_anon)
        except (OSError, urllib3.exceptions.HTTPError) as error:
            reason = _reason(error)
        # Raised out here, so as not to carry along the request with its header.
        raise self._error(ApiUnavailable, _asked(route), reason)

    def send(
        self, method: str, route: str, data: dict[str, Any] | None, force_anon: bool
    ) -> Answer:
        """One request over the wire; raises what requests and urllib3 raise."""
        access = self._access
        deadline = time.monotonic() + _PATIENCE * access.read_timeout
        reads = method.upper() in ("GET", "DELETE")
        with self._session.request(
            method,
            f"{access.api_url}3/{route}",
            params=data if reads else None,
            data=None if reads else data,
            auth=_Authorization(self.prepare_headers(force_anon)["Authorization"]),
            timeout=(access.connect_timeout, access.read_timeout),
            allow_redirects=False,
            stream=True,
        ) as response:
            return Answer(response.status_code, response.headers, _body(response, deadline))

    def _error(
        self, kind: type[ApiError], asked: str, said: str, answer: Answer | None = None
    ) -> ApiError:
        """The error with its three parts: what was asked, what was said, what to do."""
        status = answer.status if answer else None
        if kind is RateLimited:
            now = time.time()
            wait = _wait(answer.headers if answer else {}, now)
            return self._limited(asked, said, wait, now, status)
        return kind(f"{self._finding(kind, asked, said)}; {kind.remedy}", status=status)

    def _limited(
        self, asked: str, said: str, wait: float, now: float, status: int | None = None
    ) -> RateLimited:
        finding = self._finding(RateLimited, asked, said)
        return RateLimited(
            f"{finding}; {RateLimited.remedy} {_when(wait, now)}", status=status, wait=wait
        )

    def _finding(self, kind: type[ApiError], asked: str, said: str) -> str:
        words = self._shown(said).rstrip(".")
        return f"{asked}: {kind.finding}" + (f" ({words})" if words else "")

    def _shown(self, said: str) -> str:
        """The server's words, fit for a log: on one short line, with no secret echoed."""
        # Longer than what is shown, so that the cut leaves no half of a secret.
        words = printable(said, 10_000)
        for secret in (self.client_id, self.client_secret):
            if secret and (value := printable(secret.get_secret_value(), 10_000)):
                words = words.replace(value, "…")
        return printable(words)

    def get_gallery_album(self, item_id: str) -> GalleryAlbum:
        """An endpoint that imgurpython lacks."""
        return GalleryAlbum(self.make_request("GET", f"gallery/album/{item_id}"))

    def get_gallery_image(self, item_id: str) -> GalleryImage:
        """An endpoint that imgurpython lacks."""
        return GalleryImage(self.make_request("GET", f"gallery/image/{item_id}"))

    def album_at(self, address: Address) -> Album:
        """The album at an address; a single image is an album of one."""
        match address.kind:
            case Kind.ALBUM:
                return self._album(address.id, vars(self.get_album(address.id)))
            case Kind.IMAGE:
                return _single(address.id, vars(self.get_image(address.id)))
            case Kind.GALLERY:
                return self._first_found(address.id)
        raise BadAddress(
            f"{address} is an account, not an album; mirror all its albums with"
            f" python -m flows.mirror_albums {address}"
        )

    def _first_found(self, item_id: str) -> Album:
        """What a gallery address leads to, which only asking tells: each try costs a credit."""
        tries: tuple[Callable[[], Album], ...] = (
            lambda: self._album(item_id, vars(self.get_gallery_album(item_id))),
            lambda: _single(item_id, vars(self.get_gallery_image(item_id))),
            lambda: self._album(item_id, vars(self.get_album(item_id))),
            lambda: _single(item_id, vars(self.get_image(item_id))),
        )
        for ask in tries:
            try:
                return ask()
            except AlbumNotFound as error:
                missing = error
        raise missing

    def _album(self, album_id: str, data: dict[str, Any]) -> Album:
        """The album with all its images, asked for once more where the answer holds too few."""
        listed = [] if data.get("images") is None else _records(data["images"])
        count = data.get("images_count")
        expected = _count(count) or 0
        if listed is not None and (
            len(listed) < expected or (data.get("images") is None and count != 0)
        ):
            again = [vars(image) for image in self.get_album_images(album_id)]
            listed = max(listed, again, key=len)
        if listed is None or (expected and not listed):
            said = f"{expected} images, and a list that shows none of them"
            raise self._error(UnexpectedAnswer, f"album {album_id}", said)
        return _album(album_id, data, _images(listed))

    def album_ids(self, account: str) -> Iterator[str]:
        """The ids of an account's public albums, page by page, each once."""
        seen: set[str] = set()
        for page in range(_PAGES):
            ids = [vars(album).get("id") for album in self.get_account_albums(account, page)]
            fresh = [id_ for id_ in dict.fromkeys(map(str, ids)) if id_ not in seen]
            for id_ in fresh:
                if not re.fullmatch("[A-Za-z0-9]{5}|[A-Za-z0-9]{7}", id_):
                    said = f"an album with the id {id_}"
                    raise self._error(UnexpectedAnswer, f"the albums of {account}", said)
            yield from fresh
            seen.update(fresh)
            if len(ids) < _PAGE or not fresh:
                return


def _asked(route: str) -> str:
    """What a route asks for, in words."""
    match route.split("/"):
        case ["album", album_id, "images"]:
            return f"the images of album {album_id}"
        case ["account", name, "albums", _]:
            return f"the albums of {name}"
    return route.replace("/", " ")


def _body(response: requests.Response, deadline: float) -> bytes | None:
    """The whole body, or None where it is too large; `deadline` is of the monotonic clock.

    Raises:
        requests.Timeout: when the deadline passes first, however steadily bytes trickle in.
    """
    body = bytearray()
    # read1 returns what there is: read would wait, byte by byte, for a full block.
    while block := response.raw.read1(_BLOCK, decode_content=True):
        body += block
        if len(body) > _LARGEST_ANSWER:
            return None
        if time.monotonic() > deadline:
            raise requests.Timeout("the answer does not come to an end")
    return bytes(body)


def _reason(error: BaseException) -> str:
    """What went wrong at the bottom of a chain of wrapped exceptions."""
    for _ in range(10):
        inner = error.__cause__ or error.__context__
        if inner is None:
            break
        error = inner
    return str(error) or type(error).__name__


def _album(album_id: str, data: dict[str, Any], images: tuple[Image, ...]) -> Album:
    return Album(
        id=album_id,
        title=_text(data.get("title")),
        description=_text(data.get("description")),
        datetime=_time(data.get("datetime")),
        link=_text(data.get("link"), 2_000),
        account=_text(data.get("account_url"), 100),
        images=images,
    )


def _single(image_id: str, data: dict[str, Any]) -> Album:
    """The album of one image, under the image's id."""
    return _album(image_id, data, _images([data]))


def _images(listed: list[dict[str, Any]]) -> tuple[Image, ...]:
    """The images in their order, each once, under names that are apart on every file system."""
    found: dict[str, Image] = {}
    for number, data in enumerate(listed, 1):
        image = _image(data, number)
        if image.id not in found or found[image.id].unsafe:
            found[image.id] = image
    names = iter(distinct([image.name for image in found.values() if not image.unsafe]))
    return tuple(
        image if image.unsafe else replace(image, name=next(names)) for image in found.values()
    )


def _image(data: dict[str, Any], number: int) -> Image:
    """One image of a list; `number` stands for an id that cannot be shown."""
    word = data.get("id") if isinstance(data.get("id"), str) else ""
    media = _media(data.get("type"))
    link = name = ""
    unsafe = None
    try:
        link = _link(word or "", data)
        name = file_name(word or "", link, media)
    except UnsafeName as error:
        unsafe = str(error)
    if name.endswith(".mp4") and not (media or "").startswith("video/"):
        media = "video/mp4"
    return Image(
        id=printable(word or "", 64) or f"#{number}",
        link=link,
        name=name,
        type=media,
        size=_size(data, name),
        title=_text(data.get("title")),
        description=_text(data.get("description")),
        datetime=_time(data.get("datetime")),
        width=_count(data.get("width")),
        height=_count(data.get("height")),
        animated=data.get("animated") is True,
        unsafe=unsafe,
    )


# A backslash is refused as well: some readers of addresses take it for a slash.
_WEB_ADDRESS = re.compile(r"https?://[!-\[\]-~]{1,2000}", re.IGNORECASE | re.ASCII)


def _link(word: str, data: dict[str, Any]) -> str:
    """Where the bytes of an image are; of a video, and of a page around one, its mp4.

    Raises:
        UnsafeName: where there is no web address.
    """
    links = (data.get("mp4"), data.get("link"))
    link = next((link for link in links if isinstance(link, str) and link), None)
    if link is None:
        raise UnsafeName("it has no link")
    if link.startswith("//"):
        link = f"https:{link}"
    link = re.sub(r"^http://i\.imgur\.com/", "https://i.imgur.com/", link, flags=re.IGNORECASE)
    link = re.sub(r"\.gifv(?=$|[?#])", ".mp4", link, flags=re.IGNORECASE)
    # A GIF over 20 MB is listed with its thumbnail, which has an h at the end of its name.
    link = re.sub(rf"/{re.escape(word)}h\.gif(?=$|[?#])", f"/{word}.gif", link) if word else link
    if not _WEB_ADDRESS.fullmatch(link):
        raise UnsafeName(f"its link {printable(link, 80)!r} is no web address")
    return link


def _size(data: dict[str, Any], name: str) -> int | None:
    """The bytes of what is fetched, where the API knows them: 0 means that it does not."""
    size = _count(data.get("size"))
    if not name.endswith(".mp4"):
        return size
    sent = data.get("mp4_size")
    if isinstance(sent, str) and re.fullmatch(r"\d{1,15}", sent, re.ASCII):
        sent = int(sent)
    of_video = (_media(data.get("type")) or "").startswith("video/")
    return _count(sent) or (size if of_video else None)


def _count(value: object) -> int | None:
    """A number above zero that a file or a picture can have."""
    if not isinstance(value, int) or isinstance(value, bool):
        return None
    return value if 0 < value < 1 << 53 else None


def _time(value: object) -> int | None:
    """Seconds since 1970, up to the last year that Python knows."""
    return count if (count := _count(value)) and count < 253_402_300_800 else None


_CONTENT_TYPE = re.compile(r"[\w.+-]{1,50}/[\w.+-]{1,50}", re.ASCII)


def _media(value: object) -> str | None:
    """A content type such as image/jpeg."""
    if isinstance(value, str) and _CONTENT_TYPE.fullmatch(value):
        return value.lower()
    return None


def _text(value: object, limit: int = 10_000) -> str | None:
    """A text that can be written to any file; None where it is empty or something else."""
    if not isinstance(value, str):
        return None
    return value[:limit].replace("\0", "").encode("utf-8", "replace").decode() or None


@lru_cache(maxsize=8)
def _client(access: Access, process: int) -> Imgur:  # noqa: ARG001 - a fork shares no connections
    """One client for a process: its connection is kept, and what is known of the credits."""
    return Imgur(access)


def fetch_album(address: Address, access: Access) -> Album:
    """Ask the API for the album, the gallery item or the single image at an address.

    Raises:
        ApiError: saying what was asked, what the server said, and what to do.
        BadAddress: for an account, which is no album.
    """
    return _client(access, os.getpid()).album_at(address)


def fetch_account_albums(address: Address, access: Access) -> list[str]:
    """Ask the API for the ids of all public albums of an account.

    Raises:
        ApiError: as `fetch_album` does.
        BadAddress: for an address that is no account's.
    """
    if address.kind is not Kind.ACCOUNT:
        raise BadAddress(f"{address} is no account; give https://imgur.com/user/NAME")
    return list(_client(access, os.getpid()).album_ids(address.id))
