"""What bounds each strategy, and whether the rule of thumb holds: told from made-up figures."""

from dataclasses import replace

import pytest

from imgur_mirror.compare import Bound, Point, bound, explain
from imgur_mirror.models import Strategy, Usage, Work
from tests.support.compared import compared, ran


def point(strategy, total=10.0, cores=None, startup=0.2, working=0.0, work=Work.NONE, workers=4):
    usage = None if cores is None else Usage(cores * total, 100_000_000)
    download = total - startup - working
    return Point(Strategy(strategy), workers, 3, 40, total, download, 0.0, work, working, usage)


@pytest.mark.parametrize(
    ("strategy", "cores", "of", "expected"),
    [
        ("threads", 0.1, 2, Bound.NETWORK),
        ("async", 0.4, 8, Bound.NETWORK),
        ("dask", 0.3, 2, Bound.NETWORK),
        ("sequential", 0.2, 2, Bound.NETWORK),
        ("sequential", 0.98, 2, Bound.ALONE),
        ("threads", 1.02, 2, Bound.LOCK),
        ("async", 0.9, 8, Bound.LOCK),
        ("threads", 1.25, 4, Bound.LOCK),
        ("threads", 1.9, 2, Bound.CORES),
        ("dask", 1.7, 2, Bound.CORES),
        ("async", 7.1, 8, Bound.CORES),
        # Each process has a lock of its own.
        ("dask", 1.0, 8, Bound.SEVERAL),
        ("threads", 3.0, 8, Bound.SEVERAL),
        ("threads", 0.6, 2, Bound.SEVERAL),
        # With one core, the lock and the core cannot be told apart.
        ("threads", 0.95, 1, Bound.CORES),
        ("threads", None, 2, None),
    ],
)
def test_the_cores_in_use_tell_the_bound(strategy, cores, of, expected):
    assert bound(point(strategy, cores=cores), of) is expected


def test_a_start_up_that_is_most_of_the_time_is_the_bound():
    assert bound(point("dask", cores=1.9, startup=6.0), 2) is Bound.STARTUP
    assert bound(point("dask", startup=6.0), 2) is Bound.STARTUP
    assert bound(point("dask", cores=1.9, startup=4.0), 2) is Bound.CORES


def test_work_that_gets_no_core_is_bounded_by_other_programs():
    slowed = point("threads", cores=0.2, working=7.0)
    assert bound(slowed, 2) is Bound.OTHERS
    assert said(slowed).startswith("Other programs bound threads: the work took most of the time")
    assert bound(point("threads", cores=0.2, working=3.0), 2) is Bound.NETWORK
    assert "rule" not in said(slowed, point("dask", total=20, cores=0.3, working=15))


def said(*points, cores=2):
    (sentences,) = explain(points, cores).values()
    return " ".join(sentences)


def test_waiting_is_explained_by_the_network():
    text = said(
        point("sequential", 40, 0.1, workers=1),
        point("threads", 10, 0.3),
        point("dask", 14, 0.4),
        point("async", 10, 0.2),
    )
    assert text.startswith("The network bounds sequential, threads, dask and async: 0.1, 0.3, 0.4")
    assert "lock" not in text
    assert "threads for work that waits, holds: dask takes 1.4 × as long as threads" in text


def test_python_work_is_explained_by_the_lock():
    more = {"work": Work.BLURHASH}
    text = said(
        point("sequential", 20, 0.97, workers=1, working=16, **more),
        point("threads", 19, 1.05, working=16, **more),
        point("dask", 11, 1.8, working=8, startup=1.5, **more),
        point("async", 19, 1.0, working=16, **more),
    )
    assert "The interpreter's lock bounds threads and async: 1.1 and 1.0 of 2 cores" in text
    assert "more processes help, more threads do not" in text
    assert "The cores bound dask: 1.8 of 2 cores" in text
    assert "processes for work for the processor, holds: threads takes 1.7 × as long" in text


def test_work_that_lets_go_of_the_lock_contradicts_the_rule():
    more = {"work": Work.THUMBNAIL}
    text = said(
        point("sequential", 20, 0.97, workers=1, working=16, **more),
        point("threads", 10, 1.9, working=8, **more),
        point("dask", 13, 1.9, working=8, startup=1.0, **more),
    )
    assert "The cores bound threads and dask" in text
    assert (
        "processes for work for the processor, is wrong here: dask takes 1.3 × as long as threads,"
        " whose 1.9 cores in use show that this work lets go of the interpreter's lock"
    ) in text


def test_the_rule_is_wrong_where_processes_start_for_too_long():
    text = said(
        point("sequential", 6, 0.97, workers=1, working=5),
        point("threads", 5.8, 1.0, working=5),
        point("dask", 7, 1.5, working=2.5, startup=3.0),
    )
    assert "is wrong here: dask takes 1.2 × as long as threads, since the processes take 3.0 s" in (
        text
    )


def test_what_the_lock_bounds_is_work_for_the_processor():
    """Also where one image after another mostly waits: many at once fill the one core."""
    one_by_one = point("sequential", 20, 0.1, workers=1, working=0.7)
    quicker = said(one_by_one, point("threads", 10, 1.0), point("dask", 6, 1.4), cores=8)
    assert "processes for work for the processor, holds: threads takes 1.7 × as long" in quicker
    slower = said(one_by_one, point("threads", 1, 0.95), point("dask", 1.4, 1.2, startup=0.6))
    assert "The interpreter's lock bounds threads" in slower
    assert (
        "processes for work for the processor, is wrong here: dask takes 1.4 × as long as threads, "
        "since the processes take 0.60 s to start"
    ) in slower


def test_what_waits_with_many_workers_is_work_that_waits():
    text = said(
        point("sequential", 3, 0.6, workers=1, working=2),
        point("threads", 10, 0.3, working=2),
        point("dask", 6, 0.3, working=2),
        cores=8,
    )
    assert "threads for work that waits, is wrong here: threads takes 1.7 × as long as dask" in text


def test_a_difference_within_the_spread_is_none():
    text = said(point("threads", 10, 0.2), point("dask", 10.2, 0.2))
    assert "It makes no difference here: threads and dask take the same time" in text


def test_without_both_sides_the_rule_is_not_mentioned():
    assert "rule" not in said(point("threads", 10, 0.2), point("async", 10, 0.2))
    assert "rule" not in said(point("dask", 10, 0.2))


def test_each_work_is_explained_from_its_runs():
    explained = compared().explanation
    assert list(explained) == list(Work)
    assert "The network bounds" in explained[Work.NONE][0]
    assert any("cores bound threads" in sentence for sentence in explained[Work.THUMBNAIL])
    assert any("lock bounds threads" in sentence for sentence in explained[Work.BLURHASH])


def test_nothing_is_explained_where_nothing_was_measured():
    run = ran(Strategy.THREADS)
    run.usage = None
    assert replace(compared(), runs=(run,)).explanation == {}
    assert replace(compared(), machine=None).explanation == {}
