"""What a user expects of a job that runs again: true counts, verification, what is asked again."""

import os
import pty
import subprocess
import sys

import pyarrow.parquet as pq
import pytest

from flows.cli.command_line import main
from flows.mirror_many import described, mirror_many
from imgur_mirror.bulk import Tally, job_name, open_source
from imgur_mirror.bulk.outcomes import Row, tally_rows
from imgur_mirror.bulk.summary import job_headline
from imgur_mirror.models import Download, Outcome, Strategy
from tests.support.imgur import contents, control, fault, images_served, new_album, put
from tests.support.jobs import links, listed, report
from tests.support.prefect_api import artifact
from tests.support.processes import PROJECT, python
from tests.support.waiting import LONG

pytestmark = [pytest.mark.usefixtures("prefect_server"), pytest.mark.slow]


def status(*arguments):
    try:
        return main(mirror_many, described, list(map(str, arguments)))
    except SystemExit as refused:
        return int(str(refused.code))


def images_of(downloads):
    return sorted((downloads / "_many" / "links").glob("*/*.jpg"))


# Counts


@pytest.mark.parametrize("strategy", [Strategy.THREADS, Strategy.ASYNC])
def test_what_every_try_fetched_counts_as_fetched(strategy, imgur, downloads, tmp_path):
    """One answer of 503 among them has the shard tried again, not the counts begun anew."""
    images, album = (new_album(imgur, count=5, bytes=3000) for _ in range(2))
    for name in (list(contents(imgur, images))[2], list(contents(imgur, album))[1]):
        fault(imgur, name, "status", status=503, times=1)
    found = mirror_many(listed(tmp_path, [*links(imgur, images), album]), strategy, workers=2)
    assert (found.tally.downloaded, found.tally.fetched) == (10, 10)
    assert found.tally.received == 10 * 3000
    assert "10 images (30 kB) fetched in this run" in described(found)
    assert sorted(row["attempts"] for row in report(downloads)) == [*[1] * 8, 2, 2]


def test_a_list_that_became_shorter_leaves_no_rows_of_before(imgur, downloads, tmp_path):
    some = links(imgur, new_album(imgur, count=7, bytes=3000))
    mirror_many(listed(tmp_path, some), shard_size=2)
    found = mirror_many(listed(tmp_path, some[:3]), shard_size=2)
    assert [row["link"].strip() for row in report(downloads)] == some[:3]
    assert found.removed == 2
    assert "the list became shorter: 2 reports" in described(found)
    assert len(images_of(downloads)) == 7


@pytest.mark.parametrize("strategy", Strategy)
def test_fewer_listed_than_counted_is_said_of_each_album(strategy, imgur, downloads, tmp_path):
    """In the headline and the report, by a run that asks for nothing as well."""
    short = [new_album(imgur, count=2, bytes=3000, listed={"images_count": n}) for n in (5, 3)]
    broken = links(imgur, new_album(imgur, count=1, bytes=3000))[0]
    fault(imgur, broken.rpartition("/")[2], "status", status=403)
    source = listed(tmp_path, [short[0], new_album(imgur, count=2, bytes=3000), broken, short[1]])
    sentences = [
        f"{album}: Imgur counts {n} images and lists 2"
        for album, n in zip(short, (5, 3), strict=True)
    ]

    state = mirror_many(source, strategy, workers=2, shard_size=3, return_state=True)
    control(imgur, "DELETE", "faults")
    again = mirror_many(source, strategy, workers=2, shard_size=3)

    assert all(sentence in state.message for sentence in sentences)
    assert all(sentence in described(again) for sentence in sentences)
    assert all(sentence in artifact("job-links") for sentence in sentences)
    notes = [row["album_note"] for row in report(downloads)]
    assert notes == [sentences[0][9:]] * 2 + [None] * 3 + [sentences[1][9:]] * 2


def test_albums_of_which_something_is_said_are_counted():
    rows = [Row(n, "", f"album{n // 2}", album_note="Imgur counts 9") for n in range(100)]
    tally = tally_rows(rows, 0, 0) + tally_rows(rows[:2], 0, 0)
    assert (tally.noted, len(tally.notes)) == (51, 20)
    said = job_headline(tally, 1)
    assert said.count("Imgur counts 9") == 5
    assert said.endswith("; and 46 albums more like that")


