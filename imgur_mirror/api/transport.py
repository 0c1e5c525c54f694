"""One request to the API over the wire: bounded in time and in size, and never redirected."""

import time
from typing import Any

import requests
import urllib3
from requests.utils import get_environ_proxies

from imgur_mirror.api.responses import MAX_RESPONSE_BYTES, Response
from imgur_mirror.http import API_HEADERS, origin
from imgur_mirror.http.requests_session import new_session

__all__ = ["FAILURES", "Transport"]

FAILURES = (OSError, urllib3.exceptions.HTTPError)
"""What `Transport.send` raises when there is no response, or only the beginning of one."""

_BLOCK = 64 << 10
# Read timeouts that one response may take in all.
_MAX_TIMEOUTS = 10


class Transport:
    """Sends requests to the API at a URL over one session; timeouts are in seconds."""

    def __init__(self, api_url: str, connect_timeout: float, read_timeout: float) -> None:
        self._api_url = api_url
        self._timeout = (connect_timeout, read_timeout)
        # Who sets IMGUR_API_URL means that host, wherever it is.
        self._session = new_session(API_HEADERS, (origin(api_url),))

    def send(
        self, method: str, route: str, data: dict[str, Any] | None, authorization: str
    ) -> Response:
        """Send one request, and return its response; raises one of `FAILURES`.

        The body is None where it is larger than `MAX_RESPONSE_BYTES`.
        """
        deadline = time.monotonic() + _MAX_TIMEOUTS * self._timeout[1]
        url = f"{self._api_url}3/{route}"
        in_query = method.upper() in ("GET", "DELETE")
        with self._session.request(
            method,
            url,
            params=data if in_query else None,
            data=None if in_query else data,
            headers={"Authorization": authorization},
            proxies=get_environ_proxies(url),
            timeout=self._timeout,
            allow_redirects=False,
            stream=True,
        ) as response:
            return Response(response.status_code, response.headers, _body(response, deadline))


def _body(response: requests.Response, deadline: float) -> bytes | None:
    """Return the whole body, or None where it is too large; `deadline` is of the monotonic clock.

    Raises:
        requests.Timeout: when the deadline passes first, however steadily bytes trickle in.
    """
    body = bytearray()
    # read1 returns what there is: read would wait, byte by byte, for a full block.
    while block := response.raw.read1(_BLOCK, decode_content=True):
        body += block
        if len(body) > MAX_RESPONSE_BYTES:
            return None
        if time.monotonic() > deadline:
            raise requests.Timeout("the answer does not come to an end")
    return bytes(body)
