"""The table of docs/gallery-dl.md: each of its points run by both tools against the stand-in."""

import base64
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import pytest
import requests

from flows.cli.command_line import main
from flows.mirror_albums import mirror_albums
from flows.mirror_many import mirror_many
from imgur_mirror.report import summary_text
from tests.support.imgur import contents, control, environment, fault, new_album, new_image, put
from tests.support.jobs import listed
from tests.support.processes import PROJECT
from tests.support.waiting import LONG, eventually

# Its API and its image host are fixed: what it sends to them goes to the stand-in.
LAUNCHER = """
import sys
from urllib.parse import urlsplit

import gallery_dl
from requests.adapters import HTTPAdapter

standin, send = sys.argv.pop(1), HTTPAdapter.send

def send_to_standin(adapter, request, **options):
    host = urlsplit(request.url).netloc
    if host.endswith("imgur.com"):
        request.url = standin + request.url.partition(host)[2]
    return send(adapter, request, **options)

HTTPAdapter.send = send_to_standin
sys.exit(gallery_dl.main())
"""

QUICK = (
    *("--config-ignore", "--retries", "2", "--option", "sleep-429=0.1"),
    *("--sleep-request", "0", "--option", "sleep-retries=0.1"),
    # It would name the image itself as its referrer, which the stand-in refuses.
    *("--option", 'keywords={"_http_headers": null}'),
)


@cache
def interpreter() -> tuple[str, ...] | None:
    """The Python of an installed gallery-dl: the one of the tests, or of the command's first line.

    None where there is none.
    """
    program = shutil.which("gallery-dl")
    line = Path(program).read_bytes().partition(b"\n")[0] if program else b""
    named = line[2:].decode(errors="replace").split() if line.startswith(b"#!") else []
    for python in ([sys.executable], named):
        command = [*python, "-c", "import gallery_dl.extractor.imgur"]
        if python and subprocess.run(command, capture_output=True, check=False).returncode == 0:
            return tuple(python)
    return None


pytestmark = [
    pytest.mark.usefixtures("prefect_server"),
    pytest.mark.slow,
    pytest.mark.skipif(interpreter() is None, reason="gallery-dl is not installed"),
]


class GalleryDl:
    """gallery-dl at the stand-in, with a folder for all that it stores."""

    def __init__(self, imgur: str, folder: Path) -> None:
        self.imgur, self.folder = imgur, folder
        self.output = ""

    def command(self, *arguments: str) -> list[str]:
        where = ("--directory", str(self.folder), "--filename", "{id}.{extension}")
        return [*interpreter(), "-c", LAUNCHER, self.imgur, *QUICK, *where, *arguments]

    def run(self, *arguments: str) -> int:
        """Give its exit status."""
        ran = subprocess.run(
            self.command(*arguments),
            capture_output=True,
            text=True,
            timeout=LONG,
            check=False,
            env={"PATH": "/usr/bin:/bin", "HOME": str(self.folder), "NO_PROXY": "*"},
        )
        self.output = ran.stdout + ran.stderr
        return ran.returncode

    def stored(self) -> dict[str, bytes]:
        return files(self.folder)


