"""What an answer of the API means: the data that was asked for, or one of six errors."""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

from imgur_mirror.api.credits import UNKNOWN_WAIT, whole_number

__all__ = [
    "LARGEST_ANSWER",
    "AlbumNotFound",
    "Answer",
    "ApiError",
    "ApiUnavailable",
    "BadCredentials",
    "OverCapacity",
    "Problem",
    "RateLimited",
    "UnexpectedAnswer",
    "read",
    "records",
]

LARGEST_ANSWER = 32 << 20
"""Bytes of a body, unpacked; an album of 3,500 images is about 5 MB."""

# Seconds that a task may spend on waiting.
_SHORT_WAIT = 2 * 60


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer of the server; the body is None where it was too large to be read."""

    status: int
    headers: Mapping[str, str]
    body: bytes | None


class ApiError(Exception):
    """What was asked, what came back and what to do; `retryable` where it may be tried again."""

    retryable: bool = False
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
        self, message: str, *, status: int | None = None, wait: float = UNKNOWN_WAIT
    ) -> None:
        super().__init__(message, status=status)
        self.wait = wait
        self.retryable = wait <= _SHORT_WAIT


class OverCapacity(ApiError):
    """Imgur has too much to do."""

    retryable = True
    finding = "Imgur is over capacity"
    remedy = "try again in a few minutes"


class ApiUnavailable(ApiError):
    """No answer, a server error, or a web page in the place of an answer."""

    retryable = True
    finding = "the Imgur API is not available"
    remedy = "try again in a few minutes; if it stays so, check the network and IMGUR_API_URL"


class UnexpectedAnswer(ApiError):
    """An answer that cannot be what was asked for."""

    finding = "the Imgur API gave an answer that cannot be used"
    remedy = "open the address in a browser, and check IMGUR_API_URL"


class Problem(NamedTuple):
    """What is wrong with an answer; `said` is in the server's words, where it has any."""

    error: type[ApiError]
    said: str


def read(answer: Answer, route: str) -> Any:  # noqa: ANN401 - as imgurpython wants it
    """The `data` of an answer in the shape that its route promises, or the Problem with it."""
    reading = _Reading.of(answer)
    for applies, error, said in _PROBLEMS:
        if applies(reading):
            return Problem(error, said.format(it=reading))
    content = reading.content
    shaped = _shaped(route, content.get("data") if isinstance(content, dict) else None)
    return Problem(UnexpectedAnswer, "data of the wrong kind") if shaped is None else shaped


_NOT_JSON = object()


@dataclass(frozen=True, slots=True)
class _Reading:
    """An answer with the JSON in it, and the words and the code of the error it tells of."""

    answer: Answer
    content: object
    words: str
    code: int | None

    @classmethod
    def of(cls, answer: Answer) -> "_Reading":
        content = _content(answer)
        return cls(answer, content, *_said(content))

    @property
    def status(self) -> int:
        """The true one, which a success that is none has in its body."""
        sent = self.answer.status
        return sent if sent >= 300 else self.code or sent

    @property
    def said(self) -> str:
        return self.words or f"status {self.status}"

    @property
    def location(self) -> str:
        return self.answer.headers.get("Location", "nowhere")

    @property
    def is_json(self) -> bool:
        return self.content is not _NOT_JSON

    @property
    def is_page(self) -> bool:
        """Whether the body is HTML, by what is said of it or by how it starts."""
        declared = self.answer.headers.get("Content-Type", "").lower().startswith("text/html")
        return not self.is_json and (declared or (self.answer.body or b"").lstrip()[:1] == b"<")


# The first that applies counts; its last part says what came, with the reading as `it`.
_PROBLEMS: tuple[tuple[Callable[[_Reading], bool], type[ApiError], str], ...] = (
    (lambda it: 429 in (it.status, it.code), RateLimited, "{it.said}"),
    (lambda it: 300 <= it.status < 400, UnexpectedAnswer, "a redirect, to {it.location}"),
    (lambda it: it.is_page, ApiUnavailable, "a web page, status {it.status}"),
    (lambda it: "over capacity" in it.words.lower(), OverCapacity, "{it.said}"),
    (lambda it: it.status == 404, AlbumNotFound, "{it.said}"),
    (lambda it: it.status == 401, BadCredentials, "{it.said}"),
    # A bare 403 is not about the client id: it comes from what stands before the API.
    (lambda it: it.status == 403 and bool(it.words), BadCredentials, "{it.said}"),
    (lambda it: it.status == 408 or it.status >= 500, ApiUnavailable, "{it.said}"),
    (lambda it: it.status not in range(200, 300), UnexpectedAnswer, "{it.said}"),
    (lambda it: it.answer.body == b"", ApiUnavailable, "an empty answer"),
    (lambda it: it.answer.body is None, UnexpectedAnswer, f"over {LARGEST_ANSWER >> 20} MiB"),
    (lambda it: not it.is_json, UnexpectedAnswer, "text that is no JSON, or too deeply nested"),
    (lambda it: bool(it.words), UnexpectedAnswer, "{it.said}"),
)


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
        whole_number(str(code))
        for code in (inner.get("code"), outer)
        if isinstance(code, int | str)
    )
    return (
        words if isinstance(words, str) and words else "an error without words",
        next((code for code in codes if code in range(300, 600)), None),
    )


def _shaped(route: str, data: object) -> Any:  # noqa: ANN401 - as imgurpython wants it
    """The data in the shape that imgurpython takes for granted; None where it is another."""
    return next(shape for pattern, shape in _SHAPES if pattern.fullmatch(route))(data)


def records(data: object) -> list[dict[str, Any]] | None:
    """The data as a list of objects, where it is one."""
    if not isinstance(data, list) or not all(isinstance(item, dict) for item in data):
        return None
    return [_attributes(item) for item in data]


def _record(data: object) -> dict[str, Any] | None:
    """The data as an object with an id, where it is one."""
    if not isinstance(data, dict) or not isinstance(data.get("id"), str):
        return None
    return _attributes(data)


def _attributes(data: dict[str, Any]) -> dict[str, Any]:
    """An object without keys such as `__class__`: imgurpython sets each as an attribute."""
    return {key: value for key, value in data.items() if not key.startswith("_")}


def _anything(data: object) -> object:
    """The data of an endpoint that the mirror does not use: whatever is no failure."""
    return None if data is False else data


_SHAPES: tuple[tuple[re.Pattern[str], Callable[[object], object]], ...] = (
    (re.compile(r"album/[^/]+/images|account/[^/]+/albums/\d+"), records),
    (re.compile(r"(?:gallery/)?(?:album|image)/[^/]+"), _record),
    (re.compile(r".*", re.DOTALL), _anything),
)
