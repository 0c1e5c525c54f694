"""What hosts answer for a picture, with what is right: the same in every strategy.

The cases that are independent are the images of one album for each strategy, whole, and of a few
where they come in pieces; those about a whole album have one of their own.
"""

import gzip
import hashlib
import json
import re
import zlib
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from random import Random
from urllib.parse import unquote, urlsplit

import pyarrow.dataset
import pytest

from flows.cli.command_line import main
from flows.mirror_album import mirror_album
from flows.mirror_many import described, mirror_many
from imgur_mirror.models import Mirrored, Strategy
from imgur_mirror.report import mirror_headline
from standin.pictures import Picture, draw
from tests.support.albums import manifest, stored
from tests.support.cases import list_album, listing, read_cases, scripted
from tests.support.imgur import contents, environment, new_album, put, served, told
from tests.support.processes import python

pytestmark = [pytest.mark.usefixtures("prefect_server"), pytest.mark.slow]

SMALL, LARGE = 30_000, 600_000
PIECES = 1 << 16
WORKERS, GROUP = 8, 12
"""So many images of like size are few enough for that many workers to share each."""

WHOLE = "whole"
IN_PIECES = "in pieces"
RUNS = [(strategy, WHOLE) for strategy in Strategy] + [
    # One connection never cuts.
    (strategy, IN_PIECES)
    for strategy in Strategy
    if strategy is not Strategy.SEQUENTIAL
]
MANY = [Strategy.ASYNC, Strategy.THREADS]


# Bodies, of the size that is asked for


def text(start, fill=" "):
    """A body that begins so, and is filled up."""
    head = start if isinstance(start, bytes) else start.encode()
    return lambda size: head.ljust(size, fill.encode())


def atom(name, payload=b""):
    return (8 + len(payload)).to_bytes(4, "big") + name + payload


def movie(*atoms):
    """A QuickTime movie that begins with these atoms; the media data take up the rest."""

    def body(size):
        head = b"".join(atoms)
        return head + atom(b"mdat", bytes(size - len(head) - 8))

    return body


def riff(form):
    return lambda size: (b"RIFF" + (size - 8).to_bytes(4, "little") + form).ljust(size, b"\0")


def drawn(kind):
    return lambda size: draw(Picture(f"{kind}7777", kind, size)).read(0, size)


def jpeg(size):
    return drawn("jpg")(size)


EBML = bytes.fromhex("1a45dfa39f4286810142f7810142f2810442f381084282")
MOOV = atom(b"moov", atom(b"mvhd", bytes(100)))


# The cases


def stored_as(body="picture", kind="image/jpeg", suffix=None, **more):
    """A case of what is stored, under a link with that suffix."""
    listed = {"link": f"{{host}}/{{id}}.{suffix}", "type": kind} if suffix else {}
    headers = {"Content-Type": kind, **more.pop("headers", {})}
    right = {"outcome": "downloaded"}
    return {
        "etag": "md5",
        "body": body,
        "headers": headers,
        "listed": listed,
        "right": right,
    } | more


def refused(body="", says="", kind="image/jpeg", retryable=None, **more):
    """A case of what is not stored."""
    headers = {"Content-Type": kind, **more.pop("headers", {})}
    right = {"outcome": "failed", "says": says}
    if retryable is not None:
        right["retryable"] = retryable
    return {"etag": "md5", "body": body, "headers": headers, "right": right} | more


def retried(body="", **more):
    return refused(body, retryable=True, **more)


def at(link):
    """A picture at a link that is escaped in a way of its own."""
    return stored_as(listed={"link": link})


def many(count):
    return {f"X-Header-{number}": "x" * 20 for number in range(count)}


ALBUM_WIDE = {name for name, case in read_cases("pictures.json").items() if "before" in case} | {
    "one picture for every link"
}

