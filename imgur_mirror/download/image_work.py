"""The work on an image, once its file is in place: a part of the task that fetches it."""

import time
from dataclasses import replace
from mimetypes import guess_type

from imgur_mirror.models import Download, Outcome, Work
from imgur_mirror.pictures import Undecodable, check_file_size
from imgur_mirror.store import AlbumFolder, Entry

__all__ = ["do_work", "has_work", "lacks_work"]


def lacks_work(entry: Entry, work: Work, thumbnails: set[str]) -> bool:
    """Return whether work is to be done on an image that is stored; what failed once fails again.

    `thumbnails` are the MD5s of the images that have one.
    """
    if work is Work.NONE or entry.work_error is not None or _is_video(entry.real_type, entry.file):
        return False
    if work is Work.BLURHASH:
        return entry.blurhash is None
    return entry.perceptual_hash is None or entry.md5 not in thumbnails


def has_work(row: Download, work: Work) -> bool:
    """Return whether work is to be done on the image of an outcome."""
    is_pending = row.outcome.is_stored and row.work_started is None
    return work is not Work.NONE and is_pending and not _is_video(row.type, row.name)


def _is_video(media_type: str | None, name: str | None) -> bool:
    kind = media_type or guess_type(name or "")[0] or ""
    return kind.startswith("video/")


def do_work(row: Download, folder: AlbumFolder, work: Work) -> Download:
    """Return the outcome of an image with what was computed from it, or why nothing was; blocks."""
    started, clock = time.time(), time.perf_counter()
    done = _computed(row, folder, work)
    return replace(done, work_started=started, work_seconds=time.perf_counter() - clock)


def _computed(row: Download, folder: AlbumFolder, work: Work) -> Download:
    # Imported where there is work to do: it brings Pillow.
    from imgur_mirror.pictures.work import compute

    name = folder.held(row.name) if row.outcome is Outcome.HELD else row.name
    done = replace(row, work_error=None, perceptual_hash=None)
    try:
        check_file_size(row.bytes)
        with folder.open(name) as file:
            found = compute(file, work)
        done = replace(done, perceptual_hash=found.perceptual_hash)
        if found.thumbnail is not None and row.md5 is not None:
            folder.thumbnails.write(row.md5, found.thumbnail)
    except Undecodable as error:
        return replace(done, work_error=str(error))
    except Exception as error:  # noqa: BLE001 - whatever it is, the image itself is stored
        return replace(done, work_error=f"the work on it failed: {error}")
    return done if found.blurhash is None else replace(done, blurhash=found.blurhash)
