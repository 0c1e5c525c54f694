"""What hosts answer for a picture, with what is right: the same in every strategy.

All cases are the images of one album, or the links of one list, and each strategy runs once: for
the album whole and in pieces, and for the list. What is about a whole album is in
`test_cases_replaced`.
"""

import gzip
import hashlib
import re
import zlib
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from random import Random
from typing import NamedTuple
from urllib.parse import unquote, urlsplit

import pyarrow.dataset
import pytest

from flows.mirror_album import mirror_album
from flows.mirror_many import mirror_many
from imgur_mirror.models import Strategy
from standin.pictures import Picture, draw
from tests.support.albums import manifest
from tests.support.cases import (
    is_about_an_album,
    list_album,
    outcome_of,
    read_cases,
    scripted,
)
from tests.support.imgur import control, environment, put

pytestmark = [pytest.mark.usefixtures("prefect_server"), pytest.mark.slow]


class Form(NamedTuple):
    """How all cases come: as images of this size, or as the links of a list."""

    name: str
    size: int
    workers: int
    in_job: bool = False


WHOLE = Form("whole", 30_000, 8)
# So many workers share each of so many images of like size.
IN_PIECES = Form("in pieces", 400_000, 64)
IN_JOB = Form("in a job", 30_000, 8, in_job=True)
PIECES = 1 << 16

# One connection never cuts.
SEVERAL = [strategy for strategy in Strategy if strategy is not Strategy.SEQUENTIAL]
RUNS = [
    *((strategy, form) for strategy in Strategy for form in (WHOLE, IN_JOB)),
    *((strategy, IN_PIECES) for strategy in SEVERAL),
]


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
    "gzip in a second header": refused(
        lambda size: gzip.compress(jpeg(size), mtime=0), "gzip",
        headers={"Content-Encoding": ["identity", "gzip"]},
    ),
    "chunks behind another coding": stored_as(
        chunked=True, headers={"Content-Length": None, "Transfer-Encoding": "identity, chunked"}
    ),
    "early hints twenty times": stored_as(before_status=[103] * 20),
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

CASES = read_cases("pictures.json")
ALONE = {name: case for name, case in CASES.items() if not is_about_an_album(case)} | NEIGHBOURS


def played(case, size):
    body = case.get("body", "")
    return scripted(case | {"body": body(size) if callable(body) else body})


# The runs


@pytest.fixture(scope="module")
def settings(imgur, dask_cluster):
    """The environment in which the flows use the stand-in; what is late on purpose is nothing."""
    values = environment(imgur) | {
        "IMGUR_BACKOFF": "0.01",
        "IMGUR_RETRIES": "1",
        "IMGUR_READ_TIMEOUT": "60",
        "IMGUR_SPLIT_BYTES": str(PIECES),
        "IMGUR_MAX_TASK_RUNS": "32",
        "DASK_SCHEDULER_ADDRESS": dask_cluster,
    }
    with pytest.MonkeyPatch.context() as patch:
        for name, value in values.items():
            patch.setenv(name, value)
        yield


@dataclass(frozen=True)
class Row:
    """What a run says of an image: its own row, or that of a job's report."""

    id: str
    outcome: str
    error: str | None
    bytes: int
    md5: str | None
    retryable: bool


@dataclass(frozen=True)
class Case:
    """What became of the image of one case."""

    row: Row
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


def mirror(album, images, strategy, form, folder):
    """Mirror the album; give the row and the file of each image by its link."""
    state = mirror_album(album, strategy, form.workers, str(folder), return_state=True)
    links = {image["id"]: image["link"] for image in images}
    return {
        links[row.id]: (
            Row(row.id, row.outcome, row.error, row.bytes, row.md5, row.retryable),
            folder / album / row.name,
        )
        for row in outcome_of(state).downloads
    }


def mirror_list(album, images, strategy, form, folder):
    """Mirror a list of the links; give what `mirror` does."""
    source = folder / f"{album}.txt"
    source.write_text("".join(f"{image['link']}\n" for image in images))
    mirror_many(str(source), strategy, form.workers, str(folder), return_state=True)
    reports = sorted(folder.glob(f"_many/{album}/*.parquet"))
    rows = pyarrow.dataset.dataset(reports).to_table().to_pylist()
    ids = {image["link"]: image["id"] for image in images}
    return {
        row["link"].strip(): (
            Row(ids[row["link"].strip()], row["outcome"], row["error"], row["bytes"], row["md5"],
                row["again"]),
            Path(folder, row["folder"], row["name"]),
        )
        for row in rows
    }  # fmt: skip


