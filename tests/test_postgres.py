"""A Prefect server on PostgreSQL, as it is configured: a mirror leaves there what it leaves."""

import os

import pytest

from benchmarks.postgres import INSTALL, postgres, postgres_programs
from flows.cli.server import prefect_server
from tests.support.imgur import contents, new_album
from tests.support.prefect_api import filtered
from tests.support.processes import python

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        postgres_programs() is None and not os.environ.get("CI"),
        reason=f"PostgreSQL is not installed: {INSTALL}",
    ),
]

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

    ran = python("-m", "flows.mirror_album", album)

    assert ran.returncode == 0, ran.stderr
    assert {path.name for path in (downloads / album).glob("*.*")} == {
        "album.json",
        *contents(imgur, album),
    }
    wanted = {"flow_runs": {"state": {"type": {"any_": ["COMPLETED"]}}}}
    runs = filtered(api, "flow_runs", **wanted)
    assert album in str([run["parameters"] for run in runs])
    # Not beside it, where SQLite would be.
    assert list((tmp_path / "prefect").glob("*.db")) == []
