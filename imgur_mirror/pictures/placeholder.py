"""What stands for a picture whose pixels are not at hand: its BlurHash, painted."""

import io

import blurhash
from PIL import Image

from imgur_mirror.pictures.limits import SIDE

__all__ = ["placeholder"]

PAINTED = 16
"""Pixels of the longer side that are painted, and then scaled up: more would show no more."""


def placeholder(text: str, width: int, height: int) -> bytes | None:
    """Return a BlurHash as a small WebP of the given proportions; None where it is none."""
    scale = PAINTED / max(width, height)
    columns, rows = max(1, round(width * scale)), max(1, round(height * scale))
    try:
        painted = blurhash.decode(text, columns, rows)
    except (ValueError, KeyError):
        return None
    flat = bytes(value for row in painted for pixel in row for value in pixel)
    small = Image.frombytes("RGB", (columns, rows), flat)
    large = small.resize(
        (columns * SIDE // PAINTED, rows * SIDE // PAINTED), Image.Resampling.BICUBIC
    )
    written = io.BytesIO()
    large.save(written, "WEBP", quality=50, method=0)
    return written.getvalue()
