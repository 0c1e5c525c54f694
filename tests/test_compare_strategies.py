"""The comparison: the same work side by side, honestly timed, and shown."""

import base64
import json
import os
import re
import xml.etree.ElementTree as ET

import pytest
from prefect.artifacts import create_markdown_artifact, create_table_artifact

from flows.compare_strategies import compare_strategies
from flows.mirror_album import mirror_album
from imgur_mirror.compare import comparison_text
from imgur_mirror.models import Outcome, Strategy, Work
from standin.process import running
from tasks.artifact_key import artifact_key
from tests.support.albums import stored
from tests.support.imgur import contents, environment, fault, new_album, put
from tests.support.prefect_api import artifact, artifacts

pytestmark = [pytest.mark.usefixtures("prefect_server"), pytest.mark.slow]


@pytest.fixture
def article(downloads, monkeypatch):
    """The article's network, ten times as fast."""
    with running("article", "--time-scale", "0.1") as address:
        for name, value in environment(address).items():
            monkeypatch.setenv(name, value)
        yield address


def test_all_but_sequential_fetch_several_at_once_and_leave_the_same(article, downloads):
    """Told by the run's own figures: how many images were on the wire at one instant."""
    runs = compare_strategies("PdA9Amq", workers=8).runs

    at_once = {run.strategy: most_at_once(run.downloads) for run in runs}
    assert set(at_once) == set(Strategy)
    assert at_once.pop(Strategy.SEQUENTIAL) == 1
    assert all(count > 2 for count in at_once.values()), at_once
    for strategy in Strategy:
        folder = downloads / "compare-strategies" / strategy / "PdA9Amq"
        assert stored(folder) == contents(article, "PdA9Amq")


def most_at_once(rows):
    times = [(row.started, row.finished) for row in rows]
    return max(sum(began <= at < ended for began, ended in times) for at, _ in times)


def test_rounds_take_turns_and_each_starts_from_nothing(imgur, downloads):
    album = new_album(imgur, count=3, bytes=3000)

    runs = compare_strategies(album, [Strategy.THREADS, Strategy.ASYNC], 2, 2).runs

    assert [run.strategy for run in runs] == ["threads", "async", "async", "threads"]
    assert all(len(run.having(Outcome.DOWNLOADED)) == 3 for run in runs)


def test_the_comparison_is_published(imgur, downloads):
    """A table with a row a strategy, and a report with a chart that Prefect's UI can show."""
    album = new_album(imgur, count=3, bytes=3000)
    compare_strategies(album, [Strategy.SEQUENTIAL, Strategy.ASYNC], 2)
    key = artifact_key(album)

    rows = json.loads(artifact(f"strategies-{key}"))
    assert [row["strategy"] for row in rows] == ["sequential", "async"]
    assert list(rows[0]) == [
        *("strategy", "workers", "start-up s", "download s", "total s"),
        *("images/s", "MB/s", "speed-up", "processor s", "cores", "peak MB"),
        *("slowest image", "images"),
    ]
    chart = re.search(r"data:image/svg\+xml;base64,([\w+/=]+)", artifact(f"comparison-{key}"))
    assert ET.fromstring(base64.b64decode(chart[1])).tag.endswith("svg")
    beside = downloads / "_reports" / album
    assert (beside / "comparison.svg").read_bytes() == base64.b64decode(chart[1])
    assert "(comparison.svg)" in (beside / "comparison.md").read_text()


def test_works_are_compared_beside_each_other(imgur, downloads):
    """Each from nothing, with the time of the work told apart, and all of it on one page."""
    album = new_album(imgur, count=4, bytes=30_000)

    found = compare_strategies(
        album, [Strategy.SEQUENTIAL, Strategy.THREADS], 2, work=[Work.NONE, Work.BLURHASH]
    )

    pairs = [(run.work, run.strategy) for run in found.runs]
    assert pairs == [(work, each) for work in found.works for each in ("sequential", "threads")]
    for run in found.runs:
        assert len(run.having(Outcome.DOWNLOADED)) == 4
        assert all(bool(row.work_seconds) == (run.work is Work.BLURHASH) for row in run.downloads)
        assert run.usage.processor_seconds >= 0
        assert run.usage.peak_memory > 10_000_000
    assert [row["work s"] > 0 for row in found.rows] == [False, False, True, True]
    assert [each.work for each in found.advice] == [Work.NONE, Work.BLURHASH]
    page = downloads / "_reports" / album / "comparison.html"
    assert found.headline.split(" · ")[1].removeprefix("blurhash: ") in page.read_text()
    assert page.as_uri() in artifact(f"comparison-{artifact_key(album)}")
    assert (page.parent / "waterfalls-blurhash.svg").exists()


