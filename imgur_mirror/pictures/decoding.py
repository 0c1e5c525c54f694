"""Decodes pictures that anyone may have made, in bounded time and memory.

What would take a decoder long, or much memory, is refused before it begins: by the size of the
file, by the pixels that its header claims, and by the scans of a progressive JPEG. Of the formats,
only those are decoded that Imgur serves.
"""

import os
import warnings
from threading import BoundedSemaphore
from typing import BinaryIO

from PIL import Image, ImageOps, UnidentifiedImageError

# Pillow would import the plugins of all its formats for the sake of this one.
from PIL import WebPImagePlugin as WebPImagePlugin

from imgur_mirror.pictures.errors import Undecodable
from imgur_mirror.pictures.limits import FORMATS, MAX_PIXELS, MAX_SCANS, SIDE, check_file_size
from imgur_mirror.text import plain

__all__ = ["decoded"]

START_OF_SCAN = b"\xff\xda"

_DECODERS = BoundedSemaphore(min(os.cpu_count() or 1, 8))
"""Pictures that a process decodes at once: more would take memory, and no less time."""

# Pillow warns of what is refused or does not matter here, on standard error.
warnings.filterwarnings("ignore", module=r"PIL\.")


def decoded(file: BinaryIO) -> Image.Image:
    """Return a picture scaled down to `SIDE` pixels at most, upright, as RGB or RGBA.

    Of an animation it is the first frame.

    Raises:
        Undecodable: where its pixels cannot be had within the limits.
    """
    with _DECODERS:
        try:
            return _decoded(file)
        except UnidentifiedImageError as error:
            raise Undecodable(f"it is none of {', '.join(FORMATS)}") from error
        except Image.DecompressionBombError as error:
            raise Undecodable("its header claims too many pixels to decode") from error
        except MemoryError as error:
            raise Undecodable("it takes more memory than there is") from error
        except Undecodable:
            raise
        except Exception as error:  # decoders raise anything at all
            raise Undecodable(f"it cannot be decoded: {plain(str(error))}") from error


def _decoded(file: BinaryIO) -> Image.Image:
    check_file_size(file.seek(0, os.SEEK_END))
    file.seek(0)
    with Image.open(file, formats=FORMATS) as image:
        if image.width * image.height > MAX_PIXELS:
            raise Undecodable(
                f"it claims {image.width} × {image.height} pixels, too many to decode"
            )
        if image.format in ("JPEG", "MPO"):
            _check_scans(file)
        picture: Image.Image = image
        if image.mode not in ("L", "RGB", "RGBA", "CMYK"):
            # Palette indices and 16-bit values cannot be averaged.
            picture = image.convert("RGBA" if image.has_transparency_data else "RGB")
        # Of a JPEG it decodes an eighth, a quarter or a half of the resolution, as far as enough.
        picture.thumbnail((SIDE, SIDE))
        small = picture.convert("RGBA" if picture.has_transparency_data else "RGB")
        ImageOps.exif_transpose(small, in_place=True)
        return small


def _check_scans(file: BinaryIO) -> None:
    at = file.tell()
    file.seek(0)
    scans, last = 0, b""
    while block := file.read(1 << 20):
        # The marker may lie across two blocks. Elsewhere in a scan, FF is never followed by DA.
        scans += (last + block).count(START_OF_SCAN)
        last = block[-1:]
    file.seek(at)
    if scans > MAX_SCANS:
        raise Undecodable(f"it has {scans} scans, more than any picture needs")
