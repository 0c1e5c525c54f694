"""Pictures that look the same, by their perceptual hashes."""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import combinations

__all__ = ["MAX_BITS", "Pair", "similar_pairs"]

HASH_BITS, BANDS = 128, 8

MAX_BITS = BANDS - 1
"""Bits in which hashes of the same picture may differ. Two that differ in fewer bits than there are
bands are equal in one of these, and so are found without comparing all with all."""

MIN_CONTRAST = 8
"""Bits of a hash that are set, or not set: a blank page has none, and looks like any other."""


@dataclass(frozen=True, slots=True)
class Pair:
    """Two pictures, by their keys, whose hashes differ in so many bits."""

    first: str
    second: str
    bits: int


def similar_pairs(hashes: Mapping[str, str]) -> list[Pair]:
    """Find the pairs among pictures, given the hash of each by its key; the most alike first."""
    numbers = {key: int(text, 16) for key, text in hashes.items()}
    telling = {key: number for key, number in numbers.items() if _has_contrast(number)}
    order = {key: place for place, key in enumerate(hashes)}
    found: dict[tuple[str, str], int] = {}
    for group in _bands(telling):
        for first, second in combinations(group, 2):
            bits = (telling[first] ^ telling[second]).bit_count()
            if bits <= MAX_BITS:
                found[first, second] = bits
    pairs = [Pair(first, second, bits) for (first, second), bits in found.items()]
    return sorted(pairs, key=lambda pair: (pair.bits, order[pair.first], order[pair.second]))


def _has_contrast(number: int) -> bool:
    return MIN_CONTRAST <= number.bit_count() <= HASH_BITS - MIN_CONTRAST


def _bands(numbers: Mapping[str, int]) -> Iterator[list[str]]:
    """Group the keys whose hashes are equal in one of the bands."""
    width = HASH_BITS // BANDS
    for band in range(BANDS):
        groups: defaultdict[int, list[str]] = defaultdict(list)
        for key, number in numbers.items():
            groups[number >> band * width & (1 << width) - 1].append(key)
        yield from (group for group in groups.values() if len(group) > 1)
