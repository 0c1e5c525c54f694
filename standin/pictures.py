"""Real pictures of any exact size, made from a seed: the same bytes on every machine.

A small scene is drawn with Pillow and filled up to the size asked for with what its format
allows to be ignored: JPEG comments, a private PNG chunk, GIF comments, `free` boxes of MP4.
"""

import zlib
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from hashlib import md5
from io import BytesIO
from random import Random
from typing import Protocol

from PIL import Image, ImageDraw, ImageOps

__all__ = ["KINDS", "Body", "Bytes", "Cache", "Part", "Picture", "digest", "dimensions", "draw"]

SEGMENT = 254 * 256 + 3
"""Bytes of one full piece of filling: whole GIF sub-blocks, and fewer than a JPEG comment holds."""

WIDTHS = (1024, 640, 320, 160, 80, 40, 16)
SCENERY = 600
"""Bytes that headers and tables of a scene need at most, besides one byte a pixel."""


class Body(Protocol):
    """Bytes that need not all be in memory."""

    @property
    def size(self) -> int: ...

    def read(self, start: int, stop: int) -> bytes:
        """The bytes from `start` to before `stop`."""


@dataclass(frozen=True, slots=True)
class Bytes:
    """A body that is in memory."""

    data: bytes

    @property
    def size(self) -> int:
        return len(self.data)

    def read(self, start: int, stop: int) -> bytes:
        return self.data[start:stop]


@dataclass(frozen=True, slots=True)
class Part:
    """The bytes `start` to before `stop` of another body."""

    body: Body
    start: int
    stop: int

    @property
    def size(self) -> int:
        return self.stop - self.start

    def read(self, start: int, stop: int) -> bytes:
        return self.body.read(self.start + start, min(self.start + stop, self.stop))


@dataclass(frozen=True, slots=True)
class Kind:
    """A file format: how a scene is encoded, where filling goes, and what it is wrapped in."""

    type: str
    encode: Callable[[Random, int, int], bytes]
    split: Callable[[bytes], int]
    capacity: Callable[[int], int]
    seal: Callable[[bytes], bytes]


@dataclass(frozen=True, slots=True)
class Picture:
    """One file of the image host; another `version` is the same image, edited.

    It is as large as surely fits into its bytes, or `width` pixels across.
    """

    id: str
    kind: str
    size: int
    version: int = 0
    width: int = 0

    @property
    def type(self) -> str:
        """The MIME type of its bytes."""
        return KINDS[self.kind].type


