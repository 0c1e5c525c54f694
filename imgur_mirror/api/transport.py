"""One request to the API over the wire: bounded in time and in size, and never redirected."""

import time
from http.cookiejar import DefaultCookiePolicy
from importlib.metadata import version
from typing import Any

import requests
import urllib3

from imgur_mirror.api.responses import LARGEST_ANSWER, Answer

__all__ = ["FAILURES", "Transport", "reason"]

FAILURES = (OSError, urllib3.exceptions.HTTPError)
"""What `Transport.ask` raises when there is no answer, or no end of one."""

_BLOCK = 64 << 10
# Read timeouts that one answer may take in all.
_PATIENCE = 10


class Transport:
    """One session, whose connections are kept; timeouts are in seconds."""

    def __init__(self, connect_timeout: float, read_timeout: float) -> None:
        self._timeout = (connect_timeout, read_timeout)
        self._session = _Session()
        self._session.headers["User-Agent"] = f"imgur-mirror/{version('imgur-mirror')}"
        self._session.headers["Accept"] = "application/json"
        self._session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))

    def ask(
        self, method: str, address: str, data: dict[str, Any] | None, authorization: str
    ) -> Answer:
        """Send one request; raises `FAILURES`."""
        deadline = time.monotonic() + _PATIENCE * self._timeout[1]
        reads = method.upper() in ("GET", "DELETE")
        with self._session.request(
            method,
            address,
            params=data if reads else None,
            data=None if reads else data,
            auth=_Authorization(authorization),
            timeout=self._timeout,
            allow_redirects=False,
            stream=True,
        ) as response:
            return Answer(response.status_code, response.headers, _body(response, deadline))


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


def _body(response: requests.Response, deadline: float) -> bytes | None:
    """The whole body, or None where it is too large; `deadline` is of the monotonic clock.

    Raises:
        requests.Timeout: when the deadline passes first, however steadily bytes trickle in.
    """
    body = bytearray()
    # read1 returns what there is: read would wait, byte by byte, for a full block.
    while block := response.raw.read1(_BLOCK, decode_content=True):
        body += block
        if len(body) > LARGEST_ANSWER:
            return None
        if time.monotonic() > deadline:
            raise requests.Timeout("the answer does not come to an end")
    return bytes(body)


def reason(error: BaseException) -> str:
    """What went wrong at the bottom of a chain of wrapped exceptions."""
    for _ in range(10):
        inner = error.__cause__ or error.__context__
        if inner is None:
            break
        error = inner
    return str(error) or type(error).__name__
