"""No secret is left behind: not in Prefect's database, not in logs, not in artifacts."""

import subprocess

import pytest

from flows.cli.server import prefect_server
from tests.support.imgur import contents, fault, new_album, put
from tests.support.processes import python

pytestmark = pytest.mark.slow

ID, SECRET = "id0f5e1dc0ffee", "5ec2e7bab1ef00d"


@pytest.fixture(scope="module")
def home(new_home, tmp_path_factory):
    return new_home(tmp_path_factory.mktemp("home"))


def test_no_secret_appears_after_any_run(home, imgur, downloads, monkeypatch):
    """Runs that end well, that fail at the API, and that fail at an image, at the chattiest."""
    monkeypatch.setenv("IMGUR_CLIENT_ID", ID)
    monkeypatch.setenv("IMGUR_CLIENT_SECRET", SECRET)
    monkeypatch.setenv("PREFECT_LOGGING_LEVEL", "DEBUG")
    good = new_album(imgur, count=2, bytes=3000)
    broken = new_album(imgur, count=2, bytes=3000)
    fault(imgur, next(iter(contents(imgur, broken))), "status", status=403)
    refused = new_album(imgur, count=1, bytes=3000)
    # A server that echoes what it was sent.
    echo = {"kind": "verbatim", "status": 400, "body": f"no, {ID} and {SECRET}", "times": None}
    put(imgur, "api-faults", {"path": f"album/{refused}", **echo})

    said = ""
    with prefect_server(home):
        for album, strategy in (
            (good, "dask"),
            (broken, "dask"),
            (broken, "async"),
            (refused, "async"),
        ):
            said += shell(album, strategy)
    # Stopped, so that all that it was told is in its files.
    left = [path for root in (home, downloads) for path in root.rglob("*") if path.is_file()]

    assert any(path.suffix == ".db" and path.stat().st_size for path in left)
    for needle in (ID, SECRET):
        assert needle not in said
        assert [path for path in left if needle.encode() in path.read_bytes()] == []


def shell(album: str, strategy: str) -> str:
    command = ("-m", "flows.mirror_album", album, "--strategy", strategy, "--workers", "2")
    return python(*command, stderr=subprocess.STDOUT).stdout
