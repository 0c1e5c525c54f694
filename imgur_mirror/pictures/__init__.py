"""What is computed from a picture: its thumbnail, its BlurHash, and a hash of how it looks.

`decoding` and `work` import Pillow: import them by their own path, where they are used.
"""

from imgur_mirror.pictures.errors import Undecodable
from imgur_mirror.pictures.similarity import Pair, similar_pairs

__all__ = ["Pair", "Undecodable", "similar_pairs"]
