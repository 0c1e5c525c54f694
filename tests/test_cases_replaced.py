"""Substitutes, and what is worse than what is there: nothing good is lost, in every strategy.

Each strategy mirrors the scenes once as albums, one after another, and once as the rows of a job.
"""

import gzip
import hashlib
import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

from flows.cli.command_line import main
from flows.mirror_album import mirror_album
from flows.mirror_albums import mirror_albums
from flows.mirror_many import described, mirror_many
from imgur_mirror.models import Outcome, Strategy
from imgur_mirror.report import mirror_headline
from standin.pictures import Picture, draw
from tests.support.albums import manifest, stored
from tests.support.cases import is_about_an_album, listing, outcome_of, read_cases, scripted
from tests.support.imgur import contents, control, environment, new_album, put
from tests.support.jobs import links, listed, report

pytestmark = [pytest.mark.usefixtures("prefect_server"), pytest.mark.slow]

# The first three come whole; the others in pieces, where several workers may share an image.
SIZES = [3000, 4000, 5000, 200_000, 210_000, 220_000]
PIECES = 1 << 16


def drawn(kind, size):
    return draw(Picture(f"{kind}7777", kind, size)).read(0, size)


SUBSTITUTES = {
    "a small png": drawn("png", 20_000),
    "a jpeg": drawn("jpg", 4000),
    "a png as large as one is listed": drawn("png", 4000),
    "a large jpeg": drawn("jpg", 200_000),
}

WORSE = {
    "json": {"body": '{"data":{"error":"over capacity"},"success":false,"status":403}'},
    "a page": {"body": "<!doctype html><html></html>"},
    "a zip": {"body": b"PK\x03\x04" + bytes(200)},
    "nothing": {"body": ""},
    "gzip": {
        "body": gzip.compress(drawn("jpg", 4000)), "headers": {"Content-Encoding": "gzip"},
    },
    "no content": {"status": 204},
    "legal reasons": {"status": 451},
    "a picture cut short": {
        "body": drawn("jpg", 4000)[:2000], "headers": {"Content-Length": "4000"},
    },
}  # fmt: skip


JSON = {"headers": {"Content-Type": "application/json"}}


@pytest.fixture(scope="module", autouse=True)
def settings(imgur, dask_cluster):
    """The environment in which the flows use the stand-in."""
    values = environment(imgur) | {
        "IMGUR_BACKOFF": "0.01",
        "IMGUR_RETRIES": "0",
        "IMGUR_MAX_TASK_RUNS": "4",
        "IMGUR_SPLIT_BYTES": str(PIECES),
        "DASK_SCHEDULER_ADDRESS": dask_cluster,
    }
    with pytest.MonkeyPatch.context() as patch:
        for name, value in values.items():
            patch.setenv(name, value)
        yield


def answer(imgur, names, case):
    """Answer for all of these images as a case says."""
    for name in names:
        put(imgur, f"faults/{name.partition('.')[0]}", scripted({"etag": "md5"} | case))


def edited(imgur, album, sizes, query):
    """List each link with what Imgur puts after it once an image is edited."""
    put(imgur, f"albums/{album}", {"bytes": sizes})
    images = [
        image | {"link": image["link"] + query, "datetime": image["datetime"] + int(query[1:])}
        for image in listing(imgur, album)
    ]
    put(imgur, f"albums/{album}", {"bytes": sizes, "images": images})


def link_with(query):
    """List each link with what Imgur puts after it once an image is edited."""

    def arrange(imgur, album, folder):
        edited(imgur, album, [image["size"] for image in listing(imgur, album)], query)

    return arrange


def no_manifest(imgur, album, folder):
    (folder / album / "album.json").unlink()


def nothing(imgur, album, folder):
    """Leave it as it is."""


# The scenes: an album for each, whose images are in groups that are answered for alike


@dataclass(frozen=True)
class Group:
    """Images of these sizes, all answered for as `case` says, or with their own files."""

    sizes: list
    case: dict | None
    stored: bool = False