NEIGHBOURS = {
    # What is no picture, its digest being right
    "a long json": refused(text('{"data":{"error":"over capacity"},"status":403}')),
    "json typed as a jpeg": refused('{"success":false}'),
    "json after a byte order mark": refused(text(b'\xef\xbb\xbf{"error":"no"}')),
    "a json list": refused(text("[]")),
    "a long xml": refused(text('<?xml version="1.0" encoding="UTF-8"?><Error/>')),
    "xml without a declaration": refused(text("<Error><Code>AccessDenied</Code></Error>")),
    "a script after blank lines": refused(text("\r\n\n <script>location='/x'</script>")),
    "a long comment": refused(text("<!-- x -->")),
    "text": refused(text("Sorry, this is not available.\n"), kind="text/plain"),
    "text typed as a png": refused(text("over quota\n"), kind="image/png"),
    "a pdf": refused(text(b"%PDF-1.4\n%\xe2\xe3\xcf\xd3\n")),
    "a zip": refused(text(b"PK\x03\x04\x14\x00", "\0")),
    "a gzip file": refused(lambda size: gzip.compress(Random("gz").randbytes(size), mtime=0)),
    "bytes of no kind": refused(lambda size: b"\x07" + Random("kind").randbytes(size - 1)),
    "zeros": refused(lambda size: bytes(size)),
    "nothing at all": retried(""),
    # What is a picture or a video, whatever is said of it
    "a picture without a type": stored_as(headers={"Content-Type": None}),
    "a picture typed as bytes": stored_as(kind="application/octet-stream"),
    "a png typed as json": stored_as(drawn("png"), headers={"Content-Type": "application/json"}),
    "an old movie": stored_as(movie(MOOV), "video/quicktime", "mov"),
    "an old movie, data first": stored_as(movie(), "video/quicktime", "mov"),
    "an old movie, wide first": stored_as(movie(atom(b"wide")), "video/quicktime", "mov"),
    "an old movie, free first": stored_as(
        movie(atom(b"free", bytes(40)), MOOV), "video/quicktime", "mov"
    ),
    "an old movie, skip first": stored_as(
        movie(atom(b"skip", bytes(8)), MOOV), "video/quicktime", "mov"
    ),
    "an avi": stored_as(riff(b"AVI LIST"), "video/x-msvideo", "avi"),
    "a webm": stored_as(text(EBML + b"\x84webm", "\0"), "video/webm", "webm"),
    "an mp4": stored_as(drawn("mp4"), "video/mp4", "mp4"),
    "a gif": stored_as(drawn("gif"), "image/gif", "gif"),
    "a webp": stored_as(riff(b"WEBPVP8 "), "image/webp", "webp"),
    "a bmp": stored_as(
        lambda size: (b"BM" + size.to_bytes(4, "little") + bytes(4) + b"\x36\0\0\0\x28").ljust(
            size, b"\0"
        ),
        "image/bmp",
        "bmp",
    ),
    "a tiff": stored_as(text(b"II*\0\x08\0\0\0", "\0"), "image/tiff", "tiff"),
    "a tiff, big end first": stored_as(text(b"MM\0*\0\0\0\x08", "\0"), "image/tiff", "tiff"),
    "an avif": stored_as(movie(atom(b"ftyp", b"avif\0\0\0\0avifmif1")), "image/avif", "avif"),
    "a heic": stored_as(movie(atom(b"ftyp", b"heic\0\0\0\0mif1heic")), "image/heic", "heic"),
    # Codings
    "none as an encoding": stored_as(headers={"Content-Encoding": "none"}),
    "identity as an encoding": stored_as(headers={"Content-Encoding": "identity"}),
    "an empty encoding": stored_as(headers={"Content-Encoding": ""}),
    "aws-chunked as an encoding": stored_as(
        headers={"Content-Encoding": "identity, aws-chunked"}
    ),
    "aws-chunked alone": stored_as(headers={"Content-Encoding": "aws-chunked"}),
    "binary as an encoding": stored_as(headers={"Content-Encoding": "binary"}),
    "gzip": refused(
        lambda size: gzip.compress(jpeg(size), mtime=0), "gzip",
        headers={"Content-Encoding": "gzip"},
    ),
    "gzip in capitals": refused(
        lambda size: gzip.compress(jpeg(size), mtime=0), "(?i)gzip",
        headers={"Content-Encoding": "X-GZIP"},
    ),
    "gzip after identity": refused(
        lambda size: gzip.compress(jpeg(size), mtime=0), "gzip",
        headers={"Content-Encoding": "identity, gzip"},
    ),
    "deflate": refused(
        lambda size: zlib.compress(jpeg(size)), "deflate",
        headers={"Content-Encoding": "deflate"},
    ),
    "br": refused(
        lambda size: b"\x1b" + Random("br").randbytes(size - 1), "br",
        headers={"Content-Encoding": "br"},
    ),
    # Heads
    "a length twice": stored_as(headers={"Content-Length": ["{length}", "{length}"]}),
    "a length twice in one header": stored_as(headers={"Content-Length": "{length}, {length}"}),
    "two lengths": retried("picture", headers={"Content-Length": ["{length}", "7"]}),
    "chunks with a length": stored_as(chunked=True),
    "chunks": stored_as(chunked=True, headers={"Content-Length": None}),
    "a header of 16000 bytes": stored_as(headers={"Set-Cookie": "x * 16000"}),
    "a header of 32000 bytes": stored_as(headers={"Content-Security-Policy": "x * 32000"}),
    "headers of 32000 bytes": stored_as(
        headers={"Set-Cookie": [f"c{number}={'x' * 3990}" for number in range(8)]}
    ),
    "150 headers": stored_as(headers=many(150)),
    "early hints twice": stored_as(before_status=[103, 103]),
    "processing, then early hints": stored_as(before_status=[102, 103]),
    "early hints for what is gone": {
        "before_status": [103], "status": 404, "right": {"outcome": "gone"},
    },
    # Statuses
    "accepted": retried(status=202),
    "accepted, with a page": retried(text("<html>wait</html>"), kind="text/html", status=202),
    "accepted, with json": retried('{"status":"queued"}', kind="application/json", status=202),
    "no content with early hints": retried(status=204, before_status=[103]),
    "legal reasons": refused(status=451, says="(?i)legal"),
    "legal reasons on a page": refused(
        text("<html>not in your country</html>"), "(?i)legal", kind="text/html", status=451
    ),
    "a redirect to a page": refused(
        status=302, headers={"Location": "/GaLimg1.gifv"}, says="(?i)redirect"
    ),
    # Links
    "an escaped at sign": at("{host}/{id}%40x.jpg"),
    "an at sign": at("{host}/{id}@x.jpg"),
    "an escaped tilde": at("{host}/{id}%7Ex.jpg"),
    "a tilde": at("{host}/{id}~x.jpg"),
    "an escape in small letters": at("{host}/{id}%7ex.jpg"),
    "escapes in the query": at("{host}/{id}.jpg?a=%40%7E%2F"),
}  # fmt: skip

