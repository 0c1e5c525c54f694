"""The benchmark of what lies past one machine: small, each part does its work, and says so."""

import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import httpx
import pytest

from benchmarks import listed as listed_module
from benchmarks.beside import target
from benchmarks.growth import growth
from benchmarks.job import TWICE, twice
from benchmarks.measuring import BenchmarkError, Row, Run, Section
from benchmarks.postgres import INSTALL
from benchmarks.report import Results, markdown
from benchmarks.session import Session
from benchmarks.sources import listed_by_nginx, nginx_program
from tests.support.waiting import LONG, eventually

pytestmark = pytest.mark.slow

needs_nginx = pytest.mark.skipif(
    nginx_program() is None and not os.environ.get("CI"), reason="apt install nginx-light"
)
MACHINE = {"cores": "2", "cpu": "a CPU", "kernel": "Linux"}


def row(seconds, images, name="ours"):
    return Row(name, (Run(seconds),), images)


def test_growth_is_a_part_of_what_is_in_proportion():
    one, two, four = row(20, 1000), row(10, 1000), row(6.25, 1000)

    assert growth(one, two, 2).measured == pytest.approx(1)
    assert growth(one, four, 4).measured == pytest.approx(0.8)
    assert growth(one, two, 2).reached
    assert not growth(one, four, 4).reached


def test_a_rate_is_compared_by_the_image():
    assert target(row(10, 2000), row(10, 1000)).measured == pytest.approx(2)
    assert target(row(10, 1000), row(10, 1000)).reached
    assert not target(row(11, 1000), row(10, 1000)).reached


def test_no_more_is_fetched_twice_than_was_under_way():
    assert twice(Run(1, {"fetched twice": TWICE})).reached
    assert not twice(Run(1, {"fetched twice": TWICE + 1})).reached


def test_a_table_has_the_figures_that_are_shown_for_those_that_have_them():
    rows = (
        Row("whole", (Run(2.0, {"task runs": 102, "worker memory": 3 << 20}),), 1000),
        Row("killed", (Run(1.0, {"task runs": 51}),), 400),
    )
    section = Section(title="job: x", rows=rows, shown=("task runs", "worker memory"))
    table = markdown(Results(MACHINE, {}, {"job": section})).splitlines()

    assert table[0] == "| Job: x | time | images/s | task runs | worker memory |"
    assert table[2] == "| whole | 2.00 s | 500 | 102 | 3 MiB |"
    assert table[3] == "| killed | 1.00 s | 400 | 51 |  |"


@needs_nginx
def test_many_names_lead_to_a_few_pictures_and_each_request_is_counted(tmp_path):
    with listed_by_nginx(tmp_path, 250, 1000) as listed:
        links = listed.path.read_text().split()
        for link in [*links, links[7]]:
            answer = httpx.get(link)
            assert answer.status_code == 200
            assert len(answer.content) == 1000
        asked = listed.requests()
        assert len(set(links)) == 250
        assert asked == Counter(f"/{link.rpartition('/')[2]}" for link in [*links, links[7]])
        assert listed.asked == 251


@needs_nginx
def test_pictures_that_are_missing_or_short_are_no_result(tmp_path):
    folder = tmp_path / "some" / "where"
    folder.mkdir(parents=True)
    with listed_by_nginx(tmp_path, 2, 1000) as listed:
        for name in ("a.jpg", "b.jpg"):
            (folder / name).write_bytes(bytes(1000))
        listed.check(tmp_path / "some", "this test")
        (folder / "b.jpg").write_bytes(b"short")
        with pytest.raises(BenchmarkError, match="this test left 1 of 2 whole pictures"):
            listed.check(tmp_path / "some", "this test")


PARENT = """
import subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", "b = bytearray(90_000_000); input()"],
                         stdin=subprocess.PIPE)
# Only now: between its fork and its exec a child has all the memory of its parent.
filled = bytearray(200_000_000)
print("ready", flush=True)
child.wait()
"""


def test_a_session_knows_the_memory_of_parent_and_child_and_is_killed_with_both(tmp_path):
    session = Session([sys.executable, "-c", PARENT], tmp_path / "log", os.environ)

    def grown():
        session.look()
        return session.memory().get("worker memory", 0) > 90_000_000 and session.peak > 2e8

    assert session.until(grown, LONG)
    assert session.memory()["worker memory"] < 2e8 < session.memory()["flow memory"]
    children = set(session.peaks)
    session.kill()
    alive = "/proc/{}/cmdline"
    assert eventually(lambda: not any(Path(alive.format(child)).exists() for child in children))


def test_what_does_not_end_well_is_said(tmp_path):
    command = [sys.executable, "-c", "raise SystemExit('no such thing')"]
    with pytest.raises(BenchmarkError, match="no such thing"):
        Session(command, tmp_path / "log", os.environ).watch()


@needs_nginx
def test_a_quick_run_ends_well_and_keeps_its_results(tmp_path):
    """The cluster's and the job's; `database` is the same loop over a server of its own."""
    path = tmp_path / "scale.json"
    command = [sys.executable, "-m", "benchmarks.scale", "--quick", "--only", "workers,job"]

    done = subprocess.run([*command, "--output", path], capture_output=True, text=True)

    assert done.returncode == 0, done.stderr
    kept = json.loads(path.read_bytes())["sections"]
    assert len(kept["workers"]["rows"]) == 2
    figures = kept["job"]["rows"][0]["runs"][0]["more"]
    assert figures["fetched"] == 4000
    assert figures["fetched twice"] == 0
    assert min(figures[f"{who} memory"] for who in ("flow", "scheduler", "worker")) > 50_000_000
    assert figures["task runs"] == 2


def test_help_says_how_to_install_what_is_compared_with():
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.scale", "--help"], capture_output=True, text=True
    )

    assert INSTALL in done.stdout
    assert listed_module.INSTALL in done.stdout