@pytest.mark.parametrize("strategy", Strategy)
def test_a_full_disk_ends_the_job_at_once(strategy, imgur, downloads, tmp_path, prefect_server):
    """Here a limit on the size of files: an image is larger, and the sentence is said once."""
    album = new_album(imgur, count=40, bytes=3_000_000)
    source = listed(tmp_path, links(imgur, album))
    command = f"""
import resource, sys
resource.setrlimit(resource.RLIMIT_FSIZE, (2_000_000, 2_000_000))
from flows.cli.command_line import main
from flows.mirror_many import described, mirror_many
sys.exit(main(mirror_many, described, [{source!r}, "--strategy", {strategy.value!r},
              "--workers", "2", "--shard_size", "5"]))
"""
    ran = python("-c", command, env={"PREFECT_API_URL": prefect_server})
    assert ran.returncode == 1
    last = ran.stderr.strip().splitlines()[-1]
    assert "File too large" in last
    assert last.count("cannot write to") == 1
    assert images_served(imgur, album) < 20
    assert not list((downloads / "_many" / "links").glob("*.parquet"))


@pytest.mark.parametrize(
    ("errors", "kind"),
    [
        (
            [f"cannot write to /data/a{n}/00000{n}/x{n}.jpg.part: No space left" for n in (1, 2)],
            "cannot write to …: No space left",
        ),
        (
            [f"Cannot connect to host {h} ssl:default" for h in ("i.imgur.com:443", "127.0.0.1:9")],
            "Cannot connect to host … ssl:default",
        ),
        (
            ["the body is short: 10 of 3,000 bytes", "the body is short: 11 of 12.5 bytes"],
            "the body is short: … of … bytes",
        ),
        (
            ["line 3: it has 1 of 2 columns", "line 14 of b.csv: it has 2 of 7 columns"],
            "it has … of … columns",
        ),
        (["the image host answered 503", "the image host answered 503"], None),
        ([f"{'word ' * 60}{n}" for n in (1, 2)], f"{'word ' * 31}…"),
    ],
)
def test_errors_of_one_kind_are_one_kind(errors, kind):
    rows = [
        Row(n, "", "", Download(id="", name="", outcome=Outcome.FAILED, error=error))
        for n, error in enumerate(errors)
    ]
    assert tally_rows(rows, 0, 0).errors == ((kind or errors[0], 2),)


def test_other_answers_are_other_kinds():
    rows = [
        Row(n, "", "", Download(id="", name="", outcome=Outcome.FAILED, error=f"answered {n}"))
        for n in (403, 404)
    ]
    assert len(tally_rows(rows, 0, 0).errors) == 2


# What is asked for again


def test_a_job_is_verified(imgur, downloads, tmp_path):
    """What is damaged or missing is fetched again, an album's images as well, and nothing else."""
    images, album = (new_album(imgur, count=3, bytes=3000) for _ in range(2))
    source = listed(tmp_path, [*links(imgur, images), album])
    mirror_many(source)
    damaged, missing, _ = images_of(downloads)
    in_album = next((downloads / album).glob("*.jpg"))
    for path in (damaged, in_album):
        path.write_bytes(path.read_bytes()[:-1] + b"x")
    missing.unlink()
    assert mirror_many(source).tally.fetched == 0

    found = mirror_many(source, verify=True)

    assert (found.tally.fetched, found.tally.failed) == (3, 0)
    assert images_served(imgur, images) == images_served(imgur, album) + 1 == 5
    there = {path.name for path in (damaged, missing, in_album)}
    assert there <= {row["name"] for row in report(downloads) if row["outcome"] == "downloaded"}
    assert mirror_many(source, verify=True).tally.fetched == 0


def test_what_is_damaged_and_gone_is_said(imgur, downloads, tmp_path):
    album = new_album(imgur, count=2, bytes=3000)
    source = listed(tmp_path, links(imgur, album))
    mirror_many(source)
    damaged = images_of(downloads)[0]
    damaged.write_bytes(b"x" * 3000)
    put(imgur, f"faults/{damaged.stem}", {"kind": "status", "status": 404})
    assert "its file is damaged" in mirror_many(source, verify=True, return_state=True).message