ALONE = {
    name: case for name, case in read_cases("pictures.json").items() if name not in ALBUM_WIDE
} | NEIGHBOURS


def played(case, size):
    body = case.get("body", "")
    return scripted(case | {"body": body(size) if callable(body) else body})


# The runs


@pytest.fixture(scope="module")
def settings(imgur):
    """The environment in which the flows use the stand-in; what is late on purpose is nothing."""
    values = environment(imgur) | {
        "IMGUR_BACKOFF": "0.01",
        "IMGUR_RETRIES": "1",
        "IMGUR_READ_TIMEOUT": "60",
    }
    with pytest.MonkeyPatch.context() as patch:
        for name, value in values.items():
            patch.setenv(name, value)
        yield patch


@dataclass(frozen=True)
class Case:
    """What became of the image of one case."""

    row: object
    link: str
    file: Path
    targets: tuple
    statuses: tuple


def play(imgur, names, size):
    """An album whose images are answered for as the cases of these names say."""
    changes = [ALONE[name].get("listed", {}) for name in names]
    album, images = list_album(imgur, [size] * len(names), changes)
    for name, image in zip(names, images, strict=True):
        put(imgur, f"faults/{image['id']}", played(ALONE[name], size))
    return album, dict(zip(names, images, strict=True))


def outcome_of(state) -> Mirrored:
    """The rows of a mirror, complete or not."""
    result = state.result(raise_on_failure=False)
    return result if isinstance(result, Mirrored) else result.mirrored


def case_of(imgur, row, image, folder):
    asked = served(imgur, image["id"])
    return Case(
        row,
        image["link"],
        folder / row.name,
        tuple(entry["target"] for entry in asked),
        tuple(entry["status"] for entry in asked),
    )