def test_a_sweep_tries_more_and_more_workers(imgur, downloads):
    """The figures as a table, the curve in the report, and both beside the mirror."""
    album = new_album(imgur, count=4, bytes=3000)

    found = compare_strategies(album, [Strategy.SEQUENTIAL, Strategy.ASYNC], 3, sweep=True)

    tried = [("sequential", 1), ("async", 1), ("async", 2), ("async", 3)]
    assert [(run.strategy, run.workers) for run in found.runs] == tried
    key = artifact_key(album)
    rows = json.loads(artifact(f"workers-{key}"))
    assert [(row["strategy"], row["workers"]) for row in rows] == tried
    compared = json.loads(artifact(f"strategies-{key}"))
    assert [(row["strategy"], row["workers"]) for row in compared] == [tried[0], tried[-1]]
    assert artifact(f"comparison-{key}").count("data:image/svg+xml;base64,") == 3
    assert found.advice[0].sentence in comparison_text(found)
    beside = downloads / "_reports" / album
    assert ET.parse(beside / "sweep.svg").getroot().tag.endswith("svg")
    assert {path.name for path in beside.iterdir()} == {
        *("comparison.html", "comparison.md", "comparison.svg", "sweep.svg", "waterfalls.svg")
    }


def test_a_comparison_is_set_beside_the_earlier_ones(imgur, downloads):
    """Those that Prefect keeps, whatever else has come under the same key."""
    album = new_album(imgur, count=2, bytes=3000)
    key = f"strategies-{artifact_key(album)}"
    both = [Strategy.SEQUENTIAL, Strategy.THREADS]
    assert compare_strategies(album, both, 1).history == []
    row = json.loads(artifact(key))[1] | {"workers": 2}
    for seconds in (0.002, 0.001):
        create_table_artifact([{**row, "total s": seconds}], key=key)
    create_table_artifact([{"strategy": "threads", "workers": "two"}], key=key)
    create_table_artifact([{**row, "images": 3}], key=key)
    create_markdown_artifact("[]", key=key)

    found = compare_strategies(album, both, 2)

    assert [(one["strategy"], one["comparisons before"]) for one in found.history] == [
        ("sequential", 1),
        ("threads", 2),
    ]
    (slower,) = [line for line in found.remarks if line.startswith("threads took")]
    assert "longer than the median of the 2 before (0.002 s, spread 0.001 s)" in slower
    assert "Earlier comparisons" in artifact(f"comparison-{artifact_key(album)}")


def test_a_report_that_cannot_be_written_fails_nothing(imgur, downloads, caplog):
    album = new_album(imgur, count=1, bytes=3000)
    downloads.mkdir()
    (downloads / "_reports").write_text("in the way")

    state = compare_strategies(album, [Strategy.THREADS], 1, return_state=True)

    assert state.is_completed()
    assert "no files beside the mirror" in caplog.text


def test_a_strategy_that_met_an_error_is_named_with_it(imgur, downloads, monkeypatch):
    """Its files are no other files: it has fewer."""
    monkeypatch.setenv("IMGUR_RETRIES", "0")
    album = new_album(imgur, count=2, bytes=3000)
    name = next(iter(contents(imgur, album)))
    fault(imgur, name, "status", status=500, times=1)

    state = compare_strategies(album, [Strategy.THREADS, Strategy.ASYNC], 1, return_state=True)

    assert state.is_failed()
    lacking = f"threads did not get 1 of 2 images: {name} (the image host answered 500)"
    assert state.message == f"{album}: {lacking}; compare again, which fetches all anew"
    assert lacking in artifact(f"comparison-{artifact_key(album)}")


def test_every_artifact_says_what_it_is(imgur, downloads):
    album = new_album(imgur, count=2, bytes=3000)
    mirror_album(album)
    compare_strategies(album, [Strategy.THREADS], 1)
    key = artifact_key(album)

    for name in ("images", "mirror", "sheet", "strategies", "comparison"):
        (found,) = artifacts(os.environ["PREFECT_API_URL"], f"{name}-{key}")
        assert found["description"], name


def test_files_that_differ_fail_the_comparison(imgur, downloads):
    """The image is another one from the second request on, whatever its length."""
    album = new_album(imgur, count=2, bytes=3000)
    name = next(iter(contents(imgur, album)))
    fault = {"kind": "new-version", "skip": 1, "times": None}
    put(imgur, f"faults/{name.partition('.')[0]}", fault)

    state = compare_strategies(album, [Strategy.THREADS, Strategy.ASYNC], 1, return_state=True)

    assert state.is_failed()
    assert "different files" in state.message
    assert name in state.message