@dataclass(frozen=True)
class Scene:
    """An album; `before` arranges it before it is first mirrored, `after` before it is again.

    Without `before` there is no mirror of it yet.
    """

    groups: dict
    after: object = nothing
    before: object = None

    @property
    def sizes(self):
        return [size for group in self.groups.values() for size in group.sizes]

    def by_group(self, values):
        """Divide what there is for each image among the groups."""
        left = iter(values)
        return {name: [next(left) for _ in group.sizes] for name, group in self.groups.items()}


TWICE = draw(Picture("twice77", "jpg", 4000)).read(0, 4000)
SAME = {
    name: Group(SIZES, {"body": body, "headers": {"Content-Type": "image/png"}})
    for name, body in SUBSTITUTES.items()
}
NOT_SAME = {
    "what is there twice, as the API says": Group([4000, 4000], {"body": TWICE}, stored=True),
    "what comes as it is": Group([6000, 7000], None, stored=True),
}
INFERIOR = {
    name: Group([3000 + number, 200_000 + number], JSON | case)
    for number, (name, case) in enumerate(WORSE.items())
}

SCENES = {
    "nothing there": Scene(SAME | NOT_SAME),
    "manifest lost": Scene({"a small png": SAME["a small png"]} | INFERIOR, no_manifest, nothing),
    "link edited": Scene(INFERIOR, link_with("?2"), link_with("?1")),
}


@dataclass(frozen=True)
class Left:
    """What a run left of the images of a group: their names, the failed ones, and the digests."""

    names: list
    before: dict
    failed: set
    folder: Path


@pytest.fixture(scope="module")
def left(imgur, tmp_path_factory):
    """Give the groups as a strategy leaves them; each runs once."""

    @cache
    def run(strategy, how):
        folder = tmp_path_factory.mktemp("scenes")
        albums = {name: new_album(imgur, bytes=scene.sizes) for name, scene in SCENES.items()}
        files = {name: contents(imgur, album) for name, album in albums.items()}
        arrange(imgur, albums, folder)
        failed = HOW[how](list(albums.values()), strategy, folder)
        return {
            (scene, group): Left(names, files[scene], failed & set(names), folder / albums[scene])
            for scene in SCENES
            for group, names in SCENES[scene].by_group(files[scene]).items()
        }

    return run


def arrange(imgur, albums, folder):
    """Have a mirror of the albums that were there before, and answer as their groups say."""
    before = {albums[name]: scene for name, scene in SCENES.items() if scene.before}
    for album, scene in before.items():
        scene.before(imgur, album, folder)
    first = listed(folder, before, "first.txt")
    assert mirror_many(first, downloads=str(folder)).tally.failed == 0
    for name, album in albums.items():
        scene = SCENES[name]
        scene.after(imgur, album, folder)
        for group, names in scene.by_group(contents(imgur, album)).items():
            if (case := scene.groups[group].case) is not None:
                answer(imgur, names, case)


def in_turn(albums, strategy, folder):
    """Mirror them one after another; the names of the images that failed."""
    states = [mirror_album(album, strategy, 4, str(folder), return_state=True) for album in albums]
    assert all(state.is_failed() for state in states)
    rows = [row for state in states for row in outcome_of(state).having(Outcome.FAILED)]
    return {row.name for row in rows}


def in_a_job(albums, strategy, folder):
    """Mirror them as a job; the names of the images that failed."""
    state = mirror_many(listed(folder, albums), strategy, 4, str(folder), return_state=True)
    assert state.is_failed()
    return {row["name"] for row in report(folder) if row["outcome"] == "failed"}


HOW = {"albums": in_turn, "a job": in_a_job}


GROUPS = [(scene, group) for scene in SCENES for group in SCENES[scene].groups]


@pytest.mark.parametrize(("scene", "group"), GROUPS, ids=map(", ".join, GROUPS))
@pytest.mark.parametrize("how", HOW)
@pytest.mark.parametrize("strategy", Strategy)
def test_nothing_good_is_lost_and_nothing_worse_is_stored(strategy, how, scene, group, left):
    found, about = left(strategy, how)[scene, group], SCENES[scene].groups[group]
    assert found.failed == (set() if about.stored else set(found.names))
    right = {name: found.before[name] for name in found.names}
    if about.stored and about.case:
        right = dict.fromkeys(found.names, hashlib.md5(about.case["body"]).hexdigest())
    elif not about.stored and not SCENES[scene].before:
        right = {}
    there = stored(found.folder)
    assert {name: there[name] for name in found.names if name in there} == right
    known = {row["file"] for row in manifest(found.folder)["images"]} & set(found.names)
    # A manifest that was lost vouches for nothing that did not come again.
    assert known == (set() if scene == "manifest lost" else set(right))