@pytest.fixture(scope="module")
def mirrored(imgur, settings, tmp_path_factory):
    """Give the cases as a strategy leaves them; each runs once."""
    folder = tmp_path_factory.mktemp("pictures")

    @cache
    def run(strategy, form):
        names = list(ALONE)
        size, group = (SMALL, len(names)) if form == WHOLE else (LARGE, GROUP)
        settings.setenv("IMGUR_SPLIT_BYTES", str(PIECES))
        settings.setenv("IMGUR_MAX_TASK_RUNS", "32")
        found = {}
        for start in range(0, len(names), group):
            album, images = play(imgur, names[start : start + group], size)
            state = mirror_album(album, strategy, WORKERS, str(folder), return_state=True)
            rows = {row.id: row for row in outcome_of(state).downloads}
            for name, image in images.items():
                found[name] = case_of(imgur, rows[image["id"]], image, folder / album)
        return found

    return run


NESTED = re.compile(r"Pool\(|Caused by|object at 0x|Error\(|Exception\(|Traceback|\n")
"""What a library's own error looks like."""


def judge(case, found, size):
    """One image against what is right for it."""
    right, row = case["right"], found.row
    assert row.outcome == right["outcome"], row.error
    assert found.file.is_file() == (right["outcome"] == "downloaded")
    if right["outcome"] == "downloaded":
        kept = found.file.read_bytes()
        body = case["body"]
        if callable(body):
            assert kept == body(size)
        assert len(kept) == row.bytes
        assert hashlib.md5(kept).hexdigest() == row.md5
        return
    assert row.error
    assert not NESTED.search(row.error)
    assert re.search(right.get("says", ""), row.error), row.error
    if "retryable" in right:
        assert row.retryable == right["retryable"]


@pytest.mark.parametrize("name", ALONE)
@pytest.mark.parametrize(("strategy", "form"), RUNS)
def test_every_answer_has_its_outcome(strategy, form, name, mirrored):
    judge(ALONE[name], mirrored(strategy, form)[name], SMALL if form == WHOLE else LARGE)


@pytest.mark.parametrize(
    "name", [name for name in ALONE if "link" in ALONE[name].get("listed", "")]
)
@pytest.mark.parametrize(("strategy", "form"), RUNS)
def test_a_link_is_one_address_in_every_strategy(strategy, form, name, mirrored):
    """What two libraries escape differently is two addresses to a host, or to a cache."""
    found, alone = mirrored(strategy, form)[name], mirrored(Strategy.SEQUENTIAL, WHOLE)[name]
    assert without_id(found) == without_id(alone)
    path, link = urlsplit(found.link)[2], unquote(found.link)
    assert {unquote(target) for target in found.targets} == {link[link.index(unquote(path)) :]}


def without_id(case):
    """What was asked for, of an image whose id is another in each album."""
    return {target.replace(case.row.id, "ID") for target in case.targets}


@pytest.mark.parametrize("strategy", [s for s in Strategy if s is not Strategy.SEQUENTIAL])
def test_what_comes_in_pieces_does_so(strategy, mirrored):
    found = mirrored(strategy, IN_PIECES)
    for name in ("an old movie", "a long json", "text", "a pdf"):
        assert found[name].statuses.count(206) > 1


@pytest.mark.parametrize("strategy", Strategy)
def test_nothing_else_lies_there(strategy, mirrored):
    found = mirrored(strategy, WHOLE)
    (folder,) = {case.file.parent for case in found.values()}
    right = {found[name].file.name for name in ALONE if found[name].row.outcome == "downloaded"}
    left = {path.name for path in folder.iterdir() if ".part" not in path.name}
    assert left == right | {"album.json"}
    assert {row["file"] for row in manifest(folder)["images"]} - {None} == right


# Many


@dataclass(frozen=True)
class Reported:
    """A row of a job's report, with the names that a run's own rows have."""

    outcome: str
    error: str | None
    bytes: int
    md5: str | None
    retryable: bool


