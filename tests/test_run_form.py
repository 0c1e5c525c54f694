"""The run form: what Prefect's server knows of each parameter, and what it refuses."""

import re

import pytest

from deployments.deploy import deploy
from tests.support.prefect_api import ask, delete, read

pytestmark = pytest.mark.slow

NAMES = [
    "mirror-album/on-demand",
    "mirror-many/on-demand",
    "mirror-albums/nightly",
    "compare-strategies/weekly",
]
ASKED_FOR = {"mirror-many/on-demand": {"source": "links.txt"}}
"""What has no default; an album, where nothing else is said."""
FOUR = ["sequential", "threads", "dask", "async"]


@pytest.fixture(scope="module")
def deployed(prefect_server):
    """The deployments as the server has them, by name; they are gone afterwards."""
    deploy()
    found = {name: read(f"{prefect_server}/deployments/name/{name}") for name in NAMES}
    yield found
    for one in found.values():
        delete(f"{prefect_server}/deployments/{one['id']}")


def fields(deployment):
    return deployment["parameter_openapi_schema"]["properties"]


def choices(deployment, field):
    """The values that the form offers for a field."""
    schema = deployment["parameter_openapi_schema"]
    kind = fields(deployment)[field].get("items", fields(deployment)[field])
    return schema["definitions"][kind["$ref"].rpartition("/")[2]]["enum"]


@pytest.mark.parametrize("name", NAMES)
def test_each_field_says_what_it_is(name, deployed):
    """One form, no field without a description, no default that is null."""
    for field, schema in fields(deployed[name]).items():
        assert re.search(r"\w+ \w+", schema["description"]), field
        assert "anyOf" not in schema, field
        required = deployed[name]["parameter_openapi_schema"].get("required", [])
        assert field in required or schema.get("default") is not None, field


@pytest.mark.parametrize(
    ("name", "field"), list(zip(NAMES, [*["strategy"] * 3, "strategies"], strict=True))
)
def test_strategies_are_a_choice(name, field, deployed):
    assert set(choices(deployed[name], field)) >= set(FOUR)


@pytest.mark.parametrize("name", NAMES)
def test_workers_have_bounds(name, deployed):
    workers = fields(deployed[name])["workers"]
    assert (workers["type"], workers["minimum"], workers["maximum"]) == ("integer", 1, 256)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"workers": 0}, "minimum of 1"),
        ({"workers": 257}, "maximum of 256"),
        ({"workers": "many"}, "not of type 'integer'"),
        ({"strategy": "fast", "strategies": ["fast"]}, "'fast' is not one of"),
        ({"downloads": None}, "not of type 'string'"),
    ],
    ids=str,
)
def test_a_bad_value_is_refused_before_anything_runs(name, wrong, said, deployed, prefect_server):
    known = {field: value for field, value in wrong.items() if field in fields(deployed[name])}
    asked_for = ASKED_FOR.get(name, {"album": "PdA9Amq"})
    answer = create(prefect_server, deployed[name], asked_for | known)
    assert 400 <= answer.status_code < 500
    assert said in answer.json()["detail"]
    assert next(iter(known)) in answer.json()["detail"]


@pytest.mark.parametrize("parameters", [{}, {"album": ""}, {"album": None}], ids=str)
def test_an_album_is_asked_for(parameters, deployed, prefect_server):
    answer = create(prefect_server, deployed["mirror-album/on-demand"], parameters)
    assert 400 <= answer.status_code < 500
    assert "album" in answer.json()["detail"]


@pytest.mark.parametrize("parameters", [{}, {"source": ""}, {"source": None}], ids=str)
def test_a_source_is_asked_for(parameters, deployed, prefect_server):
    answer = create(prefect_server, deployed["mirror-many/on-demand"], parameters)
    assert 400 <= answer.status_code < 500
    assert "source" in answer.json()["detail"]


def create(api, deployment, parameters):
    address = f"{api}/deployments/{deployment['id']}/create_flow_run"
    return ask("POST", address, {"parameters": parameters})


def test_what_the_form_offers_is_taken(deployed, prefect_server):
    """Else the refusals above would say nothing."""
    deployment = deployed["mirror-album/on-demand"]
    for strategy in choices(deployment, "strategy"):
        chosen = {"album": "PdA9Amq", "strategy": strategy, "workers": 256, "verify": True}
        answer = create(prefect_server, deployment, chosen)
        assert answer.status_code == 201, answer.text
