"""Partial files that earlier runs left: taken over where they can be continued, else removed."""

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from imgur_mirror.http import is_strong_etag
from imgur_mirror.models import Image
from imgur_mirror.store.errors import os_errors_as_store_errors
from imgur_mirror.store.fs import is_at, is_free, locked, try_lock
from imgur_mirror.store.manifest import MANIFEST
from imgur_mirror.store.partial_file import etag_file, is_resumable, shared_path
from imgur_mirror.store.range_log import Range, RangeLog

__all__ = ["Resumable", "resumable", "sweep"]


@dataclass(frozen=True, slots=True)
class Resumable:
    """What an earlier run has of an image: its version, its bytes in all, and which are there."""

    etag: str
    total: int
    done: tuple[Range, ...]


def resumable(
    folder: Path, run: str, images: Iterable[Image], wholes_above: int | None
) -> dict[str, Resumable]:
    """Take over for a run what dead ones have of these images, by name.

    The beginning of a whole file is taken over as well where the image is larger than
    `wholes_above` bytes; never where that is None.
    """
    # Locked, so that of two runs one takes it.
    with os_errors_as_store_errors(folder), locked(folder):
        parts = [path.name for path in folder.glob("*.part")]
        found = {
            image.name: _resumable(folder / image.name, run, image.size, wholes_above)
            for image in (images if parts else ())
            if any(part.startswith(f"{image.name}.") for part in parts)
        }
    return {name: what for name, what in found.items() if what is not None}


def _resumable(
    target: Path, run: str, size: int | None, wholes_above: int | None
) -> Resumable | None:
    for part, found in _candidates(target, size, wholes_above):
        if found is not None and _take_over(part, shared_path(target, run), found):
            return found
    return None


def _candidates(
    target: Path, size: int | None, wholes_above: int | None
) -> Iterator[tuple[Path, Resumable | None]]:
    for log in target.parent.glob(f"{target.name}.*.part.log"):
        part = log.with_suffix("")
        if _is_dead(part, target):
            yield part, _usable(RangeLog(part), size)
    if size is not None and wholes_above is not None and size > wholes_above:
        whole = target.with_name(f"{target.name}.part")
        yield whole, _beginning(whole, size)


def _is_dead(part: Path, target: Path) -> bool:
    run = part.name.removesuffix(".part").rpartition(".")[2]
    state = target.parent / f".run-{run}"
    return part.exists() and is_free(part) and (not state.exists() or is_free(state))


def _usable(log: RangeLog, size: int | None) -> Resumable | None:
    version = log.version
    if version is None or version["total"] != size or log.is_invalid:
        return None
    if not is_strong_etag(version["etag"]):
        return None
    done = tuple(log.done)
    return Resumable(version["etag"], version["total"], done) if done else None


def _beginning(whole: Path, size: int) -> Resumable | None:
    if not is_resumable(whole):
        return None
    etag = etag_file(whole).read_text("latin-1")
    have = whole.stat().st_size
    # No host has said yet that it is so long in all: what is as long may well be longer.
    if have >= size or not is_strong_etag(etag):
        return None
    return Resumable(etag, size, ((0, have),))


def _take_over(part: Path, mine: Path, found: Resumable) -> bool:
    """Give a dead run's file this run's name and log; false where another writer has it."""
    with _locked_alone(part) as is_ours:
        if is_ours:
            # The file first: a log without its file would vouch for bytes that are not there.
            part.rename(mine)
            RangeLog(mine).replace(found.etag, found.total, found.done)
            _remove_beside(part)
    return is_ours


def sweep(folder: Path, run: str, wanted: Iterable[str]) -> None:
    """Remove what no run is writing and none can continue; `wanted` are the names of images."""
    names = set(wanted)
    with os_errors_as_store_errors(folder):
        with locked(folder):
            # Who writes a draft of the manifest holds the lock: these are of dead runs.
            for draft in folder.glob(f".{MANIFEST}.*"):
                draft.unlink()
        for part in folder.glob("*.part"):
            if not _is_of_use(part, run, names):
                _remove(part)
        for beside in (*folder.glob("*.part.etag"), *folder.glob("*.part.log")):
            if not beside.with_suffix("").exists():
                beside.unlink(missing_ok=True)


def _is_of_use(part: Path, run: str, names: set[str]) -> bool:
    """Return whether a partial file can be continued, or is shared by a living run's workers."""
    stem = part.name.removesuffix(".part")
    name, _, writer = stem.rpartition(".")
    if stem in names:
        return is_resumable(part)
    if writer == run:
        log = RangeLog(part)
        return name in names and log.lines() != [] and not log.is_invalid
    state = part.with_name(f".run-{writer}")
    return state.exists() and not is_free(state)


def _remove(part: Path) -> None:
    with _locked_alone(part) as is_ours:
        if is_ours:
            part.unlink()
            _remove_beside(part)


def _remove_beside(part: Path) -> None:
    for beside in (etag_file(part), RangeLog(part).path):
        beside.unlink(missing_ok=True)


@contextmanager
def _locked_alone(part: Path) -> Iterator[bool]:
    """Lock a partial file for the block; false where a writer has it, or where it is gone."""
    try:
        descriptor = os.open(part, os.O_RDONLY)
    except FileNotFoundError:
        yield False
        return
    try:
        # Another run may have committed that file and begun a new one of its name.
        yield try_lock(descriptor) and is_at(descriptor, part)
    finally:
        os.close(descriptor)