@pytest.fixture(scope="module")
def reported(imgur, settings, tmp_path_factory):
    """Give the cases as a job leaves them whose input lists their links."""

    @cache
    def run(strategy):
        folder = tmp_path_factory.mktemp("many")
        _, images = play(imgur, list(ALONE), SMALL)
        source = folder / "links.txt"
        source.write_text("".join(f"{image['link']}\n" for image in images.values()))
        downloads = str(folder / "downloads")
        mirror_many(str(source), strategy, WORKERS, downloads, return_state=True)
        table = pyarrow.dataset.dataset(sorted(Path(downloads).glob("_many/links/*.parquet")))
        rows = {row["link"].strip(): row for row in table.to_table().to_pylist()}
        return {name: _reported(rows[image["link"]], image, downloads)
                for name, image in images.items()}  # fmt: skip

    return run


def _reported(row, image, downloads):
    about = Reported(row["outcome"], row["error"], row["bytes"], row["md5"], row["again"])
    return Case(about, image["link"], Path(downloads, row["folder"], row["name"]), (), ())


LINKED = [name for name in ALONE if "{id}." in ALONE[name].get("listed", {}).get("link", "{id}.")]
"""A row of a list has its image's id in its link alone, and right before the extension."""


@pytest.mark.parametrize("name", LINKED)
@pytest.mark.parametrize("strategy", MANY)
def test_every_answer_has_its_outcome_in_a_job(strategy, name, reported):
    judge(ALONE[name], reported(strategy)[name], SMALL)


# A whole album


@pytest.fixture
def folder(settings, tmp_path, monkeypatch):
    """The folder for downloads; images come whole."""
    monkeypatch.setenv("IMGUR_DOWNLOADS", str(tmp_path / "downloads"))
    monkeypatch.setenv("IMGUR_SPLIT_BYTES", str(1 << 30))
    return tmp_path / "downloads"


@pytest.fixture(params=[WHOLE, IN_PIECES])
def sizes(request, folder, monkeypatch):
    """Three sizes; images as large as these come whole or in pieces."""
    if request.param == WHOLE:
        return [3000, 4000, 5000]
    monkeypatch.setenv("IMGUR_SPLIT_BYTES", str(PIECES))
    return [200_000, 210_000, 220_000]


SUBSTITUTES = {
    "a small png": drawn("png")(20_000),
    "a jpeg": jpeg(4000),
    "a png as large as one is listed": drawn("png")(4000),
    "a large jpeg": jpeg(200_000),
}


def substitute(imgur, images, body, kind="image/png"):
    """Answer with one picture for all of these."""
    case = {"etag": "md5", "body": body, "headers": {"Content-Type": kind}}
    for image in images:
        put(imgur, f"faults/{image.partition('.')[0]}", scripted(case))


def status(flow, described, *arguments):
    return main(flow, described, list(map(str, arguments)))


def mirror(album, strategy, *options):
    return status(
        mirror_album, mirror_headline, album, "--strategy", strategy, "--workers", 4, *options
    )


def rows_of(downloads, album):
    """What the manifest knows, by file or, where there is none, by id."""
    return {row["id"]: row["file"] for row in manifest(downloads / album)["images"]}


@pytest.mark.parametrize("body", SUBSTITUTES)
@pytest.mark.parametrize("strategy", Strategy)
def test_one_picture_for_every_link_is_a_substitute(strategy, body, sizes, imgur, folder, capsys):
    """Whatever it is: its digest tells, where the sizes that the API lists differ."""
    album = new_album(imgur, bytes=sizes)
    substitute(imgur, contents(imgur, album), SUBSTITUTES[body])

    assert mirror(album, strategy) == 1

    assert "3 of 3 images failed" in capsys.readouterr().err
    assert not any(path.suffix == ".jpg" for path in (folder / album).iterdir())
    assert set(rows_of(folder, album).values()) == {None}


@pytest.mark.parametrize("strategy", Strategy)
def test_what_is_no_substitute_is_stored_beside_one(strategy, imgur, folder):
    album = new_album(imgur, bytes=[3000, 4000, 5000, 6000, 7000])
    files = contents(imgur, album)
    own = dict(list(files.items())[1:4:2])
    substitute(imgur, [name for name in files if name not in own], SUBSTITUTES["a small png"])
    assert mirror(album, strategy) == 1
    assert stored(folder / album) == own


