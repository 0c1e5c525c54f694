"""What version 0.1 left on the disk is taken up as it is.

`fixtures/version_before/` is a folder for downloads which that version wrote, from a stand-in at
another port: a mirror, a run that was killed, and a job that was killed in its second shard. Of the
files above 1 MB only the texts beside them are there; the tests make them of the stand-in's bytes.
"""

import hashlib
import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pyarrow
import pyarrow.parquet
import pytest
import requests

from flows.mirror_album import mirror_album
from flows.mirror_many import mirror_many
from imgur_mirror.models import Outcome, Strategy
from tests.support.albums import manifest, stored
from tests.support.imgur import contents, control, put
from tests.support.waiting import LONG

pytestmark = pytest.mark.usefixtures("prefect_server")

FIXTURE = Path(__file__).parent / "fixtures" / "version_before"
HOST = "127.0.0.1:8765"
"""Where that version's stand-in was."""

MB = 1 << 20
STRATEGIES = [Strategy.ASYNC, Strategy.THREADS]


@pytest.fixture
def left(imgur: str, downloads: Path) -> Path:
    """The folder for downloads as it was left, its albums listed by this session's stand-in."""
    shutil.copytree(FIXTURE, downloads)
    name_host(imgur, downloads / MIRROR / "album.json")
    put(imgur, f"albums/{KILLED}", {"bytes": [6 * MB, 2_000_000, 3 * MB, 3000, 5000, 4000]})
    put(imgur, f"albums/{IMAGES}", {"bytes": [3000, 2500, 4000, 3500]})
    put(imgur, f"albums/{HALF}", {"bytes": [2500, 3000]})
    control(imgur, "DELETE", "served")
    return downloads


def name_host(imgur: str, path: Path) -> None:
    path.write_text(path.read_text().replace(HOST, imgur.removeprefix("http://")))


def requested(imgur: str) -> dict[str, int]:
    """The images that were asked for, and the bytes that were sent of each."""
    sent: dict[str, int] = {}
    for row in control(imgur, "GET", "served"):
        sent[row["id"]] = sent.get(row["id"], 0) + row["sent"]
    return sent


def at_work(folder: Path) -> list[str]:
    """What only a run at work leaves."""
    names = [path.name for path in folder.rglob("*")]
    return [name for name in names if ".part" in name or name.startswith(".")]


# A mirror

MIRROR = "GaLry01"


@pytest.mark.parametrize("verify", [False, True])
@pytest.mark.parametrize("strategy", STRATEGIES)
def test_a_mirror_is_found_unchanged(strategy, verify, imgur, left):
    """No image is asked for, and the manifest says what it said."""
    before, files = manifest(left / MIRROR), stored(left / MIRROR)

    mirrored = mirror_album(MIRROR, strategy, 4, verify=verify)

    assert len(mirrored.having(Outcome.UNCHANGED)) == len(mirrored.downloads) == 3
    assert requested(imgur) == {}
    # How many images Imgur counts is noted since.
    assert manifest(left / MIRROR) == before | {"counted": len(before["images"])}
    assert stored(left / MIRROR) == files == contents(imgur, MIRROR)


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_an_image_that_a_mirror_lacks_is_fetched_alone(strategy, imgur, left):
    before = manifest(left / MIRROR)["images"]
    lost = before[1]
    (left / MIRROR / lost["file"]).unlink()

    mirrored = mirror_album(MIRROR, strategy, 4)

    assert [row.id for row in mirrored.having(Outcome.DOWNLOADED)] == [lost["id"]]
    assert requested(imgur) == {lost["id"]: lost["bytes"]}
    after = manifest(left / MIRROR)["images"]
    assert after == [before[0], lost | {"fetched": after[1]["fetched"]}, before[2]]
    assert stored(left / MIRROR) == contents(imgur, MIRROR)
    reports = Path("_reports", MIRROR)
    assert {path.name for path in (left / reports).iterdir()} - {"thumbnails"} == {
        path.name for path in (FIXTURE / reports).iterdir()
    }


