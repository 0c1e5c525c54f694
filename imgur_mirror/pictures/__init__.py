"""What is computed from a picture: its thumbnail, its BlurHash, and a hash of how it looks.

What decodes imports Pillow: import `work`, `thumbnails` and `placeholder` by their own paths, where
they are used.
"""

from imgur_mirror.pictures.errors import Undecodable
from imgur_mirror.pictures.limits import MAX_FILE_BYTES, SIDE, check_file_size
from imgur_mirror.pictures.similarity import Pair, similar_pairs

__all__ = [
    "MAX_FILE_BYTES",
    "SIDE",
    "Pair",
    "Undecodable",
    "check_file_size",
    "similar_pairs",
]