def test_every_case_is_a_scene():
    """What was added to the cases has to be judged as well."""
    scenes = [name for name, case in read_cases("pictures.json").items() if is_about_an_album(case)]
    assert scenes == [
        "one picture for every link",
        "one picture for every link, manifest lost",
        "link edited, json served",
    ]


# The rows of a list


@pytest.mark.parametrize("strategy", Strategy)
def test_a_job_replaces_what_is_there_by_what_is_better_alone(strategy, imgur, tmp_path):
    """Its links, after its report was lost: what is worse replaces nothing, a new version does."""
    scene = Scene(INFERIOR | {"new": Group([3000, 4000], None)})
    album = new_album(imgur, bytes=scene.sizes)
    source = listed(tmp_path, links(imgur, album))
    assert mirror_many(source, downloads=str(tmp_path)).tally.failed == 0
    shard = tmp_path / "_many" / "links" / "000000"
    before = stored(shard)
    shard.with_suffix(".parquet").unlink()
    groups = scene.by_group(before)
    new = groups.pop("new")
    for name in new:
        put(imgur, f"faults/{name.partition('.')[0]}", {"kind": "new-version"})
    for group, names in groups.items():
        answer(imgur, names, INFERIOR[group].case)

    state = mirror_many(source, strategy, 4, str(tmp_path), return_state=True)

    assert f"{len(before) - 2} of {len(before)} images failed" in state.message
    after = stored(shard)
    assert set(after) == set(before)
    assert [name for name in before if after[name] != before[name]] == new


@pytest.mark.parametrize("strategy", Strategy)
def test_one_picture_for_several_albums_is_a_substitute(strategy, imgur, tmp_path):
    """Albums of one image each, of which the first come before it shows."""
    albums = [new_album(imgur, bytes=[size]) for size in (4000, 4000, 5000, 6000)]
    own = new_album(imgur, bytes=[7000])
    for album in albums:
        answer(imgur, contents(imgur, album), SAME["a jpeg"].case)
    source = listed(tmp_path, [*albums, own])

    state = mirror_many(source, strategy, 2, str(tmp_path), return_state=True)

    assert "4 of 5 images failed: 4 × one and the same picture came" in state.message
    assert [row["outcome"] for row in report(tmp_path)] == [*["failed"] * 4, "downloaded"]
    assert [stored(tmp_path / album) for album in albums] == [{}] * 4
    assert stored(tmp_path / own) == contents(imgur, own)


@pytest.mark.parametrize("strategy", Strategy)
def test_one_picture_for_several_albums_of_a_list_is_a_substitute(strategy, imgur, tmp_path):
    """The first albums have ended before it shows, one of them as it was before."""
    albums = [new_album(imgur, bytes=[size]) for size in (4000, 5000, 6000)]
    own = new_album(imgur, bytes=[7000])
    for album in albums:
        answer(imgur, contents(imgur, album), SAME["a jpeg"].case)
    mirrored(albums[:1], strategy, tmp_path)

    state = mirrored([*albums, own], strategy, tmp_path)

    assert state.message.count("one and the same picture came") == 3
    assert stored(tmp_path / own) == contents(imgur, own)
    assert [stored(tmp_path / album) for album in albums[1:]] == [{}] * 2
    # What an earlier run stored is vouched for no more, and fetched by the next.
    for album in albums:
        assert [image["file"] for image in manifest(tmp_path / album)["images"]] == [None]
    for album in albums:
        control(imgur, "DELETE", f"faults/{next(iter(contents(imgur, album))).partition('.')[0]}")
    assert mirrored([*albums, own], strategy, tmp_path).is_completed()
    assert [stored(tmp_path / album) for album in albums] == [
        contents(imgur, album) for album in albums
    ]


