"""The waterfall of a run, read back from its SVG."""

import re
from dataclasses import replace
from xml.etree import ElementTree

import pytest

from imgur_mirror.models import Album, Download, Outcome, Strategy
from imgur_mirror.report.waterfall import waterfall, waterfalls
from tests.support.rows import BEGAN, SVG, mirror

KINDS = ("waiting", "transfer", "work", "several-requests", "no-file", "idle", "queued")


def image(key, start, end, first_byte=None, worker="1", attempts=1, outcome=Outcome.DOWNLOADED):
    return Download(
        id=key,
        name=f"{key}.jpg",
        outcome=outcome,
        attempts=attempts,
        started=BEGAN + start,
        first_byte=first_byte,
        finished=BEGAN + end,
        worker=worker,
    )


def run(*downloads, album="PdA9Amq", workers=4):
    first = min((row.started for row in downloads if row.started is not None), default=BEGAN)
    return mirror(*downloads, workers=workers, startup=first - BEGAN, album=Album(id=album))


def bars(svg):
    """The lines of each kind as (from, to, height), in pixels."""
    found = {}
    for path in ElementTree.fromstring(svg).iter(f"{SVG}path"):
        if path.get("id") in KINDS:
            lines = re.findall(r"M([\d.]+) ([\d.]+)H([\d.]+)", path.get("d"))
            found[path.get("id")] = [(float(x), float(to), float(y)) for x, y, to in lines]
    return found


def test_the_work_on_an_image_has_a_bar_also_where_nothing_was_fetched():
    fetched = replace(image("a", 1, 3, first_byte=1), work_started=BEGAN + 3.5, work_seconds=0.5)
    stored = Download(id="b", name="b.jpg", outcome=Outcome.UNCHANGED, worker="2")
    there = replace(stored, work_started=BEGAN + 1, work_seconds=3.0)
    svg = waterfall(run(fetched, there))
    assert "work" in texts(svg)
    drawn = bars(svg)
    (first, later) = sorted(drawn["work"])
    assert (first[1], first[2]) != (later[1], later[2])
    assert first[1] == later[1]
    assert len(drawn["transfer"]) == len(drawn["waiting"]) == 1
    assert len(drawn["queued"]) == 2
    queued_until = {y: to for _, to, y in drawn["queued"]}
    assert queued_until[first[2]] == first[0]
    assert waterfall(run(stored)) is None


def texts(svg):
    return [text.text for text in ElementTree.fromstring(svg).iter(f"{SVG}text")]


