"""Errors cross process borders: none loses what it says, nor what it carries."""

import importlib
import inspect
import pickle
import pkgutil

import pytest

import flows
import imgur_mirror
import runners
import tasks
from flows.support.mirror_flow import Incomplete
from imgur_mirror.bulk import Tally
from imgur_mirror.models import Outcome
from tests.support.rows import image, mirror

ROW = image("Abc1234.jpg", Outcome.FAILED, error="no answer")

# What is given for a parameter of that name.
GIVEN = {
    "message": "why, and what to do",
    "status": 429,
    "wait": 7.5,
    "number": 15,
    "downloads": (ROW,),
    "tally": Tally(shards=1, failed=1, errors=(("no answer", 1),)),
    "result": mirror(ROW),
}


def exceptions():
    """Every class of an exception that a module of this project has."""
    found = set()
    for package in (imgur_mirror, tasks, flows, runners):
        for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            there = vars(importlib.import_module(module.name)).values()
            found |= {
                one
                for one in there
                if inspect.isclass(one)
                and issubclass(one, BaseException)
                and one.__module__.startswith(package.__name__)
            }
    return sorted(found, key=lambda one: f"{one.__module__}.{one.__qualname__}")


def made(kind):
    """One with all that its constructor takes."""
    if not inspect.isfunction(kind.__init__):
        return kind(GIVEN["message"])
    parameters = inspect.signature(kind).parameters.values()
    plain = [GIVEN[one.name] for one in parameters if one.kind is not one.KEYWORD_ONLY]
    named = {one.name: GIVEN[one.name] for one in parameters if one.kind is one.KEYWORD_ONLY}
    return kind(*plain, **named)


def carried(error):
    """What it carries; two `Mirrored` are the same where their rows are."""
    return {name: getattr(value, "downloads", value) for name, value in vars(error).items()}


@pytest.mark.parametrize("kind", exceptions(), ids=lambda kind: kind.__qualname__)
def test_an_exception_survives_the_way_to_another_process(kind):
    before = made(kind)
    after = pickle.loads(pickle.dumps(before))
    assert type(after) is kind
    assert str(after) == str(before)
    assert carried(after) == carried(before)


def test_all_are_found():
    assert Incomplete in exceptions()
    assert len(exceptions()) > 20
