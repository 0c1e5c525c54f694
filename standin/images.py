"""The image host: files, ranges and validators, redirects for what is gone."""

import asyncio
import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from urllib.parse import urlsplit

from standin.albums import Library
from standin.answers import Answer, html, text
from standin.faults import ANSWERS, FILES, RANGED, WIRE, Fault, Faults, File, stored
from standin.pictures import Cache, Part, Picture, digest

__all__ = ["ADDRESS", "Images"]

ADDRESS = re.compile(r"/([A-Za-z0-9]{5,8})(?:[@~][^/]*)?\.(\w+)")
"""An image's id, what may follow it in a name (`@2x`, and such characters as are escaped in one
way or another), and the extension."""

REMOVED = Picture("removed", "png", 503)
"""As many bytes as Imgur's removed.png; its MD5 cannot be had without the very picture."""

LIBRARY_AGENT = re.compile(r"python-requests/|Python/\S+ aiohttp/|curl/|Wget/|Python-urllib/")
LAST_MODIFIED = "Wed, 14 May 2014 16:53:20 GMT"
RANGE = re.compile(r"bytes=(\d*)-(\d*)")
Headers = Mapping[str, str]


class Images:
    """Answers what is asked of i.imgur.com."""

    def __init__(self, library: Library, faults: Faults, *, strict_agent: bool = False) -> None:
        self._library, self._faults, self._strict = library, faults, strict_agent
        self._cache = Cache()

    def draw(self, pictures: Iterable[Picture]) -> None:
        """Draw pictures now: who asks for one first need not wait for that."""
        for picture in pictures:
            stored(picture, self._cache)

    async def answer(self, path: str, headers: Headers) -> Answer:
        """The answer to a GET for a path."""
        refusal = self._refusal(headers)
        if refusal or path == "/":
            return refusal or text("", 302, Location="https://imgur.com/")
        if path == "/removed.png":
            return _whole(stored(REMOVED, self._cache))
        found = ADDRESS.fullmatch(path)
        if not found:
            return html("404 Not Found", 404)
        picture = self._library.picture(found[1])
        if picture is None:
            return text("", 302, Location="/removed.png")
        return html("Imgur video") if found[2] == "gifv" else await self._picture(picture, headers)

    def _refusal(self, headers: Headers) -> Answer | None:
        """What a client gets that does not look like one of ours."""
        referer = urlsplit(headers.get("Referer", "https://imgur.com/")).hostname or ""
        if referer.removeprefix("www.") != "imgur.com":
            return text("", 403)
        if self._strict and LIBRARY_AGENT.match(headers.get("User-Agent", "")):
            return text("", 429)
        return html("Imgur") if "text/html" in headers.get("Accept", "") else None

    async def _picture(self, picture: Picture, headers: Headers) -> Answer:
        ranged = "Range" in headers
        fault = self._faults.take(picture.id, lambda f: ranged or f.kind not in RANGED)
        if fault and fault.kind in ANSWERS:
            return ANSWERS[fault.kind](picture, fault.options)
        answer = _file_answer(await self._file(picture, fault), headers)
        if not fault or fault.kind not in WIRE:
            return answer
        if fault.kind in RANGED and answer.status != 206:
            return answer
        return WIRE[fault.kind](answer, fault.options)

    async def _file(self, picture: Picture, fault: Fault | None) -> File:
        """The file as the fault makes it look."""
        if picture.size > Cache.LARGEST:
            # Its digest takes long, once: other requests go on.
            await asyncio.to_thread(digest, picture)
        file = stored(picture, self._cache)
        if fault and fault.kind in FILES:
            return FILES[fault.kind](file, fault.options, self._cache)
        return file


def _validators(file: File) -> dict[str, str]:
    """The headers that say which file this is."""
    return {
        "Content-Type": file.picture.type,
        "Last-Modified": LAST_MODIFIED,
        "Cache-Control": "public, max-age=31536000",
        "Accept-Ranges": "bytes" if file.ranges else "none",
        **({} if file.etag is None else {"ETag": f'"{file.etag}"'}),
    }


def _whole(file: File) -> Answer:
    return _with(file, Answer.of(file.body))


def _with(file: File, answer: Answer, **more: str) -> Answer:
    named = {name.replace("_", "-"): value for name, value in more.items()}
    return replace(answer, headers={**_validators(file), **named})


def _file_answer(file: File, headers: Headers) -> Answer:
    """The file, a range of it, or word that the client has it."""
    if _names(headers.get("If-None-Match"), file):
        return _with(file, text("", 304))
    if "Range" not in headers or not file.ranges or not _same(headers.get("If-Range"), file):
        return _whole(file)
    asked = RANGE.fullmatch(headers["Range"])
    if not asked or asked[1] + asked[2] == "":
        return _whole(file)
    size = file.body.size
    start, stop = _span(asked[1], asked[2], size)
    if start >= stop:
        return text("", 416, Content_Range=f"bytes */{size}")
    body = Answer.of(Part(file.body, start, stop), 206)
    return _with(file, body, Content_Range=f"bytes {start}-{stop - 1}/{size}")


def _span(first: str, last: str, size: int) -> tuple[int, int]:
    """Start and stop of a range; without a first byte, it is so many bytes from the end."""
    if not first:
        return max(0, size - int(last)), size
    return int(first), min(size, int(last) + 1 if last else size)


def _names(tags: str | None, file: File) -> bool:
    """Whether an If-None-Match holds the file's ETag."""
    return tags is not None and file.etag is not None and (tags == "*" or f'"{file.etag}"' in tags)


def _same(validator: str | None, file: File) -> bool:
    """Whether an If-Range, if there is one, is of this very file."""
    return validator is None or validator in (f'"{file.etag}"', LAST_MODIFIED)
