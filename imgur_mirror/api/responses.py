"""What a response of the API means: the data that was asked for, or the error that it is."""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from imgur_mirror.api.credits import whole_number
from imgur_mirror.api.errors import (
    AlbumNotFound,
    ApiError,
    ApiUnavailable,
    BadCredentials,
    Blocked,
    OverCapacity,
    Private,
    RateLimited,
    UnexpectedResponse,
)

__all__ = ["MAX_RESPONSE_BYTES", "Problem", "Response", "data_of", "objects"]

MAX_RESPONSE_BYTES = 32 << 20
"""Bytes of a body, decompressed; an album of 3,500 images is about 5 MB."""


@dataclass(frozen=True, slots=True)
class Response:
    """One response of the server; the body is None where it was too large to be read."""

    status: int
    headers: Mapping[str, str]
    body: bytes | None


class Problem(NamedTuple):
    """Why there is no data: the error to raise, and the detail, in the server's words if any."""

    error: type[ApiError]
    detail: str


def data_of(response: Response, route: str) -> Any:  # noqa: ANN401 - as imgurpython wants it
    """Return the `data` of a response in the shape that its route promises, or a `Problem`."""
    parsed = _ParsedResponse.of(response)
    for applies, error, detail in _PROBLEMS:
        if applies(parsed):
            return Problem(error, detail.format(it=parsed))
    content = parsed.content
    data = _in_shape(route, content.get("data") if isinstance(content, dict) else None)
    return Problem(UnexpectedResponse, "data of the wrong kind") if data is None else data


_NOT_JSON = object()


@dataclass(frozen=True, slots=True)
class _ParsedResponse:
    """A response with the JSON in it, and the message and code of the error in that, if any."""

    response: Response
    content: object
    error_message: str
    error_code: int | None

    @classmethod
    def of(cls, response: Response) -> "_ParsedResponse":
        content = _json(response)
        return cls(response, content, *_error_in(content))

    @property
    def status(self) -> int:
        """The status; an error that was sent as a success has the true one in its body."""
        sent = self.response.status
        return sent if sent >= 300 else self.error_code or sent

    @property
    def detail(self) -> str:
        return self.error_message or f"status {self.status}"

    @property
    def is_about_client(self) -> bool:
        """Whether the error is about who asks, and not about what was asked for."""
        return _ABOUT_CLIENT.search(self.error_message) is not None

    @property
    def is_over_capacity(self) -> bool:
        return b"over capacity" in (self.response.body or b"").lower()

    @property
    def location(self) -> str:
        return self.response.headers.get("Location", "nowhere")

    @property
    def is_json(self) -> bool:
        return self.content is not _NOT_JSON

    @property
    def is_page(self) -> bool:
        """Whether the body is HTML, by its content type or by how it starts."""
        declared = self.response.headers.get("Content-Type", "").lower().startswith("text/html")
        return not self.is_json and (declared or (self.response.body or b"").lstrip()[:1] == b"<")


_ABOUT_CLIENT = re.compile("client|credential|authenti|token|api.?key", re.IGNORECASE)

# The first that applies counts; its last part is the detail, with the parsed response as `it`.
_PROBLEMS: tuple[tuple[Callable[[_ParsedResponse], bool], type[ApiError], str], ...] = (
    (lambda it: 429 in (it.status, it.error_code), RateLimited, "{it.detail}"),
    (lambda it: 300 <= it.status < 400, UnexpectedResponse, "a redirect, to {it.location}"),
    (lambda it: it.status == 451, Blocked, "{it.detail}"),
    (
        lambda it: it.status == 403 and it.is_page and not it.is_over_capacity,
        Blocked,
        "a web page, status 403",
    ),
    (lambda it: it.is_page, ApiUnavailable, "a web page, status {it.status}"),
    (lambda it: "over capacity" in it.error_message.lower(), OverCapacity, "{it.detail}"),
    (lambda it: it.status == 404, AlbumNotFound, "{it.detail}"),
    (lambda it: it.status == 401, BadCredentials, "{it.detail}"),
    (lambda it: it.status == 403 and it.is_about_client, BadCredentials, "{it.detail}"),
    # A bare 403 is about no album: it comes from what stands before the API.
    (lambda it: it.status == 403 and bool(it.error_message), Private, "{it.detail}"),
    (lambda it: it.status == 408 or it.status >= 500, ApiUnavailable, "{it.detail}"),
    (lambda it: it.status not in range(200, 300), UnexpectedResponse, "{it.detail}"),
    (lambda it: it.response.body == b"", ApiUnavailable, "an empty answer"),
    (
        lambda it: it.response.body is None,
        UnexpectedResponse,
        f"over {MAX_RESPONSE_BYTES >> 20} MiB",
    ),
    (lambda it: not it.is_json, UnexpectedResponse, "text that is no JSON, or too deeply nested"),
    (lambda it: bool(it.error_message), UnexpectedResponse, "{it.detail}"),
)


