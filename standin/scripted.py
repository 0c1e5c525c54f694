"""One kind of fault for whatever a host may answer: its body and its head, as a test gives them.

| option | what it is |
|---|---|
| status | 200 unless told; a range of the body that is asked for is answered by 206 all the same |
| before_status | informational answers that come first: [103], or [103, 103] |
| headers | a value, a list of values (the header is repeated) or null (left out) by name; `{length}` in a value stands for the bytes that are sent |
| etag | `md5` for the digest of the body, or any other text; none without it |
| body | text, `picture` (the image's own file) or {"base64": ...} |
| chunked | whether the body comes in chunks, with the Content-Length that `headers` leaves it |

The head goes out verbatim, as no server's library would send it, and the connection ends with it.
"""  # noqa: E501 - a table

import base64
from collections.abc import Iterator, Mapping
from dataclasses import replace
from hashlib import md5
from http import HTTPStatus
from typing import Any

from standin.answers import Answer
from standin.pictures import Body, Bytes

__all__ = ["scripted_answer", "scripted_body", "scripted_etag"]

Options = Mapping[str, Any]

BODILESS = {204, 304}
"""What has no body has no Content-Length either."""


def scripted_body(picture: Body, options: Options) -> Body:
    """The body that the options name; `picture` is the image's own file."""
    body = options.get("body", "")
    if body == "picture":
        return picture
    return Bytes(body.encode() if isinstance(body, str) else base64.b64decode(body["base64"]))


def scripted_etag(body: Body, options: Options) -> str | None:
    """The ETag without its quotes; none with a status that is no success."""
    etag: str | None = options.get("etag") if _status(options) == 200 else None
    if etag != "md5":
        return etag
    return md5(body.read(0, body.size), usedforsecurity=False).hexdigest()


def scripted_answer(answer: Answer, options: Options) -> Answer:
    """The answer with the head that the options make."""
    # What was made of the file may be 206, 304 or 416: success has these forms.
    status = answer.status if _status(options) == 200 else _status(options)
    chunked = bool(options.get("chunked"))
    fields = {
        **answer.headers,
        **({} if status in BODILESS else {"Content-Length": "{length}"}),
        **({"Transfer-Encoding": "chunked"} if chunked else {}),
        "Connection": "close",
        **options.get("headers", {}),
    }
    before = [_head(early, {}, 0) for early in options.get("before_status", [])]
    head = "".join([*before, _head(status, fields, answer.stop)]).encode("latin-1")
    return replace(answer, status=status, head=head, chunked=chunked)


def _status(options: Options) -> int:
    return int(options.get("status", 200))


def _head(status: int, fields: Mapping[str, Any], length: int) -> str:
    known = status in HTTPStatus.__members__.values()
    lines = [f"HTTP/1.1 {status} {HTTPStatus(status).phrase if known else ''}", *_lines(fields)]
    return "\r\n".join([*lines, "", ""]).replace("{length}", str(length))


def _lines(fields: Mapping[str, Any]) -> Iterator[str]:
    for name, values in fields.items():
        for value in values if isinstance(values, list) else [values]:
            if value is not None:
                yield f"{name}: {value}"
