"""What is decoded at most: in a module without Pillow, which most runs do not need."""

from imgur_mirror.pictures.errors import Undecodable
from imgur_mirror.text import size

__all__ = ["FORMATS", "MAX_FILE_BYTES", "MAX_PIXELS", "MAX_SCANS", "SIDE", "check_file_size"]

SIDE = 144
"""Pixels of the longer side of what is decoded: a thumbnail's."""

MAX_PIXELS = 32_000_000
"""Larger pictures are not decoded; a progressive JPEG of this size takes 200 MB."""

MAX_FILE_BYTES = 64 << 20

MAX_SCANS = 100
"""Scans of a JPEG, each of which goes over all pixels; encoders write about ten."""

FORMATS = ("JPEG", "PNG", "GIF", "WEBP", "BMP")
"""The formats that Imgur serves, and none of the others that Pillow knows."""


def check_file_size(count: int) -> None:
    """Refuse a file that is too large. Raises `Undecodable`."""
    if count > MAX_FILE_BYTES:
        raise Undecodable(f"its file of {size(count)} is too large to decode")
