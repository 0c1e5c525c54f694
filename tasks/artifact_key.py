"""Keys of Prefect artifacts, which may hold lower-case letters, digits and dashes only."""

import hashlib
import re

from imgur_mirror.api import capital_bits

__all__ = ["artifact_key"]


def artifact_key(album_id: str) -> str:
    """Return a key for an album's artifacts, readable where the id is letters and digits.

    Ids that differ in their capitals alone keep different keys: PdA9Amq becomes pda9amq-54.
    """
    if not re.fullmatch("[A-Za-z0-9]+", album_id):
        digest = hashlib.sha256(album_id.encode("utf-8", "surrogatepass")).hexdigest()
        return f"x-{digest[:16]}"
    capitals = capital_bits(album_id)
    return album_id.lower() if capitals == "0" else f"{album_id.lower()}-{capitals}"