def dimensions(picture: Picture) -> tuple[int, int]:
    """Width and height of a picture, in pixels."""
    size = picture.size
    fitting = (w for w in WIDTHS if w * (w * 3 // 4 + 2) + SCENERY <= size)
    width = picture.width or next(fitting, 1)
    return width, max(1, width * 3 // 4)


def _colour(rng: Random) -> tuple[int, int, int]:
    return rng.randrange(256), rng.randrange(256), rng.randrange(256)


def _scene(rng: Random, width: int, height: int) -> Image.Image:
    """A grey landscape: a sky, some round things, a grain."""
    scene = Image.linear_gradient("L").rotate(90 * rng.randrange(4)).resize((width, height))
    pencil = ImageDraw.Draw(scene)
    for _ in range(6):
        x, y = rng.randrange(width), rng.randrange(height)
        radius = rng.randrange(1, 2 + width // 4)
        pencil.ellipse((x - radius, y - radius, x + radius, y + radius), fill=rng.randrange(256))
    grain = Image.frombytes("L", (32, 24), rng.randbytes(32 * 24)).resize((width, height))
    return Image.blend(scene, grain, 0.1)


def _saved(picture: Image.Image, form: str, **options: int | bool) -> bytes:
    file = BytesIO()
    picture.save(file, form, **options)
    return file.getvalue()


def _jpeg(rng: Random, width: int, height: int) -> bytes:
    dark, light = _colour(rng), _colour(rng)
    scene = ImageOps.colorize(_scene(rng, width, height), dark, light)
    return _saved(scene, "JPEG", quality=75, optimize=width < 80)


def _duotone(rng: Random, width: int, height: int) -> Image.Image:
    """The scene in 64 shades from one colour to another."""
    dark, light = _colour(rng), _colour(rng)
    scene = _scene(rng, width, height).point([value >> 2 for value in range(256)])
    ramp = (d + (b - d) * s // 63 for s in range(64) for d, b in zip(dark, light, strict=True))
    scene.putpalette(bytes(ramp))
    return scene


def _png(rng: Random, width: int, height: int) -> bytes:
    # Stored, not deflated: zlib and its relatives do not all compress to the same bytes.
    return _saved(_duotone(rng, width, height), "PNG", compress_level=0)


def _gif(rng: Random, width: int, height: int) -> bytes:
    return _saved(_duotone(rng, width, height), "GIF")


def _mp4(_rng: Random, _width: int, _height: int) -> bytes:
    return _box(b"ftyp", b"isom\x00\x00\x02\x00isomiso2mp41")


def _box(name: bytes, payload: bytes) -> bytes:
    return (8 + len(payload)).to_bytes(4, "big") + name + payload


def _comment(payload: bytes) -> bytes:
    return b"\xff\xfe" + (2 + len(payload)).to_bytes(2, "big") + payload


def _chunk(payload: bytes) -> bytes:
    checksum = zlib.crc32(b"paDd" + payload).to_bytes(4, "big")
    return len(payload).to_bytes(4, "big") + b"paDd" + payload + checksum


def _sub_blocks(payload: bytes) -> bytes:
    blocks = (payload[at : at + 255] for at in range(0, len(payload), 255))
    return b"\x21\xfe" + b"".join(bytes([len(block)]) + block for block in blocks) + b"\x00"


KINDS = {
    "jpg": Kind("image/jpeg", _jpeg, lambda _: 2, lambda room: room - 4, _comment),
    "png": Kind("image/png", _png, lambda data: len(data) - 12, lambda room: room - 12, _chunk),
    "gif": Kind(
        "image/gif",
        _gif,
        lambda data: len(data) - 1,
        lambda room: room - 3 - -(-(room - 3) // 256),
        _sub_blocks,
    ),
    "mp4": Kind("video/mp4", _mp4, len, lambda room: room - 8, lambda data: _box(b"free", data)),
}


class Filled:
    """A picture filled up to its size; its filling is made when it is read."""

    def __init__(self, picture: Picture) -> None:
        kind, rng = KINDS[picture.kind], Random(f"{picture.id}/{picture.version}")  # noqa: S311 - a seed
        scene = kind.encode(rng, *dimensions(picture))
        room = picture.size - len(scene)
        if room < 0:
            raise ValueError(f"the smallest {picture.kind} has {len(scene)} bytes")
        at = kind.split(scene)
        self.size, self.head, self._seal = picture.size, scene[:at], kind.seal
        self._filler = rng.randbytes(kind.capacity(SEGMENT))
        self.segments, rest = divmod(room, SEGMENT)
        last = kind.seal(self._filler[:payload]) if (payload := kind.capacity(rest)) > 0 else b""
        # What is too little for a piece of filling follows the end, where no decoder looks.
        self._end = last + scene[at:] + bytes(rest - len(last))

    def read(self, start: int, stop: int) -> bytes:
        """The bytes from `start` to before `stop`."""
        first = max(0, start - len(self.head)) // SEGMENT
        last = min(self.segments, -(-(stop - len(self.head)) // SEGMENT))
        middle = b"".join(self._segment(number) for number in range(first, last))
        if start < len(self.head):
            data, base = self.head + middle, 0
        else:
            data, base = middle, len(self.head) + min(first, self.segments) * SEGMENT
        if last == self.segments:
            data += self._end
        return data[start - base : stop - base]

    def _segment(self, number: int) -> bytes:
        """One full piece of filling; its number in it tells it from all others."""
        return self._seal(number.to_bytes(8, "big") + self._filler[8:])


def draw(picture: Picture) -> Filled:
    """The bytes of a picture; raises ValueError where so few cannot hold one."""
    return Filled(picture)


@lru_cache(maxsize=1 << 16)
def digest(picture: Picture) -> str:
    """The MD5 of its bytes, in hex; takes seconds for a gigabyte."""
    body, summed, step = draw(picture), md5(usedforsecurity=False), 1 << 22
    for start in range(0, body.size, step):
        summed.update(body.read(start, min(start + step, body.size)))
    return summed.hexdigest()


class Cache:
    """Bodies lately served, in so many bytes at most; a large one is made as it is read."""

    LARGEST = 8 << 20

    def __init__(self, limit: int = 512 << 20) -> None:
        self._limit, self._held = limit, 0
        self._bodies: OrderedDict[Picture, Bytes] = OrderedDict()

    def body(self, picture: Picture) -> Body:
        """The bytes of a picture."""
        if picture in self._bodies:
            self._bodies.move_to_end(picture)
            return self._bodies[picture]
        body = draw(picture)
        return body if body.size > self.LARGEST else self._keep(picture, body)

    def _keep(self, picture: Picture, body: Body) -> Bytes:
        kept = self._bodies[picture] = Bytes(body.read(0, body.size))
        self._held += kept.size
        while self._held > self._limit:
            self._held -= self._bodies.popitem(last=False)[1].size
        return kept
