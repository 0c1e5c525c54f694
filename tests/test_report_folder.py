"""What a mirror publishes besides its figures: pictures, in Prefect and beside the mirror."""

import os
import re
from pathlib import Path

import pytest

from flows.mirror_album import mirror_album
from tasks.artifact_key import artifact_key
from tests.support.imgur import new_album
from tests.support.prefect_api import artifacts, filtered
from tests.support.waiting import eventually

pytestmark = pytest.mark.usefixtures("prefect_server")

PAGES = {"contact-sheet.html", "report.md", "waterfall.svg"}


@pytest.fixture
def album(imgur):
    """Three images of an album of its own."""
    return new_album(imgur, count=3, bytes=4000)


def published(key):
    """The data of all artifacts of a key, the latest first."""
    found = artifacts(os.environ["PREFECT_API_URL"], key)
    return [artifact["data"] for artifact in found]


def logged(run, text):
    """The lines of a run's log that hold a text, once there is one."""
    wanted = {"flow_run_id": {"any_": [str(run)]}}

    def lines():
        found = filtered(os.environ["PREFECT_API_URL"], "logs", logs=wanted)
        return [line["message"] for line in found if text in line["message"]]

    return eventually(lines)


def test_the_pages_lie_beside_the_mirror_and_nothing_in_it(album, downloads):
    mirrored = mirror_album(album)

    beside = downloads / "_reports" / album
    assert {path.name for path in beside.iterdir()} == {*PAGES, "thumbnails"}
    assert {path.name for path in (downloads / album).iterdir()} == {
        "album.json",
        *(row.name for row in mirrored.downloads),
    }
    report = (beside / "report.md").read_text()
    assert {*re.findall(r"\]\(([^)]+)\)", report)} == PAGES - {"report.md"}
    tiles = re.findall(r'<a href="([^"]+)"', (beside / "contact-sheet.html").read_text())
    assert [(beside / tile).resolve().name for tile in tiles] == [
        row.name for row in mirrored.downloads
    ]
    assert all((beside / tile).is_file() for tile in tiles)


def test_the_artifacts_hold_their_pictures(album, downloads):
    mirror_album(album)
    (report,) = published(f"mirror-{artifact_key(album)}")
    assert "](data:image/svg+xml;base64," in report
    (sheet,) = published(f"sheet-{artifact_key(album)}")
    assert sheet.count("](data:image/webp;base64,") == 3


def test_a_run_that_changes_nothing_makes_no_picture_again(album, downloads):
    mirror_album(album)
    beside = downloads / "_reports" / album
    before = {name: (beside / name).stat().st_mtime_ns for name in PAGES - {"report.md"}}

    mirror_album(album)
    assert {name: (beside / name).stat().st_mtime_ns for name in before} == before
    assert "nothing new" in (beside / "report.md").read_text()
    assert len(published(f"sheet-{artifact_key(album)}")) == 1
    latest, _ = published(f"mirror-{artifact_key(album)}")
    assert "data:image" not in latest


def test_pages_that_cannot_be_written_fail_no_run(album, downloads):
    downloads.mkdir()
    (downloads / "_reports").write_text("in the way")

    state = mirror_album(album, return_state=True)
    assert state.is_completed()
    assert len(list(Path(downloads / album).glob("*.*"))) == 4
    assert len(published(f"mirror-{artifact_key(album)}")) == 1
    (line,) = logged(state.state_details.flow_run_id, "contact sheet")
    assert "_reports" in line
    assert "a file is where the folder belongs" in line


def test_the_log_has_a_line_a_phase_and_none_an_image(album, downloads):
    state = mirror_album(album, return_state=True)
    run = state.state_details.flow_run_id
    (line,) = logged(run, "listed")
    assert line == "listed 3 images, 3 to fetch in 3 task runs under async with 16 workers"
    (line,) = logged(run, "fetched")
    assert line.startswith("fetched 3 images (12 kB) in ")
    names = [row.name for row in state.result().downloads]
    latest = filtered(os.environ["PREFECT_API_URL"], "logs", sort="TIMESTAMP_DESC")
    lines = [line["message"] for line in latest]
    assert any("fetched" in line for line in lines)
    assert not [line for line in lines for name in names if name in line]