def _json(response: Response) -> object:
    """Return the JSON of the body, or `_NOT_JSON`."""
    try:
        return json.loads(response.body or b"")
    except (ValueError, RecursionError):
        return _NOT_JSON


def _error_in(content: object) -> tuple[str, int | None]:
    """Return message and code of an error in any of its envelopes; "" and None where none is."""
    match content:
        case {"data": {"error": error}} | {"errors": [error, *_]} | {"data": str(error)}:
            pass
        case {"success": False}:
            error = "a failure without a reason"
        case _:
            return "", None
    inner = error if isinstance(error, dict) else {"message": error}
    message = inner.get("message") or inner.get("detail")
    outer = content.get("status") if isinstance(content, dict) else None
    codes = (
        whole_number(str(code))
        for code in (inner.get("code"), outer)
        if isinstance(code, int | str)
    )
    return (
        message if isinstance(message, str) and message else "an error without words",
        next((code for code in codes if code in range(300, 600)), None),
    )


def _in_shape(route: str, data: object) -> Any:  # noqa: ANN401 - as imgurpython wants it
    """Return the data in the shape that imgurpython takes for granted; None if it has another."""
    return next(shape for pattern, shape in _SHAPES if pattern.fullmatch(route))(data)


def objects(data: object) -> list[dict[str, Any]] | None:
    """Return the JSON objects of a list, with an empty one for each entry that is none.

    One entry that makes no sense costs that entry; None where none makes any, or there is no list.
    """
    if not isinstance(data, list) or (data and not any(isinstance(item, dict) for item in data)):
        return None
    return [_without_private_keys(item) if isinstance(item, dict) else {} for item in data]


def _object_with_id(data: object) -> dict[str, Any] | None:
    if not isinstance(data, dict) or not isinstance(data.get("id"), str):
        return None
    return _without_private_keys(data)


def _without_private_keys(data: dict[str, Any]) -> dict[str, Any]:
    """Drop keys such as `__class__`, since imgurpython sets each key as an attribute."""
    return {key: value for key, value in data.items() if not key.startswith("_")}


def _anything(data: object) -> object:
    """Return the data of an endpoint that the mirror does not use; None if it is a failure."""
    return None if data is False else data


def _posts(data: object) -> list[dict[str, Any]] | None:
    """Return the posts of a page, each with whether it is an album, by which imgurpython goes."""
    found = objects(data)
    if found is None:
        return None
    return [{**post, "is_album": _is_album(post)} for post in found]


def _is_album(post: dict[str, Any]) -> bool:
    # Some lists leave the flag out, but never how many images an album has.
    return post.get("is_album") is True or ("is_album" not in post and "images_count" in post)


def _tag(data: object) -> dict[str, Any] | None:
    """Return a tag with the fields that imgurpython reads, and its posts."""
    if not isinstance(data, dict) or "items" not in data:
        return None
    posts = _posts(data["items"] or [])
    about = dict.fromkeys(("name", "followers", "total_items", "following"))
    return None if posts is None else {**about, **_without_private_keys(data), "items": posts}


_SHAPES: tuple[tuple[re.Pattern[str], Callable[[object], object]], ...] = (
    (re.compile(r"album/[^/]+/images|account/[^/]+/albums/\d+"), objects),
    (re.compile(r"account/[^/]+/(?:submissions|gallery_favorites|folders)/.+"), _posts),
    (re.compile(r"gallery/(?:r|search)/.+/\d+"), _posts),
    (re.compile(r"gallery/t/.+/\d+"), _tag),
    (re.compile(r"(?:gallery/)?(?:album|image)/[^/]+"), _object_with_id),
    (re.compile(r".*", re.DOTALL), _anything),
)
