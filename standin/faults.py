"""Everything that may be wrong with an image: tables of kinds, each a small function.

A fault may alter the file (before ranges and validators are looked at), the answer, or give an
answer of its own; `scripted` alters both, to whatever a test wants (see `scripted`). Tests set
faults by image id; see `control`.
"""

import gzip
import zlib
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from itertools import count
from random import Random
from typing import Any

from standin.answers import Answer, Ending, html, text
from standin.pictures import Body, Bytes, Cache, Picture, digest
from standin.scripted import scripted_answer, scripted_body, scripted_etag

__all__ = ["ANSWERS", "FILES", "KINDS", "RANGED", "WIRE", "Fault", "Faults", "File", "stored"]

ANY = "*"
Options = Mapping[str, Any]


@dataclass(slots=True)
class Fault:
    """One way to fail: after the first `skip` requests, `times` times (None: always)."""

    kind: str
    times: int | None = None
    skip: int = 0
    options: Options = field(default_factory=dict)

    def strikes(self) -> bool:
        """Whether it takes this request; counts it."""
        if self.skip:
            self.skip -= 1
            return False
        if self.times is None:
            return True
        self.times -= 1
        return self.times >= 0


class Faults:
    """The faults that are set, by what they are set for; `*` is for everything."""

    def __init__(self, kinds: Iterable[str]) -> None:
        self._kinds = frozenset(kinds)
        self._set: defaultdict[str, list[Fault]] = defaultdict(list)

    def put(self, key: str, wanted: Iterable[Mapping[str, Any]]) -> None:
        """Set these faults, one after another, in place of those that were set for the key.

        Raises:
            ValueError: where one has no kind that there is.
        """
        faults = [_fault(values) for values in wanted]
        for fault in faults:
            if fault.kind not in self._kinds:
                known = ", ".join(sorted(self._kinds))
                raise ValueError(f"no fault {fault.kind!r}; there are {known}")
        self._set[key] = faults

    def take(self, key: str, applies: Callable[[Fault], bool] = lambda _: True) -> Fault | None:
        """The fault that strikes this request, if any does."""
        waiting = self._set.get(key, []) + self._set.get(ANY, [])
        return next((f for f in waiting if applies(f) and f.strikes()), None)

    def clear(self, key: str | None = None) -> None:
        """Forget the faults of a key, or all."""
        if key is None:
            self._set.clear()
        else:
            self._set.pop(key, None)


def _fault(values: Mapping[str, Any]) -> Fault:
    own = {"kind", "times", "skip"}
    options = {name: value for name, value in values.items() if name not in own}
    return Fault(
        str(values.get("kind", "verbatim")), values.get("times"), values.get("skip", 0), options
    )


@dataclass(frozen=True, slots=True)
class File:
    """The file behind an address, as a fault may make it look; `etag` is without quotes."""

    picture: Picture
    body: Body
    etag: str | None
    ranges: bool = True


def stored(picture: Picture, cache: Cache) -> File:
    """The file of a picture with nothing wrong."""
    return File(picture, cache.body(picture), digest(picture))


def _wrong_kind(file: File, _options: Options, cache: Cache) -> File:
    kind = "jpg" if file.picture.kind == "png" else "png"
    return stored(replace(file.picture, kind=kind), cache)


def _new_version(file: File, options: Options, cache: Cache) -> File:
    edited = replace(file.picture, version=options.get("version", 1))
    return stored(replace(edited, size=options.get("bytes", edited.size)), cache)


def _scripted(file: File, options: Options, _cache: Cache) -> File:
    body = scripted_body(file.body, options)
    # Of an error there are no ranges.
    ranges = file.ranges and options.get("status", 200) == 200
    return replace(file, body=body, etag=scripted_etag(body, options), ranges=ranges)


@dataclass(frozen=True, slots=True)
class Flipped:
    """A body with all bits of one byte turned over."""

    body: Body
    at: int

    @property
    def size(self) -> int:
        return self.body.size

    def read(self, start: int, stop: int) -> bytes:
        data = bytearray(self.body.read(start, stop))
        if 0 <= self.at - start < len(data):
            data[self.at - start] ^= 0xFF
        return bytes(data)


