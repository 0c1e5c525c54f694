"""The strings of prefect.yaml name what is there; what the server does by itself is set once."""

import inspect
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from queue import Queue

import pytest
import yaml
from prefect import flow
from prefect.blocks.notifications import CustomWebhookNotificationBlock
from prefect.states import Failed

from deployments.notify import main as notify
from deployments.serve import deployments
from deployments.watch import automation, watch
from tests.support.prefect_api import delete, filtered
from tests.support.waiting import LONG

pytestmark = pytest.mark.slow

PROJECT = Path(__file__).parent.parent
LISTED = yaml.safe_load((PROJECT / "prefect.yaml").read_text())["deployments"]


def test_each_deployment_names_a_flow_and_its_parameters():
    made = deployments()
    assert [(one.flow_name, one.name) for one in made] == [
        ("mirror-album", "on-demand"),
        ("mirror-many", "on-demand"),
        ("mirror-albums", "nightly"),
        ("compare-strategies", "weekly"),
    ]


@pytest.mark.parametrize("entry", LISTED, ids=lambda entry: entry["entrypoint"])
def test_the_parameters_are_the_flows(entry):
    module, _, name = entry["entrypoint"].rpartition(".")
    flow = getattr(__import__(module, fromlist=[name]), name)
    signature = inspect.signature(flow.fn)
    bound = signature.bind_partial(**entry["parameters"])
    assert set(bound.arguments) == set(entry["parameters"])
    assert all(schedule["timezone"] and schedule["slug"] for schedule in entry["schedules"])


def test_no_path_of_a_machine_is_in_the_file():
    text = (PROJECT / "prefect.yaml").read_text()
    assert str(PROJECT) not in text
    assert "{{ $PWD }}" in text


def test_the_watch_is_set_once(prefect_server):
    watch()
    watch()
    mine = automations(prefect_server, automation()["name"])
    for one in mine:
        delete(f"{prefect_server}/automations/{one['id']}")
    assert len(mine) == 1


# Being told


@pytest.fixture
def told():
    """What is posted to an address of this machine: the address, and a queue of the bodies."""
    bodies = Queue()

    class Listener(BaseHTTPRequestHandler):
        def do_POST(self):
            bodies.put(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Listener)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/", bodies
    server.shutdown()


@flow(name="mirror-album")
def ends_badly():
    """A run of this name is all that the automation sees of a flow."""
    within(return_state=True)
    return Failed(message="album X: 1 of 2 images is missing")


@flow(name="mirror-album")
def within():
    return Failed(message="told by the outer run")


def test_a_failed_run_of_a_deployment_is_told_once(told, prefect_server):
    """By the server, through a webhook; with the sentence, the run's name and a link to it."""
    address, bodies = told
    data = {"subject": "{{subject}}", "body": "{{body}}"}
    hook = CustomWebhookNotificationBlock(name="ops", url=address, json_data=data)
    hook.save("ops", overwrite=True)
    assert notify(["custom-webhook/ops"]) == 0
    assert notify(["custom-webhook/ops"]) == 0
    (mine,) = automations(prefect_server, "custom-webhook/ops")
    try:
        run = run_as_deployed(prefect_server)
        first = bodies.get(timeout=LONG)
        assert first["body"].splitlines()[0] == "album X: 1 of 2 images is missing"
        assert "mirror-album" in first["subject"]
        assert run in first["body"]
        assert bodies.empty()
    finally:
        delete(f"{prefect_server}/automations/{mine['id']}")


def automations(api, word):
    return [one for one in filtered(api, "automations") if word in one["name"]]


def run_as_deployed(api):
    """Run the flow as a worker does, for a deployment with the tag; gives the run's id."""
    from prefect.client.orchestration import get_client
    from prefect.flow_engine import run_flow

    deployment = ends_badly.to_deployment("told", tags=["imgur"]).apply()
    try:
        with get_client(sync_client=True) as client:
            made = client.request("POST", f"/deployments/{deployment}/create_flow_run", json={})
            run = client.read_flow_run(made.json()["id"])
        run_flow(ends_badly, flow_run=run, return_type="state")
    finally:
        delete(f"{api}/deployments/{deployment}")
    return str(run.id)


@pytest.mark.parametrize(
    ("block", "said"),
    [
        ("slack-webhook/none", "prefect block create slack-webhook"),
        ("no-such-type/none", "prefect block type ls"),
        ("slack-webhook", "its type and its name"),
    ],
)
def test_a_block_that_is_not_there_is_said_with_how_to_make_one(
    block, said, prefect_server, capsys
):
    assert notify([block]) == 2
    assert said in capsys.readouterr().err
    assert automations(prefect_server, block) == []