# A run that was killed

KILLED = "Killed1"
IN_RANGES, WHOLE, INSTEAD, REFUSED = "PCKPIiB", "4lV1EX3", "kRSbVI4", "qn29sEn"
"""Images of it: the first of three ranges stalled; 1.5 MB had come; its ranges were refused, and it
was fetched whole instead; 503 came twice. Two more had come."""


@pytest.fixture
def killed(imgur: str, left: Path) -> Path:
    """The folder of the album as the killed run left it."""
    folder = left / KILLED
    image = body(imgur, IN_RANGES)
    (log,) = folder.glob(f"{IN_RANGES}.jpg.*.part.log")
    with log.with_suffix("").open("wb") as part:
        for line in map(json.loads, filter(None, log.read_text().splitlines())):
            if "start" in line:
                part.seek(line["start"])
                part.write(image[line["start"] : line["stop"]])
    (folder / f"{WHOLE}.jpg.part").write_bytes(body(imgur, WHOLE)[:1_500_000])
    (folder / f"{INSTEAD}.jpg").write_bytes(body(imgur, INSTEAD))
    control(imgur, "DELETE", "served")
    return folder


def body(imgur: str, image: str) -> bytes:
    return requests.get(f"{imgur}/{image}.jpg", timeout=LONG).content


@pytest.mark.parametrize(
    ("strategy", "split_bytes"),
    [
        (Strategy.ASYNC, 2 * MB),
        (Strategy.THREADS, 2 * MB),
        (Strategy.SEQUENTIAL, 2 * MB),
        # The beginning of a whole file becomes one of the ranges.
        (Strategy.ASYNC, MB),
    ],
)
def test_a_killed_run_is_gone_on_with(strategy, split_bytes, imgur, killed, monkeypatch):
    """Only the bytes that are missing are sent, and nothing of the dead run stays."""
    monkeypatch.setenv("IMGUR_SPLIT_BYTES", str(split_bytes))
    assert len(at_work(killed)) > 6

    mirrored = mirror_album(KILLED, strategy, 4)

    assert requested(imgur) == {IN_RANGES: 2 * MB, WHOLE: 500_000, REFUSED: 4000}
    resumed = [row for row in control(imgur, "GET", "served") if row["id"] != REFUSED]
    assert {row["status"] for row in resumed} == {206}
    assert {row.id for row in mirrored.having(Outcome.DOWNLOADED)} == set(requested(imgur))
    assert len(mirrored.having(Outcome.UNCHANGED)) == 3
    assert stored(killed) == contents(imgur, KILLED)
    assert at_work(killed) == []


def test_the_manifest_vouches_for_what_the_journals_say(imgur, killed):
    """Those of a dead run, with the times at which it had fetched the images."""
    journals = [path.read_text() for path in killed.glob(".run-*/*.jsonl")]
    rows = [json.loads(line) for text in journals for line in text.splitlines() if line]
    done = {row["id"]: row for row in rows if row["outcome"] == "downloaded"}
    assert len(done) == 3

    mirror_album(KILLED, Strategy.ASYNC, 4)

    listed = {image["id"]: image for image in manifest(killed)["images"]}
    assert len(listed) == 6
    for image, row in done.items():
        same = ("bytes", "md5", "etag", "verified")
        assert [listed[image][key] for key in same] == [row[key] for key in same]
        assert listed[image]["file"] == row["name"]
        assert listed[image]["real_type"] == row["type"]
        assert listed[image]["fetched"].startswith("2026-11-26T02:01:")


# A job that was killed

IMAGES, HALF = "Links01", "Many001"
"""The album that the links of the job are of; one of which it had one image of two."""


@pytest.fixture
def job(left: Path) -> Path:
    return left / "_many" / "links"


