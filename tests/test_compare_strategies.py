"""The comparison: the same work side by side, honestly timed, and shown."""

import base64
import json
import re
import xml.etree.ElementTree as ET

import pytest

from flows.compare_strategies import compare_strategies
from imgur_mirror.models import Outcome, Strategy
from imgur_mirror.names import artifact_key
from standin.process import running
from tests.test_mirror_album import artifact, contents, markdown, new_album, put, stored

pytestmark = pytest.mark.usefixtures("prefect_server")


@pytest.fixture
def article(downloads, monkeypatch):
    """The article's network, ten times as fast."""
    with running("article", "--time-scale", "0.1") as address:
        monkeypatch.setenv("IMGUR_API_URL", address)
        monkeypatch.setenv("IMGUR_IMAGE_HOSTS", f'["{address.removeprefix("http://")}"]')
        yield address


def test_sequential_is_slowest_on_the_network_of_the_article(article, downloads):
    """Told by the same run's own figures: the download times, in which nothing starts up."""
    runs = compare_strategies("PdA9Amq", workers=8)

    took = {run.strategy: run.timings.download for run in runs}
    assert set(took) == set(Strategy)
    assert all(took[one] < took[Strategy.SEQUENTIAL] for one in took if one != "sequential")
    for strategy in Strategy:
        folder = downloads / "compare-strategies" / strategy / "PdA9Amq"
        assert stored(folder) == contents(article, "PdA9Amq")


def test_rounds_take_turns_and_each_starts_from_nothing(imgur, downloads):
    album = new_album(imgur, count=3, bytes=3000)

    runs = compare_strategies(album, [Strategy.THREADS, Strategy.ASYNC], 2, 2)

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
        *("images/s", "MB/s", "speed-up", "slowest image"),
    ]
    chart = re.search(r"data:image/svg\+xml;base64,([\w+/=]+)", markdown(f"comparison-{key}"))
    assert ET.fromstring(base64.b64decode(chart[1])).tag.endswith("svg")


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
