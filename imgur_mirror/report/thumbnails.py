"""Small pictures of stored images, decoded in a process that may be lost.

The images are whatever anyone uploaded. A decoder that they crash, or keep busy, or fill with
memory, takes its process with it and not the run: that image has no thumbnail then.

`python -m imgur_mirror.report.thumbnails` reads a JSON list of paths, and writes for each a length
in four bytes and so many bytes of WebP: none where there is no thumbnail.
"""

import json
import os
import stat
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import BinaryIO

__all__ = ["SIDE", "thumbnails"]

SIDE = 144
"""Pixels of a thumbnail's longer side."""

MOST_PIXELS = 32_000_000
"""Of an image that is decoded at all; progressive ones of this size take 200 MB."""

MOST_BYTES = 64 << 20
MOST_MEMORY = 1 << 30
PATIENCE = 2.0
"""Seconds that one image may take."""

FORMATS = ("JPEG", "PNG", "GIF", "WEBP", "BMP")
"""What is decoded: what Imgur serves, and none of the formats that Pillow knows besides."""


def thumbnails(files: Sequence[Path], seconds: float = 5.0) -> list[bytes | None]:
    """Give a thumbnail of each file as WebP, None where it is no picture or not a decent one.

    Those that have not come after so many seconds are None too.
    """
    deadline = time.monotonic() + seconds
    made: list[bytes | None] = []
    while len(made) < len(files) and (left := deadline - time.monotonic()) > 0:
        made += _made(files[len(made) :], left)
        if len(made) < len(files):
            made.append(None)  # the one that the process was lost to
    return made + [None] * (len(files) - len(made))


def _made(files: Sequence[Path], seconds: float) -> list[bytes | None]:
    """Give what one process makes of the files, until it is through, lost, or out of time."""
    # -P: whatever lies in the working directory is not imported.
    command = [sys.executable, "-P", "-m", "imgur_mirror.report.thumbnails"]
    paths = json.dumps([os.fspath(file) for file in files]).encode()
    try:
        child = subprocess.run(  # noqa: S603 - our own module
            command, input=paths, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
            timeout=seconds, check=False,
        )  # fmt: skip
    except subprocess.TimeoutExpired as late:
        return list(_parsed(late.output or b""))
    return list(_parsed(child.stdout))


def _parsed(output: bytes) -> Iterator[bytes | None]:
    at = 0
    while at + 4 <= len(output):
        length = int.from_bytes(output[at : at + 4], "big")
        if at + 4 + length > len(output):
            return
        yield output[at + 4 : at + 4 + length] or None
        at += 4 + length


def _serve(paths: Sequence[str], out: BinaryIO) -> None:
    """Write a thumbnail of each; end, by the alarm, at one that takes too long."""
    import resource
    import signal
    import warnings

    resource.setrlimit(resource.RLIMIT_AS, (MOST_MEMORY, MOST_MEMORY))
    warnings.simplefilter("ignore")
    for path in paths:
        signal.setitimer(signal.ITIMER_REAL, PATIENCE)
        thumbnail = _thumbnail(path)
        signal.setitimer(signal.ITIMER_REAL, 0)
        out.write(len(thumbnail).to_bytes(4, "big") + thumbnail)
        out.flush()


def _thumbnail(path: str) -> bytes:
    """Decode one file as far as it takes; nothing where that fails, however it does."""
    import io

    from PIL import Image, ImageOps

    try:
        with _opened(path) as file, Image.open(file, formats=FORMATS) as image:
            if image.width * image.height > MOST_PIXELS:
                return b""
            picture: Image.Image = image
            if image.mode not in ("L", "RGB", "RGBA", "CMYK"):
                # A palette's numbers and 16 bits have no averages.
                picture = image.convert("RGBA" if image.has_transparency_data else "RGB")
            picture.thumbnail((SIDE, SIDE))
            small = picture.convert("RGBA" if picture.has_transparency_data else "RGB")
            ImageOps.exif_transpose(small, in_place=True)
            written = io.BytesIO()
            small.save(written, "WEBP", quality=50, method=0)
    except Exception:  # noqa: BLE001 - decoders raise anything at all; it has no thumbnail then
        return b""
    return written.getvalue()


def _opened(path: str) -> BinaryIO:
    """Open a regular file that is not too large; never wait for one that is something else."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW)
    about = os.fstat(descriptor)
    if not stat.S_ISREG(about.st_mode) or about.st_size > MOST_BYTES:
        os.close(descriptor)
        raise OSError(f"{path} is no file to look at")
    return os.fdopen(descriptor, "rb")


if __name__ == "__main__":
    _serve(json.loads(sys.stdin.buffer.read()), sys.stdout.buffer)
