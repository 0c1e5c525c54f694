"""A Prefect server on PostgreSQL, as it is configured: a mirror leaves there what it leaves."""

import os
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from benchmarks.postgres import INSTALL, postgres, postgres_programs
from flows.server import prefect_server
from tests.test_mirror_album import contents, new_album

pytestmark = [
    pytest.mark.timeout(240),
    pytest.mark.skipif(
        postgres_programs() is None and not os.environ.get("CI"),
        reason=f"PostgreSQL is not installed: {INSTALL}",
    ),
]

PROJECT = Path(__file__).parent.parent
URL = "PREFECT_SERVER_DATABASE_CONNECTION_URL"


@pytest.fixture
def api(tmp_path, monkeypatch):
    """The API of a server on a PostgreSQL, both gone at the end; the database's address."""
    with postgres() as database:
        monkeypatch.setenv(URL, database)
        with prefect_server(tmp_path / "prefect") as address:
            yield address


def test_a_mirror_is_recorded_there(api, imgur, downloads, tmp_path):
    album = new_album(imgur, count=3, bytes=3000)

    ran = subprocess.run(
        [sys.executable, "-m", "flows.mirror_album", album],
        cwd=PROJECT,
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )

    assert ran.returncode == 0, ran.stderr
    assert {path.name for path in (downloads / album).glob("*.*")} == {
        "album.json",
        *contents(imgur, album),
    }
    wanted = {"flow_runs": {"state": {"type": {"any_": ["COMPLETED"]}}}}
    runs = httpx.post(f"{api}/flow_runs/filter", json=wanted, timeout=30).json()
    assert album in str([run["parameters"] for run in runs])
    # Not beside it, where SQLite would be.
    assert list((tmp_path / "prefect").glob("*.db")) == []
