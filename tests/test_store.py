"""Where files land: whole or not at all, whoever else writes there and whatever the disk says."""

import dataclasses
import hashlib
import json
import os
import random
import secrets
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path

import psutil
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imgur_mirror.models import Album, Download, Image, Outcome
from imgur_mirror.store import BatchState, StoreError, album_folder, outcomes_in
from tests.support.waiting import eventually

MIB = 1 << 20
MANIFEST = "album.json"
PICTURE = random.Random(7).randbytes(3 * MIB)
ETAG = '"d41d8cd98f00b204e9800998ecf8427e"'

few = settings(max_examples=30, deadline=None)


@pytest.fixture
def folder(tmp_path):
    """A folder of this machine."""
    with album_folder(str(tmp_path), "album").start_run() as mine:
        yield mine


@pytest.fixture(params=["local", "memory", pytest.param("s3", marks=pytest.mark.slow)])
def place(request, tmp_path):
    """An album in each kind of store: the one in memory renames files to their names."""
    if request.param == "s3":
        return album_folder(request.getfixturevalue("bucket").address, "album")
    memory = f"memory://{secrets.token_hex(4)}"
    return album_folder(memory if request.param == "memory" else str(tmp_path), "album")


@pytest.fixture
def anywhere(place):
    with place.start_run() as mine:
        yield mine


def md5(content):
    return hashlib.md5(content, usedforsecurity=False).hexdigest()


def image(key, **known):
    given_ = {"link": f"https://i.imgur.com/{key}.jpg", "name": f"{key}.jpg", "size": 9} | known
    return Image(id=key, **given_)


def album(*ids, **about):
    return Album(id="album", images=tuple(image(key) for key in ids), **about)


def row(key, outcome=Outcome.DOWNLOADED, content=b"picture", **known):
    given_ = {"bytes": len(content), "md5": md5(content), "attempts": 1, "finished": 1.7e9}
    return Download(id=key, name=f"{key}.jpg", outcome=outcome, **given_ | known)


def failed(key):
    return Download(id=key, name=f"{key}.jpg", outcome=Outcome.FAILED, attempts=4, error="a stall")


def gone(key):
    return Download(
        id=key, name=f"{key}.jpg", outcome=Outcome.GONE, attempts=1, finished=1.8e9, error="404"
    )


def settled(key, **known):
    """The row of an image whose outcome was known without a request."""
    return row(key, Outcome.UNCHANGED, attempts=0, finished=None, **known)


def store(folder, name, content=b"picture"):
    with folder.partial_file(name) as part:
        part.write(content)
        part.commit()


def names(folder):
    return sorted(path.name for path in folder.local_dir.iterdir() if path != folder.run_dir)


def stored(folder):
    """The names of all that is stored, but for what runs note."""
    return sorted(name for name in folder.storage.list() if not name.startswith(".run-"))


def manifest(folder):
    return json.loads(folder.storage.read(MANIFEST))


