"""The manifest of an album: what it vouches for, and how an outcome changes that."""

import json
from collections.abc import Container, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, fields, replace
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, Literal

from pydantic import TypeAdapter
from typing_extensions import TypedDict

from imgur_mirror.models import Album, Download, Image, Outcome

__all__ = [
    "MANIFEST",
    "Entry",
    "enter",
    "entries_in",
    "is_image",
    "manifest_blocks",
    "ordered",
    "set_aside",
]

MANIFEST = "album.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """What the manifest says of one image's file.

    `verified` says what vouches for the bytes: "etag" (its MD5 is the host's ETag), "two fetches"
    (the ETag is no digest, two fetches agreed) or "length". `gone` is when Imgur said that the
    image was removed; a file mirrored before then is kept. Times are ISO 8601, UTC.

    `blurhash` and `perceptual_hash` were computed from the file's pixels, `work_error` says why
    they could not be; each is only in a manifest where such work was done.
    """

    image: Image
    file: str | None = None
    bytes: int | None = None
    md5: str | None = None
    etag: str | None = None
    real_type: str | None = None
    verified: str | None = None
    fetched: str | None = None
    gone: str | None = None
    listed: bool = True
    blurhash: str | None = None
    perceptual_hash: str | None = None
    work_error: str | None = None

    def of(self, image: Image) -> "Entry":
        """Return the entry of an image as an album lists it now."""
        # Not by `replace`, which takes three times as long.
        return Entry(
            image=image,
            file=self.file,
            bytes=self.bytes,
            md5=self.md5,
            etag=self.etag,
            real_type=self.real_type,
            verified=self.verified,
            fetched=self.fetched,
            gone=self.gone,
            blurhash=self.blurhash,
            perceptual_hash=self.perceptual_hash,
            work_error=self.work_error,
        )


class _Manifest(TypedDict):
    version: Literal[1]
    images: list[dict[str, Any]]


_MANIFEST = TypeAdapter(_Manifest)
_ENTRY = TypeAdapter(Entry)

# Not by `asdict`, which looks for dataclasses in every string of a large album.
_OF_ALBUM = [field.name for field in fields(Album) if field.name != "images"]
_OF_IMAGE = [field.name for field in fields(Image) if field.name not in ("name", "unsafe")]
_COMPUTED = ("blurhash", "perceptual_hash", "work_error")
_OF_ENTRY = [field.name for field in fields(Entry) if field.name not in ("image", *_COMPUTED)]


def entries_in(manifest: object) -> Iterator[Entry]:
    """Yield the entries of a manifest as it was parsed.

    Raises:
        ValueError: where it is no manifest of ours.
    """
    for row in _MANIFEST.validate_python(manifest)["images"]:
        entry = _ENTRY.validate_python(row | {"image": row | {"name": row.get("file") or ""}})
        _check(entry)
        yield entry


def _check(entry: Entry) -> None:
    """Refuse an entry that would be trusted wrongly, or would name another folder's file."""
    if entry.file is None:
        return
    if not is_image(entry.file):
        raise ValueError(f"{entry.file!r} is no name of an image's file")
    if entry.bytes is None or entry.md5 is None:
        raise ValueError(f"{entry.file} has no size or digest")


def set_aside() -> str:
    """Return the name that a manifest gets which cannot be read."""
    return f"{MANIFEST}.damaged-{datetime.now(UTC).strftime('%Y%m%dT%H%M%SZ')}"


def is_image(name: str) -> bool:
    """Return whether a name is an image's: not a path, and none of our own files."""
    ours = name.startswith((".", MANIFEST)) or ".part" in name
    return name != "" and name.isprintable() and "/" not in name and not ours


def enter(entries: dict[str, Entry], download: Download) -> None:
    """Let an outcome change what is vouched for; a failure changes nothing."""
    old = entries.get(download.id) or Entry(image=_unlisted(download))
    if old.file is not None and download.outcome is Outcome.UNCHANGED and not download.attempts:
        # Read from a manifest; another run may have entered something newer since.
        if download.work_started is not None and old.md5 == download.md5:
            new = _computed(old, download)
            entries[download.id] = replace(
                old,
                blurhash=new["blurhash"],
                perceptual_hash=new["perceptual_hash"],
                work_error=new["work_error"],
            )
        return
    when = _iso(download.finished)
    if download.outcome is Outcome.GONE:
        entries[download.id] = replace(old, gone=old.gone or when)
    elif download.outcome in (Outcome.DOWNLOADED, Outcome.UNCHANGED):
        fetched = download.outcome is Outcome.DOWNLOADED
        entries[download.id] = Entry(
            image=old.image,
            file=download.name,
            bytes=download.bytes,
            md5=download.md5,
            etag=download.etag,
            real_type=download.type,
            verified=download.verified,
            fetched=when if fetched else old.fetched or when,
            gone=None if fetched else old.gone,
            listed=old.listed,
            **_computed(old, download),
        )


def _computed(old: Entry, download: Download) -> dict[str, str | None]:
    """Return what is known from the pixels of a file: what was, and what has been computed now."""
    known = {name: getattr(old, name) for name in _COMPUTED if old.md5 == download.md5}
    if download.work_started is None:
        return known
    if download.perceptual_hash is None:
        return known | {"work_error": download.work_error}
    # An error of the store, after it was decoded, is not kept: the next run tries again.
    found = {"blurhash": download.blurhash, "perceptual_hash": download.perceptual_hash}
    return known | {name: value for name, value in found.items() if value} | {"work_error": None}


def _unlisted(download: Download) -> Image:
    return Image(id=download.id, link="", name=download.name)


def ordered(
    entries: Mapping[str, Entry], images: Mapping[str, Image], failed: Container[str] = ()
) -> Iterator[Entry]:
    """Yield the entries in the album's order with its metadata, then those that left it.

    An image that failed keeps the metadata with which its file came.
    """
    for image in images.values():
        entry = entries.get(image.id)
        if entry is None:
            yield Entry(image=image)
        else:
            as_it_was = image.id in failed and entry.file is not None
            yield entry.of(entry.image if as_it_was else image)
    left = [entry for key, entry in entries.items() if key not in images]
    for entry in sorted(left, key=lambda entry: entry.image.id):
        yield replace(entry, listed=False)


def manifest_blocks(album: Album, entries: Iterable[Entry]) -> Iterator[bytes]:
    """Write the manifest, one image a line: of a large album it is never in memory as a whole."""
    about = {"version": 1} | {name: getattr(album, name) for name in _OF_ALBUM}
    yield _text(about).removesuffix(b"}") + b', "images": ['
    separator = b"\n"
    for entry in entries:
        row = {name: getattr(entry.image, name) for name in _OF_IMAGE}
        row |= {name: getattr(entry, name) for name in _OF_ENTRY}
        row |= {name: value for name in _COMPUTED if (value := getattr(entry, name)) is not None}
        yield separator + _text(row)
        separator = b",\n"
    yield b"\n]}\n"


_json = json.JSONEncoder(ensure_ascii=False).encode


def _text(row: Mapping[str, object]) -> bytes:
    # Half of a surrogate pair has no UTF-8, but with a backslash it is what JSON writes for it.
    return _json(row).encode(errors="backslashreplace")


def _iso(seconds: float | None) -> str | None:
    if seconds is None:
        return None
    with suppress(ValueError, OverflowError, OSError):  # a damaged journal may hold any number
        return _iso_of(int(seconds))
    return None


@lru_cache(maxsize=4096)
def _iso_of(seconds: int) -> str:
    # Many images of an album have the same.
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
