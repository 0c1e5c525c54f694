"""The API: its endpoints, its envelope, its rate-limit headers, and the many ways it errs."""

import json
import re
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import unquote

from standin import website
from standin.albums import Library
from standin.answers import Answer, Ending, html, is_json, text
from standin.collections import Collection, page_of
from standin.faults import Endless, Faults
from standin.pictures import Bytes

__all__ = ["KINDS", "Api"]

PAGE = 50
Options = Mapping[str, Any]
Json = Any
"""Data as JSON has it."""
Sort = str | None
"""One of the words of an order, where the path has one."""


class NotThere(Exception):
    """The API has no such thing; the message is what it says."""


class Api:
    """Answers what is asked of api.imgur.com under /3/."""

    def __init__(self, library: Library, faults: Faults) -> None:
        self._library, self._faults = library, faults
        self.calls = 0
        self.asked: deque[str] = deque(maxlen=10_000)

    def answer(self, path: str, authorization: str, base: str, query: str = "") -> Answer:
        """The answer to a GET for a path after /3/, or one of the website's own API.

        `base` is where images are to be had.

        `query` are the words of a search.
        """
        self.calls += 1
        self.asked.append(f"{path}?q={query}" if query else path)
        answer = self._refusal(path, authorization) or self._endpoint(path, base, query)
        answer = replace(answer, headers={**self._credits(), **answer.headers})
        fault = self._faults.take(path)
        if not fault:
            return answer
        options = {"request": f"/3/{path}", **fault.options}
        faulty = KINDS[fault.kind](answer, options)
        kept = {**answer.headers, **faulty.headers, **options.get("headers", {})}
        return replace(faulty, headers={k: str(v) for k, v in kept.items() if v is not None})

    def _refusal(self, path: str, authorization: str) -> Answer | None:
        scheme, _, client = authorization.partition(" ")
        if scheme != "Client-ID" or not client:
            return _error("Authentication required", 401, f"/3/{path}")
        return _error("Invalid client_id", 403, f"/3/{path}") if "bad" in client else None

    def _endpoint(self, path: str, base: str, query: str) -> Answer:
        if path.startswith(website.PREFIX):
            return website.answer(self._library, path, base)
        if path.startswith("gallery/search/"):
            # The words of a search are no part of its path.
            path = f"{path}/{query}"
        for pattern, find in ENDPOINTS:
            if match := pattern.fullmatch(path):
                try:
                    return _envelope(find(self, base, *match.groups()))
                except NotThere as missing:
                    return _error(str(missing), 404, f"/3/{path}")
        return _error("Unknown endpoint", 404, f"/3/{path}")

    def _credits(self) -> dict[str, str]:
        """The headers of every answer; a new hour comes before the credits have run out."""
        reset = str(int(time.time()) // 3600 * 3600 + 3600)
        return {
            "X-RateLimit-UserLimit": "500",
            "X-RateLimit-UserRemaining": str(500 - self.calls % 250),
            "X-RateLimit-UserReset": reset,
            "X-RateLimit-ClientLimit": "12500",
            "X-RateLimit-ClientRemaining": str(12_500 - self.calls % 6_250),
            "X-RateLimit-ClientReset": reset,
        }

    def credit(self, _base: str) -> Json:
        """What is left, as the endpoint tells it."""
        told = {name.removeprefix("X-RateLimit-"): int(n) for name, n in self._credits().items()}
        return {name: n for name, n in told.items() if name != "ClientReset"}

    def album(self, base: str, name: str) -> Json:
        """An album with its images."""
        if name not in self._library.albums:
            raise NotThere(f"Unable to find an album with the id, {name}")
        return self._library.albums[name].listing(base)

    def album_images(self, base: str, name: str) -> Json:
        """All images of an album: there are no pages."""
        return self.album(base, name)["images"]

    def gallery_album(self, base: str, name: str) -> Json:
        """An album that is in the gallery."""
        album = self._library.albums.get(name)
        if album is None or not album.in_gallery:
            raise NotThere(f"Unable to find a gallery album with the id, {name}")
        return album.listing(base)

    def image(self, base: str, name: str) -> Json:
        """Any image, of an album or not."""
        item = self._library.item(name)
        if item is None:
            raise NotThere(f"Unable to find an image with the id, {name}")
        return item.image(base)

    def gallery_image(self, base: str, name: str) -> Json:
        """A single image that is in the gallery."""
        item = self._library.singles.get(name)
        if item is None or not item.in_gallery:
            raise NotThere(f"Unable to find an image with the id, {name}")
        return {**item.image(base), "is_album": False}

    def account_albums(self, base: str, user: str, page: str) -> Json:
        """One page of an account's albums, without their images."""
        if told := self._library.collections.get(f"user/{user}/albums".lower()):
            entries = page_of(told, self._library, base, int(page), "")
            return [_without_images(entry) for entry in entries]
        start = int(page) * PAGE
        albums = self._account(user)[start : start + PAGE]
        return [album.listing(base, whole=False) for album in albums]

    def account_count(self, _base: str, user: str) -> Json:
        """How many albums an account has."""
        return len(self._account(user))

    def account_posts(self, base: str, user: str, what: str, page: str, sort: str | None) -> Json:
        """One page of the posts or the favorites of an account."""
        where = {"submissions": "posts", "gallery_favorites": "favorites"}[what]
        return self._page(f"user/{user}/{where}", base, page, sort, f"a user with the name, {user}")

    def folder(self, base: str, user: str, number: str, page: str) -> Json:
        """One page of a folder of favorites."""
        path = f"user/{user}/favorites/folder/{number}"
        return self._page(path, base, page, None, f"a folder with the id, {number}")

    def tag(self, base: str, name: str, sort: Sort, _window: Sort, page: str) -> Json:
        """One page of the posts with a tag, and what is told of the tag itself."""
        name = unquote(name)
        posts = self._page(f"t/{name}", base, page, sort)
        about = {"name": name.lower(), "display_name": name, "followers": 4711, "following": False}
        return {**about, "total_items": 7 * len(posts) + 1, "is_whitelisted": False, "items": posts}

    def subreddit(self, base: str, name: str, sort: Sort, _window: Sort, page: str) -> Json:
        """One page of the posts of a subreddit."""
        return self._page(f"r/{name}", base, page, sort)

    def search(self, base: str, sort: Sort, _window: Sort, page: str, words: str) -> Json:
        """One page of the posts that a search finds."""
        return self._page(f"search/{words}", base, page, sort)

    def _page(
        self, path: str, base: str, page: str, sort: str | None, missing: str | None = None
    ) -> Json:
        """One page of a collection; where it is not there, empty unless something is `missing`."""
        collection = self._library.collections.get(path.lower())
        if collection is None and missing is not None:
            raise NotThere(f"Unable to find {missing}")
        return page_of(collection or Collection(()), self._library, base, int(page), sort or "")

    def _account(self, user: str) -> list[Any]:
        if albums := self._library.account(user):
            return albums
        raise NotThere(f"Unable to find a user with the name, {user}")


SORT = r"(?:(viral|top|time|score|relevance)/(?:(day|week|month|year|all)/)?)?"

ENDPOINTS: tuple[tuple[re.Pattern[str], Callable[..., Any]], ...] = tuple(
    (re.compile(pattern), find)
    for pattern, find in (
        (r"credits", Api.credit),
        (r"album/(\w+)", Api.album),
        (r"album/(\w+)/images", Api.album_images),
        (r"image/(\w+)", Api.image),
        (r"gallery/album/(\w+)", Api.gallery_album),
        (r"gallery/image/(\w+)", Api.gallery_image),
        (r"account/([\w-]+)/albums/(\d+)", Api.account_albums),
        (r"account/([\w-]+)/albums/count", Api.account_count),
        (
            r"account/([\w-]+)/(submissions|gallery_favorites)/(\d+)(?:/(newest|oldest|best|worst))?",
            Api.account_posts,
        ),
        (r"account/([\w-]+)/folders/(\d+)/favorites/(\d+)", Api.folder),
        (rf"gallery/t/([^/]+)/{SORT}(\d+)", Api.tag),
        (rf"gallery/r/([\w-]+)/{SORT}(\d+)", Api.subreddit),
        (rf"gallery/search/{SORT}(\d+)/(.*)", Api.search),
    )
)


def _without_images(entry: Json) -> Json:
    return {k: v for k, v in entry.items() if k != "images"} if isinstance(entry, dict) else entry


def _envelope(data: object, status: int = 200, inside: int | None = None) -> Answer:
    """Data as the API wraps it; `inside` is a status in the body that is not that of the answer."""
    told = inside or status
    return is_json({"data": data, "success": told == 200, "status": told}, status)


def _error(sentence: object, status: int, request: str, inside: int | None = None) -> Answer:
    return _envelope({"error": sentence, "request": request, "method": "GET"}, status, inside)


Kind = Callable[[Answer, Options], Answer]


def _says(sentence: str, status: int) -> Kind:
    return lambda _, options: _error(sentence, status, options["request"])


def _holding(data: object) -> Kind:
    """A success whose data is this."""
    return lambda *_: _envelope(data)


def _new_429(_answer: Answer, _options: Options) -> Answer:
    said = {"status": "Too Many Requests", "detail": "Too Many Requests"}
    return is_json({"errors": [{"id": "legacy-api-7d5f", "code": "429", **said}]}, 429)


def _old_429(_answer: Answer, options: Options) -> Answer:
    inside = options.get("inside", 429)
    return _error("User request limit exceeded", 429, options["request"], inside)


def _nested(_answer: Answer, options: Options) -> Answer:
    sentence = "You are uploading too fast. Please wait 59 more minutes."
    error = {"code": 429, "message": sentence, "type": "ImgurException", "exception": []}
    return _error(error, options.get("status", 429), options["request"])


def _html(_answer: Answer, options: Options) -> Answer:
    return html("Imgur is over capacity!", options.get("status", 503))


def _verbatim(_answer: Answer, options: Options) -> Answer:
    """Any status and body; a body that is no text is sent as JSON, without the envelope."""
    body, status = options.get("body", ""), options.get("status", 200)
    return text(body, status) if isinstance(body, str) else is_json(body, status)


def _wrong_types(answer: Answer, _options: Options) -> Answer:
    """The regular answer with a list for each text, a text for each number, a number for a list."""

    def wrong(value: object) -> object:
        if isinstance(value, dict):
            return {key: wrong(inner) for key, inner in value.items()}
        return ["?"] if isinstance(value, str) else 7 if isinstance(value, list) else str(value)

    regular = json.loads(answer.body.read(0, answer.stop))
    return is_json({**regular, "data": wrong(regular["data"])})


def _nesting(_answer: Answer, options: Options) -> Answer:
    deep = options.get("depth", 100_000)
    return text('{"data":' + "[" * deep + "]" * deep + "}", kind="application/json")


def _huge(_answer: Answer, options: Options) -> Answer:
    """JSON that starts well and never ends, or only after so many `bytes`."""
    size = options.get("bytes", 1 << 62)
    headers = {"Content-Type": "application/json"}
    body = Endless(Bytes(b'{"data":{"id":"'), size)
    return Answer(headers=headers, body=body, length=None, stop=size)


def _mute(ending: Ending) -> Kind:
    return lambda *_: Answer(length=0, stop=0, ending=ending, mute=True)


def _limits(**values: str | None) -> Kind:
    """The regular answer with other rate-limit headers."""
    headers = {f"X-RateLimit-{name}": value for name, value in values.items()}

    def apply(answer: Answer, _options: Options) -> Answer:
        kept = {**answer.headers, **headers}
        return replace(answer, headers=kept)  # type: ignore[arg-type]  # None drops a header

    return apply


ALL_LIMITS = tuple(
    f"{who}{what}" for who in ("User", "Client") for what in ("Limit", "Remaining", "Reset")
)

KINDS: Mapping[str, Kind] = {
    "verbatim": _verbatim,
    "not-found": _says("Unable to find an album with the id, X", 404),
    "bad-client": _says("Invalid client_id", 403),
    "no-credentials": _says("Authentication required", 401),
    "over-capacity": _says("Imgur is temporarily over capacity. Please try again later.", 403),
    "rate-limited": _new_429,
    "rate-limited-old": _old_429,
    "nested": _nested,
    "success-empty": _holding({}),
    "success-false": _holding(False),
    "success-null": _holding(None),
    "success-string": _holding("Imgur is over capacity!"),
    "success-error": _holding({"error": "Unable to process your request", "method": "GET"}),
    "html": _html,
    "stall": _mute(Ending.STALL),
    "reset": _mute(Ending.RESET),
    "huge": _huge,
    "nesting": _nesting,
    "wrong-types": _wrong_types,
    "redirect": lambda _, options: text("", 302, Location=options["location"]),
    "limits": lambda answer, _: answer,
    "limits-missing": _limits(**dict.fromkeys(ALL_LIMITS)),
    "limits-garbage": _limits(**dict.fromkeys(ALL_LIMITS, "soon")),
    "limits-seconds": _limits(UserReset="1800", ClientReset="1800"),
    "limits-spent": _limits(UserRemaining="0", UserReset="1800"),
}
"""Each with the options `headers` (a name and a value, or null for none) and those it reads."""