@contextmanager
def second_process(code, *arguments):
    """A process that ran the code and waits, until it is killed at the end of the block."""
    head = "import sys\nfrom imgur_mirror.models import *\nfrom imgur_mirror.store import *\n"
    tail = "\nprint('ready', flush=True)\nsys.stdin.read()"
    with subprocess.Popen(
        [sys.executable, "-c", head + code + tail, *map(str, arguments)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            assert process.stdout.readline() == "ready\n"
            yield process
        finally:
            process.kill()


def done_by_another(code, *arguments):
    """What a process that ran the code printed."""
    head = "import os, sys\nfrom imgur_mirror.models import *\nfrom imgur_mirror.store import *\n"
    command = [sys.executable, "-c", head + code, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


# A file is whole, or it is not there


def test_a_file_has_its_name_only_when_it_is_whole(anywhere):
    with anywhere.partial_file("x.jpg") as part:
        part.write(PICTURE[:100])
        part.write(PICTURE[100:])
        assert anywhere.files() == {}
        assert (part.size, part.md5) == (len(PICTURE), md5(PICTURE))
        assert part.head == PICTURE[:64]
        part.commit()
        assert anywhere.files() == {"x.jpg": len(PICTURE)}
    assert stored(anywhere) == ["x.jpg"]
    assert anywhere.digests() == {"x.jpg": md5(PICTURE)}


def test_a_file_takes_the_place_of_an_older_one(anywhere):
    store(anywhere, "x.jpg", b"old" * 1000)
    with anywhere.partial_file("x.jpg") as part:
        part.write(b"new")
        assert anywhere.digest("x.jpg") == md5(b"old" * 1000)
        part.commit()
    assert anywhere.digest("x.jpg") == md5(b"new")


@pytest.mark.parametrize("size", [100, 3 << 18])
def test_what_is_held_replaces_a_file_only_when_it_is_taken(size, anywhere):
    store(anywhere, "x.jpg", PICTURE)
    new = b"n" * size
    with anywhere.partial_file("x.jpg") as part:
        part.write(new)
        part.hold()
    assert anywhere.digests() == {"x.jpg": md5(PICTURE)}
    anywhere.take_held("x.jpg")
    assert anywhere.digests() == {"x.jpg": md5(new)}
    assert stored(anywhere) == ["x.jpg"]


def test_what_is_held_and_not_taken_goes_with_its_run(place):
    with place.start_run() as run:
        store(run, "x.jpg", PICTURE)
        with run.partial_file("x.jpg") as part:
            part.write(b"new")
            part.hold()
        run.write_manifest(album("x"), [row("x", content=PICTURE)])
        assert run.digests() == {"x.jpg": md5(PICTURE)}
    assert stored(place) == ["album.json", "x.jpg"]
    assert not any("x.jpg" in name for name in place.storage.list() if name != "x.jpg")


def test_an_image_that_failed_keeps_the_listing_with_which_its_file_came(anywhere):
    store(anywhere, "x.jpg")
    anywhere.write_manifest(album("x", title="before"), [row("x")])
    edited = dataclasses.replace(image("x"), link="https://i.imgur.com/x.jpg?2")
    anywhere.write_manifest(Album(id="album", images=(edited,)), [failed("x")])
    (entry,) = manifest(anywhere)["images"]
    assert (entry["file"], entry["link"]) == ("x.jpg", image("x").link)


def test_nothing_is_vouched_for_of_what_is_to_be_forgotten(anywhere):
    store(anywhere, "x.jpg")
    anywhere.write_manifest(album("x"), [row("x")])
    anywhere.write_manifest(album("x"), [failed("x")], ["x"])
    (entry,) = manifest(anywhere)["images"]
    assert (entry["id"], entry["file"], entry["md5"]) == ("x", None, None)


def test_a_file_is_asked_for_by_its_name(anywhere):
    assert anywhere.existing_md5("x.jpg") is None
    store(anywhere, "x.jpg", PICTURE)
    assert anywhere.existing_md5("x.jpg") == anywhere.digest("x.jpg") == md5(PICTURE)
    assert anywhere.beginning("x.jpg") == (len(PICTURE), PICTURE[:64])
    with anywhere.open("x.jpg") as file:
        assert file.read() == PICTURE


def test_thumbnails_lie_beside_the_albums_reports(anywhere):
    kept = anywhere.thumbnails
    assert kept.known() == set()
    kept.write("0" * 32, b"one")
    kept.write("1" * 32, b"two")
    kept.write("2" * 32, b"")
    assert kept.known() == {"0" * 32, "1" * 32}
    assert kept.read("0" * 32) == b"one"
    assert kept.read("2" * 32) is None
    assert kept.read("3" * 32) is None
    beside = anywhere.sibling("_reports", anywhere.name, "thumbnails", f"{'0' * 32}.webp")
    assert beside.read() == b"one"
    kept.remove(["0" * 32, "2" * 32])
    assert kept.known() == {"1" * 32}


def test_what_is_damaged_or_missing_is_named(anywhere):
    for key in "abc":
        store(anywhere, f"{key}.jpg")
    anywhere.write_manifest(album(*"abcd"), [row(key) for key in "abcd"])
    entries, files = anywhere.read_manifest(), anywhere.files()
    assert anywhere.damaged(entries, files) == set()
    store(anywhere, "b.jpg", b"flipped")
    assert anywhere.damaged(entries, files) == {"b.jpg"}


def test_a_page_beside_the_album_is_replaced_as_a_whole(anywhere):
    page = anywhere.sibling("_reports", "album", "page.html")
    assert (page.read(), page.exists()) == (None, False)
    for content in (b"old" * 1000, b"", b"new"):
        page.write(content)
        assert (page.read(), page.exists()) == (content, True)
    with page.open() as file:
        file.seek(1)
        assert file.read() == b"ew"
    assert str(page) == f"{anywhere.uri.removesuffix('/album')}/_reports/album/page.html"
    assert stored(anywhere) == []


def test_what_is_small_and_what_is_large_is_whole(anywhere):
    wanted = {}
    for size in (1, MIB // 4, MIB // 4 + 1, MIB + 1, len(PICTURE)):
        with anywhere.partial_file(f"{size}.jpg") as part:
            for start in range(0, size, 100_000):
                part.write(PICTURE[start : min(start + 100_000, size)])
            part.commit()
        wanted[f"{size}.jpg"] = md5(PICTURE[:size])
    assert anywhere.digests() == wanted
    assert stored(anywhere) == sorted(wanted)


def test_a_batch_is_begun_once_and_gone_on_with(place):
    """By a worker that has nothing but the store: after the first, files are asked for."""
    with place.start_run() as run:
        there = {"a.jpg": False}
        assert run.batch_state("00000", there) == BatchState({}, {})
        store(run, "a.jpg")
        again = run.batch_state("00000", there)
        if not run.capabilities.local:
            assert again == BatchState({}, {"a.jpg": md5(b"picture")})
        with closing(run.run_state.journal("00000")) as journal:
            journal.append(row("a"))
        assert run.batch_state("00000", there) == BatchState({("a", None): row("a")}, {})
    assert place.files() == {"a.jpg": 7}


@pytest.mark.parametrize(
    ("size", "etag", "kept"),
    [
        (MIB, ETAG, True),
        (MIB + 1, 'W/"weak"', True),
        (MIB - 1, ETAG, False),
        (MIB, None, False),
        (0, ETAG, False),
        # What no header can carry is no ETag: aiohttp gives bytes that are no UTF-8 as surrogates.
        (MIB, '"\udcff"', False),
        (MIB, '"é"', False),
        (MIB, '"a\r\nHost: evil"', False),
        (MIB, "", False),
    ],
)
def test_what_can_be_continued_is_kept(folder, size, etag, kept):
    with folder.partial_file("x.jpg") as part:
        part.restart(etag)
        part.write(PICTURE[:size])
    assert names(folder) == (["x.jpg.part", "x.jpg.part.etag"] if kept else [])
    with folder.partial_file("x.jpg") as part:
        assert part.resume() == (etag if kept else None)
        assert (part.size, part.md5) == ((size, md5(PICTURE[:size])) if kept else (0, md5(b"")))
        part.write(PICTURE[part.size :])
        part.commit()
    assert folder.digests() == {"x.jpg": md5(PICTURE)}
    assert names(folder) == ["x.jpg"]


@pytest.mark.parametrize("damaged", [b"", b"\xff\xfe\0", b'"a"\r\nHost: evil', b"\0" * 36])
def test_an_etag_that_a_crash_damaged_is_no_etag(folder, damaged):
    with folder.partial_file("x.jpg") as part:
        part.restart(ETAG)
        part.write(PICTURE)
    (folder.local_dir / "x.jpg.part.etag").write_bytes(damaged)
    with folder.partial_file("x.jpg") as part:
        assert part.resume() is None
        assert part.size == 0


@pytest.mark.parametrize("anew", ["restart", "discard"])
def test_starting_over_leaves_nothing_of_before(folder, anew):
    with folder.partial_file("x.jpg") as part:
        part.restart(ETAG)
        part.write(PICTURE)
        getattr(part, anew)()
        part.write(b"short")
        assert (part.size, part.md5, part.head) == (5, md5(b"short"), b"short")
    assert names(folder) == []


def test_the_etag_of_an_earlier_try_is_not_taken_for_that_of_new_bytes(folder):
    with folder.partial_file("x.jpg") as part:
        part.restart('"of A"')
        part.write(b"A" * (2 << 20))
    with folder.partial_file("x.jpg") as part:
        part.restart()
        part.write(b"B" * (2 << 20))
    with folder.partial_file("x.jpg") as part:
        assert part.resume() is None


def test_a_journal_that_several_threads_begin_is_one_open_file(folder):
    def begun(number):
        journal = folder.run_state.journal(f"{number:05}")
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(journal.append, [row(f"i{n}") for n in range(8)]))
        journal.close()

    before = psutil.Process().num_fds()
    for number in range(100):
        begun(number)
    assert psutil.Process().num_fds() <= before
    assert len(folder.run_state.outcomes("00099")) == 8


def test_an_error_in_the_block_leaves_what_can_be_continued(folder):
    def interrupted():
        with folder.partial_file("x.jpg") as part:
            part.restart(ETAG)
            part.write(PICTURE)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    with folder.partial_file("x.jpg") as part:
        assert part.resume() == ETAG


# Two writers of one file


HOLD = """
held = album_folder(sys.argv[1], "album").partial_file("x.jpg")
held.restart('"theirs"')
held.write(b"t" * (1 << 20))
"""


def test_two_processes_write_one_image_each_for_itself(folder):
    with second_process(HOLD, folder.local_dir.parent):
        with folder.partial_file("x.jpg") as part:
            assert part.resume() is None
            part.write(b"mine")
            assert len(list(folder.local_dir.glob("*.part"))) == 2
            part.commit()
        assert folder.digests() == {"x.jpg": md5(b"mine")}
        assert (folder.local_dir / "x.jpg.part").read_bytes() == b"t" * MIB
    # The other is dead now, and what it left can be continued.
    with folder.partial_file("x.jpg") as part:
        assert part.resume() == '"theirs"'


def test_a_part_beside_anothers_is_not_kept(folder):
    """Its name was made for this one writer: no later one would look for it."""
    with second_process(HOLD, folder.local_dir.parent):
        with folder.partial_file("x.jpg") as part:
            part.restart(ETAG)
            part.write(PICTURE)
        assert names(folder) == ["x.jpg.part", "x.jpg.part.etag"]


BETWEEN_OPEN_AND_LOCK = """
folder = album_folder(sys.argv[1], "album")
part, moved = folder.local_dir / "x.jpg.part", folder.local_dir / sys.argv[2]

def hook(event, arguments):
    global waiting
    if event == "fcntl.flock" and waiting and os.path.sameopenfile(arguments[0], held):
        waiting = False
        part.rename(moved)
        part.write_bytes(b"begun anew")

held, waiting = os.open(part, os.O_RDONLY), True
sys.addaudithook(hook)
"""


def test_a_part_placed_by_another_while_it_is_opened_is_not_written_to(folder):
    (folder.local_dir / "x.jpg.part").write_bytes(b"whole")
    code = BETWEEN_OPEN_AND_LOCK + (
        "with folder.partial_file('x.jpg') as mine:\n"
        "    mine.restart()\n"
        "    mine.write(b'mine' * 100_000)\n"
        "    print((folder.local_dir / 'x.jpg').read_bytes())\n"
        "    mine.commit()\n"
    )
    assert done_by_another(code, folder.local_dir.parent, "x.jpg") == "b'whole'\n"
    assert folder.digests() == {"x.jpg": md5(b"mine" * 100_000)}
    assert names(folder) == ["x.jpg"]


def test_a_part_begun_by_another_while_it_is_swept_stays(folder):
    (folder.local_dir / "x.jpg.part").write_bytes(b"whole")
    code = BETWEEN_OPEN_AND_LOCK + "folder.sweep([])"
    done_by_another(code, folder.local_dir.parent, "x.jpg")
    assert (folder.local_dir / "x.jpg.part").read_bytes() == b"begun anew"
    assert (folder.local_dir / "x.jpg").read_bytes() == b"whole"


RACE = """
folder = album_folder(sys.argv[1], "album")
for turn in range(40):
    with folder.partial_file("x.jpg") as part:
        part.restart('"e"')
        for block in range(5):
            part.write(sys.argv[2].encode() * 100_000)
        if turn % 3:
            part.commit()
    folder.sweep(["x.jpg"] if turn % 2 else [])
    found = {name: (folder.local_dir / name).read_bytes() for name in folder.files()}
    assert all(whole in (b"a" * 500_000, b"b" * 500_000) for whole in found.values())
"""


def test_two_processes_that_race_leave_whole_files(folder):
    arguments = [sys.executable, "-c", "import sys\nfrom imgur_mirror.store import *\n" + RACE]
    racers = [subprocess.Popen([*arguments, str(folder.local_dir.parent), word]) for word in "ab"]
    assert [racer.wait() for racer in racers] == [0, 0]
    folder.sweep([])
    assert names(folder) == ["x.jpg"]


COMES_AND_GOES = """
import os
parent = os.getppid()
while os.getppid() == parent:
    for number in range(99):
        open(f"{number}.part", "w").close()
    for number in range(99):
        os.unlink(f"{number}.part")
"""


def test_a_file_that_goes_while_all_are_listed_is_left_out(folder):
    """As another run's partial files do, when they get their names."""
    (folder.local_dir / "x.jpg").write_bytes(b"whole")
    command = [sys.executable, "-c", COMES_AND_GOES]
    with subprocess.Popen(command, cwd=folder.local_dir) as other:
        try:
            assert eventually(lambda: list(folder.local_dir.glob("*.part")))
            for _ in range(1000):
                assert folder.files() == {"x.jpg": 5}
        finally:
            other.kill()


# What is swept


def test_a_sweep_keeps_what_can_be_continued_and_is_wanted(folder):
    for name, size, etag in (
        ("wanted.jpg", MIB, ETAG),
        ("small.jpg", 10, None),
        ("foreign.jpg", MIB, ETAG),
        ("plain.jpg", MIB, None),
    ):
        (folder.local_dir / f"{name}.part").write_bytes(PICTURE[:size])
        if etag:
            (folder.local_dir / f"{name}.part.etag").write_text(etag)
    (folder.local_dir / "alone.jpg.part.etag").write_text(ETAG)
    (folder.local_dir / "wanted.jpg.0badcafe.part").write_bytes(PICTURE)
    (folder.local_dir / f".{MANIFEST}.0badcafe").write_bytes(b"a draft of a run that was killed")
    store(folder, "whole.jpg")
    folder.sweep(["wanted.jpg", "small.jpg", "plain.jpg"])
    assert names(folder) == ["wanted.jpg.part", "wanted.jpg.part.etag", "whole.jpg"]


def test_a_sweep_leaves_what_another_process_writes(folder):
    with second_process(HOLD, folder.local_dir.parent):
        folder.sweep([])
        assert names(folder) == ["x.jpg.part", "x.jpg.part.etag"]
    folder.sweep([])
    assert names(folder) == []


def test_the_files_are_the_images_alone(folder):
    store(folder, "x.jpg")
    folder.write_manifest(album("x"), [row("x")])
    for name in ("y.jpg.part", "y.jpg.part.etag", "y.jpg.aa.part", f".{MANIFEST}.aa"):
        (folder.local_dir / name).write_bytes(b"?")
    (folder.local_dir / f"{MANIFEST}.damaged-20260101T000000Z").write_bytes(b"{")
    (folder.local_dir / "z.jpg").symlink_to("x.jpg")
    assert folder.files() == {"x.jpg": 7}


# The manifest


def test_a_manifest_gives_back_what_it_was_given(anywhere):
    known = row("a", etag=ETAG, type="image/jpeg", verified="etag")
    with closing(anywhere.run_state.journal("00000")) as journal:
        journal.append(known)
    anywhere.write_manifest(album("a", "b", "c", title="Cats ♥"), [known, gone("b"), failed("c")])
    entries = anywhere.read_manifest()
    assert list(entries) == ["a", "b", "c"]
    assert dataclasses.asdict(entries["a"]) == {
        "image": dataclasses.asdict(image("a")),
        "file": "a.jpg",
        "bytes": 7,
        "md5": md5(b"picture"),
        "etag": ETAG,
        "real_type": "image/jpeg",
        "verified": "etag",
        "fetched": "2023-11-14T22:13:20Z",
        "gone": None,
        "listed": True,
        "blurhash": None,
        "perceptual_hash": None,
        "work_error": None,
    }
    assert (entries["b"].gone, entries["b"].file) == ("2027-01-15T08:00:00Z", None)
    assert (entries["c"].gone, entries["c"].file) == (None, None)
    assert manifest(anywhere)["title"] == "Cats ♥"
    assert [*anywhere.storage.list()] == [MANIFEST]
    assert [*anywhere.local_dir.glob(".run-*")] == []


def test_a_removed_image_keeps_its_file_and_the_first_time(anywhere):
    anywhere.write_manifest(album("a"), [row("a")])
    anywhere.write_manifest(album("a"), [gone("a")])
    anywhere.write_manifest(album("a"), [dataclasses.replace(gone("a"), finished=1.9e9)])
    entry = anywhere.read_manifest()["a"]
    assert (entry.file, entry.md5) == ("a.jpg", md5(b"picture"))
    assert entry.gone == "2027-01-15T08:00:00Z"


def test_a_removed_image_that_came_back_is_not_gone(anywhere):
    anywhere.write_manifest(album("a"), [gone("a")])
    anywhere.write_manifest(album("a"), [row("a")])
    assert anywhere.read_manifest()["a"].gone is None


def test_a_failure_changes_nothing(anywhere):
    anywhere.write_manifest(album("a"), [row("a")])
    before = manifest(anywhere)
    anywhere.write_manifest(album("a"), [failed("a")])
    assert manifest(anywhere) == before


def test_what_left_the_album_stays_in_the_manifest(anywhere):
    anywhere.write_manifest(album("a", "b"), [row("a"), row("b")])
    anywhere.write_manifest(album("c", "b"), [row("c"), settled("b")])
    entries = anywhere.read_manifest()
    assert [(key, entry.listed) for key, entry in entries.items()] == [
        ("c", True),
        ("b", True),
        ("a", False),
    ]
    assert entries["a"].file == "a.jpg"
    anywhere.write_manifest(album("a"), [settled("a")])
    assert anywhere.read_manifest()["a"].listed


def test_two_runs_enter_what_each_has_done(place):
    with place.start_run() as one, place.start_run() as two:
        assert one.read_manifest() == two.read_manifest() == {}
        one.write_manifest(album("a", "b"), [row("a"), failed("b")])
        two.write_manifest(album("a", "b"), [failed("a"), row("b")])
    assert {key: entry.file for key, entry in place.read_manifest().items()} == {
        "a": "a.jpg",
        "b": "b.jpg",
    }


def test_what_a_run_found_settled_does_not_undo_what_another_fetched(place):
    with place.start_run() as first:
        first.write_manifest(album("a"), [row("a", content=b"old")])
    with place.start_run() as one, place.start_run() as two:
        one.write_manifest(album("a"), [row("a", content=b"newer")])
        two.write_manifest(album("a"), [settled("a", content=b"old")])
    assert place.read_manifest()["a"].md5 == md5(b"newer")


@pytest.mark.parametrize(
    "damage",
    [
        lambda text: text[: len(text) // 2],
        lambda _: b"",
        lambda _: b"\0" * 4096,
        lambda text: text.replace(b'"Cats"', b'"\xff\xfe"'),
        lambda _: b"[" * 200_000,
        lambda _: b'{"version": 1, "images": ' + b'{"a":' * 100_000,
        lambda _: b"null",
        lambda _: b"[]",
        lambda _: b'"album"',
        lambda _: b"{}",
        lambda _: b'{"version": 1}',
        lambda _: b'{"version": 1, "images": null}',
        lambda _: b'{"version": 1, "images": ""}',
        lambda _: b'{"version": 1, "images": {}}',
        lambda _: b'{"version": 1, "images": [5]}',
        lambda _: b'{"version": 1, "images": [[]]}',
        lambda text: text.replace(b'"version": 1', b'"version": 2'),
        lambda text: text.replace(b'"id": "a"', b'"id": 5'),
        lambda text: text.replace(b'"id": "a"', b'"id": []'),
        lambda text: text.replace(b'"id": "a",', b""),
        lambda text: text.replace(b'"bytes": 7', b'"bytes": "many"'),
        lambda text: text.replace(b'"bytes": 7', b'"bytes": null'),
        lambda text: text.replace(b'"bytes": 7', b'"bytes": NaN'),
        lambda text: text.replace(b'"bytes": 7', b'"bytes": ' + b"7" * 5000),
        lambda text: text.replace(b'"md5": "', b'"md5": null, "was": "'),
        lambda text: text.replace(b'"gone": null', b'"gone": 5'),
        lambda text: text.replace(b'"listed": true', b'"listed": "who knows"'),
        *(
            lambda text, name=name: text.replace(b'"a.jpg"', json.dumps(name).encode())
            for name in (
                "../a.jpg",
                "/etc/passwd",
                "b/a.jpg",
                "..",
                ".",
                "",
                "a\0.jpg",
                "a\n.jpg",
                ".run-x",
                MANIFEST,
                "a.jpg.part",
                5,
                ["a.jpg"],
            )
        ),
    ],
)
def test_a_damaged_manifest_is_set_aside(anywhere, damage):
    store(anywhere, "a.jpg")
    anywhere.write_manifest(album("a", title="Cats"), [row("a")])
    whole = anywhere.storage.read(MANIFEST)
    damaged = damage(whole)
    assert damaged != whole
    anywhere.storage.write(MANIFEST, [damaged])
    assert anywhere.read_manifest() == {}
    _, aside = stored(anywhere)
    assert aside.startswith(f"{MANIFEST}.damaged-")
    assert anywhere.storage.read(aside) == damaged
    assert anywhere.files() == {"a.jpg": 7}
    anywhere.write_manifest(album("a"), [row("a", Outcome.UNCHANGED)])
    assert anywhere.read_manifest()["a"].file == "a.jpg"


def test_a_damaged_manifest_found_by_many_at_once_is_set_aside(tmp_path):
    place = album_folder(str(tmp_path), "album")
    place.local_dir.mkdir()
    code = """
folder = album_folder(sys.argv[1], "album")
for _ in range(80):
    (folder.local_dir / "album.json").write_bytes(b"{")
    assert folder.read_manifest() == {}
"""
    with second_process("", "to have imported"):
        arguments = [sys.executable, "-c", f"import sys\nfrom imgur_mirror.store import *\n{code}"]
        readers = [subprocess.Popen([*arguments, str(tmp_path)]) for _ in range(2)]
        assert [reader.wait() for reader in readers] == [0, 0]


def test_an_album_that_is_not_there_vouches_for_nothing(place, tmp_path):
    assert place.read_manifest() == {}
    assert list(tmp_path.iterdir()) == []


texts = st.text() | st.text('a\ud83d\ude00\udcff\u2028\0\n"\\')
words = st.text("abcXYZ019", min_size=1, max_size=7)
numbers = st.none() | st.integers(0, 1 << 60)


@st.composite
def albums(draw):
    ids = draw(st.lists(words, unique=True, max_size=5))
    images = tuple(
        Image(
            id=key,
            link=draw(texts),
            name=f"{key}.jpg",
            title=draw(st.none() | texts),
            description=draw(st.none() | texts),
            size=draw(numbers),
            datetime=draw(numbers),
            animated=draw(st.booleans()),
        )
        for key in ids
    )
    return Album(id="album", title=draw(st.none() | texts), images=images)


@few
@given(albums(), st.data())
def test_any_text_of_an_album_comes_back_from_its_manifest(listing, data):
    etags = st.none() | texts
    rows = [
        data.draw(st.sampled_from([row(i.id, etag=data.draw(etags)), gone(i.id), failed(i.id)]))
        for i in listing.images
    ]
    with tempfile.TemporaryDirectory() as place:
        folder = album_folder(place, "album")
        folder.local_dir.mkdir()
        folder.write_manifest(listing, rows)
        text = (folder.local_dir / MANIFEST).read_bytes()
        text.decode()  # any reader takes it
        assert json.loads(text)["title"] == as_json(listing.title)
        entries = folder.read_manifest()
    assert list(entries) == [i.id for i in listing.images]
    for i, r in zip(listing.images, rows, strict=True):
        entry = entries[i.id]
        stored = r.outcome is Outcome.DOWNLOADED
        for field in ("id", "link", "title", "description", "size", "datetime", "animated"):
            assert getattr(entry.image, field) == as_json(getattr(i, field))
        assert entry.file == (i.name if stored else None)
        assert entry.etag == (as_json(r.etag) if stored else None)


def as_json(value):
    """The value as JSON knows it: two halves of a surrogate pair side by side become one."""
    return json.loads(json.dumps(value))


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=10,
)


def read_damaged(content):
    """Read a folder with such a manifest, then write one there, and read that."""
    with tempfile.TemporaryDirectory() as place:
        folder = album_folder(place, "album")
        folder.local_dir.mkdir()
        (folder.local_dir / MANIFEST).write_bytes(content)
        entries = folder.read_manifest()
        set_aside = not (folder.local_dir / MANIFEST).exists()
        folder.write_manifest(album("a"), [row("a")])
        assert folder.read_manifest()["a"].md5 == md5(b"picture")
    return entries, set_aside


@few
@given(st.binary() | json_values.map(lambda value: json.dumps(value).encode()))
def test_whatever_is_no_manifest_is_set_aside(content):
    assert read_damaged(content) == ({}, True)


@few
@given(
    st.sampled_from(["id", "link", "file", "bytes", "md5", "etag", "gone", "listed", "title", "x"]),
    json_values,
)
def test_a_manifest_with_any_value_changed_is_set_aside_or_sound(field, value):
    known = {"id": "a", "link": "x", "file": "a.jpg", "bytes": 7, "md5": "0"}
    content = json.dumps({"version": 1, "images": [known | {field: value}]}).encode()
    entries, set_aside = read_damaged(content)
    assert set_aside == (not entries)
    for key, entry in entries.items():
        assert isinstance(key, str)
        assert entry.file is None or Path(entry.file).name == entry.file
        assert isinstance(entry.listed, bool)


# Runs and their journals


def test_a_journal_tells_the_latest_of_each_image(anywhere):
    anywhere.run_state.journal("00000").append(failed("a"))
    anywhere.run_state.journal("00000").append(row("b"))
    anywhere.run_state.journal("00000").append(row("a"))
    anywhere.run_state.journal("00001").append(gone("c"))
    assert anywhere.run_state.outcomes("00000") == {("a", None): row("a"), ("b", None): row("b")}
    assert anywhere.run_state.outcomes("00001") == {("c", None): gone("c")}
    assert anywhere.run_state.outcomes("00002") == {}


def test_a_line_cut_short_costs_itself_alone(folder):
    folder.run_state.journal("00000").append(row("a"))
    with folder.run_state.journal("00000").path.open("ab") as journal:
        journal.write(b'{"id": "b", "name": "b.jp')
    folder.run_state.journal("00000").append(row("c"))
    assert [image for image, _ in folder.run_state.outcomes("00000")] == ["a", "c"]


CRASHED = """
opened = album_folder(sys.argv[1], "album").start_run()
run = opened.__enter__()
row = Download(id="a", name="a.jpg", outcome=Outcome.DOWNLOADED, bytes=7, md5="0")
run.run_state.journal("00000").append(row)
"""


def test_the_journals_of_dead_runs_are_absorbed_and_those_of_living_runs_are_not(folder):
    with second_process(CRASHED, folder.local_dir.parent):
        assert folder.read_manifest() == {}
        folder.write_manifest(album("a"), [failed("a")])
        assert folder.read_manifest()["a"].file is None
        (living,) = folder.local_dir.glob(".run-*")
    assert folder.read_manifest()["a"].file == "a.jpg"
    assert living.exists()
    folder.write_manifest(album("a"), [failed("a")])
    assert manifest(folder)["images"][0]["file"] == "a.jpg"
    assert names(folder) == [MANIFEST]


def test_the_latest_journal_of_the_dead_counts(folder):
    for age, content in ((2, b"middle"), (1, b"last"), (3, b"first")):
        dead = dataclasses.replace(folder, run=f"dead{age}")
        dead.run_dir.mkdir()
        dead.run_state.journal("00000").append(row("a", content=content))
        os.utime(dead.run_state.journal("00000").path, (1e9 - age, 1e9 - age))
    assert folder.read_manifest()["a"].md5 == md5(b"last")


def test_a_run_leaves_its_journals_when_it_ends_before_its_manifest(tmp_path):
    place = album_folder(str(tmp_path), "album")

    def interrupted():
        with place.start_run() as run:
            run.run_state.journal("00000").append(row("a"))
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert place.read_manifest()["a"].file == "a.jpg"


def test_a_run_that_opens_is_never_taken_for_dead(tmp_path):
    """One opens runs without end, the other looks for dead ones and removes them."""
    code = """
folder = album_folder(sys.argv[1], "album")
for turn in range(25):
    with folder.start_run() as run:
        row = Download(id=f"i{turn}", name="a.jpg", outcome="downloaded", md5="0")
        run.run_state.journal("0").append(row)
        run.write_manifest(Album(id="album"), run.run_state.outcomes("0").values())
"""
    code = (
        f"import sys\nfrom imgur_mirror.models import *\nfrom imgur_mirror.store import *\n{code}"
    )
    runs = [subprocess.Popen([sys.executable, "-c", code, str(tmp_path)]) for _ in range(2)]
    assert [run.wait() for run in runs] == [0, 0]
    place = album_folder(str(tmp_path), "album")
    assert len(place.read_manifest()) == 25
    assert [path.name for path in place.local_dir.iterdir()] == [MANIFEST]


damaged_rows = st.builds(
    lambda field, value: json.dumps(dataclasses.asdict(row("a")) | {field: value}).encode(),
    st.sampled_from([field.name for field in dataclasses.fields(Download)]),
    json_values,
)


@few
@given(st.lists(damaged_rows | st.binary() | st.just(b"[" * 5000), max_size=4).map(b"\n".join))
def test_any_journal_of_a_dead_run_is_read(content):
    with tempfile.TemporaryDirectory() as place:
        dead = album_folder(place, "album").in_one_process("dead")
        dead.run_dir.mkdir(parents=True)
        dead.run_state.journal("00000").path.write_bytes(content)
        entries = album_folder(place, "album").read_manifest()
    assert all(e.file is None or Path(e.file).name == e.file for e in entries.values())


@pytest.mark.parametrize("name", ["../a.jpg", "/a.jpg", "", ".", "a/b.jpg", "a\0.jpg"])
def test_a_journal_names_no_file_outside_the_folder(name):
    line = json.dumps(dataclasses.asdict(row("a")) | {"name": name})
    assert list(outcomes_in(line.encode())) == []


# What reaches the disk first


def test_a_file_then_its_folder_then_the_manifest_reach_the_disk(folder, monkeypatch):
    seen = []

    def recorded(name, what):
        def call(*arguments):
            seen.append((name, what(*arguments)))
            return through(*arguments)

        through = getattr(os, name)
        monkeypatch.setattr(os, name, call)

    recorded("fdatasync", lambda descriptor: os.fstat(descriptor).st_ino)
    recorded("fsync", lambda descriptor: os.fstat(descriptor).st_ino)
    recorded("rename", lambda _, target: Path(target).name)
    store(folder, "a.jpg")
    folder.write_manifest(album("a"), [row("a")])
    picture, listing = ((folder.local_dir / name).stat().st_ino for name in ("a.jpg", MANIFEST))
    inside = folder.local_dir.stat().st_ino
    assert seen == [
        ("fdatasync", picture),
        ("rename", "a.jpg"),
        ("fsync", inside),
        ("fsync", listing),
        ("rename", MANIFEST),
        ("fsync", inside),
    ]


# What the disk refuses


def test_a_full_disk_is_said_with_its_remedy(folder):
    (folder.local_dir / "x.jpg.part").symlink_to("/dev/full")
    with pytest.raises(StoreError, match="No space left on device; free some space on its disk"):
        folder.partial_file("x.jpg").write(b"block" * 100_000)
    folder.run_state.journal("00000").path.symlink_to("/dev/full")
    with pytest.raises(StoreError, match=r"free some space.*what was stored is kept"):
        folder.run_state.journal("00000").append(row("a"))


LIMITED = """
import resource
folder = album_folder(sys.argv[1], "album")
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]), int(sys.argv[2])))
def said(action):
    try:
        action()
    except StoreError as error:
        print(error)
"""


def test_a_disk_that_fills_up_leaves_what_the_next_run_can_use(folder):
    code = f"""
{LIMITED}
def fetch(name, etag):
    with folder.partial_file(name) as part:
        part.restart(etag)
        for block in range(12):
            part.write(bytes([block]) * 262_144)
said(lambda: fetch("kept.jpg", '"e"'))
said(lambda: fetch("lost.jpg", None))
"""
    said = done_by_another(code, folder.local_dir.parent, 1_500_000).splitlines()
    assert len(said) == 2
    for sentence in said:
        assert "File too large; raise the limit on a file's size" in sentence
        assert str(folder.local_dir) in sentence
    assert names(folder) == ["kept.jpg.part", "kept.jpg.part.etag"]
    whole = b"".join(bytes([block]) * 262_144 for block in range(12))
    with folder.partial_file("kept.jpg") as part:
        assert part.resume() == '"e"'
        assert (part.size, part.md5) == (1_500_000, md5(whole[:1_500_000]))


def test_a_manifest_that_does_not_fit_leaves_the_old_one(folder):
    folder.write_manifest(album("a"), [row("a")])
    before = manifest(folder)
    code = f"""
{LIMITED}
album = Album(id="album", description="long " * 10_000)
said(lambda: folder.write_manifest(album, []))
"""
    said = done_by_another(code, folder.local_dir.parent, 10_000)
    assert "File too large" in said
    assert manifest(folder) == before
    assert names(folder) == [MANIFEST]


def test_a_journal_that_is_full_is_said_and_goes_on_after(folder):
    code = f"""
{LIMITED}
row = Download(id="a", name="a.jpg", outcome=Outcome.GONE, error="e" * 400)
run = folder.in_one_process(sys.argv[3])
run.run_state.journal("00000").append(row)
said(lambda: run.run_state.journal("00000").append(row))
"""
    assert "File too large" in done_by_another(code, folder.local_dir.parent, 800, folder.run)
    folder.run_state.journal("00000").append(row("b"))
    assert [image for image, _ in folder.run_state.outcomes("00000")] == ["a", "b"]


UNPRIVILEGED = """
folder = album_folder(sys.argv[1], "album")
if os.getuid() == 0:
    os.setgroups([])
    os.setgid(65534)
    os.setuid(65534)
def said(action):
    try:
        action()
    except StoreError as error:
        print(error)
    else:
        print("nothing refused")
"""


@pytest.fixture
def open_to_all():
    """A folder below which any user may look."""
    with tempfile.TemporaryDirectory() as place:
        Path(place).chmod(0o755)
        yield Path(place)


def test_a_folder_that_may_not_be_written_is_said(open_to_all):
    place = album_folder(str(open_to_all), "album")
    with place.start_run() as run:
        store(run, "a.jpg")
        run.write_manifest(album("a"), [row("a")])
    (place.local_dir / "b.jpg.part").write_bytes(b"partial")
    for path, mode in ((place.local_dir, 0o555), (place.local_dir / "b.jpg.part", 0o444)):
        path.chmod(mode)
    before = sorted(place.local_dir.iterdir())
    code = f"""
{UNPRIVILEGED}
print(list(folder.read_manifest()), folder.digests())
said(lambda: folder.start_run().__enter__())
said(lambda: folder.partial_file("new.jpg").commit())
said(lambda: folder.partial_file("b.jpg").commit())
said(lambda: folder.write_manifest(Album(id="album"), []))
said(lambda: folder.sweep([]))
said(lambda: folder.erase())
"""
    read, *said = done_by_another(code, open_to_all).splitlines()
    place.local_dir.chmod(0o755)
    assert read == f"['a'] {{'a.jpg': '{md5(b'picture')}'}}"
    assert len(said) == 6
    for sentence in said:
        assert sentence == (
            f"cannot write to {place.local_dir}: Permission denied; make it writable for the user "
            "that runs this, then run this again: what was stored is kept"
        )
    assert sorted(place.local_dir.iterdir()) == before


def test_a_folder_that_may_not_be_looked_at_is_said(open_to_all):
    place = album_folder(str(open_to_all), "album")
    place.local_dir.mkdir(mode=0o700)
    place.local_dir.chmod(0)
    code = f"""
{UNPRIVILEGED}
said(folder.read_manifest)
said(folder.files)
said(lambda: folder.run_state.outcomes("00000"))
"""
    said = done_by_another(code, open_to_all).splitlines()
    place.local_dir.chmod(0o700)
    assert len(said) == 3
    assert all("Permission denied; make it writable" in sentence for sentence in said)


def test_a_part_that_cannot_be_removed_loses_no_outcome(open_to_all):
    """Leaving the block says nothing of it; the next run's sweep will."""
    place = album_folder(str(open_to_all), "album")
    place.local_dir.mkdir()
    place.local_dir.chmod(0o777)
    code = f"""
{UNPRIVILEGED}
with folder.partial_file("a.jpg") as part:
    part.write(b"partial")
    sys.stdout.write("written\\n")
    sys.stdout.flush()
    sys.stdin.readline()
print("left")
"""
    head = "import os, sys\nfrom imgur_mirror.store import *\n"
    with subprocess.Popen(
        [sys.executable, "-c", head + code, str(open_to_all)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout.readline() == "written\n"
        place.local_dir.chmod(0o555)
        assert process.communicate("go\n")[0] == "left\n"
    place.local_dir.chmod(0o755)


def test_a_file_where_the_folder_belongs_is_said(tmp_path):
    (tmp_path / "album").write_text("a file")
    with pytest.raises(StoreError, match="a file is where the folder belongs"):
        album_folder(str(tmp_path), "album").start_run().__enter__()
    with pytest.raises(StoreError, match="a file is where the folder belongs"):
        album_folder(str(tmp_path / "album"), "below").start_run().__enter__()


@pytest.mark.parametrize(
    ("downloads", "words"),
    [
        ("gopher://host/mirror", "gopher"),
        ("~nobody-of-that-name/mirror", "is no folder"),
    ],
)
def test_what_is_no_local_folder_is_refused(downloads, words):
    with pytest.raises(StoreError, match=words):
        album_folder(downloads, "album")


def test_home_stands_for_the_users_folder(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    assert album_folder("~/mirror", "album").local_dir == tmp_path / "mirror" / "album"


def test_erasing_removes_the_album_and_nothing_beside_it(anywhere):
    store(anywhere, "a.jpg", PICTURE)
    beside = anywhere.sibling("other", "page.html")
    beside.write(b"page")
    for _ in range(2):
        anywhere.erase()
        assert beside.read() == b"page"
    assert anywhere.storage.stat("a.jpg") is None