def many(count, workers, seconds=0.1):
    """Each worker takes an image after another, without a gap, from the first second on."""
    return [
        image(
            f"i{number:06}",
            1 + (number // workers) * seconds,
            1 + (number // workers + 1) * seconds,
            first_byte=seconds / 4,
            worker=str(number % workers + 1),
        )
        for number in range(count)
    ]


def test_a_run_that_asked_for_nothing_has_no_picture():
    assert waterfall(run()) is None
    assert waterfall(run(Download(id="a", name="a.jpg", outcome=Outcome.UNCHANGED))) is None


def test_each_image_queues_waits_and_comes_to_scale():
    svg = waterfall(run(image("aaa", 1, 4, first_byte=1), image("bbb", 2, 9, first_byte=5)))
    drawn = bars(svg)
    (begin, sent, _), (also, second, _) = sorted(drawn["queued"], key=lambda line: line[2])
    unit = sent - begin
    assert also == begin
    assert second - begin == pytest.approx(2 * unit, abs=0.01)
    assert [to - x for x, to, _ in drawn["waiting"]] == pytest.approx([unit, 5 * unit], abs=0.01)
    assert [to - x for x, to, _ in drawn["transfer"]] == pytest.approx(
        [2 * unit, 2 * unit], abs=0.01
    )
    assert [x for x, _, _ in drawn["transfer"]] == pytest.approx(
        [to for _, to, _ in drawn["waiting"]]
    )


def test_images_stand_in_the_order_in_which_they_were_asked_for():
    svg = waterfall(run(image("late", 2, 3, 0.5, worker="2"), image("early", 1, 3, 0.5)))
    heights = [y for _, _, y in bars(svg)["waiting"]]
    assert heights[0] < heights[1]
    names = [text for text in texts(svg) if text in ("late.jpg", "early.jpg")]
    assert names == ["early.jpg", "late.jpg"]
    assert texts(svg).count("worker") == 1
    assert "PdA9Amq · async, 4 workers · 2023-11-14 22:13 UTC" in texts(svg)


def test_what_cannot_be_told_apart_is_one_bar():
    svg = waterfall(
        run(
            image("again", 0, 4, first_byte=1, attempts=3),
            image("gone", 0, 1, outcome=Outcome.GONE),
            image("failed", 0, 2, outcome=Outcome.FAILED, attempts=4),
            image("same", 0, 1, outcome=Outcome.UNCHANGED),
        )
    )
    drawn = bars(svg)
    assert {kind: len(drawn.get(kind, ())) for kind in KINDS[:5]} == {
        "work": 0,
        "waiting": 1,
        "transfer": 0,
        "several-requests": 1,
        "no-file": 2,
    }
    assert "transfer" not in texts(svg)


def test_a_larger_album_has_a_lane_a_worker_where_idleness_shows():
    busy = many(80, 4)
    one_long = image("long", 3.5, 9, first_byte=0.1, worker="3")
    drawn = bars(waterfall(run(*busy, one_long)))
    assert len({y for _, _, y in drawn["waiting"]}) == 4
    assert len(drawn["waiting"]) == 81
    last = {y: max(to for _, to, at in drawn["transfer"] if at == y) for _, _, y in drawn["idle"]}
    right = max(to for _, to, _ in drawn["idle"])
    ends = [last[y] for _, _, y in sorted(drawn["idle"], key=lambda lane: lane[2])]
    assert ends[2] == pytest.approx(right, abs=0.5)
    assert max(ends[0], ends[1], ends[3]) < right - 133


def test_lanes_are_in_the_order_of_numbers():
    svg = waterfall(run(*many(66, 11)))
    assert [text for text in texts(svg) if text in map(str, range(1, 12))][-11:] == [
        str(number) for number in range(1, 12)
    ]


@pytest.mark.parametrize(("count", "workers"), [(20_000, 16), (9_000, 256)])
def test_thousands_of_images_are_condensed_to_what_prevails(count, workers):
    """Three quarters of the time is transfer, so that is what is seen, and nothing is idle."""
    svg = waterfall(run(*many(count, workers), workers=workers))
    drawn = bars(svg)
    assert len(svg) < 1_000_000
    covered = sum(to - x for kind in ("waiting", "transfer") for x, to, _ in drawn.get(kind, ()))
    whole = sum(to - x for x, to, _ in drawn["idle"])
    assert covered == pytest.approx(whole, rel=0.1)
    assert sum(to - x for x, to, _ in drawn["transfer"]) > 0.7 * covered


def test_hostile_names_and_clocks_that_disagree():
    rows = [
        image("<b>$x^2$&", -5, 1, first_byte=9),
        image("a" * 60, 0, 1, worker="<script>"),
        image("$\\frac$", 0, 2, first_byte=-1, worker=None),
    ]
    svg = waterfall(run(*rows, album="$\\bad{$"))
    assert "<b>$x^2$&.jpg" in texts(svg)
    assert "aaaaaaa…aaaa.jpg" in texts(svg)
    assert "<script" not in svg
    xs = [x for lines in bars(svg).values() for x, _, _ in lines]
    assert min(xs) >= min(x for x, _, _ in bars(svg)["queued"]) - 0.01


@pytest.mark.parametrize(
    ("end", "ticks"),
    [
        (0.0125, ["0.000", "0.002", "0.004", "0.006", "0.008", "0.010", "0.012"]),
        (4.5, ["0.0", "0.5", "1.0", "1.5", "2.0", "2.5", "3.0", "3.5", "4.0", "4.5"]),
        (9, [str(second) for second in range(10)]),
        (3600, ["0", "500", "1000", "1500", "2000", "2500", "3000", "3500"]),
    ],
)
def test_the_axis_has_round_numbers_of_seconds(end, ticks):
    drawn = texts(waterfall(run(image("aaa", 0, end, first_byte=end / 2))))
    assert drawn[drawn.index(ticks[0]) : drawn.index("seconds")] == ticks


def test_the_paper_is_white_and_covers_all():
    root = ElementTree.fromstring(waterfall(run(*many(5, 2))))
    paper = root[0]
    assert paper.get("fill") == "#FFFFFF"
    assert (paper.get("width"), paper.get("height")) == (root.get("width"), root.get("height"))


def test_work_has_bars_of_its_own_after_the_transfer():
    worked = replace(image("aaa", 1, 3, 0.5), work_started=BEGAN + 4, work_seconds=2.0)
    drawn = bars(waterfall(run(worked)))
    ((begin, end, _),) = drawn["work"]
    ((first, last, _),) = drawn["transfer"]
    unit = (last - first) / 1.5
    assert begin == pytest.approx(last + unit, abs=0.01)
    assert end - begin == pytest.approx(2 * unit, abs=0.01)


def test_several_runs_share_one_axis_and_have_a_heading_each():
    one = mirror(image("a", 1, 9, 0.5), strategy=Strategy.SEQUENTIAL, workers=1, startup=1)
    two = [image("a", 1, 4, 0.5), image("b", 1, 5, 0.5, worker="2")]
    other = mirror(*two, strategy=Strategy.THREADS, workers=2, startup=1)
    svg = waterfalls([one, other, run()], "what happened")
    assert [text for text in texts(svg) if text in list(Strategy)] == ["sequential", "threads"]
    assert {"what happened", "1 worker · 9.0 s", "2 workers · 5.0 s", "9"} <= set(texts(svg))
    paths = ElementTree.fromstring(svg).iter(f"{SVG}path")
    idle = [path.get("d") for path in paths if path.get("id") == "idle"]
    lanes = [float(to) - float(x) for d in idle for x, to in re.findall(r"M(\S+) \S+H([\d.]+)", d)]
    assert lanes == pytest.approx([2 * lanes[1], lanes[1], lanes[1]])
    assert waterfalls([run()], "nothing") is None


def test_many_lanes_get_thinner_and_a_narrow_picture_is_no_wider():
    threads = mirror(*many(512, 256), strategy=Strategy.THREADS, workers=256, startup=1)
    root = ElementTree.fromstring(waterfalls([threads], "many", width=360))
    assert float(root.get("width")) == 360
    assert float(root.get("height")) < 400


def test_the_same_run_gives_the_same_bytes():
    assert waterfall(run(*many(5, 2))) == waterfall(run(*many(5, 2)))