def _corrupt(file: File, options: Options, _cache: Cache) -> File:
    return replace(file, body=Flipped(file.body, options.get("at", file.body.size // 2)))


_serial = count()


def _hex(seed: object) -> str:
    return Random(f"etag/{seed}").randbytes(16).hex()  # noqa: S311 - a seed


FILES: Mapping[str, Callable[[File, Options, Cache], File]] = {
    "wrong-etag": lambda file, _o, _c: replace(file, etag=_hex(file.picture)),
    "changing-etag": lambda file, _o, _c: replace(file, etag=_hex(next(_serial))),
    "multipart-etag": lambda file, _o, _c: replace(file, etag=f"{_hex(file.picture)}-3"),
    "no-etag": lambda file, _o, _c: replace(file, etag=None),
    "no-range": lambda file, _o, _c: replace(file, ranges=False),
    "wrong-kind": _wrong_kind,
    "new-version": _new_version,
    "corrupt": _corrupt,
    "scripted": _scripted,
}


@dataclass(frozen=True, slots=True)
class Endless:
    """A body, and zeros after it."""

    body: Body
    size: int = 1 << 62

    def read(self, start: int, stop: int) -> bytes:
        data = self.body.read(min(start, self.body.size), min(stop, self.body.size))
        return data + bytes(stop - start - len(data))


def _longer(answer: Answer, size: int, length: int | None) -> Answer:
    return replace(answer, body=Endless(answer.body, size), stop=size, length=length)


def _too_large(answer: Answer, options: Options) -> Answer:
    size = options.get("bytes", 10 << 30)
    return _longer(answer, size, size)


def _cut(ending: Ending) -> Callable[[Answer, Options], Answer]:
    """The first `bytes` of the body (half of it, unless told), then this ending."""

    def apply(answer: Answer, options: Options) -> Answer:
        return replace(answer, stop=options.get("bytes", answer.stop // 2), ending=ending)

    return apply


def _zipped(answer: Answer, data: bytes) -> Answer:
    headers = {**answer.headers, "Content-Encoding": "gzip"}
    return replace(answer, headers=headers, body=Bytes(data), length=len(data), stop=len(data))


def _gzipped(answer: Answer, _options: Options) -> Answer:
    return _zipped(answer, gzip.compress(answer.body.read(0, answer.stop), mtime=0))


def _bomb(answer: Answer, options: Options) -> Answer:
    return _zipped(answer, _zeros(options.get("unpacked", 1 << 30) >> 20))


@lru_cache(maxsize=4)
def _zeros(mebibytes: int) -> bytes:
    """So many MiB of zeros, in gzip; each is the same few bytes, since each starts afresh."""
    block = bytes(1 << 20)
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    packed = packer.compress(block) + packer.flush(zlib.Z_FULL_FLUSH)
    checksum = 0
    for _ in range(mebibytes):
        checksum = zlib.crc32(block, checksum)
    size = mebibytes << 20 & 0xFFFFFFFF
    ends = packer.flush() + checksum.to_bytes(4, "little") + size.to_bytes(4, "little")
    return b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x02\xff" + packed * mebibytes + ends


def _bad_range(answer: Answer, options: Options) -> Answer:
    """206 with a Content-Range that is not what was asked for: another total, unless told."""
    span = answer.headers["Content-Range"].rpartition("/")[0]
    wrong = options.get("content_range", f"{span}/1")
    return replace(answer, headers={**answer.headers, "Content-Range": wrong})


def _unsatisfied(answer: Answer, _options: Options) -> Answer:
    total = answer.headers["Content-Range"].rpartition("/")[2]
    return text("", 416, Content_Range=f"bytes */{total}")


RANGED: Mapping[str, Callable[[Answer, Options], Answer]] = {
    "bad-range": _bad_range,
    "range-416": _unsatisfied,
}
"""Faults of answers with status 206; other answers do not use them up."""

WIRE: Mapping[str, Callable[[Answer, Options], Answer]] = {
    **RANGED,
    "reset-mid": _cut(Ending.RESET),
    "close-mid": _cut(Ending.CLOSE),
    "stall-mid": _cut(Ending.STALL),
    "no-length": lambda answer, _: replace(answer, length=None),
    "endless": lambda answer, _: _longer(answer, 1 << 62, None),
    "too-large": _too_large,
    "gzip": _bomb,
    "gzipped": _gzipped,
    "slow": lambda answer, options: replace(answer, rate=options.get("rate", 1000)),
    "scripted": scripted_answer,
}


def _mute(ending: Ending) -> Callable[[Picture, Options], Answer]:
    return lambda _picture, _options: Answer(length=0, stop=0, ending=ending, mute=True)


def _status(_picture: Picture, options: Options) -> Answer:
    """A status, 503 unless told, with an empty body; `retry_after` is seconds or an HTTP date."""
    retry = options.get("retry_after")
    headers = {} if retry is None else {"Retry-After": str(retry)}
    return text(options.get("body", ""), options.get("status", 503), **headers)


def _moved(location: str) -> Answer:
    return text("", 302, Location=location)


def _html(_picture: Picture, options: Options) -> Answer:
    return html("Imgur is over capacity!", options.get("status", 200))


ANSWERS: Mapping[str, Callable[[Picture, Options], Answer]] = {
    "status": _status,
    "reset": _mute(Ending.RESET),
    "close": _mute(Ending.CLOSE),
    "stall": _mute(Ending.STALL),
    "empty": lambda picture, _: text("", kind=picture.type),
    "html": _html,
    "removed": lambda _picture, _options: _moved("/removed.png"),
    # The image host's own detour: an address of no image, which goes on to removed.png.
    "removed-via": lambda picture, _: _moved(f"/{picture.id[::-1]}.{picture.kind}"),
    "redirect": lambda _, options: _moved(options["location"]),
    "redirect-loop": lambda picture, _: _moved(f"/{picture.id}.{picture.kind}"),
}

KINDS = frozenset({*FILES, *WIRE, *ANSWERS})
