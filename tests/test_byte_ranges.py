"""Large images in pieces: over several connections, and whole or not at all all the same."""

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import requests

from flows.mirror_album import mirror_album
from imgur_mirror.models import Image, Outcome, Strategy
from imgur_mirror.store import album_folder
from imgur_mirror.store.errors import StoreError
from imgur_mirror.store.partial_file import SharedFile
from imgur_mirror.store.range_log import RangeLog, missing
from tests.support.albums import manifest, stored
from tests.support.imgur import contents, control, new_album, put, served
from tests.support.waiting import LONG

pytestmark = [pytest.mark.usefixtures("prefect_server"), pytest.mark.slow]

MB = 1 << 20
CONCURRENT = [Strategy.THREADS, Strategy.DASK, Strategy.ASYNC]


@pytest.fixture
def large(imgur, downloads, monkeypatch):
    """An album of one large image and two small ones; its id, and the large one's id."""
    monkeypatch.setenv("IMGUR_SPLIT_BYTES", str(MB))
    album = new_album(imgur, count=3, bytes=[3000, 5 * MB, 40_000])
    ids = [name.partition(".")[0] for name in contents(imgur, album)]
    control(imgur, "DELETE", "served")
    return album, ids[1]


def bytes_sent(imgur: str, image: str) -> int:
    return sum(row["sent"] for row in served(imgur, image))


@pytest.mark.parametrize("strategy", CONCURRENT)
def test_a_large_image_comes_in_pieces(strategy, large, imgur, downloads):
    album, image = large

    mirrored = mirror_album(album, strategy, 4)

    rows = served(imgur, image)
    assert [row["status"] for row in rows] == [206] * 4
    assert len({row["connection"] for row in rows}) > 1
    assert bytes_sent(imgur, image) == 5 * MB
    assert len(mirrored.having(Outcome.DOWNLOADED)) == len(mirrored.downloads) == 3
    row = next(row for row in mirrored.downloads if row.id == image)
    assert (row.bytes, row.received, row.attempts) == (5 * MB, 5 * MB, 4)
    assert manifest(downloads / album)["images"][1]["verified"] == "etag"
    assert stored(downloads / album) == contents(imgur, album)


def test_sequential_never_splits(large, imgur, downloads):
    album, image = large
    mirror_album(album, Strategy.SEQUENTIAL, 4)
    assert [row["status"] for row in served(imgur, image)] == [200]


def test_images_of_like_size_are_not_cut(imgur, downloads):
    """Each worker has enough of them: more requests would win nothing."""
    album = new_album(imgur, count=12, bytes=2 * MB)
    control(imgur, "DELETE", "served")
    mirror_album(album, Strategy.THREADS, 2)
    assert all(
        [row["status"] for row in served(imgur, name.partition(".")[0])] == [200]
        for name in contents(imgur, album)
    )


@pytest.mark.parametrize("strategy", CONCURRENT)
@pytest.mark.parametrize(
    "fault",
    [
        {"kind": "no-range", "times": None},
        {"kind": "bad-range", "times": None},
        {"kind": "range-416", "times": None},
        {"kind": "no-etag", "times": None},
        {"kind": "multipart-etag", "times": None},
        {"kind": "wrong-etag", "times": None},
        {"kind": "changing-etag", "times": None},
        {"kind": "reset-mid", "bytes": 300_000, "times": 2},
        {"kind": "close-mid", "bytes": 300_000, "times": 2},
        {"kind": "status", "status": 503, "retry_after": 0, "times": 2},
        {"kind": "corrupt", "at": 10, "times": 1},
    ],
    ids=lambda fault: fault["kind"],
)
def test_what_goes_wrong_with_pieces_ends_well(fault, strategy, large, imgur, downloads):
    """Whole instead, where pieces can't be had; once more, where one broke off."""
    album, image = large
    put(imgur, f"faults/{image}", fault)

    mirrored = mirror_album(album, strategy, 4)

    assert len(mirrored.having(Outcome.DOWNLOADED)) == 3
    assert stored(downloads / album) == contents(imgur, album)