@pytest.fixture
def source(imgur: str, left: Path, job: Path) -> str:
    """The links of the job; those of its second shard lead to this session's stand-in."""
    path = left / "links.txt"
    lines = path.read_text().splitlines(keepends=True)
    begun = job / "000001" / ".run-shard" / "digest"
    assert begun.read_text() == digest(lines[4:])
    second = [line.replace(HOST, imgur.removeprefix("http://")) for line in lines[4:]]
    begun.write_text(digest(second))
    path.write_text("".join([*lines[:4], *second]))
    about = json.loads((job / "job.json").read_text())
    (job / "job.json").write_text(json.dumps(about | {"source": str(path)}))
    return str(path)


def digest(rows: list[str]) -> str:
    """What tells a shard's rows from others, as that version made it: with the ends of lines."""
    return hashlib.blake2b("\n".join(rows).encode(), digest_size=16).hexdigest()


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_a_shard_with_a_report_is_counted_without_a_request(strategy, imgur, left, job, source):
    """Only the second is fetched; its report has the columns of the first."""
    shutil.rmtree(job / "000001")
    shutil.rmtree(left / HALF)
    first = (job / "000000.parquet").read_bytes()

    found = mirror_many(source, strategy, workers=4, shard_size=4)

    links = list(contents(imgur, IMAGES))[2:]
    fetched = {name.partition(".")[0] for name in [*links, *contents(imgur, HALF)]}
    assert requested(imgur).keys() == fetched
    tally = found.tally
    assert (tally.shards, tally.images, tally.downloaded, tally.fetched) == (2, 11, 7, 4)
    assert (tally.unchanged, tally.gone, tally.failed) == (3, 1, 0)
    assert (job / "000000.parquet").read_bytes() == first
    assert rows_fit(imgur, left, job) == 7
    assert at_work(left / "_many") == []


def rows_fit(imgur: str, left: Path, job: Path) -> int:
    """Compare the rows of both reports with the files; how many were downloaded."""
    tables = [pyarrow.parquet.read_table(path) for path in sorted(job.glob("*.parquet"))]
    assert len(tables) == 2
    old, new = (table.schema.remove_metadata() for table in tables)
    added = [
        pyarrow.field("foreign", pyarrow.bool_()),
        pyarrow.field("album_note", pyarrow.string()),
    ]
    assert list(new) == [*old, *added]
    rows = [row for table in tables for row in table.to_pylist()]
    assert [row["row"] for row in rows] == [0, 1, 2, 3, 4, 5, 5, 5, 6, 6, 7]
    kept = [row for row in rows if row["outcome"] != "gone"]
    files = contents(imgur, IMAGES) | contents(imgur, HALF) | contents(imgur, MIRROR)
    for row in kept:
        file = left / row["folder"] / row["name"]
        assert hashlib.md5(file.read_bytes()).hexdigest() == row["md5"] == files[row["name"]]
    return sum(row["outcome"] == "downloaded" for row in rows)


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_a_shard_that_was_killed_is_gone_on_with(strategy, imgur, left, job, source):
    """Its images, and those of the album that it was at, are not fetched again."""
    found = mirror_many(source, strategy, workers=4, shard_size=4)

    missing = next(iter(contents(imgur, HALF))).partition(".")[0]
    assert requested(imgur) == {missing: 2500}
    assert (found.tally.images, found.tally.fetched, found.tally.failed) == (11, 1, 0)
    rows_fit(imgur, left, job)
    assert at_work(left / "_many") == at_work(left / HALF) == []


@pytest.fixture
def unlisted(imgur: str) -> Iterator[None]:
    """The mirror's album is gone, so that a run that asks for it says so."""
    put(imgur, "api-faults", {"path": f"album/{MIRROR}", "kind": "not-found"})
    yield
    control(imgur, "DELETE", "api-faults")


def test_an_album_that_a_killed_shard_had_done_is_not_listed_again(
    unlisted, imgur, left, job, source
):
    found = mirror_many(source, Strategy.ASYNC, workers=4, shard_size=4)
    assert (found.tally.unchanged, found.tally.gone, found.tally.failed) == (4, 1, 0)
