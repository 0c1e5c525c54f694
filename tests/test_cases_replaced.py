"""Substitutes, and what is worse than what is there: nothing good is lost, in every strategy.

A scene is an album of its own. Each strategy mirrors all of them once as albums, one after another,
and once as the rows of a job.
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
from flows.mirror_many import described, mirror_many
from imgur_mirror.models import Outcome, Strategy
from imgur_mirror.report import mirror_headline
from standin.pictures import Picture, draw
from tests.support.albums import manifest, stored
from tests.support.cases import is_about_an_album, listing, outcome_of, read_cases, scripted
from tests.support.imgur import contents, environment, new_album, put, told
from tests.support.jobs import links, listed, report
from tests.support.processes import python

pytestmark = [pytest.mark.usefixtures("prefect_server"), pytest.mark.slow]

# The first three come whole, the others in pieces where several workers may share an image.
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


def substitute(imgur, names, body, kind="image/png"):
    answer(imgur, names, {"body": body, "headers": {"Content-Type": kind}})


def edited(imgur, album, sizes, query):
    """List each link with what Imgur puts after it once an image is edited."""
    put(imgur, f"albums/{album}", {"bytes": sizes})
    images = [
        image | {"link": image["link"] + query, "datetime": image["datetime"] + int(query[1:])}
        for image in listing(imgur, album)
    ]
    put(imgur, f"albums/{album}", {"bytes": sizes, "images": images})


JSON = {"headers": {"Content-Type": "application/json"}}
PAIRS = [size + number for number in range(len(WORSE)) for size in (3000, 200_000)]


def worse_for_each(imgur, names):
    """Answer for a small image and for a large one in each of the ways that are worse."""
    kinds = list(WORSE.values())
    for number, name in enumerate(names):
        answer(imgur, [name], JSON | kinds[number // 2])


# The scenes: an album for each, arranged before there is a mirror of it, and after


@dataclass(frozen=True)
class Scene:
    """An album of these sizes; `before` and `after` arrange it, as it is first mirrored or is not.

    `after` returns the images that are to be there in the end, with their digests.
    """

    sizes: list
    after: object
    before: object = None
    failed: int = 0


def all_are(body):
    def after(imgur, album, folder):
        substitute(imgur, contents(imgur, album), body)
        return {}

    return Scene(SIZES, after, failed=6)


def beside(imgur, album, folder):
    files = contents(imgur, album)
    own = dict(list(files.items())[1:4:2])
    substitute(imgur, [name for name in files if name not in own], SUBSTITUTES["a small png"])
    return own


def twice(imgur, album, folder):
    """The sizes that the API lists are the same as well."""
    files = list(contents(imgur, album))
    body = drawn("jpg", 4000)
    substitute(imgur, files[:2], body, "image/jpeg")
    return contents(imgur, album) | dict.fromkeys(files[:2], hashlib.md5(body).hexdigest())


def nothing(imgur, album, folder):
    """Leave it as it was made."""


def link_with_1(imgur, album, folder):
    edited(imgur, album, PAIRS, "?1")


def substitute_without_manifest(imgur, album, folder):
    (folder / album / "album.json").unlink()
    substitute(imgur, contents(imgur, album), SUBSTITUTES["a small png"])
    return contents(imgur, album)


def worse_without_manifest(imgur, album, folder):
    (folder / album / "album.json").unlink()
    worse_for_each(imgur, contents(imgur, album))
    return contents(imgur, album)


def worse_with_another_link(imgur, album, folder):
    edited(imgur, album, PAIRS, "?2")
    worse_for_each(imgur, contents(imgur, album))
    return contents(imgur, album)


SCENES = {
    **{f"{name} for every link": all_are(body) for name, body in SUBSTITUTES.items()},
    "a substitute beside others": Scene([3000, 4000, 5000, 6000, 7000], beside, failed=3),
    "a picture that is there twice": Scene([4000, 4000, 5000], twice),
    "a substitute, manifest lost": Scene(SIZES, substitute_without_manifest, nothing, failed=6),
    "what is worse, manifest lost": Scene(PAIRS, worse_without_manifest, nothing, len(PAIRS)),
    "what is worse, link edited": Scene(PAIRS, worse_with_another_link, link_with_1, len(PAIRS)),
}


@dataclass(frozen=True)
class Left:
    """What a run left of a scene: how many images failed, and the files that are to be there."""

    failed: int
    right: dict
    folder: Path


@pytest.fixture(scope="module")
def left(imgur, tmp_path_factory):
    """Give the scenes as a strategy leaves them; each runs once."""

    @cache
    def run(strategy, how):
        folder = tmp_path_factory.mktemp("scenes")
        albums = {name: new_album(imgur, bytes=scene.sizes) for name, scene in SCENES.items()}
        before = [name for name, scene in SCENES.items() if scene.before]
        for name in before:
            SCENES[name].before(imgur, albums[name], folder)
        first = listed(folder, [albums[name] for name in before], "first.txt")
        assert mirror_many(first, downloads=str(folder)).tally.failed == 0
        right = {n: scene.after(imgur, albums[n], folder) for n, scene in SCENES.items()}
        failed = HOW[how](list(albums.values()), strategy, folder)
        return {n: Left(failed[album], right[n], folder / album) for n, album in albums.items()}

    return run


def in_turn(albums, strategy, folder):
    """Mirror them one after another; how many images of each failed."""
    states = [mirror_album(album, strategy, 4, str(folder), return_state=True) for album in albums]
    rows = [outcome_of(state).having(Outcome.FAILED) for state in states]
    assert [state.is_failed() for state in states] == list(map(bool, rows))
    return {album: len(failed) for album, failed in zip(albums, rows, strict=True)}


def in_a_job(albums, strategy, folder):
    """Mirror them as a job; how many rows of each failed."""
    source = listed(folder, albums)
    state = mirror_many(source, strategy, 4, str(folder), return_state=True)
    assert state.is_failed()
    rows = report(folder)
    return {album: sum(row["outcome"] == "failed" for row in rows if row["link"].strip() == album)
            for album in albums}  # fmt: skip


HOW = {"albums": in_turn, "a job": in_a_job}


@pytest.mark.parametrize("scene", SCENES)
@pytest.mark.parametrize("how", HOW)
@pytest.mark.parametrize("strategy", Strategy)
def test_nothing_good_is_lost_and_nothing_worse_is_stored(strategy, how, scene, left):
    found = left(strategy, how)[scene]
    assert found.failed == SCENES[scene].failed
    kept = {name: md5 for name, md5 in stored(found.folder).items() if ".part" not in name}
    assert kept == found.right
    known = {row["file"] for row in manifest(found.folder)["images"]} - {None}
    # A manifest that was lost vouches for nothing that did not come again.
    assert known == set() if "manifest lost" in scene else known == set(found.right)


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
    album = new_album(imgur, bytes=[*PAIRS, 3000, 4000])
    source = listed(tmp_path, links(imgur, album))
    assert mirror_many(source, downloads=str(tmp_path)).tally.failed == 0
    shard = tmp_path / "_many" / "links" / "000000"
    before = stored(shard)
    shard.with_suffix(".parquet").unlink()
    *worse, first, second = before
    worse_for_each(imgur, worse)
    for name in (first, second):
        put(imgur, f"faults/{name.partition('.')[0]}", {"kind": "new-version"})

    state = mirror_many(source, strategy, 4, str(tmp_path), return_state=True)

    assert f"{len(worse)} of {len(before)} images failed" in state.message
    after = stored(shard)
    assert {name: after[name] for name in worse} == {name: before[name] for name in worse}
    assert set(after) == set(before)
    assert after[first] != before[first]
    assert after[second] != before[second]


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
    substitute(imgur, contents(imgur, album), SUBSTITUTES["a small png"])
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


@pytest.mark.parametrize("strategy", Strategy)
def test_one_bad_image_is_one_sentence(strategy, imgur, folder):
    """On standard error there is no traceback, and no sentence twice."""
    album = new_album(imgur, bytes=[3000, 4000])
    name = next(iter(contents(imgur, album)))
    answer(imgur, [name], WORSE["json"])
    ran = python("-m", "flows.mirror_album", album, "--strategy", strategy, "--workers", "2")
    assert ran.returncode == 1
    assert "Traceback" not in ran.stderr
    sentence = ran.stderr.splitlines()[-1]
    assert name in sentence
    assert ran.stderr.count(name) == 1


def test_run_it_again_is_said_where_it_helps(imgur, folder, capsys):
    album = new_album(imgur, bytes=[3000, 4000])
    name = next(iter(contents(imgur, album))).partition(".")[0]
    put(imgur, f"faults/{name}", scripted({"status": 451}))
    assert mirror(album) == 1
    assert "run it again" not in capsys.readouterr().err.lower()
    put(imgur, f"faults/{name}", scripted({"status": 202}))
    assert mirror(album) == 1
    assert "run it again" in capsys.readouterr().err.lower()
    told(imgur, "DELETE", f"faults/{name}")