def test_a_piece_that_broke_off_is_not_fetched_again(large, imgur, downloads):
    album, image = large
    # Closed and not reset, which would throw away what still lies in the sockets.
    put(imgur, f"faults/{image}", {"kind": "close-mid", "bytes": 1_000_000, "times": 1})
    mirror_album(album, Strategy.THREADS, 4)
    assert bytes_sent(imgur, image) == 5 * MB


def test_another_size_than_the_api_says_is_fetched_whole(imgur, downloads, monkeypatch):
    """The API's sizes are not to be trusted."""
    monkeypatch.setenv("IMGUR_SPLIT_BYTES", str(MB))
    album = new_album(imgur, count=1, bytes=3 * MB)
    url = f"{imgur}/3/album/{album}"
    listed = requests.get(url, headers={"Authorization": "Client-ID x"}, timeout=LONG).json()
    image = listed["data"]["images"][0] | {"size": 4 * MB}
    other = new_album(imgur, images=[image])

    mirrored = mirror_album(other, Strategy.ASYNC, 4)

    assert mirrored.downloads[0].bytes == 3 * MB
    assert stored(downloads / other) == contents(imgur, album)


@pytest.mark.parametrize("gone", ["removed", "status"])
def test_a_large_image_that_is_gone_is_gone(gone, large, imgur, downloads):
    album, image = large
    put(imgur, f"faults/{image}", {"kind": gone, "status": 404, "times": None})
    mirrored = mirror_album(album, Strategy.ASYNC, 4)
    assert [row.id for row in mirrored.having(Outcome.GONE)] == [image]
    assert left_over(downloads / album) == []


def left_over(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir() if ".part" in path.name or path.name[0] == "."]


@pytest.mark.parametrize("strategy", CONCURRENT)
def test_the_next_run_fetches_the_missing_pieces_alone(strategy, large, imgur, downloads):
    """The second piece fails in this run; the others are on the disk, and stay there."""
    album, image = large
    broken = {"kind": "status", "status": 403, "skip": 1, "times": 1}
    put(imgur, f"faults/{image}", broken)
    state = mirror_album(album, strategy, 4, return_state=True)
    assert state.is_failed()
    assert f"{image}.jpg" not in stored(downloads / album)
    sent = bytes_sent(imgur, image)

    mirrored = mirror_album(album, strategy, 4)

    assert len(mirrored.having(Outcome.DOWNLOADED)) == 1
    assert bytes_sent(imgur, image) == 5 * MB
    assert bytes_sent(imgur, image) - sent < 2 * MB
    assert stored(downloads / album) == contents(imgur, album)
    assert left_over(downloads / album) == []


def test_pieces_go_on_from_the_beginning_of_a_whole(large, imgur, downloads, monkeypatch):
    """A sequential run broke off; the next one, with more connections, has the rest to fetch."""
    album, image = large
    monkeypatch.setenv("IMGUR_RETRIES", "0")
    put(imgur, f"faults/{image}", {"kind": "close-mid", "bytes": 3 * MB, "times": 1})
    assert mirror_album(album, Strategy.SEQUENTIAL, return_state=True).is_failed()

    mirror_album(album, Strategy.THREADS, 4)

    assert bytes_sent(imgur, image) == 5 * MB
    assert stored(downloads / album) == contents(imgur, album)


def test_a_new_version_between_two_runs_is_fetched_whole(large, imgur, downloads):
    album, image = large
    put(imgur, f"faults/{image}", {"kind": "status", "status": 403, "skip": 1, "times": 1})
    assert mirror_album(album, Strategy.THREADS, 4, return_state=True).is_failed()
    put(imgur, f"faults/{image}", {"kind": "new-version", "times": None})

    mirror_album(album, Strategy.THREADS, 4)

    new = requests.get(f"{imgur}/{image}.jpg", timeout=LONG).content
    assert (downloads / album / f"{image}.jpg").read_bytes() == new


@pytest.mark.parametrize(
    ("done", "expected"),
    [
        ([], [(0, 10)]),
        ([(0, 10)], []),
        ([(2, 4)], [(0, 2), (4, 10)]),
        ([(6, 20), (0, 3)], [(3, 6)]),
        ([(0, 3), (2, 5)], [(5, 10)]),
        ([(10, 20)], [(0, 10)]),
    ],
)
def test_missing_ranges(done, expected):
    assert missing(done, 0, 10) == expected


