"""`--verify`: what is stored is read back, and what is damaged or missing is fetched again."""

import pytest

from flows.mirror_album import mirror_album
from imgur_mirror.models import Outcome, Strategy
from tests.support.albums import stored
from tests.support.imgur import contents, fault, images_served, new_album, put

pytestmark = pytest.mark.usefixtures("prefect_server")


@pytest.mark.parametrize("strategy", Strategy)
def test_damaged_and_missing_files_are_fetched_again(strategy, imgur, downloads):
    album = new_album(imgur, count=6, bytes=3000)
    mirror_album(album, strategy, 2)
    flipped, cut, missing, *_ = (downloads / album / name for name in contents(imgur, album))
    body = bytearray(flipped.read_bytes())
    body[-1] ^= 1
    flipped.write_bytes(body)
    cut.write_bytes(cut.read_bytes()[:100])
    missing.unlink()

    mirrored = mirror_album(album, strategy, 2, verify=True)

    assert {row.name for row in mirrored.having(Outcome.DOWNLOADED)} == {
        flipped.name,
        cut.name,
        missing.name,
    }
    assert stored(downloads / album) == contents(imgur, album)
    assert images_served(imgur, album) == 9


def test_without_it_a_file_of_the_right_size_is_not_read(imgur, downloads):
    album = new_album(imgur, count=1, bytes=3000)
    mirror_album(album)
    file = downloads / album / next(iter(contents(imgur, album)))
    file.write_bytes(b"x" * 3000)

    assert len(mirror_album(album).having(Outcome.UNCHANGED)) == 1
    assert len(mirror_album(album, verify=True).having(Outcome.DOWNLOADED)) == 1


def test_a_damaged_file_that_is_gone_at_imgur_is_a_loss_that_is_said(imgur, downloads):
    album = new_album(imgur, count=2, bytes=3000)
    mirror_album(album)
    name = next(iter(contents(imgur, album)))
    (downloads / album / name).write_bytes(b"x" * 3000)
    fault(imgur, name, "removed")

    state = mirror_album(album, verify=True, return_state=True)

    assert state.is_failed()
    assert name in state.message
    assert "damaged" in state.message


def test_a_damaged_file_whose_image_left_the_album_is_said(imgur, downloads):
    album = new_album(imgur, count=2, bytes=3000)
    mirror_album(album)
    name = next(iter(contents(imgur, album)))
    (downloads / album / name).write_bytes(b"x" * 3000)
    put(imgur, f"albums/{album}", {"count": 1, "bytes": 3000})
    left = set(stored(downloads / album)) - set(contents(imgur, album))
    (downloads / album / left.pop()).write_bytes(b"x" * 3000)

    state = mirror_album(album, verify=True, return_state=True)

    assert state.is_failed()
    assert "no longer in the album" in state.message