@pytest.mark.parametrize("flow", [mirror_albums, mirror_many])
@pytest.mark.parametrize("strategy", Strategy)
def test_a_substitute_for_several_albums_of_a_list_replaces_no_file(
    strategy, flow, imgur, tmp_path
):
    """Albums of one image each, all edited since: alone, each might have got its new picture."""
    sizes = (4000, 5000, 6000)
    albums = [new_album(imgur, bytes=[size]) for size in sizes]
    assert mirrored(albums, strategy, tmp_path).is_completed()
    before = [stored(tmp_path / album) for album in albums]
    for album, size in zip(albums, sizes, strict=True):
        edited(imgur, album, [size], "?2")
        answer(imgur, contents(imgur, album), SAME["a jpeg"].case)

    if flow is mirror_albums:
        state = mirrored(albums, strategy, tmp_path)
        kept = state.message.count("the file that was there is kept")
    else:
        mirror_many(listed(tmp_path, albums), strategy, 2, str(tmp_path), return_state=True)
        kept = sum(row["error"].endswith("is kept") for row in report(tmp_path))

    assert kept == 3
    assert [stored(tmp_path / album) for album in albums] == before
    for album in albums:
        control(imgur, "DELETE", f"faults/{next(iter(contents(imgur, album))).partition('.')[0]}")
    assert mirrored(albums, strategy, tmp_path).is_completed()


def mirrored(albums, strategy, downloads):
    return mirror_albums(albums, strategy, workers=2, downloads=str(downloads), return_state=True)


# An album, by itself


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """The folder for downloads."""
    monkeypatch.setenv("IMGUR_DOWNLOADS", str(tmp_path / "downloads"))
    return tmp_path / "downloads"


def status(flow, said, *arguments):
    return main(flow, said, list(map(str, arguments)))


def mirror(album, *options):
    return status(mirror_album, mirror_headline, album, "--workers", 4, *options)


def test_what_fails_is_said_with_its_status(imgur, folder, tmp_path, capsys):
    album = new_album(imgur, bytes=[3000, 4000, 5000])
    answer(imgur, contents(imgur, album), SAME["a small png"].case)
    assert mirror(album) == 1
    assert "3 of 3 images failed" in capsys.readouterr().err
    assert status(mirror_many, described, listed(tmp_path, [album])) == 1
    assert "3 of 3 images failed" in capsys.readouterr().err


def test_what_was_kept_comes_with_the_next_run(imgur, folder):
    sizes = [4000, 5000]
    album = new_album(imgur, bytes=sizes)
    assert mirror(album) == 0
    edited(imgur, album, sizes, "?2")
    answer(imgur, contents(imgur, album), WORSE["json"])
    assert mirror(album) == 1
    for name in contents(imgur, album):
        put(imgur, f"faults/{name.partition('.')[0]}", {"kind": "new-version"})
    assert mirror(album) == 0
    assert set(stored(folder / album).values()).isdisjoint(contents(imgur, album).values())


@pytest.mark.parametrize("kind", ["substitute", "json"])
def test_files_that_are_no_pictures_are_found_in_mirrors_of_before(kind, imgur, folder):
    """A mirror that an earlier version made: each file is what its manifest says of it."""
    album = new_album(imgur, bytes=[4000, 5000, 6000])
    assert mirror(album) == 0
    body = SUBSTITUTES["a small png"] if kind == "substitute" else WORSE["json"]["body"].encode()
    about = manifest(folder / album)
    for row in about["images"]:
        (folder / album / row["file"]).write_bytes(body)
        row |= {"bytes": len(body), "md5": hashlib.md5(body).hexdigest()}
    (folder / album / "album.json").write_text(json.dumps(about))

    assert mirror(album, "--verify") == 0
    assert stored(folder / album) == contents(imgur, album)


# What is said


def test_run_it_again_is_said_where_it_helps(imgur, folder, capsys):
    album = new_album(imgur, bytes=[3000, 4000])
    name = next(iter(contents(imgur, album))).partition(".")[0]
    put(imgur, f"faults/{name}", scripted({"status": 451}))
    assert mirror(album) == 1
    assert "run it again" not in capsys.readouterr().err.lower()
    put(imgur, f"faults/{name}", scripted({"status": 202}))
    assert mirror(album) == 1
    assert "run it again" in capsys.readouterr().err.lower()
    control(imgur, "DELETE", f"faults/{name}")
