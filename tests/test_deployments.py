"""The strings of prefect.yaml name what is there; what the server does by itself is set once."""

import inspect
import json
import threading
import time
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from queue import Queue

import pytest
import yaml
from prefect import flow, runtime
from prefect.blocks.notifications import CustomWebhookNotificationBlock
from prefect.client.orchestration import get_client
from prefect.events import emit_event
from prefect.events.worker import EventsWorker
from prefect.settings import PREFECT_FLOWS_HEARTBEAT_FREQUENCY, temporary_settings
from prefect.states import Failed, Paused, Running, Suspended

from deployments.automations import set_automation
from deployments.notify import main as notify
from deployments.prefect_yaml import read_entries, schedule_of
from deployments.steps import PULL_STEPS, enter_project
from deployments.watch import NAME, automation, watch
from flows.support.heartbeat import HEARTBEAT, LEFT, heartbeat
from tests.support.prefect_api import ask, delete, filtered, read
from tests.support.waiting import LONG, eventually

pytestmark = pytest.mark.slow

PROJECT = Path(__file__).parent.parent
LISTED = yaml.safe_load((PROJECT / "prefect.yaml").read_text())["deployments"]


def test_each_deployment_names_a_flow_and_its_parameters():
    entries = read_entries()
    assert [(entry.flow.name, entry.name) for entry in entries] == [
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


ANCHOR = datetime(2024, 1, 1, 3, tzinfo=UTC)


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("{cron: '0 3 * * *'}", {"cron": "0 3 * * *"}),
        (
            "{cron: 0 3 1 * 5, timezone: Europe/Berlin, day_or: false}",
            {"cron": "0 3 1 * 5", "timezone": "Europe/Berlin", "day_or": False},
        ),
        ("{interval: 600}", {"interval": timedelta(minutes=10)}),
        ("{interval: PT1H}", {"interval": timedelta(hours=1)}),
        ("{interval: '01:30:00'}", {"interval": timedelta(hours=1.5)}),
        (
            "{interval: 3600, anchor_date: '2024-01-01T03:00:00+00:00', timezone: Asia/Tokyo}",
            {"interval": timedelta(hours=1), "anchor_date": ANCHOR, "timezone": "Asia/Tokyo"},
        ),
        (
            "{interval: 3600, anchor_date: 2024-01-01T03:00:00+00:00}",
            {"interval": timedelta(hours=1), "anchor_date": ANCHOR},
        ),
        (
            '{rrule: "DTSTART:20240101T030000\\nFREQ=DAILY", timezone: Europe/Berlin}',
            {"rrule": "DTSTART:20240101T030000\nFREQ=DAILY", "timezone": "Europe/Berlin"},
        ),
        (
            """{rrule: '{"rrule": "DTSTART:20240101T030000\\nFREQ=DAILY", "timezone": "UTC"}'}""",
            {"rrule": "DTSTART:20240101T030000\nFREQ=DAILY", "timezone": "UTC"},
        ),
    ],
)
def test_every_kind_of_schedule_is_served(written, expected):
    made = schedule_of(yaml.safe_load(written))
    assert {name: getattr(made.schedule, name) for name in expected} == expected
    assert made.active


def test_what_a_schedule_says_beside_its_times_is_served():
    around = {"active": False, "slug": "often", "parameters": {"workers": 4}}
    for times in ({"cron": "0 3 * * *"}, {"interval": 60}, {"rrule": "FREQ=DAILY"}):
        made = schedule_of(times | around)
        assert made.model_dump(include={*around}) == around


@pytest.mark.parametrize(
    "entry",
    [
        {"every": 60},
        {"cron": "0 3 * * *", "interval": 60},
        {"cron": "every day"},
        {"rrule": "FREQ=NEVER"},
        {"interval": 60, "timezone": "Nowhere/Land"},
    ],
)
def test_what_is_no_schedule_is_refused(entry):
    with pytest.raises(ValueError, match="schedule"):
        schedule_of(entry)