class Ours:
    """This project at the stand-in, in the same words."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def run(self, *arguments: str) -> int:
        """Give the exit status of `imgur-mirror albums`."""
        where = ["--downloads", str(self.folder)]
        try:
            return main(mirror_albums, summary_text, [*arguments, *where])
        except SystemExit as wrong:
            return int(str(wrong.code))

    def stored(self) -> dict[str, bytes]:
        return files(self.folder)


def files(folder: Path) -> dict[str, bytes]:
    """The images in a folder, by name: a half of one, or a manifest, is none."""
    found = (path for path in folder.rglob("*") if "_reports" not in path.parts)
    images = (path for path in found if path.suffix in (".jpg", ".png", ".gif", ".mp4"))
    return {path.name: path.read_bytes() for path in images}


@pytest.fixture
def ours(downloads: Path) -> Ours:
    return Ours(downloads)


@pytest.fixture
def theirs(imgur: str, tmp_path: Path) -> GalleryDl:
    folder = tmp_path / "gallery-dl"
    folder.mkdir()
    return GalleryDl(imgur, folder)


@pytest.fixture(autouse=True)
def nothing_is_wrong(imgur):
    control(imgur, "DELETE", "faults")
    yield
    control(imgur, "DELETE", "faults")


def bodies(imgur: str) -> int:
    return sum(control(imgur, "GET", "counts").values())


def ids(imgur: str, album: str) -> list[str]:
    return [name.partition(".")[0] for name in contents(imgur, album)]


ADDRESSES = {
    # the address, with a word of the test's own: the path by which the stand-in knows the list,
    # and whether gallery-dl stores it
    "a/{}": ("album", True),
    "gallery/{}": ("album", True),
    "gallery/a-title-{}": ("image", True),
    "{}": ("image", True),
    "{}.jpg": ("image", True),
    "topic/Funny/{}": ("album", False),
    "user/{}/posts": ("user/{}/posts", True),
    "user/{}/submitted": ("user/{}/posts", True),
    "user/{}/albums": ("user/{}/albums", False),
    "user/{}/favorites": ("user/{}/favorites", True),
    "user/{}/favorites/folder/1/cats": ("user/{}/favorites/folder/1", True),
    "t/{}": ("t/{}", True),
    "t/{}/top/week": ("t/{}", False),
    "r/{}": ("r/{}", True),
    "r/{}/new": ("r/{}", False),
    "search?q={}": ("search/{}", True),
    "search/score/all?q={}": ("search/{}", True),
}


@pytest.fixture(scope="module")
def mirrored(imgur, tmp_path_factory, prefect_server):
    """What both stored, each in one call for all addresses, and the images behind each of these."""
    wanted = {}
    for number, (address, (what, _)) in enumerate(ADDRESSES.items()):
        image, album = new_image(imgur, bytes=3000), new_album(imgur, count=2, bytes=3000)
        word = {"album": album, "image": image}.get(what, f"word{number}")
        if "/" in what:
            posts = [album] if what.endswith("/albums") else [album, image]
            put(imgur, f"collections/{what.format(word)}", {"posts": posts})
        has_image = what != "album" and not what.endswith("/albums")
        images = {image} if has_image else set()
        if what != "image":
            images |= set(ids(imgur, album))
        wanted[address] = (f"https://imgur.com/{address.format(word)}", images)
    links = [url for url, _ in wanted.values()]
    folder = tmp_path_factory.mktemp("both")
    ours, theirs = Ours(folder / "ours"), GalleryDl(imgur, folder / "theirs")
    theirs.folder.mkdir()
    theirs.run(*links)
    with pytest.MonkeyPatch.context() as patch:
        for name, value in environment(imgur).items():
            patch.setenv(name, value)
        assert ours.run(*links) == 0
    return wanted, set(map(stem, ours.stored())), set(map(stem, theirs.stored()))


def stem(name: str) -> str:
    return name.partition(".")[0]


@pytest.mark.parametrize("address", ADDRESSES)
def test_what_each_address_brings(address, mirrored):
    wanted, ours, theirs = mirrored
    images = wanted[address][1]
    assert images <= ours
    assert images & theirs == (images if ADDRESSES[address][1] else set())


def test_only_this_project_searches_in_the_order_of_the_address(imgur, ours, theirs):
    for tool in (ours, theirs):
        control(imgur, "DELETE", "asked")
        tool.run("https://imgur.com/search/score/week?q=cats")
        asked = control(imgur, "GET", "asked")
        assert ("gallery/search/score/week/0?q=cats" in asked) == (tool is ours)


def test_only_gallery_dl_takes_a_tag_to_its_end_unasked(imgur, ours, theirs):
    images = [new_image(imgur, bytes=3000) for _ in range(105)]
    put(imgur, "collections/t/hundreds", {"posts": images})
    for tool in (ours, theirs):
        assert tool.run("https://imgur.com/t/hundreds") == 0
    assert (len(ours.stored()), len(theirs.stored())) == (100, 105)


def test_a_page_behind_a_log_in_is_for_gallery_dl(imgur, ours, theirs):
    """Without the cookie of a log-in, it says that it needs one."""
    assert ours.run("https://imgur.com/user/me") == 2
    assert theirs.run("https://imgur.com/user/me") != 0
    assert "'accesstoken' cookie required" in theirs.output


def test_the_exit_status_of_both(imgur, ours, theirs):
    album = new_album(imgur, count=1, bytes=3000)
    for tool, missing, wrong in ((ours, 1, 2), (theirs, 4, 64)):
        assert tool.run(f"https://imgur.com/a/{album}") == 0
        assert tool.run("https://imgur.com/a/Missing") == missing
        assert tool.run("https://imgur.com/") == wrong


def test_only_this_project_takes_an_id_alone(imgur, ours, theirs):
    album = new_album(imgur, count=1, bytes=3000)
    assert [ours.run(album), theirs.run(album)] == [0, 64]


def test_an_account_is_its_albums_to_one_and_its_posts_to_the_other(imgur, ours, theirs):
    posted = new_image(imgur, bytes=3000)
    album = new_album(imgur, count=1, bytes=3000, account="someone")
    put(imgur, "collections/user/someone/posts", {"posts": [posted]})
    for tool, images in ((ours, ids(imgur, album)), (theirs, [posted])):
        assert tool.run("https://imgur.com/user/someone") == 0
        assert [stem(name) for name in tool.stored()] == images


def test_gallery_dl_waits_for_a_429_where_it_is_told_to(imgur, theirs):
    album = new_album(imgur, count=1, bytes=3000)
    fault(imgur, *contents(imgur, album), "status", status=429, times=1)
    link = f"https://imgur.com/a/{album}"
    assert theirs.run(link, "--option", "retry-codes=[429]") == 0
    assert theirs.stored()


FAULTS = {
    # kind: its options, whether each stores the image, and the exit status of each
    "removed": ({}, (False, False), (0, 4)),
    "html": ({}, (False, False), (1, 4)),
    "empty": ({}, (False, False), (1, 4)),
    "close-mid": ({}, (False, False), (1, 4)),
    "close-mid once": ({"times": 1}, (True, True), (0, 0)),
    "status": ({"status": 429, "retry_after": 0, "times": 1}, (True, False), (0, 4)),
}
"""What may be wrong with one image of an album."""


@pytest.mark.parametrize("kind", FAULTS)
def test_what_becomes_of_an_image_that_does_not_come_well(kind, imgur, ours, theirs):
    options, are_stored, statuses = FAULTS[kind]
    album = new_album(imgur, count=2, bytes=20_000)
    bad, good = contents(imgur, album)
    for tool, is_stored, status in zip((ours, theirs), are_stored, statuses, strict=True):
        fault(imgur, bad, kind.removesuffix(" once"), **options)
        assert tool.run(f"https://imgur.com/a/{album}") == status
        assert set(tool.stored()) == ({bad, good} if is_stored else {good})


def test_gallery_dl_stores_what_was_damaged_on_its_way(imgur, ours, theirs):
    album = new_album(imgur, count=1, bytes=20_000)
    ((name, _),) = contents(imgur, album).items()
    whole = requests.get(f"{imgur}/{name}", headers={"Accept": "*/*"}, timeout=LONG).content
    for tool in (ours, theirs):
        fault(imgur, name, "corrupt", times=1)
        assert tool.run(f"https://imgur.com/a/{album}") == 0
        assert (tool.stored()[name] == whole) == (tool is ours)


def test_gallery_dl_stores_the_picture_that_a_blocked_network_sends_for_all(imgur, ours, theirs):
    album = new_album(imgur, bytes=[20_000, 21_000, 22_000])
    picture = requests.get(f"{imgur}/Single1.jpg", headers={"Accept": "*/*"}, timeout=LONG).content
    body = {"base64": base64.b64encode(picture).decode()}
    for image in ids(imgur, album):
        fault(imgur, image, "scripted", body=body, etag="md5")
    assert [ours.run(album), theirs.run(f"https://imgur.com/a/{album}")] == [1, 0]
    assert not ours.stored()
    assert set(theirs.stored().values()) == {picture}


def test_a_second_run_fetches_nothing_and_then_what_is_new(imgur, ours, theirs):
    album = new_album(imgur, count=3, bytes=3000)
    link = f"https://imgur.com/a/{album}"
    fetched = {ours: [], theirs: []}
    for added in (0, 0, 1):
        put(imgur, f"albums/{album}", {"add": added, "bytes": 3000})
        for tool, counts in fetched.items():
            before = bodies(imgur)
            assert tool.run(link) == 0
            counts.append(bodies(imgur) - before)
    assert fetched == {ours: [3, 0, 1], theirs: [3, 0, 1]}
    assert ours.stored() == theirs.stored()


def test_gallery_dl_fetches_again_what_it_had_to_rename(imgur, ours, theirs):
    """A JPEG whose address says PNG is stored as .jpg, and looked for as .png."""
    album = "PdA9Amq"
    for tool, again in ((ours, 0), (theirs, 1)):
        assert tool.run(f"https://imgur.com/a/{album}") == 0
        before = bodies(imgur)
        assert tool.run(f"https://imgur.com/a/{album}") == 0
        assert bodies(imgur) - before == again
        kinds = {Path(name).suffix for name in tool.stored()}
        assert {".mp4", ".gif", ".png", ".jpg"} <= kinds


def test_only_this_project_sees_what_is_damaged(imgur, ours, theirs):
    album = new_album(imgur, count=2, bytes=3000)
    (name, _) = contents(imgur, album)
    for tool, option in ((ours, ["--verify"]), (theirs, [])):
        assert tool.run(f"https://imgur.com/a/{album}") == 0
        whole = tool.stored()[name]
        (path,) = tool.folder.rglob(name)
        path.write_bytes(bytes(3000))
        assert tool.run(f"https://imgur.com/a/{album}", *option) == 0
        assert (tool.stored()[name] == whole) == (tool is ours)


def test_gallery_dl_keeps_the_old_version_of_an_edited_image(imgur, ours, theirs):
    album = new_album(imgur, count=2, bytes=3000)
    for size, expected in ((3000, (3000, 3000)), (4000, (4000, 3000))):
        put(imgur, f"albums/{album}", {"bytes": [size, 5000]})
        (name, _) = contents(imgur, album)
        for tool in (ours, theirs):
            assert tool.run(f"https://imgur.com/a/{album}") == 0
        assert (len(ours.stored()[name]), len(theirs.stored()[name])) == expected


def test_both_go_on_where_they_were_killed(imgur, ours, theirs, prefect_server):
    album = new_album(imgur, bytes=[3_000_000])
    (image,) = ids(imgur, album)
    link, one = f"https://imgur.com/a/{album}", ["--workers", "1"]
    here = [sys.executable, "-m", "flows.mirror_album", link, *one, "--downloads", ours.folder]
    env = {"PREFECT_API_URL": prefect_server, **environment(imgur)}
    for tool, command, options in ((ours, here, one), (theirs, theirs.command(link), [])):
        fault(imgur, image, "stall-mid", bytes=2_000_000)
        killed(command, env, tool.folder)
        assert not tool.stored()
        control(imgur, "DELETE", f"faults/{image}")
        control(imgur, "DELETE", "served")
        assert tool.run(link, *options) == 0
        assert len(tool.stored()[f"{image}.jpg"]) == 3_000_000
        asked = control(imgur, "GET", f"served?prefix=/{image}")
        assert all(entry["range"] for entry in asked)


def killed(command: Sequence[str | Path], env: dict[str, str], folder: Path) -> None:
    """Start a command, and kill it once a part of its image is on the disk."""
    with subprocess.Popen(
        command,
        cwd=PROJECT,
        env=os.environ | env,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as child:
        try:
            assert eventually(lambda: child.poll() is not None or has_part(folder))
            assert child.poll() is None
        finally:
            child.kill()


def has_part(folder: Path) -> bool:
    """Tell whether so much of an image is there that all before the stall has come."""
    return any(path.stat().st_size > 1_500_000 for path in folder.rglob("*") if path.is_file())


def test_both_take_many_links_from_a_file(imgur, downloads, theirs, tmp_path):
    images = [new_image(imgur, bytes=3000) for _ in range(5)]
    control(imgur, "DELETE", "asked")
    mirror_many(listed(tmp_path, [f"{imgur}/{image}.jpg" for image in images]))
    assert control(imgur, "GET", "asked") == []
    source = listed(tmp_path, [f"https://i.imgur.com/{image}.jpg" for image in images], "theirs")
    assert theirs.run("--input-file", source) == 0
    assert len(control(imgur, "GET", "asked")) == len(images)
    assert {stem(name) for name in theirs.stored()} == set(images)
    assert theirs.stored() == files(downloads)
