"""Which strategy to use: chosen from figures, kept in Prefect, and used by `auto`."""

from dataclasses import replace

import pytest
from prefect import flow, runtime
from prefect.client.orchestration import get_client
from prefect.variables import Variable

from flows.compare_strategies import compare_strategies
from flows.mirror_album import mirror_album
from flows.mirror_albums import mirror_albums
from flows.support.advice import VARIABLE, keep_advice
from flows.support.choice import choose
from flows.support.parameters import Choice
from imgur_mirror.compare import Advice, BadAdvice, Point, advise, advise_each, read_advice
from imgur_mirror.models import Outcome, Strategy, Work
from tests.support.imgur import contents, fault, new_album

pytestmark = pytest.mark.slow

WHEN = "2020-02-02T20:20:20+00:00"
THREADS = Advice(Strategy.THREADS, 4, "61 images/s", "PdA9Amq", WHEN, 61.0)
DASK = Advice(Strategy.DASK, 2, "7 images/s", "PdA9Amq", WHEN, 7.0, Work.BLURHASH)


def point(strategy, workers, total, startup=0.25, rounds=3, spread=0.0):
    return Point(Strategy(strategy), workers, rounds, 100, total, total - startup, spread)


def choice(*measured):
    advice = advise(measured, "PdA9Amq", WHEN)
    return advice.strategy, advice.workers


def test_the_fewest_workers_that_are_as_quick():
    advice = advise(
        [
            point("sequential", 1, 10),
            *(point("async", *each) for each in ((1, 9.0), (2, 5.0), (4, 2.04), (8, 2.0))),
            point("threads", 8, 3.0),
        ],
        "PdA9Amq",
        WHEN,
    )
    assert advice.sentence == (
        "async with 4 workers: 49 images/s; 8 bring no more;"
        " sequential takes 4.9 × as long and threads 1.5 ×"
    )
    assert (advice.album, advice.when, advice.images_per_second) == ("PdA9Amq", WHEN, 49.02)


def test_at_a_tie_what_costs_least():
    """One connection; then one thread before many, and threads before processes."""
    level = [point(strategy, 4, 2.0) for strategy in ("dask", "threads", "async")]
    assert choice(*level) == ("async", 4)
    assert choice(*level[:2]) == ("threads", 4)
    assert choice(*level, point("sequential", 1, 2.05)) == ("sequential", 1)
    why = advise(level, "", "").why
    assert "threads and dask are no quicker" in why
    assert "other numbers of workers were not tried" in why


def test_where_more_workers_still_help_more_were_not_tried():
    measured = [point("async", 2, 4.0), point("async", 4, 2.0), point("sequential", 1, 8.0)]
    assert "more than 4 were not tried" in advise(measured, "", "").why
    more = [*measured, point("async", 8, 2.0), point("async", 16, 2.0)]
    assert "8 and 16 bring no more" in advise(more, "", "").why


@pytest.mark.parametrize(
    ("rounds", "spread", "slower", "expected"),
    [
        (3, 0.0, 2.09, "sequential"),  # a twentieth
        (3, 0.0, 2.15, "async"),
        (3, 0.3, 2.25, "sequential"),  # the spread
        (3, 0.3, 2.35, "async"),
        (1, 0.0, 2.15, "sequential"),  # a tenth, of one round
        (1, 0.0, 2.25, "async"),
        (3, 90.0, 2.5, "async"),  # one round stalled: not all is level then
    ],
)
def test_what_counts_as_quick(rounds, spread, slower, expected):
    measured = [
        point("async", 4, 2.0, rounds=rounds, spread=spread),
        point("sequential", 1, slower, rounds=rounds),
    ]
    assert choice(*measured)[0] == expected


def test_what_starts_late_is_named_for_longer_albums():
    """Start-up is paid once: 3 s later, and 0.005 s an image quicker, is level at 600 images."""
    late = point("dask", 4, 3.75, startup=3.25)
    early = point("async", 4, 1.25)
    assert choice(late, early) == ("async", 4)
    assert "from about 600 images on, dask with 4 workers" in advise([late, early], "", "").why


