"""Keys of Prefect artifacts, which may hold lower-case letters, digits and dashes only."""

import hashlib
import re

from imgur_mirror.api import capital_bits

__all__ = ["artifact_key"]


def artifact_key(name: str) -> str:
    """Return a key for the artifacts of an album, by its id, or of a job, by its name.

    It is readable, and different names have different keys. Where all is letters and digits, it
    says which letters are capitals: PdA9Amq becomes pda9amq-54. Any other name has its digest
    behind its words.
    """
    if re.fullmatch("[A-Za-z0-9]+", name):
        capitals = capital_bits(name)
        return name.lower() if capitals == "0" else f"{name.lower()}-{capitals}"
    digest = hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()
    words = re.findall("[a-z0-9]+", name.lower())
    return "-".join([*(words or "x"), digest[:16]])
