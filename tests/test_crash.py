"""Runs killed at random instants: the crash test of `make crash-test`, with few kills."""

from dataclasses import replace
from random import Random

import pytest

from benchmarks.crash import Series, crash, source
from imgur_mirror.models import Strategy

pytestmark = [pytest.mark.usefixtures("prefect_server"), pytest.mark.slow]


@pytest.fixture(scope="module")
def imgur():
    with source(images=40, rng=Random(3)) as found:
        yield found


@pytest.mark.parametrize("strategy", Strategy)
def test_a_kill_leaves_nothing_wrong_and_nothing_lost(strategy, imgur, tmp_path):
    series = crash(Series(strategy, workers=8), 2, imgur, tmp_path / "mirror", Random(strategy))
    assert series.faults == []
    assert (series.kills.total(), series.mirrors >= 1) == (2, True)
    assert series.refetched <= series.in_use


def test_a_wrong_file_would_be_seen(imgur, tmp_path):
    name = next(iter(imgur.files))
    other = replace(imgur, files=imgur.files | {name: "0" * 32})
    found = crash(Series(Strategy.ASYNC, workers=8), 0, other, tmp_path / "mirror", Random(1))
    assert f"async: {name} is not what its source is" in found.faults
