"""Which pictures are substitutes: told by their digests, and by the sizes that the API lists."""

import pytest

from imgur_mirror.download.substitutes import SeenPictures, is_blocked

BLOCKED = "f953f499c9824953791551bfef65fe61"


@pytest.mark.parametrize(
    ("pictures", "found"),
    [
        ([], set()),
        ([("a", 1), ("b", 2)], set()),
        ([("a", 1), ("a", 1)], set()),
        ([("a", 1), ("a", 2)], {"a"}),
        ([("a", 1), ("b", 3), ("b", 3), ("a", 1), ("a", 2)], {"a"}),
        # Without a size nothing is known, and a picture may be posted twice.
        ([("a", None), ("a", None)], set()),
        ([("a", 1), ("a", None)], set()),
        # What did not come has no digest.
        ([(None, 1), (None, 2)], set()),
    ],
)
def test_one_digest_for_links_of_other_sizes_is_a_substitute(pictures, found):
    seen = SeenPictures()
    seen.add(pictures)
    assert seen.substitutes == {BLOCKED} | found


def test_the_known_one_is_known():
    assert is_blocked(BLOCKED)
    assert not is_blocked("0" * 32)
    assert not is_blocked(None)
