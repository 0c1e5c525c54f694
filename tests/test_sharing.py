"""What two albums of a list have in common lies in both, and is fetched for one."""

import hashlib

import pytest

from imgur_mirror.download.album_mirror import AlbumMirror, MirrorOptions
from imgur_mirror.download.sharing import SharedImages
from imgur_mirror.models import Album, Download, Image, Outcome, Strategy
from imgur_mirror.report import mirror_headline
from imgur_mirror.store import album_folder

OPTIONS = MirrorOptions(strategy=Strategy.THREADS, workers=2, max_task_runs=64)
CONTENT = b"\xff\xd8\xff" + bytes(997)
MD5 = hashlib.md5(CONTENT).hexdigest()


@pytest.fixture(params=["folder", "memory://sharing", "bucket"])
def root(request, tmp_path):
    if request.param == "bucket":
        return request.getfixturevalue("bucket").address
    return str(tmp_path) if request.param == "folder" else f"memory://{tmp_path.name}"


def image(key="aaaaaaa", **more):
    link = f"https://i.imgur.com/{key}.jpg"
    return Image(**{"id": key, "link": link, "name": f"{key}.jpg", "size": 1000, **more})


def fetched(key="aaaaaaa"):
    given = {"bytes": 1000, "md5": MD5, "attempts": 1, "started": 1.0, "finished": 2.0}
    return Download(
        id=key, name=f"{key}.jpg", outcome=Outcome.DOWNLOADED, type="image/jpeg", **given
    )


def mirror(root, name, shared, *images):
    """Mirror an album whose images all come; its run, and how many of them were to be fetched."""
    album = Album(id=name, images=images)
    folder = album_folder(root, name)
    with folder.start_run() as opened:
        run = shared.copy_into(AlbumMirror.prepare(album, opened, OPTIONS))
        rows = []
        for each in run.plan.images:
            opened.storage.write(each.name, [CONTENT])
            rows.append(fetched(each.id))
        mirrored = run.finish(rows)
    shared.add(mirrored, folder)
    return mirrored, len(rows)


def test_the_second_album_takes_it_from_the_first(root):
    shared = SharedImages()
    mirror(root, "first", shared, image())

    second, count = mirror(root, "second", shared, image(), image("bbbbbbb"))

    assert count == 1
    assert "1 of them from albums that had them" in mirror_headline(second)
    assert second.bytes_downloaded == 1000
    folder = album_folder(root, "second")
    assert folder.digests() == {"aaaaaaa.jpg": MD5, "bbbbbbb.jpg": MD5}
    entry = folder.read_manifest()["aaaaaaa"]
    assert (entry.md5, entry.bytes, entry.real_type) == (MD5, 1000, "image/jpeg")
    # An album that took it hands it on, and a later run has it.
    assert mirror(root, "third", shared, image())[1] == 0
    again, count = mirror(root, "second", SharedImages(), image(), image("bbbbbbb"))
    assert (count, len(again.having(Outcome.UNCHANGED))) == (0, 2)


def test_a_later_version_in_one_album_leaves_the_other_as_it_was(root):
    shared = SharedImages()
    mirror(root, "first", shared, image())
    mirror(root, "second", shared, image())

    album_folder(root, "second").storage.write("aaaaaaa.jpg", [b"another version"])

    assert album_folder(root, "first").digests() == {"aaaaaaa.jpg": MD5}


@pytest.mark.parametrize(
    "more", [{"size": 999}, {"datetime": 5}, {"link": "https://i.imgur.com/x"}]
)
def test_what_is_listed_otherwise_is_fetched(tmp_path, more):
    shared = SharedImages()
    mirror(str(tmp_path), "first", shared, image())
    assert mirror(str(tmp_path), "second", shared, image(**more))[1] == 1


@pytest.mark.parametrize("damage", [b"", bytes(1000), None])
def test_what_is_no_longer_whole_is_fetched(root, damage):
    shared = SharedImages()
    mirror(root, "first", shared, image())
    storage = album_folder(root, "first").storage
    if damage is None:
        storage.delete(["aaaaaaa.jpg"])
    else:
        storage.write("aaaaaaa.jpg", [damage])

    assert mirror(root, "second", shared, image())[1] == 1
    assert album_folder(root, "second").digests() == {"aaaaaaa.jpg": MD5}


def test_a_folder_has_it_as_a_link(tmp_path):
    shared = SharedImages()
    mirror(str(tmp_path), "first", shared, image())
    mirror(str(tmp_path), "second", shared, image())
    assert (tmp_path / "first/aaaaaaa.jpg").samefile(tmp_path / "second/aaaaaaa.jpg")


def test_where_links_cannot_be_it_is_copied(tmp_path, monkeypatch):
    """As between two file systems."""

    def refused(*_):
        raise OSError(18, "Invalid cross-device link")

    monkeypatch.setattr("os.link", refused)
    shared = SharedImages()
    mirror(str(tmp_path), "first", shared, image())
    assert mirror(str(tmp_path), "second", shared, image())[1] == 0
    assert not (tmp_path / "first/aaaaaaa.jpg").samefile(tmp_path / "second/aaaaaaa.jpg")
    assert (tmp_path / "second/aaaaaaa.jpg").read_bytes() == CONTENT