def test_a_full_disk_is_said_of_pieces_as_well(tmp_path):
    """The sentence of the store, not the operating system's error."""
    with pytest.raises(StoreError, match="cannot write"):
        SharedFile(tmp_path / "nowhere" / "a.jpg", "run")


# What an earlier run left


@pytest.fixture
def run(tmp_path):
    with album_folder(str(tmp_path), "album").start_run() as opened:
        yield opened


def left_whole(run, have: int, etag: str) -> None:
    (run.local_dir / "a.jpg.part").write_bytes(b"x" * have)
    (run.local_dir / "a.jpg.part.etag").write_text(etag)


def left_pieces(run, etag: str | None) -> None:
    part = run.local_dir / "a.jpg.dead.part"
    part.write_bytes(b"x" * 3 * MB)
    version = json.dumps({"etag": etag, "total": 3 * MB})
    part.with_name(f"{part.name}.log").write_text(f'{version}\n{{"start": 0, "stop": {MB}}}\n')


def taken_over(run):
    return run.resumable([Image(id="a", link="x", name="a.jpg", size=3 * MB)], MB)


def test_the_beginning_of_a_whole_and_pieces_are_taken_over(run):
    left_whole(run, 2 * MB, '"e"')
    assert taken_over(run)["a.jpg"].done == ((0, 2 * MB),)
    left_pieces(run, '"e"')
    assert taken_over(run)["a.jpg"].done == ((0, MB),)


@pytest.mark.parametrize("have", [3 * MB, 4 * MB])
def test_as_much_as_the_api_says_is_not_taken_for_all(have, run):
    """The API's sizes are not to be trusted: the host has not said that nothing follows."""
    left_whole(run, have, '"e"')
    assert taken_over(run) == {}


@pytest.mark.parametrize("etag", [None, "", 'W/"e"', "\0\0\0\0"])
def test_what_no_strong_etag_ties_together_is_not_taken_over(etag, run):
    """Another version of the same length would be spliced to it."""
    left_pieces(run, etag)
    left_whole(run, 2 * MB, etag or "")
    assert taken_over(run) == {}


def test_one_of_two_runs_takes_over_what_a_dead_one_left(run):
    left_pieces(run, '"e"')
    with album_folder(str(run.local_dir.parent), "album").start_run() as other:
        assert list(taken_over(run)) == ["a.jpg"]
        assert taken_over(other) == {}


def test_a_file_that_another_run_writes_is_not_taken_over(run):
    left_whole(run, 2 * MB, '"e"')
    with run.partial_file("a.jpg") as writing:
        assert writing.resume() == '"e"'
        assert taken_over(run) == {}


def test_pieces_without_an_etag_are_fetched_whole(large, imgur, downloads):
    album, image = large
    put(imgur, f"faults/{image}", {"kind": "no-etag", "times": None})
    mirror_album(album, Strategy.THREADS, 4)
    assert 200 in [row["status"] for row in served(imgur, image)]
    assert stored(downloads / album) == contents(imgur, album)


def test_one_connection_goes_on_with_pieces(large, imgur, downloads):
    album, image = large
    put(imgur, f"faults/{image}", {"kind": "status", "status": 403, "skip": 1, "times": 1})
    assert mirror_album(album, Strategy.THREADS, 4, return_state=True).is_failed()
    mirror_album(album, Strategy.SEQUENTIAL)
    assert bytes_sent(imgur, image) == 5 * MB
    assert stored(downloads / album) == contents(imgur, album)


def test_of_all_that_find_the_last_range_there_one_puts_the_whole_together(tmp_path):
    """Also of those that ask when it is at its place: they would look for what is there no more."""
    for number in range(100):
        log = RangeLog(tmp_path / f"{number}.jpg.run.part")
        log.append({"start": 0, "stop": 8})
        elected = []

        def finish(start, log=log, elected=elected):
            if log.elect_finisher(start):
                elected.append(start)
                # As the commit of the whole does.
                log.path.unlink()

        with ThreadPoolExecutor(4) as workers:
            list(workers.map(finish, range(8)))
        assert len(elected) == 1
        assert not log.path.exists()
