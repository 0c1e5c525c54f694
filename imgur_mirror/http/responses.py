"""The responses of Python's HTTP library, read where it takes what some hosts send for the end."""

import http.client

from imgur_mirror.http.headers import MAX_HEADERS, content_length

__all__ = ["FinalResponse"]

MAX_INTERIM = 100
"""Interim responses that are read before one is taken for the final one."""

# Read by the library for every response; there is no other way to say it.
http.client._MAXHEADERS = MAX_HEADERS  # type: ignore[attr-defined]


class FinalResponse(http.client.HTTPResponse):
    """A response whose head is the final one: those before, such as 103 Early Hints, are skipped.

    A `Content-Length` that says the same number twice counts as well, and so do chunks that are
    named behind another coding.
    """

    def begin(self) -> None:
        super().begin()
        for _ in range(MAX_INTERIM):
            if not 102 <= self.status < 200:
                break
            # It reads a head only while there is none.
            self.headers = self.msg = None  # type: ignore[assignment]
            super().begin()
        self._take_chunks()
        self._take_length()

    def _take_chunks(self) -> None:
        codings = self.headers.get("Transfer-Encoding", "").lower().split(",")
        if codings[-1].strip() == "chunked" and not self.chunked:
            self.chunked, self.chunk_left, self.length = True, None, None

    def _take_length(self) -> None:
        if self.length is None and not self.chunked:
            self.length = content_length({"Content-Length": self.headers.get("Content-Length", "")})
        if self.length is not None and self.version > 10:
            # Without a length it would be read until the host hangs up.
            self.will_close = "close" in self.headers.get("Connection", "").lower()