@pytest.mark.parametrize("strategy", Strategy)
def test_a_picture_that_is_twice_in_an_album_is_no_substitute(strategy, imgur, folder):
    """The sizes that the API lists are the same as well."""
    album = new_album(imgur, bytes=[4000, 4000, 5000])
    files = list(contents(imgur, album))
    substitute(imgur, files[:2], jpeg(4000), "image/jpeg")
    assert mirror(album, strategy) == 0
    assert set(stored(folder / album)) == set(files)


@pytest.mark.parametrize("strategy", Strategy)
def test_a_substitute_replaces_nothing_where_the_manifest_is_lost(strategy, sizes, imgur, folder):
    album = new_album(imgur, bytes=sizes)
    assert mirror(album, strategy) == 0
    before = stored(folder / album)
    (folder / album / "album.json").unlink()
    substitute(imgur, before, SUBSTITUTES["a small png"])

    assert mirror(album, strategy) == 1

    assert stored(folder / album) == before == contents(imgur, album)


WORSE = {
    "json": {"body": '{"data":{"error":"over capacity"},"success":false,"status":403}'},
    "a page": {"body": "<!doctype html><html></html>"},
    "a zip": {"body": b"PK\x03\x04" + bytes(200)},
    "nothing": {"body": ""},
    "gzip": {"body": gzip.compress(jpeg(4000)), "headers": {"Content-Encoding": "gzip"}},
    "no content": {"status": 204},
    "legal reasons": {"status": 451},
    "a picture cut short": {"body": jpeg(4000)[:2000], "headers": {"Content-Length": "4000"}},
}


@pytest.mark.parametrize("answer", ["json", "nothing", "a zip"])
@pytest.mark.parametrize("strategy", Strategy)
def test_nothing_good_is_replaced_where_the_link_is_edited(strategy, answer, sizes, imgur, folder):
    album = new_album(imgur, bytes=sizes)
    edited(imgur, album, sizes, "?1")
    assert mirror(album, strategy) == 0
    before = stored(folder / album)
    edited(imgur, album, sizes, "?2")
    for name in before:
        case = {"etag": "md5", "headers": {"Content-Type": "application/json"}} | WORSE[answer]
        put(imgur, f"faults/{name.partition('.')[0]}", scripted(case))

    assert mirror(album, strategy) == 1

    assert stored(folder / album) == before == contents(imgur, album)


@pytest.mark.parametrize("answer", WORSE)
@pytest.mark.parametrize("state", ["no manifest", "another link"])
def test_what_is_worse_replaces_nothing(state, answer, imgur, folder, capsys):
    sizes = [4000, 5000]
    album = new_album(imgur, bytes=sizes)
    assert mirror(album, "async") == 0
    before = stored(folder / album)
    if state == "no manifest":
        (folder / album / "album.json").unlink()
    else:
        edited(imgur, album, sizes, "?2")
    for name in before:
        put(imgur, f"faults/{name.partition('.')[0]}", scripted({"etag": "md5"} | WORSE[answer]))

    assert mirror(album, "async") == 1

    assert "2 of 2 images failed" in capsys.readouterr().err
    kept = {name: md5 for name, md5 in stored(folder / album).items() if ".part" not in name}
    assert kept == before


def edited(imgur, album, sizes, query):
    """List each link with what Imgur puts after it once an image is edited."""
    put(imgur, f"albums/{album}", {"bytes": sizes})
    images = [
        image | {"link": image["link"] + query, "datetime": image["datetime"] + int(query[1:])}
        for image in listing(imgur, album)
    ]
    put(imgur, f"albums/{album}", {"bytes": sizes, "images": images})


def test_what_was_kept_comes_with_the_next_run(imgur, folder):
    sizes = [4000, 5000]
    album = new_album(imgur, bytes=sizes)
    mirror(album, "async")
    edited(imgur, album, sizes, "?2")
    for name in contents(imgur, album):
        put(imgur, f"faults/{name.partition('.')[0]}", scripted({"etag": "md5"} | WORSE["json"]))
    assert mirror(album, "async") == 1
    for name in contents(imgur, album):
        put(imgur, f"faults/{name.partition('.')[0]}", {"kind": "new-version"})
    assert mirror(album, "async") == 0
    assert set(stored(folder / album).values()).isdisjoint(contents(imgur, album).values())


