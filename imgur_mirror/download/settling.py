"""What the end of a run decides: which files are substitutes, and which replace earlier ones.

A picture that came for an image of which a file was there already is held until then, so that no
substitute ever replaces it.
"""

from collections.abc import Container, Iterable, Mapping
from dataclasses import replace

from imgur_mirror.download.media_types import media_type_of
from imgur_mirror.download.substitutes import BLOCKED, SUBSTITUTE, SeenPictures, is_blocked
from imgur_mirror.models import Album, Download, Mirrored, Outcome
from imgur_mirror.store import AlbumFolder, Entry

__all__ = [
    "MAX_WAITING",
    "gone_but_damaged",
    "has_substitutes",
    "must_wait",
    "no_pictures",
    "settle",
    "settle_again",
    "settle_album",
    "suspects",
]

MAX_WAITING = 8
"""Albums that `must_wait` at a time: the folder of each stays locked."""

KEPT = "; the file that was there is kept"


def suspects(album: Album, entries: Mapping[str, Entry]) -> set[str]:
    """Return the names of stored files that are substitutes, by what the manifest says of them."""
    sizes, seen = _sizes(album), SeenPictures()
    seen.add((e.md5, sizes.get(key, e.image.size)) for key, e in entries.items())
    found = seen.substitutes
    return {e.file for e in entries.values() if e.file is not None and e.md5 in found}


def no_pictures(
    folder: AlbumFolder, entries: Mapping[str, Entry], files: Mapping[str, int]
) -> set[str]:
    """Return the names of stored files that are neither picture nor video; reads those in doubt.

    Raises:
        StoreError: where the folder cannot be read.
    """
    in_doubt = [e.file for e in entries.values() if e.real_type is None and e.file in files]
    return {name for name in in_doubt if name and not media_type_of(folder.beginning(name)[1])}


def gone_but_damaged(row: Download, damaged: Container[str]) -> Download:
    """Turn to a failure that an image is gone whose stored file is damaged: it is lost."""
    if row.outcome is not Outcome.GONE or row.name not in damaged:
        return row
    error = "its file is damaged, and Imgur removed the image: look for a copy of the file"
    return replace(row, outcome=Outcome.FAILED, error=error)


def settle_album(
    album: Album, folder: AlbumFolder, rows: Mapping[str, Download], seen: SeenPictures
) -> list[Download]:
    """Write the manifest of an album, given the row of each image; return the rows as it has them.

    Raises:
        StoreError: where the folder cannot be written.
    """
    settled = settle(folder, rows, _sizes(album), seen)
    downloads = [settled[image.id] for image in album.images]
    folder.sweep(row.name for row in downloads if row.outcome is Outcome.FAILED)
    folder.write_manifest(album, downloads, _no_longer_vouched_for(rows, settled))
    return downloads


def must_wait(album: Album, outcomes: Iterable[Download], seen: SeenPictures) -> bool:
    """Return whether a picture that came is to replace a file; `seen` then takes what came.

    Such an album is finished after the others of its run: one of them may show that the picture is
    a substitute.
    """
    stored = [row for row in outcomes if row.outcome.is_stored]
    if not any(row.outcome is Outcome.HELD for row in stored):
        return False
    sizes = _sizes(album)
    seen.add((row.md5, sizes[row.id]) for row in stored)
    return True


def settle_again(mirrored: Mirrored, folder: AlbumFolder, seen: SeenPictures) -> Mirrored:
    """Take from an album that was finished what later albums have shown to be substitutes.

    Raises:
        StoreError: where the folder cannot be written.
    """
    rows = {row.id: row for row in mirrored.downloads}
    with folder.start_run() as run_folder:
        listed = settle_album(mirrored.album, run_folder, rows, seen)
    # Those that the album no longer lists come after its own.
    return mirrored.with_downloads((*listed, *mirrored.downloads[len(listed) :]))


def has_substitutes(mirrored: Mirrored, seen: SeenPictures) -> bool:
    """Return whether an album that was finished has pictures that are known for substitutes now."""
    return any(row.outcome.is_stored and row.md5 in seen.substitutes for row in mirrored.downloads)


def settle(
    folder: AlbumFolder,
    rows: Mapping[str, Download],
    sizes: Mapping[str, int | None],
    seen: SeenPictures,
) -> dict[str, Download]:
    """Make failures of substitutes, and give files that are held their names.

    `rows` and `sizes`, those that the API lists, are by image id. `seen` has what the run has seen
    before, and takes the pictures of these rows.

    Raises:
        StoreError: where the folder cannot be written.
    """
    stored = {key: row for key, row in rows.items() if row.outcome.is_stored}
    seen.add((row.md5, sizes.get(key)) for key, row in stored.items())
    refused = {k: _refused(row) for k, row in stored.items() if row.md5 in seen.substitutes}
    # Where a file was there before, what came is held.
    folder.storage.delete([row.name for row in _new(stored, refused)])
    settled = {key: _in_place(folder, row) for key, row in {**rows, **refused}.items()}
    return _with_kept_files(folder, settled)


def _new(stored: Mapping[str, Download], refused: Iterable[str]) -> list[Download]:
    return [stored[key] for key in refused if stored[key].outcome is Outcome.DOWNLOADED]


def _refused(row: Download) -> Download:
    return replace(
        row,
        outcome=Outcome.FAILED,
        bytes=0,
        md5=None,
        etag=None,
        type=None,
        verified=None,
        blurhash=None,
        perceptual_hash=None,
        error=BLOCKED if is_blocked(row.md5) else SUBSTITUTE,
    )


def _in_place(folder: AlbumFolder, row: Download) -> Download:
    if row.outcome is not Outcome.HELD:
        return row
    folder.take_held(row.name)
    return replace(row, outcome=Outcome.DOWNLOADED)


def _with_kept_files(folder: AlbumFolder, rows: Mapping[str, Download]) -> dict[str, Download]:
    """Say of failures that the file of an earlier run is kept."""
    failed = {key: row for key, row in rows.items() if row.outcome is Outcome.FAILED}
    files = folder.files() if failed else {}
    kept = {
        key: replace(row, error=f"{row.error}{KEPT}")
        for key, row in failed.items()
        if row.name in files and not str(row.error).endswith(KEPT)
    }
    return {**rows, **kept}


def _no_longer_vouched_for(
    before: Mapping[str, Download], after: Mapping[str, Download]
) -> list[str]:
    """Return the ids of images whose stored file turned out to be a substitute."""
    return [
        image
        for image, row in before.items()
        if row.outcome is Outcome.UNCHANGED and after[image].outcome is Outcome.FAILED
    ]


def _sizes(album: Album) -> dict[str, int | None]:
    return {image.id: image.size for image in album.images}
