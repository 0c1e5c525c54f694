"""Thumbnails of stored images, decoded in a child process that may crash.

The images are whatever anyone uploaded. A decoder that crashes, hangs or fills the memory takes
its own process down and not the run: that image has no thumbnail then.

`python -m imgur_mirror.report.thumbnails` reads a JSON list of paths from standard input. For each
it writes the length of the thumbnail in four bytes (big-endian), and its bytes as WebP; a length
of zero where there is no thumbnail.
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

MAX_PIXELS = 32_000_000
"""Larger images are not decoded; progressive ones of this size take 200 MB."""

MAX_FILE_BYTES = 64 << 20
MAX_MEMORY_BYTES = 1 << 30
MAX_SECONDS_EACH = 2.0

FORMATS = ("JPEG", "PNG", "GIF", "WEBP", "BMP")
"""The formats that Imgur serves, and none of the others that Pillow knows."""


def thumbnails(files: Sequence[Path], seconds: float = 5.0) -> list[bytes | None]:
    """Give a thumbnail of each file as WebP; None if it cannot be decoded within the limits.

    Those that are not ready after so many seconds are None too.
    """
    deadline = time.monotonic() + seconds
    results: list[bytes | None] = []
    while len(results) < len(files) and (left := deadline - time.monotonic()) > 0:
        results += _run_child(files[len(results) :], left)
        if len(results) < len(files):
            results.append(None)  # the file at which the child ended
    return results + [None] * (len(files) - len(results))


def _run_child(files: Sequence[Path], seconds: float) -> list[bytes | None]:
    """Give what one child process returns before it is done, crashes or runs out of time."""
    # -P keeps modules in the working directory from being imported.
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
        start = at + 4
        at = start + int.from_bytes(output[at:start], "big")
        if at <= len(output):
            yield output[start:at] or None


def _serve(paths: Sequence[str], out: BinaryIO) -> None:
    """Write a thumbnail of each file; the alarm kills the process at one that takes too long."""
    import resource
    import signal
    import warnings

    resource.setrlimit(resource.RLIMIT_AS, (MAX_MEMORY_BYTES, MAX_MEMORY_BYTES))
    warnings.simplefilter("ignore")
    for path in paths:
        signal.setitimer(signal.ITIMER_REAL, MAX_SECONDS_EACH)
        thumbnail = _thumbnail(path)
        signal.setitimer(signal.ITIMER_REAL, 0)
        out.write(len(thumbnail).to_bytes(4, "big") + thumbnail)
        out.flush()


def _thumbnail(path: str) -> bytes:
    """Give one file's thumbnail; no bytes if it cannot be decoded, whatever the reason."""
    import io

    from PIL import Image, ImageOps

    try:
        with _open_regular(path) as file, Image.open(file, formats=FORMATS) as image:
            if image.width * image.height > MAX_PIXELS:
                return b""
            picture: Image.Image = image
            if image.mode not in ("L", "RGB", "RGBA", "CMYK"):
                # Palette indices and 16-bit values cannot be averaged.
                picture = image.convert("RGBA" if image.has_transparency_data else "RGB")
            picture.thumbnail((SIDE, SIDE))
            small = picture.convert("RGBA" if picture.has_transparency_data else "RGB")
            ImageOps.exif_transpose(small, in_place=True)
            written = io.BytesIO()
            small.save(written, "WEBP", quality=50, method=0)
    except Exception:  # noqa: BLE001 - decoders raise anything at all; it has no thumbnail then
        return b""
    return written.getvalue()


def _open_regular(path: str) -> BinaryIO:
    """Open a regular file that is not too large; never block on a pipe or follow a link."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW)
    status = os.fstat(descriptor)
    if not stat.S_ISREG(status.st_mode) or status.st_size > MAX_FILE_BYTES:
        os.close(descriptor)
        raise OSError(f"{path} is not a regular file, or too large")
    return os.fdopen(descriptor, "rb")


if __name__ == "__main__":
    _serve(json.loads(sys.stdin.buffer.read()), sys.stdout.buffer)
