"""The work on images, as a part of their tasks: the same in every strategy, and never twice."""

import asyncio
import threading

import pytest

from flows.mirror_album import mirror_album
from imgur_mirror.download import Batch
from imgur_mirror.download.aiohttp_client import run_with_connections
from imgur_mirror.models import ByteRange, Download, Image, Outcome, Strategy, Work
from imgur_mirror.settings import Settings
from imgur_mirror.store import album_folder
from tests.support.albums import manifest, stored, without_times
from tests.support.cases import scripted
from tests.support.imgur import contents, control, images_served, new_album, put
from tests.support.pictures import HOSTILE, drawing, encoded, saved

pytestmark = pytest.mark.usefixtures("prefect_server")

KINDS = ["jpg", "png", "gif", "mp4"]
COMPUTED = ("blurhash", "perceptual_hash", "work_error")


def thumbnails(downloads, album):
    folder = downloads / "_reports" / album / "thumbnails"
    return {path.name: path.read_bytes() for path in folder.glob("*")}


def computed(downloads, album):
    """What the manifest has of each image's pixels."""
    images = manifest(downloads / album)["images"]
    return {image["file"]: {k: image[k] for k in COMPUTED if k in image} for image in images}


def serve(imgur, album, bodies):
    """Have the images of an album be these."""
    listed = control(imgur, "GET", f"albums/{album}")
    for image, body in zip(listed, bodies, strict=True):
        put(imgur, f"faults/{image['id']}", scripted({"body": body, "etag": "md5"}))
    return [image["id"] for image in listed]


@pytest.fixture(scope="module")
def by_strategy(tmp_path_factory):
    return {strategy: tmp_path_factory.mktemp(strategy) for strategy in Strategy}


@pytest.fixture(scope="module")
def album(imgur):
    """Pictures, a video, one that is cut into byte ranges, and files that hurt who decodes them."""
    sizes = [2_000_000, *[30_000] * (7 + len(HOSTILE))]
    made = new_album(imgur, bytes=sizes, kinds=KINDS)
    listed = control(imgur, "GET", f"albums/{made}")
    for image, (make, _) in zip(listed[8:], HOSTILE.values(), strict=True):
        put(imgur, f"faults/{image['id']}", scripted({"body": make(), "etag": "md5"}))
    return made


@pytest.mark.parametrize("strategy", Strategy)
def test_every_strategy_leaves_the_same_thumbnails_and_hashes(
    strategy, album, downloads, by_strategy, monkeypatch
):
    """Byte for byte; and whatever cannot be decoded is said in its row, and fails nothing."""
    monkeypatch.setenv("IMGUR_SPLIT_BYTES", "65536")
    place = by_strategy[strategy]
    for work in (Work.THUMBNAIL, Work.BLURHASH):
        run = mirror_album(album, strategy, 2, str(place), work=work)
        assert run.work is work
        assert not run.having(Outcome.FAILED)

        videos, pictures, hostile = _sorted(run.downloads)
        assert {row.work_started for row in videos} == {None}
        assert {row.work_error for row in pictures} == {None}
        assert all(len(row.perceptual_hash) == 32 and row.worker for row in pictures)
        assert all(len(row.blurhash or "") == 28 * (work is Work.BLURHASH) for row in pictures)
        for row, (name, (_, expected)) in zip(hostile, HOSTILE.items(), strict=True):
            assert expected in row.work_error, name
        assert run.timings.ended >= max(
            row.work_started + row.work_seconds for row in pictures if row.work_started
        )
    assert len(thumbnails(place, album)) == 6
    first = by_strategy[Strategy.SEQUENTIAL]
    assert thumbnails(place, album) == thumbnails(first, album)
    assert without_times(manifest(place / album)) == without_times(manifest(first / album))
    assert stored(place / album) == stored(first / album)


def _sorted(rows):
    """The rows of videos, of pictures, and of the hostile ones, which are the last."""
    videos = [row for row in rows[:8] if row.name.endswith("mp4")]
    return videos, [row for row in rows[:8] if row not in videos], rows[8:]


