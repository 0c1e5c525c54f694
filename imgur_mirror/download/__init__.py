"""Images over the wire: what is missing, fetched, verified and committed.

The clients, `requests_client` and `aiohttp_client`, each import a heavy library: import them by
their own path, where they are used.
"""

from imgur_mirror.download.album_mirror import AlbumMirror, MirrorOptions
from imgur_mirror.download.batch import Batch, together
from imgur_mirror.download.plan import Plan, Splitting

__all__ = ["AlbumMirror", "Batch", "MirrorOptions", "Plan", "Splitting", "together"]
