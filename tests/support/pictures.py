"""Pictures of all kinds: decent ones, and files that are made to hurt who decodes them."""

import io
import struct
import zlib

from PIL import Image, ImageDraw

__all__ = ["HOSTILE", "bomb", "drawing", "encoded", "endless_scans"]


def encoded(form, size=(640, 400), mode="RGB", colour=(200, 30, 30), **options):
    """The bytes of a picture of one colour."""
    return saved(Image.new(mode, size, colour), form, **options)


def saved(picture, form, **options):
    data = io.BytesIO()
    picture.save(data, form, **options)
    return data.getvalue()


def drawing(seed, size=(640, 400)):
    """A picture with something to see, another for each seed."""
    picture = Image.linear_gradient("L").rotate(90 * seed).resize(size).convert("RGB")
    pencil = ImageDraw.Draw(picture)
    for number in range(5):
        x, y = ((seed + 1) * (number + 2) * 97) % 100, ((seed + 3) * (number + 1) * 61) % 100
        box = [
            x * size[0] // 120,
            y * size[1] // 120,
            (x + 20) * size[0] // 120,
            (y + 30) * size[1] // 120,
        ]
        pencil.ellipse(box, fill=(number * 50, (seed * 40) % 256, 255 - number * 50))
    return picture


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def bomb(side):
    """A PNG of few bytes that claims many pixels."""
    head = struct.pack(">IIBBBBB", side, side, 8, 6, 0, 0, 0)
    pixels = zlib.compress(bytes(10_000))
    parts = chunk(b"IHDR", head) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + parts


def endless_scans(side=5000, scans=3000):
    """A progressive JPEG of few bytes whose every scan goes over all its pixels once more."""
    data = encoded("JPEG", size=(side, side), progressive=True, quality=20)
    start = data.rindex(b"\xff\xda")
    return data[:start] + (data[start:-2]) * scans + b"\xff\xd9"


def text_chunks():
    """A PNG whose texts take 100 MB when they are inflated."""
    whole = encoded("PNG")
    text = chunk(b"zTXt", b"x\0\0" + zlib.compress(bytes(100 << 20), 9))
    return whole[:33] + text + whole[33:]


WHOLE = encoded("PNG")

HOSTILE = {
    "a 50,000 × 50,000 header": (lambda: bomb(50_000), "too many pixels"),
    "a 6,000 × 6,000 header": (lambda: bomb(6_000), "6000 × 6000 pixels"),
    "a large frame in a small GIF": (
        lambda: encoded("GIF", mode="P", colour=1, size=(60_000, 2)).replace(
            b"\x60\xea\x02\x00", b"\x60\xea\x60\xea"
        ),
        "too many pixels",
    ),
    "thousands of scans": (endless_scans, "3009 scans"),
    "texts that are a bomb": (text_chunks, "cannot be decoded"),
    "a file that was cut": (lambda: encoded("JPEG")[:700], "truncated"),
    "flipped bytes": (lambda: WHOLE[:60] + bytes(40) + WHOLE[100:], "cannot be decoded"),
    "no picture at all": (lambda: b"\x89PNG\r\n\x1a\n" + bytes(500), "none of JPEG"),
}
"""What makes each, and what is said of it."""
