"""The strings of prefect.yaml name what is there."""

import inspect
from pathlib import Path

import httpx
import pytest
import yaml

from deployments.serve import deployments
from deployments.watch import automation, watch

PROJECT = Path(__file__).parent.parent
LISTED = yaml.safe_load((PROJECT / "prefect.yaml").read_text())["deployments"]


def test_each_deployment_names_a_flow_and_its_parameters():
    made = deployments()
    assert [(one.flow_name, one.name) for one in made] == [
        ("mirror-album", "on-demand"),
        ("mirror-albums", "nightly"),
        ("compare-strategies", "weekly"),
    ]


@pytest.mark.parametrize("entry", LISTED, ids=lambda entry: entry["name"])
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
    watch(prefect_server)
    watch(prefect_server)
    found = httpx.post(f"{prefect_server}/automations/filter", json={}, timeout=10).json()
    mine = [one for one in found if one["name"] == automation()["name"]]
    assert len(mine) == 1
    httpx.delete(f"{prefect_server}/automations/{mine[0]['id']}", timeout=10).raise_for_status()
