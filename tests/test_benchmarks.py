"""The benchmarks measure real work: every contender downloads everything, and figures add up."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.article import at_full_scale
from benchmarks.bench import SUITE
from benchmarks.contenders import ours
from benchmarks.guides import filled
from benchmarks.measuring import (
    BenchmarkError,
    Row,
    Run,
    Section,
    Spread,
    Target,
    child,
    in_turns,
)
from benchmarks.naive import WAYS
from benchmarks.report import Results, markdown, read, text, write
from benchmarks.sources import limit, of_standin
from benchmarks.tools import TOOLS, installed
from benchmarks.work import FAST, SLOW, targets, trial
from imgur_mirror.models import Strategy, Work
from standin.network import Profile
from tests.support.albums import stored
from tests.support.imgur import contents

pytestmark = pytest.mark.slow

MACHINE = {"cores": "2", "cpu": "a CPU", "kernel": "Linux"}


@pytest.fixture(scope="module")
def source():
    """Images of several sizes, among them one of many blocks."""
    with of_standin("fast", album="Bench01", sizes=[3000, 20_000, 300_000, 1500, 5000]) as made:
        yield made


@pytest.mark.parametrize("way", WAYS)
def test_a_naive_contender_downloads_everything(way, source, tmp_path):
    (tmp_path / "links").write_text("\n".join(source.links))
    (tmp_path / "files").mkdir()

    ran = child("benchmarks.naive", way, tmp_path / "links", tmp_path / "files", "--workers", 3)

    assert stored(tmp_path / "files") == contents(source.address, source.album)
    assert ran.seconds > 0
    assert ran.more["memory"] > 1_000_000


def test_a_tool_downloads_everything(source, tmp_path):
    """Those that this machine has: none is needed."""
    for tool in installed():
        folder = tmp_path / tool.name / "files"
        folder.mkdir(parents=True)

        assert tool.download(source.links, folder, 3).seconds > 0
        assert stored(folder) == contents(source.address, source.album)


def test_what_is_missing_or_short_is_no_result(source, tmp_path):
    for name, size in source.files.items():
        (tmp_path / name).write_bytes(bytes(size))
    source.check(tmp_path, "this test")
    name = next(iter(source.files))
    (tmp_path / name).write_bytes(b"short")

    with pytest.raises(BenchmarkError, match=f"this test did not download {name}"):
        source.check(tmp_path, "this test")


def test_the_limit_is_one_set_up_and_the_bytes_at_the_rate_of_the_line():
    network = Profile(connect=0.05, first_byte=0.05, link_rate=12_500_000)

    assert limit(network, 50_000_000, 16) == pytest.approx(4.1)
    assert limit(network, 50_000_000, 32) == limit(network, 50_000_000, 16)


def test_without_a_line_all_connections_together_are_the_limit():
    network = Profile(connect=0.1, connection_rate=100_000)

    assert limit(network, 1_000_000, 1) == pytest.approx(10.1)
    assert limit(network, 1_000_000, 5) == pytest.approx(2.1)


def test_a_spread_is_the_median_and_the_extremes():
    assert Spread.of([3, 1, 10]) == Spread(3, 1, 10)
    assert Spread.of([1, 2]) == Spread(1.5, 1, 2)


def test_only_the_downloads_grow_to_full_scale():
    row = Row("ours", (Run(5, {"download": 2}),))

    assert at_full_scale(row, 0.5) == 3 + 4
    assert at_full_scale(row, 1) == 5


def test_a_target_is_a_bound_from_above_or_below():
    assert Target("quick", 0.5, 0.6).reached
    assert not Target("quick", 0.7, 0.6).reached
    assert Target("many", 0.9, 0.8, at_least=True).reached
    assert not Target("many", 0.7, 0.8, at_least=True).reached


def test_contenders_take_turns_each_in_an_empty_folder(tmp_path):
    order = []

    def contender(name):
        def run(folder: Path) -> Run:
            assert list(folder.iterdir()) == []
            (folder / "left").touch()
            order.append(name)
            return Run(len(order))

        return run

    rows = in_turns({name: contender(name) for name in "ab"}, 2, tmp_path)

    assert order == ["a", "b", "a", "b"]
    assert [run.seconds for run in rows["a"].runs] == [1, 3]
    assert list(tmp_path.iterdir()) == []


def results(name: str = "link", machine: dict[str, str] = MACHINE) -> Results:
    section = Section(
        title="link: 2 images",
        rows=(Row("ours", (Run(1.5, {"memory": 1 << 20}), Run(2.5, {"memory": 3 << 20}))),),
        baseline=1.0,
        baseline_name="the limit",
        targets=(Target("ours / the limit", 2, 1.15),),
    )
    return Results(machine, {"prefect": "3.8.8"}, {name: section})


def test_results_are_kept_beside_those_of_other_benchmarks(tmp_path):
    path = tmp_path / "results.json"
    write(results("link"), path)
    write(results("raw").over(read(path)), path)

    assert set(read(path).sections) == {"link", "raw"}
    assert read(path).sections["link"] == results().sections["link"]


def test_results_are_in_the_order_of_the_suite():
    measured = results("raw").over(results("imports")).over(results("article"))

    assert list(SUITE._in_order(measured).sections) == ["article", "raw", "imports"]


def test_results_of_another_machine_are_not_mixed():
    other = results("raw", machine={**MACHINE, "cores": "64"})

    assert set(other.over(results("link")).sections) == {"raw"}


def test_the_report_has_medians_ratios_spread_and_what_is_not_reached():
    said = " ".join(text(results()).split())

    assert "ours 2.00 s 1.50 s 2.50 s 2.00 memory 2 MiB" in said
    assert "ours / the limit 2.00 × ≤ 1.15 not reached" in said
    assert "2 cores, a CPU, Linux; prefect 3.8.8" in said


def test_rows_of_different_numbers_of_images_are_compared_by_the_image():
    rows = (Row("all", (Run(10),), images=100), Row("a tenth", (Run(3),), images=10))
    section = Section(title="raw", rows=rows, baseline=rows[0].each, baseline_name="all, an image")
    said = text(Results(MACHINE, {}, {"raw": section}))

    assert "1.00        10 images/s" in said
    assert "3.00         3 images/s" in said


def test_a_guide_gets_the_table_between_its_marks():
    table = markdown(results())
    begin, end = "<!-- bench:begin -->", "<!-- bench:end -->"
    other = "<!-- scale:begin -->\nother\n<!-- scale:end -->"
    text = filled(f"before\n{begin}\nold\n{end}\n{other}\nafter", "bench", table)

    assert text == f"before\n{begin}\n{table}\n{end}\n{other}\nafter"
    assert "| ours | 2.00 s | 1.50 s – 2.50 s | 2.00 |" in table
    with pytest.raises(ValueError, match="bench:begin"):
        filled("no marks", "bench", table)


def test_a_quick_run_ends_well_and_keeps_its_results(tmp_path):
    path = tmp_path / "results.json"
    command = [sys.executable, "-m", "benchmarks.bench", "--quick", "--only", "link"]

    done = subprocess.run(
        [*command, "--rounds", "1", "--output", path], capture_output=True, text=True
    )

    assert done.returncode == 0, done.stderr
    kept = json.loads(path.read_bytes())
    assert {row["name"] for row in kept["sections"]["link"]["rows"]} > {
        "aiohttp loop (32)",
        "mirror_album, async(32)",
    }
    assert "the limit" in done.stdout


def test_a_run_with_work_tells_its_parts(source, tmp_path):
    ran = ours("work", source, Strategy.THREADS, 2, Work.BLURHASH)(tmp_path)

    assert ran.seconds == pytest.approx(
        sum(ran.more[part] for part in ("start-up", "download", "work"))
    )
    assert ran.more["work"] > 0
    assert ran.more["cores"] > 0


def test_work_is_held_against_who_should_be_slower():
    seconds = {(Work.BLURHASH, Strategy.DASK): 5, (Work.THUMBNAIL, Strategy.THREADS): 4}
    rows = {
        name: Row(name, (Run(seconds.get((each, strategy), 10)),))
        for network in (SLOW, FAST)
        for each in Work
        for strategy in Strategy
        for name in [trial(network, each, strategy)]
    }

    assert [target.measured for target in targets(rows)] == [0.5, 0.4] * 2


def test_help_says_how_to_install_the_tools():
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.bench", "--help"], capture_output=True, text=True
    )

    assert all(tool.install in done.stdout for tool in TOOLS.values())
