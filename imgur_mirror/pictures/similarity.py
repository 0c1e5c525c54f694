"""Pictures that look the same, by their perceptual hashes."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
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
    """Find the pairs among pictures, given the hash of each by its key; the most alike first.

    Of several with the very same hash, each is paired with the first of them alone.
    """
    firsts: dict[int, str] = {}
    pairs = []
    for key, text in hashes.items():
        number = int(text, 16)
        if not _has_contrast(number):
            continue
        if (first := firsts.setdefault(number, key)) != key:
            pairs.append(Pair(first, key, 0))
    found = {
        (one, other)
        for group in _bands(firsts)
        for one, other in combinations(group, 2)
        if (one ^ other).bit_count() <= MAX_BITS
    }
    pairs += [Pair(firsts[one], firsts[other], (one ^ other).bit_count()) for one, other in found]
    order = {key: place for place, key in enumerate(hashes)}
    return sorted(pairs, key=lambda pair: (pair.bits, order[pair.first], order[pair.second]))


def _has_contrast(number: int) -> bool:
    return MIN_CONTRAST <= number.bit_count() <= HASH_BITS - MIN_CONTRAST


def _bands(numbers: Iterable[int]) -> Iterator[list[int]]:
    """Group the hashes that are equal in one of the bands."""
    width = HASH_BITS // BANDS
    for band in range(BANDS):
        groups: defaultdict[int, list[int]] = defaultdict(list)
        for number in numbers:
            groups[number >> band * width & (1 << width) - 1].append(number)
        yield from (group for group in groups.values() if len(group) > 1)
