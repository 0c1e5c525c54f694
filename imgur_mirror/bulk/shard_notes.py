"""The albums of a shard that are complete, noted in its run's state as they are.

After a crash the next run goes on from these notes, and from the journals of the shard's images.
"""

import json
from collections.abc import Iterator
from contextlib import suppress

from imgur_mirror.api import Address, BadAddress
from imgur_mirror.bulk.outcomes import AlbumOutcome
from imgur_mirror.store import RunState, download_of, row_of

__all__ = ["noted_albums", "write_album_note"]


def noted_albums(state: RunState) -> Iterator[tuple[Address, AlbumOutcome]]:
    """Read what became of the albums that are complete."""
    for content in state.notes(".album"):
        with suppress(ValueError, KeyError, TypeError, BadAddress):
            note = json.loads(content)
            rows = [download_of(row) for row in note["rows"]]
            album = AlbumOutcome(note["folder"], rows, note.get("note"))
            yield Address(note["kind"], note["id"]), album


def write_album_note(state: RunState, address: Address, album: AlbumOutcome) -> None:
    """Keep what became of an album, so that it is not listed again after a crash."""
    note = {
        "kind": address.kind,
        "id": address.id,
        "folder": album.folder,
        "note": album.note,
        "rows": [row_of(row) for row in album.downloads],
    }
    state.note(f"{address.kind}-{address.id}.album", json.dumps(note).encode())
