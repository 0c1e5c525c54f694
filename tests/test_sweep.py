"""More and more workers: the numbers, the curve, and what has become slower."""

import json
import re
from xml.etree import ElementTree

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imgur_mirror.compare import (
    Comparison,
    comparison_charts,
    comparison_markdown,
    comparison_rows,
    comparison_text,
    earlier_in,
    history_rows,
    is_sweep,
    points,
    side_by_side,
    slowdowns,
    sweep_rows,
    worker_counts,
)
from imgur_mirror.compare.curve import curve_chart
from imgur_mirror.models import Outcome, Strategy, Work
from tests.support.rows import SVG, image, measured, mirror

SWEEP = (
    measured(Strategy.SEQUENTIAL, 0.25, 4.75, workers=1),
    measured(Strategy.ASYNC, 0.25, 3.75, workers=1),
    measured(Strategy.ASYNC, 0.25, 1.75, workers=2),
    measured(Strategy.ASYNC, 0.25, 0.75, workers=4),
    measured(Strategy.DASK, 3.0, 1.0, workers=4),
)


@given(st.integers(1, 256))
def test_steps_double_up_to_the_bound(most):
    tried = worker_counts(Strategy.ASYNC, most)
    assert tried[-1] == most
    assert tried[:-1] == [2**power for power in range(len(tried) - 1)]
    assert len(tried) == 1 or tried[-2] < most <= 2 * tried[-2]
    assert worker_counts(Strategy.SEQUENTIAL, most) == [1]


def test_points_are_medians_of_complete_rounds():
    failed = mirror(
        image("a.jpg", seconds=1), image("b.jpg", Outcome.FAILED), strategy=Strategy.THREADS
    )
    rounds = [measured(Strategy.ASYNC, 0.25, download, workers=2) for download in (1, 3, 2)]
    (point,) = points([failed, *rounds, mirror(strategy=Strategy.DASK)])
    assert (point.strategy, point.workers, point.rounds, point.images) == ("async", 2, 3, 2)
    assert (point.total, point.download, point.spread) == (2.25, 2.0, 2.0)
    (row,) = sweep_rows([point])
    assert (row["images/s"], row["images/s downloading"]) == (0.89, 1.0)


def test_a_sweep_is_told_from_a_comparison():
    assert is_sweep(SWEEP)
    compared = side_by_side(SWEEP)
    assert not is_sweep(compared)
    assert [(run.strategy, run.workers) for run in compared] == [
        ("sequential", 1),
        ("async", 4),
        ("dask", 4),
    ]


def lines(svg):
    """Where each curve has its points, in pixels: {strategy: [(x, y), …]}."""
    found = {}
    for path in ElementTree.fromstring(svg).iter(f"{SVG}path"):
        kind, _, strategy = path.get("id", "").partition("-")
        if kind == "curve":
            places = re.findall(r"[ML](\S+) ([\d.]+)", path.get("d"))
            found[strategy] = [(float(x), float(y)) for x, y in places]
    return found


def test_the_curve_is_drawn_to_scale():
    """Doubling is the same distance across, the same rate the same distance up."""
    drawn = lines(curve_chart(points(SWEEP)))
    one, two, four = drawn["async"]
    assert two[0] - one[0] == pytest.approx(four[0] - two[0], abs=0.01)
    # 0.5, 1 and 2 images a second.
    assert two[1] - four[1] == pytest.approx(2 * (one[1] - two[1]), abs=0.01)
    assert drawn["dask"][-1] == pytest.approx((four[0], one[1]))


def test_the_curve_names_its_lines_and_rings_the_advice():
    measured_points = points(SWEEP)
    svg = curve_chart(measured_points, measured_points[3])
    texts = [text.text for text in ElementTree.fromstring(svg).iter(f"{SVG}text")]
    assert {"sequential", "dask", "async", "1", "2", "4"} <= set(texts)
    assert 'id="chosen"' in svg
    assert svg == curve_chart(measured_points, measured_points[3])
    ElementTree.fromstring(curve_chart([]))


def test_a_sweep_is_reported_with_its_curve_and_a_comparison_without():
    found = Comparison(SWEEP)
    markdown = comparison_markdown(found, lambda name: f"at/{name}")
    assert "(at/comparison.svg)" in markdown
    assert "(at/sweep.svg)" in markdown
    assert set(comparison_charts(found)) == {"comparison.svg", "sweep.svg", "waterfalls.svg"}
    assert comparison_text(found).count("async") == 3 + 1 + 1
    plain = Comparison(tuple(side_by_side(SWEEP)))
    assert "sweep.svg" not in comparison_markdown(plain, str)
    assert set(comparison_charts(plain)) == {"comparison.svg", "waterfalls.svg"}
    assert comparison_charts(Comparison(())) == {}


ROWS = comparison_rows([measured(Strategy.THREADS, 0.25, 3.95)])


def earlier(*totals, images=2, workers=8):
    return [
        {
            (Work.NONE, Strategy.THREADS, workers, images): total,
            (Work.NONE, Strategy.ASYNC, workers, images): 9.0,
            (Work.BLURHASH, Strategy.THREADS, workers, images): 0.1,
        }
        for total in totals
    ]


def test_a_slowdown_beyond_the_spread_is_named():
    history = history_rows(ROWS, earlier(2.2, 2.4, 2.4, 2.6, 2.3))
    assert [(row["strategy"], row["comparisons before"]) for row in history] == [("threads", 5)]
    assert slowdowns(history) == [
        "threads took 4.2 s, 1.8 s longer than the median of the 5 before (2.4 s, spread 0.40 s)"
    ]
    found = Comparison((measured(Strategy.THREADS, 0.25, 3.95),), tuple(earlier(2.4)))
    said = "threads took 4.2 s, 1.8 s longer than the one before (2.4 s)"
    assert said in comparison_text(found)
    assert said in comparison_markdown(found, str)


@pytest.mark.parametrize(
    "before",
    [
        earlier(2.4, 4.6),  # within their spread
        earlier(4.1, 4.1),  # by less than a tenth
        earlier(9.0),  # quicker now
        earlier(1.0, images=3),  # another number of images
        earlier(1.0, workers=4),
        [],
    ],
)
def test_what_is_no_slowdown_is_not_named(before):
    assert slowdowns(history_rows(ROWS, before)) == []


def test_the_rows_that_a_comparison_leaves_are_read_back():
    (row,) = ROWS
    expected = {(Work.NONE, Strategy.THREADS, 8, 2): 4.2}
    assert earlier_in(json.dumps([row])) == earlier_in([row]) == expected
    garbage = [
        None,
        7,
        {},
        {**row, "strategy": "fast"},
        {**row, "total s": "4"},
        {**row, "work": "x"},
    ]
    named = {**row, "work": "blurhash"}
    assert earlier_in([named]) == {(Work.BLURHASH, Strategy.THREADS, 8, 2): 4.2}
    assert earlier_in([*garbage, {**row, "workers": None}, {**row, "total s": -1}, row]) == expected


@pytest.mark.parametrize("table", ["", "{", "7", '"a"', "[[1]]", None, {"a": 1}, "[" * 100_000])
def test_foreign_tables_are_skipped(table):
    assert earlier_in(table) == {}


JSON = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9)
COLUMNS = ("work", "strategy", "workers", "images", "total s")


@settings(max_examples=50, deadline=None)
@given(st.lists(st.fixed_dictionaries(dict.fromkeys(COLUMNS, JSON | st.just("threads")))))
def test_no_table_breaks_the_history(table):
    slowdowns(history_rows(ROWS, [earlier_in(table)]))