def test_what_was_gone_is_asked_for_again_on_request(imgur, downloads, tmp_path):
    album = new_album(imgur, count=2, bytes=3000)
    some = links(imgur, album)
    gone = some[0].rpartition("/")[2].partition(".")[0]
    put(imgur, f"faults/{gone}", {"kind": "status", "status": 404})
    source = listed(tmp_path, some)
    assert mirror_many(source).tally.gone == 1
    control(imgur, "DELETE", f"faults/{gone}")
    assert mirror_many(source).tally.gone == 1
    found = mirror_many(source, retry_gone=True).tally
    assert (found.gone, found.downloaded, found.fetched) == (0, 2, 1)


def test_links_to_other_sites_are_counted_by_themselves(imgur, downloads, tmp_path, capsys):
    link = links(imgur, new_album(imgur, count=1, bytes=3000))[0]
    others = ["https://example.com/a.jpg", "https://v.redd.it/abc", "gfycat.com/abc"]
    source = listed(tmp_path, [link, *others])
    assert status(source) == 1
    assert "3 × a link to another site" in capsys.readouterr().err
    assert status(source, "--skip-foreign") == 0
    assert "1 downloaded, 3 foreign" in capsys.readouterr().out
    assert [row["foreign"] for row in report(downloads)] == [False, True, True, True]


def test_a_report_of_before_is_taken_up(imgur, downloads, tmp_path):
    """It has no column of links to other sites, and counts them as failures."""
    album = new_album(imgur, count=2, bytes=3000)
    source = listed(tmp_path, [*links(imgur, album), "https://example.com/a.jpg"])
    mirror_many(source, return_state=True)
    path = downloads / "_many" / "links" / "000000.parquet"
    table = pq.read_table(path)
    text = table.schema.metadata[b"imgur_mirror"].decode()
    old = text.replace('"failed": 0, "foreign": 1', '"failed": 1')
    assert old != text
    table = table.drop_columns("foreign").replace_schema_metadata({"imgur_mirror": old})
    pq.write_table(table, path)
    found = mirror_many(source, skip_foreign=True).tally
    assert (found.foreign, found.failed, found.downloaded, found.fetched) == (1, 0, 2, 0)
    assert images_served(imgur, album) == 2


# What is shown


def test_a_terminal_has_a_bar_within_a_shard(imgur, downloads, tmp_path, prefect_server):
    album = new_album(imgur, count=30, bytes=3000)
    command = [sys.executable, "-m", "flows.mirror_many", listed(tmp_path, links(imgur, album))]
    ours, theirs = pty.openpty()
    env = os.environ | {"PREFECT_API_URL": prefect_server, "COLUMNS": "160"}
    with subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=theirs, env=env, cwd=PROJECT
    ) as run:
        os.close(theirs)
        shown = b""
        try:
            while block := os.read(ours, 4096):
                shown += block
        except OSError:
            pass  # The other end is closed.
        assert run.wait(LONG) == 0
    os.close(ours)
    assert b"30/30" in shown
    assert b"images/s" in shown


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("Holiday 2.csv.gz", "Holiday-2"),
        ("2015.txt", "2015"),
        ("links.tar.txt", "links.tar"),
        ("été.txt", "t"),
    ],
)
def test_a_job_is_called_as_its_file(path, name, tmp_path):
    (tmp_path / path).write_text("PdA9Amq\n")
    assert job_name(open_source(str(tmp_path / path))) == name


def test_files_without_latin_letters_have_jobs_of_their_own(tmp_path):
    names = []
    for path in ("список.txt", "список 2.txt", "写真.csv", "写真.csv"):
        (tmp_path / path).write_text("https://i.imgur.com/abcdefg.jpg\n")
        names.append(job_name(open_source(str(tmp_path / path))))
    assert len(set(names)) == 3
    assert names[2] == names[3]
    assert all(name.startswith("job-") and name.isascii() for name in names)


def test_foreign_links_are_no_failures_of_a_tally():
    assert Tally(foreign=2).images == 2
    assert Tally(foreign=2).failed == 0
