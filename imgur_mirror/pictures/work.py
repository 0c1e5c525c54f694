"""The work on one picture: what its task computes, the same bytes in whatever process."""

import io
from dataclasses import dataclass
from typing import BinaryIO

import blurhash
import dhash
from PIL import Image

from imgur_mirror.models import Work
from imgur_mirror.pictures.decoding import decoded

__all__ = ["Computed", "compute", "thumbnail"]

BLURHASH_SIDE = 64
"""Pixels that a BlurHash is computed from, on the longer side."""

BLURHASH_COMPONENTS = 4, 3
"""Waves in each direction: enough for a placeholder, and 28 characters."""

HASH_SIDE = 8
"""The hash of a picture's looks has so many by so many bits, for its rows and for its columns."""


@dataclass(frozen=True, slots=True)
class Computed:
    """What the work on a picture gave; None for what was not asked for.

    `perceptual_hash` is the same, but for a few of its bits, in a picture that was scaled or
    compressed: 32 hex digits.
    """

    perceptual_hash: str
    thumbnail: bytes | None = None
    blurhash: str | None = None


def compute(file: BinaryIO, work: Work) -> Computed:
    """Decode a picture, and compute what the work asks for.

    Raises:
        Undecodable: where its pixels cannot be had within the limits.
    """
    picture = decoded(file)
    found = _perceptual_hash(picture)
    if work is Work.THUMBNAIL:
        return Computed(found, thumbnail=_webp(picture))
    if work is Work.BLURHASH:
        return Computed(found, blurhash=_blurhash(picture))
    return Computed(found)


def thumbnail(file: BinaryIO) -> bytes:
    """Return a picture as a small WebP.

    Raises:
        Undecodable: where its pixels cannot be had within the limits.
    """
    return _webp(decoded(file))


def _webp(picture: Image.Image) -> bytes:
    written = io.BytesIO()
    picture.save(written, "WEBP", quality=50, method=0)
    return written.getvalue()


def _blurhash(picture: Image.Image) -> str:
    small = _opaque(picture)
    small.thumbnail((BLURHASH_SIDE, BLURHASH_SIDE))
    flat = small.tobytes()
    step = 3 * small.width
    rows = [
        [flat[at : at + 3] for at in range(start, start + step, 3)]
        for start in range(0, len(flat), step)
    ]
    encoded: str = blurhash.encode(rows, *BLURHASH_COMPONENTS)
    return encoded


def _perceptual_hash(picture: Image.Image) -> str:
    side = HASH_SIDE + 1
    grey = _opaque(picture).convert("L").resize((side, side), Image.Resampling.LANCZOS)
    rows, columns = dhash.dhash_row_col(list(grey.tobytes()), HASH_SIDE)
    formatted: str = dhash.format_hex(rows, columns, HASH_SIDE)
    return formatted


def _opaque(picture: Image.Image) -> Image.Image:
    """Return a copy on white paper, as RGB."""
    if picture.mode == "RGB":
        return picture.copy()
    paper = Image.new("RGB", picture.size, "white")
    paper.paste(picture, mask=picture.getchannel("A"))
    return paper
