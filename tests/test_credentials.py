"""Credentials from a Prefect block: used by a run, and kept from everyone who reads of it."""

import json
import os
from uuid import uuid4

import pytest

from tests.support.albums import stored
from tests.support.imgur import contents, new_album, put
from tests.support.prefect_api import ask, filtered, read
from tests.support.processes import python

pytestmark = pytest.mark.slow

ID, SECRET = "1d0f4b10c", "5ec2e70f4b10c"


@pytest.fixture(scope="module")
def registered(prefect_server):
    ran = python("-m", "deployments.register")
    assert ran.returncode == 0, ran.stderr


@pytest.fixture
def new_block(registered, prefect_server):
    """Make a block as the UI makes one, of the type that was registered; its name."""

    def make(name, kind="imgur-credentials", **data):
        found = read(f"{prefect_server}/block_types/slug/{kind}")
        wanted = {"block_type_id": {"any_": [found["id"]]}}
        schemas = filtered(prefect_server, "block_schemas", block_schemas=wanted)
        made = {
            "name": name,
            "block_type_id": found["id"],
            "block_schema_id": schemas[0]["id"],
            "data": data,
        }
        ask("POST", f"{prefect_server}/block_documents/", made).raise_for_status()
        return name

    return make


def mirror(album, name, downloads):
    """Run the flow without a client id in its environment, at the chattiest."""
    os.environ.pop("IMGUR_CLIENT_ID", None)
    environment = {"IMGUR_CREDENTIALS_BLOCK": name, "PREFECT_LOGGING_LEVEL": "DEBUG"}
    return python("-m", "flows.mirror_album", album, "--downloads", downloads, env=environment)


def test_a_run_uses_the_block_and_tells_nobody(new_block, imgur, downloads, prefect_server):
    block = new_block("mine", client_id=ID, client_secret=SECRET)
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


def refused(name, downloads, status=2):
    """Run the flow with that block, which is wrong; the sentence that says so."""
    ran = mirror("PdA9Amq", name, downloads)
    assert ran.returncode == status, ran.stderr
    assert "Traceback" not in ran.stderr
    last = ran.stderr.splitlines()[-1]
    # It would change nothing, since the block has the word.
    assert "set IMGUR_CLIENT_ID" not in last
    return last


@pytest.mark.parametrize("kind", ["none", "secret"])
def test_a_block_that_is_none_of_credentials_is_said(kind, new_block, downloads):
    name = "nobodys" if kind == "none" else new_block("a-secret", "secret", value="x")
    said = refused(name, downloads)
    assert f"IMGUR_CREDENTIALS_BLOCK is {name}" in said
    assert "whose type is Imgur Credentials" in said
    assert "python -m deployments.register" in said


@pytest.mark.parametrize("client_id", [None, [ID]], ids=repr)
def test_a_block_without_an_id_is_said(client_id, new_block, downloads):
    name = new_block(f"empty-{uuid4()}", client_id=client_id)
    said = refused(name, downloads)
    assert f"the Prefect block {name}" in said
    assert "client id" in said
    assert ID not in said


def test_an_id_that_imgur_refuses_is_to_be_mended_in_the_block(new_block, imgur, downloads):
    name = new_block("wrong", client_id=ID)
    put(imgur, "api-faults", {"kind": "bad-client", "path": "album/PdA9Amq", "times": 1})
    assert f"give the Prefect block {name}" in refused(name, downloads)


def test_a_block_with_an_empty_id_means_the_public_one(imgur, downloads, new_block):
    album = new_album(imgur, count=1, bytes=3000)
    ran = mirror(album, new_block("empty", client_id=" "), downloads)
    assert ran.returncode == 0, ran.stderr
    assert ran.stderr.count("using the public id of Imgur's website") == 1


def test_a_job_says_once_that_the_public_id_is_used(imgur, downloads, tmp_path, prefect_server):
    albums = [new_album(imgur, count=1, bytes=3000) for _ in range(2)]
    (tmp_path / "albums.txt").write_text("".join(f"imgur.com/a/{album}\n" for album in albums))
    called = ("flows.mirror_many", tmp_path / "albums.txt", "--downloads", downloads)
    ran = python("-m", *called, env={"IMGUR_CLIENT_ID": ""})
    assert ran.returncode == 0, ran.stderr
    assert ran.stderr.count("using the public id of Imgur's website") == 1
