"""Where files land: whole or not at all, in an album's folder with its manifest.

`album_folder` opens one: an `AlbumFolder` above a `Storage`, which is a folder of this machine
(`local`) or what is at an address such as `s3://bucket/mirror` (`object_store`, imported where
there is such an address). A run's workers share its `RunState`.
"""

from imgur_mirror.store.errors import StoreAway, StoreError, os_errors_as_store_errors
from imgur_mirror.store.folder import REPORTS, AlbumFolder, BatchState
from imgur_mirror.store.journal import Journal, Outcomes, download_of, outcomes_in, row_of
from imgur_mirror.store.left_over import Resumable
from imgur_mirror.store.manifest import Entry
from imgur_mirror.store.opening import album_folder, albums_run, downloads_root
from imgur_mirror.store.partial_file import RESUMABLE, ExclusiveFile, SharedFile
from imgur_mirror.store.range_log import missing
from imgur_mirror.store.run_state import RunState
from imgur_mirror.store.storage import Capabilities, StoredFile
from imgur_mirror.store.thumbnails import Thumbnails

__all__ = [
    "REPORTS",
    "RESUMABLE",
    "AlbumFolder",
    "BatchState",
    "Capabilities",
    "Entry",
    "ExclusiveFile",
    "Journal",
    "Outcomes",
    "Resumable",
    "RunState",
    "SharedFile",
    "StoreAway",
    "StoreError",
    "StoredFile",
    "Thumbnails",
    "album_folder",
    "albums_run",
    "download_of",
    "downloads_root",
    "missing",
    "os_errors_as_store_errors",
    "outcomes_in",
    "row_of",
]
