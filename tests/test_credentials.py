"""Credentials from a Prefect block: used by a run, and kept from everyone who reads of it."""

import json
import os

import pytest

from tests.support.albums import stored
from tests.support.imgur import contents, new_album
from tests.support.prefect_api import ask, filtered, read
from tests.support.processes import python

pytestmark = pytest.mark.slow

ID, SECRET = "1d0f4b10c", "5ec2e70f4b10c"


@pytest.fixture(scope="module")
def block(prefect_server):
    """The name of a block that was made as the UI makes one, of the type that was registered."""
    ran = python("-m", "deployments.register")
    assert ran.returncode == 0, ran.stderr
    kind = read(f"{prefect_server}/block_types/slug/imgur-credentials")
    wanted = {"block_type_id": {"any_": [kind["id"]]}}
    schemas = filtered(prefect_server, "block_schemas", block_schemas=wanted)
    made = {
        "name": "mine",
        "block_type_id": kind["id"],
        "block_schema_id": schemas[0]["id"],
        "data": {"client_id": ID, "client_secret": SECRET},
    }
    ask("POST", f"{prefect_server}/block_documents/", made).raise_for_status()
    return "mine"


def mirror(album, name, downloads):
    """Run the flow without a client id in its environment, at the chattiest."""
    os.environ.pop("IMGUR_CLIENT_ID", None)
    environment = {"IMGUR_CREDENTIALS_BLOCK": name, "PREFECT_LOGGING_LEVEL": "DEBUG"}
    return python("-m", "flows.mirror_album", album, "--downloads", downloads, env=environment)


def test_a_run_uses_the_block_and_tells_nobody(block, imgur, downloads, prefect_server):
    album = new_album(imgur, count=2, bytes=3000)
    ran = mirror(album, block, downloads)
    assert ran.returncode == 0, ran.stderr
    assert stored(downloads / album) == contents(imgur, album)

    told = ran.stdout + ran.stderr
    for what in ("flow_runs", "task_runs", "logs", "artifacts", "block_documents", "events"):
        told += json.dumps(filtered(prefect_server, what), ensure_ascii=False)
    assert album in told
    assert ID not in told
    assert SECRET not in told


def test_a_block_that_is_not_there_is_said(block, downloads):
    ran = mirror("PdA9Amq", "nobodys", downloads)
    assert ran.returncode == 2
    last = ran.stderr.splitlines()[-1]
    assert "IMGUR_CREDENTIALS_BLOCK is nobodys" in last
    assert "python -m deployments.register" in last
