"""Whether what came is the image, decided from facts about it."""

from dataclasses import replace

import pytest

from imgur_mirror.download.errors import Gone, RetryableError
from imgur_mirror.download.verification import (
    REMOVED_MD5,
    FetchedFile,
    Refetch,
    Reject,
    Verified,
    verify,
)

JPEG = b"\xff\xd8\xff\xe0" + bytes(60)
TEXT = b'{"data":{"error":"over capacity"}}'.ljust(64)
MD5, OTHER, THIRD = "0" * 32, "1" * 32, "2" * 32


def came(**facts):
    """A JPEG of 1,000 bytes, as announced, without an ETag."""
    file = FetchedFile(size=1000, md5=MD5, head=JPEG, expected_size=1000, etag=None)
    return replace(file, **facts)


@pytest.mark.parametrize(
    ("facts", "evidence"),
    [
        ({}, "length"),
        ({"etag": f'"{MD5}"'}, "etag"),
        ({"etag": f'"{MD5.upper()}"', "expected_size": None}, "etag"),
        ({"etag": f'"{OTHER}"', "earlier_md5": MD5}, "two fetches"),
        # The ETag of an object that was stored in several parts is no MD5.
        ({"etag": f'"{OTHER}-2"'}, "length"),
        ({"expected_size": None, "chunked": True}, "length"),
        ({"expected_size": None, "listed_size": 1000}, "length"),
    ],
)
def test_what_vouches_for_it(facts, evidence):
    assert verify(came(**facts)) == Verified(evidence, "image/jpeg")


def test_another_etag_than_the_digest_is_fetched_once_more():
    assert verify(came(etag=f'"{OTHER}"')) == Refetch()


@pytest.mark.parametrize(
    ("facts", "said"),
    [
        ({"size": 0}, "the body is empty"),
        ({"head": b"<!DOCTYPE html>".ljust(64)}, "an HTML page"),
        ({"head": b"<html>".ljust(64), "etag": f'"{MD5}"'}, "an HTML page"),
        ({"etag": f'"{OTHER}"', "earlier_md5": THIRD}, "two fetches differ"),
        ({"expected_size": None}, "nothing tells whether the body is whole"),
        ({"expected_size": None, "listed_size": 1001}, "nothing tells whether the body is whole"),
        ({"head": TEXT}, "no picture or video of a known kind"),
        ({"head": TEXT, "etag": f'"{MD5}"'}, "no picture or video of a known kind"),
        ({"head": b"<html>".ljust(64), "redirected": True}, "redirects to an HTML page"),
        ({"head": TEXT, "etag": f'"{OTHER}"', "earlier_md5": MD5}, "no picture or video"),
    ],
)
def test_what_is_not_the_image_is_thrown_away(facts, said):
    decision = verify(came(**facts))
    assert isinstance(decision.error, RetryableError)
    assert said in str(decision.error)
    assert not decision.resumable


def test_the_beginning_of_the_image_is_kept():
    decision = verify(came(size=999, etag=f'"{OTHER}"'))
    assert str(decision.error) == "the body is short: 999 of 1000 bytes"
    assert decision.resumable


def test_the_picture_for_blocked_countries_says_so_and_is_not_tried_again():
    blocked = "f953f499c9824953791551bfef65fe61"
    decision = verify(came(md5=blocked, etag=f'"{blocked}"'))
    assert "blocked where this runs" in str(decision.error)
    assert not isinstance(decision.error, RetryableError)


def test_the_picture_for_removed_images_says_that_it_is_gone():
    decision = verify(came(md5=REMOVED_MD5, etag=f'"{REMOVED_MD5}"'))
    assert isinstance(decision, Reject)
    assert isinstance(decision.error, Gone)
