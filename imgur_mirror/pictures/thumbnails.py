"""The thumbnails of several pictures at once, for who has none from their tasks."""

import os
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from typing import BinaryIO

from imgur_mirror.pictures.errors import Undecodable
from imgur_mirror.pictures.work import thumbnail

__all__ = ["thumbnails"]

Opener = Callable[[], AbstractContextManager[BinaryIO]]


def thumbnails(files: Sequence[Opener], seconds: float = 5.0) -> list[bytes | None]:
    """Return a thumbnail of each file; None where it cannot be read or decoded.

    Those that are not begun after so many seconds are None too. Pillow lets go of the
    interpreter's lock, so threads use all cores.
    """
    deadline = time.monotonic() + seconds

    def made(file: Opener) -> bytes | None:
        if time.monotonic() >= deadline:
            return None
        try:
            with file() as image:
                return thumbnail(image)
        except (Undecodable, OSError):
            return None

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        return list(pool.map(made, files))