@pytest.mark.parametrize("kind", ["substitute", "json"])
def test_files_that_are_no_pictures_are_found_in_mirrors_of_before(kind, imgur, folder, capsys):
    """A mirror that an earlier version made: each file is what its manifest says of it."""
    album = new_album(imgur, bytes=[4000, 5000, 6000])
    assert mirror(album, "async") == 0
    body = SUBSTITUTES["a small png"] if kind == "substitute" else WORSE["json"]["body"].encode()
    about = manifest(folder / album)
    for row in about["images"]:
        (folder / album / row["file"]).write_bytes(body)
        row |= {"bytes": len(body), "md5": hashlib.md5(body).hexdigest()}
    (folder / album / "album.json").write_text(json.dumps(about))

    assert mirror(album, "async", "--verify") == 0
    assert stored(folder / album) == contents(imgur, album)


@pytest.mark.parametrize("strategy", MANY)
def test_a_substitute_is_one_in_a_job_as_well(strategy, imgur, folder, tmp_path, capsys):
    """An album is a row of its input."""
    album = new_album(imgur, bytes=[3000, 4000, 5000])
    substitute(imgur, contents(imgur, album), SUBSTITUTES["a small png"])
    (tmp_path / "albums.txt").write_text(f"{album}\n")
    arguments = (tmp_path / "albums.txt", "--strategy", strategy, "--workers", 2)
    assert status(mirror_many, described, *arguments) == 1
    assert "3 of 3 images failed" in capsys.readouterr().err
    assert not any(path.suffix == ".jpg" for path in (folder / album).iterdir())


@pytest.mark.parametrize("strategy", MANY)
def test_a_job_replaces_nothing_good(strategy, imgur, folder, tmp_path):
    album = new_album(imgur, bytes=[3000, 4000])
    links = [f"{imgur}/{name}" for name in contents(imgur, album)]
    (tmp_path / "links.txt").write_text("".join(f"{link}\n" for link in links))
    arguments = (tmp_path / "links.txt", "--strategy", strategy, "--workers", 2)
    assert status(mirror_many, described, *arguments) == 0
    shard = folder / "_many" / "links" / "000000"
    before = stored(shard)
    shard.with_suffix(".parquet").unlink()
    for name in before:
        put(imgur, f"faults/{name.partition('.')[0]}", scripted({"etag": "md5"} | WORSE["json"]))
    assert status(mirror_many, described, *arguments) == 1
    assert stored(shard) == before


@pytest.mark.parametrize("strategy", MANY)
def test_a_job_takes_a_new_version(strategy, imgur, folder, tmp_path):
    album = new_album(imgur, bytes=[3000, 4000])
    files = contents(imgur, album)
    (tmp_path / "links.txt").write_text("".join(f"{imgur}/{name}\n" for name in files))
    arguments = (tmp_path / "links.txt", "--strategy", strategy, "--workers", 2)
    assert status(mirror_many, described, *arguments) == 0
    shard = folder / "_many" / "links" / "000000"
    shard.with_suffix(".parquet").unlink()
    for name in files:
        put(imgur, f"faults/{name.partition('.')[0]}", {"kind": "new-version"})
    assert status(mirror_many, described, *arguments) == 0
    assert set(stored(shard)) == set(files)
    assert set(stored(shard).values()).isdisjoint(files.values())


# What is said


@pytest.mark.parametrize("strategy", Strategy)
def test_one_bad_image_is_one_sentence(strategy, imgur, folder):
    """On standard error there is no traceback, and no sentence twice."""
    album = new_album(imgur, bytes=[3000, 4000])
    name = next(iter(contents(imgur, album)))
    put(imgur, f"faults/{name.partition('.')[0]}", scripted({"etag": "md5"} | WORSE["json"]))
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
    assert mirror(album, "async") == 1
    assert "run it again" not in capsys.readouterr().err.lower()
    put(imgur, f"faults/{name}", scripted({"status": 202}))
    assert mirror(album, "async") == 1
    assert "run it again" in capsys.readouterr().err.lower()
    told(imgur, "DELETE", f"faults/{name}")