def test_one_strategy_is_nothing_to_choose_from():
    assert advise([point("async", 4, 1), point("async", 8, 1)], "", "") is None
    assert advise([], "", "") is None


def test_each_work_of_a_comparison_has_its_advice():
    waits = [point("async", 4, 2.0), point("dask", 4, 4.0)]
    computes = [
        replace(point("async", 4, 9.0), work=Work.BLURHASH),
        replace(point("dask", 4, 4.0), work=Work.BLURHASH),
    ]
    alone = replace(point("dask", 4, 4.0), work=Work.THUMBNAIL)
    found = advise_each([*waits, alone, *computes], "PdA9Amq", WHEN)
    assert [(each.work, each.strategy) for each in found] == [
        (Work.NONE, "async"),
        (Work.BLURHASH, "dask"),
    ]
    assert found[1].sentence.startswith("dask with 4 workers for blurhash: 25 images/s")


def test_advice_is_read_back():
    assert read_advice(THREADS.as_json()) == (THREADS,)
    assert read_advice('{"strategy": "dask", "workers": 2}') == (Advice(Strategy.DASK, 2),)
    assert read_advice([THREADS.as_json(), DASK.as_json()]) == (THREADS, DASK)
    assert read_advice("[]") == ()


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("fast", "JSON"),
        ([7], "all of it"),
        ({"strategy": "async", "workers": 2, "work": "hard"}, "work"),
        (7, "all of it"),
        ({}, "strategy"),
        ({"strategy": "auto", "workers": 2}, "strategy"),
        ({"strategy": "async"}, "workers"),
        ({"strategy": "async", "workers": 0}, "workers"),
        ({"strategy": "async", "workers": "many"}, "workers"),
        ({"strategy": "async", "workers": True}, "workers"),
    ],
)
def test_bad_advice_says_what_is_bad(value, said):
    with pytest.raises(BadAdvice, match=said):
        read_advice(value)


def test_the_choices_are_the_strategies_and_auto():
    assert {each.value for each in Choice} == {"auto", *Strategy}


@pytest.fixture
def advice(prefect_server):
    """Set the Variable for one test; none before and after."""

    def put_there(value):
        Variable.set(VARIABLE, value, overwrite=True)

    Variable.unset(VARIABLE)
    yield put_there
    Variable.unset(VARIABLE)


def run_of(state):
    with get_client(sync_client=True) as client:
        return client.read_flow_run(state.state_details.flow_run_id)


def test_auto_does_as_advised_and_says_so(advice, imgur, downloads):
    advice(THREADS.as_json())
    album = new_album(imgur, count=2, bytes=3000)

    state = mirror_album(album, "auto", 16, return_state=True)

    assert (state.result().strategy, state.result().workers) == ("threads", 4)
    assert "auto: threads with 4 workers (advised on 2020-02-02 by" in state.message
    assert run_of(state).name == f"{album} · auto: threads"


def test_a_run_does_what_its_name_says_though_other_advice_comes_meanwhile(advice):
    advice(THREADS.as_json())

    @flow(flow_run_name=lambda: choose(Choice.AUTO, 8).name)
    def running():
        advice(replace(THREADS, strategy=Strategy.DASK).as_json())
        return runtime.flow_run.name, choose(Choice.AUTO, 8).name

    assert running() == ("auto: threads", "auto: threads")
    assert choose(Choice.AUTO, 8).strategy == "dask"


def test_workers_are_the_most_that_auto_uses(advice):
    advice(THREADS.as_json())
    chosen = choose(Choice.AUTO, 2)
    assert (chosen.strategy, chosen.workers) == ("threads", 2)
    assert "2 workers" in chosen.note
    assert "with 4)" in chosen.note
    assert choose(Choice.ASYNC, 2).note == ""


