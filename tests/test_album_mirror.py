"""One album's mirror without its downloads: what is planned, and what the outcomes come to."""

import hashlib
from dataclasses import replace

import pytest

from imgur_mirror.download.album_mirror import AlbumMirror, MirrorOptions
from imgur_mirror.models import Album, Download, Image, Outcome, Strategy
from imgur_mirror.store import album_folder
from tests.support.albums import manifest

OPTIONS = MirrorOptions(strategy=Strategy.THREADS, workers=2, max_task_runs=64, split_bytes=1 << 16)


def image(key, size=3):
    return Image(id=key, link=f"https://i.imgur.com/{key}.jpg", name=f"{key}.jpg", size=size)


def row(key, outcome=Outcome.DOWNLOADED, **known):
    md5 = hashlib.md5(b"abc").hexdigest()
    given = {"bytes": 3, "md5": md5, "attempts": 1, "started": 1.0, "finished": 2.0}
    return Download(id=key, name=f"{key}.jpg", outcome=outcome, **given | known)


@pytest.fixture
def folder(tmp_path):
    with album_folder(str(tmp_path), "album").start_run() as opened:
        yield opened


def mirrored(folder, album, *outcomes, options=OPTIONS):
    return AlbumMirror.prepare(album, folder, options).finish(outcomes)


def store(folder, *keys):
    for key in keys:
        (folder.local_dir / f"{key}.jpg").write_bytes(b"abc")


def test_every_image_has_a_row_in_the_albums_order_and_the_manifest_has_it(folder):
    album = Album(id="album", images=(image("a"), image("b"), image("c")))
    store(folder, "a", "b", "c")

    run = mirrored(folder, album, row("c"), row("a"), row("b"))

    assert [each.id for each in run.downloads] == ["a", "b", "c"]
    listed = manifest(folder.local_dir)["images"]
    assert [each["file"] for each in listed] == ["a.jpg", "b.jpg", "c.jpg"]
    with album_folder(str(folder.local_dir.parent), "album").start_run() as again:
        assert AlbumMirror.prepare(album, again, OPTIONS).plan.batches == ()


def test_workers_are_numbered_by_their_first_requests_and_times_are_of_the_whole_run(folder):
    album = Album(id="album", images=(image("a"), image("b"), image("c")))
    store(folder, "a", "b", "c")
    rows = [
        row("a", worker="pool-9", started=5.0, finished=9.0),
        row("b", worker="pool-4", started=4.0, finished=6.0),
        row("c", worker="pool-9", started=9.0, finished=9.5),
    ]

    run = mirrored(folder, album, *rows)

    assert [each.worker for each in run.downloads] == ["2", "1", "2"]
    assert (run.timings.first_request, run.timings.ended) == (4.0, 9.5)


def ranges(**known):
    half = row("a", Outcome.BYTE_RANGE, bytes=50_000, received=50_000, md5=None, **known)
    later = {"range_start": 50_000, "started": 1.5, "finished": 3.0}
    return replace(half, range_start=0), replace(half, **later)


def test_the_ranges_of_an_image_make_one_row(folder):
    album = Album(id="album", images=(image("a", 100_000),))
    store(folder, "a")
    first, last = ranges()

    run = mirrored(folder, album, first, replace(last, outcome=Outcome.DOWNLOADED, bytes=100_000))

    (found,) = run.downloads
    assert (found.outcome, found.bytes, found.range_start) == ("downloaded", 100_000, None)
    assert (found.attempts, found.received) == (2, 100_000)
    assert (found.started, found.finished) == (1.0, 3.0)


def test_ranges_that_no_worker_reports_as_a_whole_count_by_the_file_that_is_there(folder):
    """The worker that put them together was killed before it could say so."""
    album = Album(id="album", images=(image("a", 100_000),))

    (lost,) = mirrored(folder, album, *ranges()).downloads
    assert (lost.outcome, lost.error) == (
        Outcome.FAILED,
        "its pieces do not make a whole; run this again",
    )
    run = AlbumMirror.prepare(album, folder, OPTIONS)
    store(folder, "a")
    (found,) = run.finish(ranges()).downloads
    assert (found.outcome, found.bytes) == (Outcome.DOWNLOADED, 3)
    assert found.md5 == hashlib.md5(b"abc").hexdigest()