def test_images_that_are_there_get_what_they_lack_without_a_request(imgur, downloads):
    album = new_album(imgur, count=3, bytes=3000)
    mirror_album(album, Strategy.THREADS, 2)
    assert computed(downloads, album) == {name: {} for name in contents(imgur, album)}
    assert images_served(imgur, album) == 3

    run = mirror_album(album, Strategy.ASYNC, 2, work=Work.BLURHASH)
    assert images_served(imgur, album) == 3
    assert [row.outcome for row in run.downloads] == [Outcome.UNCHANGED] * 3
    assert all(row.blurhash and row.work_seconds and not row.attempts for row in run.downloads)
    with_hashes = computed(downloads, album)
    assert all(len(found["blurhash"]) == 28 for found in with_hashes.values())

    again = mirror_album(album, Strategy.ASYNC, 2, work=Work.BLURHASH)
    assert {row.work_started for row in again.downloads} == {None}
    assert [row.blurhash for row in again.downloads] == [row.blurhash for row in run.downloads]
    mirror_album(album, Strategy.ASYNC, 2)
    assert computed(downloads, album) == with_hashes


def test_what_was_made_once_is_not_made_again_but_of_new_bytes(imgur, downloads):
    album = new_album(imgur, count=2, bytes=3000)
    first, _ = serve(imgur, album, [saved(drawing(n), "JPEG") for n in range(2)])
    before = mirror_album(album, Strategy.THREADS, 2, work=Work.THUMBNAIL)
    (downloads / album / before.downloads[0].name).unlink()
    put(imgur, f"faults/{first}", scripted({"body": saved(drawing(5), "JPEG"), "etag": "md5"}))

    after = mirror_album(album, Strategy.THREADS, 2, work=Work.THUMBNAIL)
    assert [row.work_started is not None for row in after.downloads] == [True, False]
    assert after.downloads[0].perceptual_hash != before.downloads[0].perceptual_hash
    made = thumbnails(downloads, album)
    assert set(made) == {f"{row.md5}.webp" for row in after.downloads}

    (downloads / "_reports" / album / "thumbnails" / f"{after.downloads[1].md5}.webp").unlink()
    again = mirror_album(album, Strategy.THREADS, 2, work=Work.THUMBNAIL)
    assert [row.work_started is not None for row in again.downloads] == [False, True]
    assert thumbnails(downloads, album) == made


def test_what_cannot_be_decoded_is_said_again_and_not_tried_again(imgur, downloads):
    album = new_album(imgur, count=1, bytes=3000)
    serve(imgur, album, [encoded("JPEG")[:700]])
    (row,) = mirror_album(album, work=Work.THUMBNAIL).downloads
    assert (row.outcome, row.work_started is not None) == (Outcome.DOWNLOADED, True)
    (again,) = mirror_album(album, work=Work.THUMBNAIL).downloads
    assert (again.work_error, again.work_started) == (row.work_error, None)
    assert "truncated" in row.work_error


def test_thumbnails_that_cannot_be_stored_fail_no_image_and_are_tried_again(imgur, downloads):
    album = new_album(imgur, count=1, bytes=3000)
    downloads.mkdir()
    (downloads / "_reports").write_text("in the way")
    (row,) = mirror_album(album, work=Work.THUMBNAIL).downloads
    assert row.outcome is Outcome.DOWNLOADED
    assert "_reports" in row.work_error

    (downloads / "_reports").unlink()
    (again,) = mirror_album(album, work=Work.THUMBNAIL).downloads
    assert (again.outcome, again.work_error) == (Outcome.UNCHANGED, None)
    assert len(thumbnails(downloads, album)) == 1


def test_the_event_loop_goes_on_while_an_image_is_worked_on(tmp_path, monkeypatch):
    """The work waits for what only the loop can do: done on the loop, it would never end."""
    from imgur_mirror.download import batch as module
    from imgur_mirror.download.aiohttp_client import fetch_batch_async

    turned = threading.Event()
    real = module.do_work

    def waiting(*arguments):
        assert turned.wait(60)
        return real(*arguments)

    monkeypatch.setattr(module, "do_work", waiting)
    row = Download(id="a", name="a.jpg", outcome=Outcome.UNCHANGED, bytes=3, md5="0" * 32)
    image = Image(id="a", name="a.jpg", link="")
    batch = Batch("00000", (ByteRange(image, file_exists=True, stored=row),), Work.BLURHASH)

    async def main(folder, wire):
        task = asyncio.ensure_future(fetch_batch_async(batch, folder, wire))
        asyncio.get_running_loop().call_later(0.1, turned.set)
        return await task

    with album_folder(str(tmp_path), "album").start_run() as folder:
        (folder.local_dir / "a.jpg").write_bytes(encoded("JPEG"))
        wire = Settings(_env_file=None).wire
        (done,) = run_with_connections(wire, main(folder, wire))
    assert (done.outcome, len(done.blurhash)) == (Outcome.UNCHANGED, 28)