@pytest.fixture(scope="module")
def ran(imgur, settings, tmp_path_factory):
    """Give the cases as a strategy leaves them; each runs once."""
    folder = tmp_path_factory.mktemp("pictures")

    @cache
    def run(strategy, form):
        names = LINKED if form.in_job else list(ALONE)
        album, images = play(imgur, names, form.size)
        control(imgur, "DELETE", "served")
        how = mirror_list if form.in_job else mirror
        found = how(album, images.values(), strategy, form, folder)
        asked = control(imgur, "GET", "served")
        return {name: case_of(image, found, asked) for name, image in images.items()}

    return run


def case_of(image, found, asked):
    row, file = found[image["link"]]
    mine = [entry for entry in asked if entry["id"] == image["id"]]
    targets, statuses = ([entry[key] for entry in mine] for key in ("target", "status"))
    return Case(row, image["link"], file, tuple(targets), tuple(statuses))


NESTED = re.compile(r"Pool\(|Caused by|object at 0x|Error\(|Exception\(|Traceback|\n")
"""What a library's own error looks like."""


def judge(case, found, form):
    """One image against what is right for it."""
    right, row = case["right"], found.row
    assert row.outcome == right["outcome"], row.error
    assert found.file.is_file() == (right["outcome"] == "downloaded")
    if right["outcome"] == "downloaded":
        kept = found.file.read_bytes()
        body = case["body"]
        if callable(body):
            assert kept == body(form.size)
        assert len(kept) == row.bytes
        assert hashlib.md5(kept).hexdigest() == row.md5
        return
    assert row.error
    assert not NESTED.search(row.error)
    assert re.search(right.get("says", ""), row.error), row.error
    # In a job, all that failed is tried again.
    if "retryable" in right and not form.in_job:
        assert row.retryable == right["retryable"]


# One row of a list has its image's id in its link alone, and right before the extension.
LINKED = [name for name in ALONE if "{id}." in ALONE[name].get("listed", {}).get("link", "{id}.")]


def in_every_run(names):
    """Parametrise by the cases of these names, each in every run that has it."""
    cases = [
        pytest.param(strategy, form, name, id=f"{strategy}, {form.name}, {name}")
        for strategy, form in RUNS
        for name in names
        if name in LINKED or not form.in_job
    ]
    return pytest.mark.parametrize(("strategy", "form", "name"), cases)


@in_every_run(ALONE)
def test_every_answer_has_its_outcome(strategy, form, name, ran):
    judge(ALONE[name], ran(strategy, form)[name], form)


@in_every_run([name for name in ALONE if "link" in ALONE[name].get("listed", "")])
def test_a_link_is_one_address_in_every_strategy(strategy, form, name, ran):
    """What two libraries escape differently is two addresses to a host, or to a cache."""
    found, alone = ran(strategy, form)[name], ran(Strategy.SEQUENTIAL, WHOLE)[name]
    assert without_id(found) == without_id(alone)
    path, link = urlsplit(found.link)[2], unquote(found.link)
    assert {unquote(target) for target in found.targets} == {link[link.index(unquote(path)) :]}


def without_id(case):
    """What was asked for, of an image whose id is another in each album."""
    return {target.replace(case.row.id, "ID") for target in case.targets}


@pytest.mark.parametrize("strategy", SEVERAL)
def test_what_comes_in_pieces_does_so(strategy, ran):
    found = ran(strategy, IN_PIECES)
    for name in ("an old movie", "a long json", "text", "a pdf"):
        assert found[name].statuses.count(206) > 1


@pytest.mark.parametrize("strategy", Strategy)
def test_nothing_else_lies_there(strategy, ran):
    found = ran(strategy, WHOLE)
    (folder,) = {case.file.parent for case in found.values()}
    right = {found[name].file.name for name in ALONE if found[name].row.outcome == "downloaded"}
    left = {path.name for path in folder.iterdir() if ".part" not in path.name}
    assert left == right | {"album.json"}
    assert {row["file"] for row in manifest(folder)["images"]} - {None} == right