@pytest.mark.parametrize("value", [THREADS.as_json(), [DASK.as_json(), THREADS.as_json()]])
def test_auto_takes_the_advice_for_its_work(value, advice):
    """Advice of a version that knew no work, or one without a work, is for none."""
    without = {name: it for name, it in THREADS.as_json().items() if name != "work"}
    advice(value if isinstance(value, list) else without)

    assert choose(Choice.AUTO, 8).strategy == "threads"
    with_blurhash = choose(Choice.AUTO, 8, Work.BLURHASH)
    assert with_blurhash.strategy == ("dask" if isinstance(value, list) else "async")
    other = choose(Choice.AUTO, 8, Work.THUMBNAIL)
    assert (other.strategy, other.workers) == ("async", 8)
    assert other.note == "auto: async, since no comparison has left advice about thumbnail yet"


def test_advice_replaces_what_there_was_for_its_work_alone(advice):
    @flow
    def keep(*several):
        for one in several:
            keep_advice(one)

    advice("garbage")
    keep(THREADS, DASK, replace(THREADS, workers=9))

    assert read_advice(Variable.get(VARIABLE)) == (DASK, replace(THREADS, workers=9))


def test_auto_without_advice_is_async_and_says_so(advice, imgur, downloads):
    album = new_album(imgur, count=1, bytes=3000)
    state = mirror_album(album, "auto", 3, return_state=True)
    assert (state.result().strategy, state.result().workers) == ("async", 3)
    assert "no comparison has left advice" in state.message


@pytest.mark.parametrize("value", ["fast", {"strategy": "async", "workers": -1}, [1]])
def test_garbage_for_advice_is_async_and_a_warning(value, advice, imgur, downloads, caplog):
    advice(value)
    album = new_album(imgur, count=1, bytes=3000)
    state = mirror_album(album, "auto", 3, return_state=True)
    assert (state.result().strategy, state.result().workers) == ("async", 3)
    assert "the advice cannot be used" in state.message
    warned = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert any(f"prefect variable delete {VARIABLE}" in message for message in warned)


def test_several_albums_take_the_advice_together(advice, imgur, downloads):
    advice(THREADS.as_json())
    album = new_album(imgur, count=1, bytes=3000)
    state = mirror_albums([album], strategy="auto", return_state=True)
    assert [result.mirrored.strategy for result in state.result()] == ["threads"]
    assert "auto: threads" in state.message
    assert run_of(state).name == "auto: threads"


def test_a_strategy_may_be_named_as_text_and_as_a_strategy(advice, imgur, downloads):
    """Advice changes nothing for who chooses, nor by default."""
    advice(THREADS.as_json())
    album = new_album(imgur, count=1, bytes=3000)
    for strategy in ("sequential", Strategy.SEQUENTIAL, Choice.SEQUENTIAL):
        assert mirror_album(album, strategy).strategy is Strategy.SEQUENTIAL
    assert mirror_album(album).strategy is Strategy.ASYNC


def test_a_comparison_leaves_its_advice(advice, imgur, downloads):
    album = new_album(imgur, count=4, bytes=3000)

    found = compare_strategies(album, [Strategy.SEQUENTIAL, Strategy.ASYNC], 2)

    (kept,) = read_advice(Variable.get(VARIABLE))
    assert (kept,) == found.advice
    assert kept.album == album
    assert (kept.strategy, kept.workers) in {("sequential", 1), ("async", 2)}


def test_no_advice_comes_of_one_strategy_or_of_a_failed_comparison(advice, imgur, downloads):
    album = new_album(imgur, count=2, bytes=3000)
    assert compare_strategies(album, [Strategy.ASYNC], 2).advice == ()
    name = next(iter(contents(imgur, album)))
    fault(imgur, name, "status", status=403)
    state = compare_strategies(album, [Strategy.SEQUENTIAL, Strategy.ASYNC], 2, return_state=True)
    assert state.is_failed()
    assert Variable.get(VARIABLE, default=None) is None


def test_failed_images_are_still_named_under_auto(advice, imgur, downloads):
    album = new_album(imgur, count=2, bytes=3000)
    name = next(iter(contents(imgur, album)))
    fault(imgur, name, "status", status=403)
    state = mirror_album(album, "auto", return_state=True)
    assert state.is_failed()
    assert name in state.message
    with pytest.raises(Exception, match=name) as failed:
        state.result()
    assert len(failed.value.result.having(Outcome.FAILED)) == 1