def test_a_deployment_has_its_schedules(monkeypatch, tmp_path):
    """One that says no more than what it must, and how often it runs."""
    entry = {
        "name": "often",
        "entrypoint": "flows.mirror_albums.mirror_albums",
        "concurrency_limit": 1,
        "schedules": [{"interval": 60, "slug": "often"}, {"rrule": "FREQ=DAILY"}],
    }
    (tmp_path / "prefect.yaml").write_text(yaml.safe_dump({"deployments": [entry]}))
    monkeypatch.setattr("deployments.prefect_yaml.PREFECT_YAML", tmp_path / "prefect.yaml")
    (made,) = read_entries()
    interval, rrule = made.made_schedules()
    assert (interval.schedule.interval, interval.slug) == (timedelta(minutes=1), "often")
    assert rrule.schedule.rrule.endswith("FREQ=DAILY")
    assert made.concurrency_limit == 1


def test_every_run_works_in_the_projects_folder_whoever_deploys(tmp_path, monkeypatch):
    """Neither a path of a machine nor the folder of a shell is deployed."""
    listed = yaml.safe_load((PROJECT / "prefect.yaml").read_text())
    assert listed["pull"] == PULL_STEPS
    monkeypatch.chdir(tmp_path)
    assert enter_project() == {"directory": str(PROJECT)}
    assert Path.cwd() == PROJECT


# The watch


@pytest.fixture
def mine(prefect_server):
    """Reads the watches that the server has; there is none before and after."""

    def read_mine():
        return automations(prefect_server, NAME)

    yield read_mine
    for one in read_mine():
        delete(f"{prefect_server}/automations/{one['id']}")


def test_the_watch_is_set_once_and_brought_up_to_date(mine):
    """One that was switched off stays off."""
    set_automation(automation(10).model_copy(update={"enabled": False}))
    watch()
    watch()
    (made,) = mine()
    assert made["trigger"]["within"] == automation().trigger.within.total_seconds()
    assert not made["enabled"]


@pytest.mark.usefixtures("mine")
def test_a_run_that_rests_is_not_taken_for_dead(prefect_server):
    """Nor is one that was suspended and beat once more; it may be resumed whenever one likes."""
    set_automation(automation(WITHIN))
    states = {"Running": Running(), "Suspended": Suspended(), "Paused": Paused()}
    runs = {name: _run(state, beats_again=name == "Suspended") for name, state in states.items()}

    def state(name):
        return read(f"{prefect_server}/flow_runs/{runs[name]}")["state"]["name"]

    assert eventually(lambda: state("Running") == "Crashed")
    # The others were heard of no later than that one.
    time.sleep(WITHIN)
    assert {name: state(name) for name in ("Suspended", "Paused")} == {
        "Suspended": "Suspended",
        "Paused": "Paused",
    }


WITHIN = 10
"""Seconds; the least that Prefect takes."""


def _run(state, beats_again):
    """Make a run in that state that was heard of before, as if its process were gone now."""
    with get_client(sync_client=True) as client:
        run = client.create_flow_run(ends_badly, state=Running())
        resource = {"prefect.resource.id": f"prefect.flow-run.{run.id}"}
        emit_event(HEARTBEAT, resource)
        EventsWorker.instance().wait_until_empty()
        if not state.is_running():
            client.set_flow_run_state(run.id, state, force=True)
        if beats_again:
            emit_event(HEARTBEAT, resource)
            emit_event(LEFT, resource)
            EventsWorker.instance().wait_until_empty()
    return run.id


@pytest.mark.parametrize("frequency", [None, 30])
def test_a_run_tells_that_it_was_left_after_its_last_heartbeat(frequency, prefect_server):
    """Whoever sends its heartbeats: Prefect under a worker, or the flow where it is called."""

    @flow
    def beating():
        with heartbeat():
            return runtime.flow_run.id

    with temporary_settings({PREFECT_FLOWS_HEARTBEAT_FREQUENCY: frequency}):
        run = beating()

    def heard():
        wanted = {"resource": {"id": [f"prefect.flow-run.{run}"]}, "order": "ASC"}
        events = ask("POST", f"{prefect_server}/events/filter", {"filter": wanted}).json()["events"]
        return [one["event"] for one in events if one["event"] in (HEARTBEAT, LEFT)]

    assert eventually(lambda: LEFT in heard())
    assert heard() == [HEARTBEAT, LEFT]


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
