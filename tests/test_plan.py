"""What is fetched and what is not, and how it is dealt out to task runs."""

import dataclasses
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imgur_mirror.download.plan import REQUEST_BYTES, TYPICAL_IMAGE_BYTES, TYPICAL_VIDEO_BYTES, plan
from imgur_mirror.models import Album, Image, Outcome
from imgur_mirror.store.manifest import Entry

MD5 = "d41d8cd98f00b204e9800998ecf8427e"


def batches_of(made):
    return made.batches


def image(key, **known):
    given_ = {"link": f"https://i.imgur.com/{key}.jpg", "name": f"{key}.jpg", "size": 1000}
    return Image(id=key, **given_ | known)


def album(*images):
    return Album(id="album", images=images)


def entry(listed, **known):
    return Entry(image=listed, **{"file": listed.name, "bytes": 1000, "md5": MD5} | known)


def todo(*images, entries=(), files=None, most=64):
    return plan(album(*images), {e.image.id: e for e in entries}, files or {}, most)


def pieces(made):
    return [piece for batch in batches_of(made) for piece in batch.byte_ranges]


def ids(made):
    return [piece.image.id for piece in pieces(made)]


# What is fetched


def test_what_nobody_has_is_fetched():
    made = todo(image("a"), image("b"))
    assert sorted(ids(made)) == ["a", "b"]
    assert made.settled == ()
    assert not any(piece.file_exists for piece in pieces(made))


def test_an_album_of_nothing_makes_no_task_run():
    made = todo()
    assert (batches_of(made), made.settled) == ((), ())


def test_what_lies_there_as_it_was_stored_is_unchanged():
    known = entry(image("a"), etag='"e"', real_type="image/png", verified="length")
    made = todo(image("a"), entries=[known], files={"a.jpg": 1000})
    assert batches_of(made) == ()
    (row,) = made.settled
    assert (row.id, row.name, row.outcome) == ("a", "a.jpg", Outcome.UNCHANGED)
    assert (row.bytes, row.md5, row.etag) == (1000, MD5, '"e"')
    assert (row.type, row.verified, row.attempts) == ("image/png", "length", 0)


def test_a_file_of_which_the_manifest_says_other_bytes_than_the_api_is_unchanged():
    """What the API says is not to be trusted; it says the same as when the file was fetched."""
    made = todo(image("a"), entries=[entry(image("a"), bytes=5)], files={"a.jpg": 5})
    assert batches_of(made) == ()


@pytest.mark.parametrize(
    "now",
    [
        image("a", link="https://i.imgur.com/a.jpg?1"),
        image("a", size=1001),
        image("a", size=None),
        image("a", datetime=5),
    ],
)
def test_an_image_that_is_listed_otherwise_is_asked_for_with_what_is_held(now):
    made = todo(now, entries=[entry(image("a"))], files={"a.jpg": 1000})
    assert [piece.file_exists for piece in pieces(made)] == [True]


@pytest.mark.parametrize(
    "now", [image("a", title="new", description="new", width=5, type="image/png", animated=True)]
)
def test_new_words_about_an_image_are_no_reason_to_fetch_it(now):
    made = todo(now, entries=[entry(image("a"))], files={"a.jpg": 1000})
    assert batches_of(made) == ()


@pytest.mark.parametrize(
    ("entries", "files", "held"),
    [
        ([], {"a.jpg": 1000}, True),
        ([entry(image("a"))], {"a.jpg": 999}, True),
        ([entry(image("a"))], {}, False),
        ([entry(image("a"))], {"b.jpg": 1000}, False),
        # The file got another name: the old one stays where it is.
        ([entry(image("a", name="a.png"))], {"a.png": 1000}, False),
        # Known as removed, and it may be back.
        ([Entry(image=image("a"), gone="2026-01-01T00:00:00Z")], {}, False),
    ],
)
def test_what_no_manifest_vouches_for_is_asked_for(entries, files, held):
    made = todo(image("a"), entries=entries, files=files)
    assert [(piece.image.id, piece.file_exists) for piece in pieces(made)] == [("a", held)]


def test_what_a_dead_run_stored_is_unchanged():
    """Its journal knows the file, and nothing of the listing."""
    journaled = entry(Image(id="a", link="", name="a.jpg"))
    made = todo(image("a"), entries=[journaled], files={"a.jpg": 1000})
    assert batches_of(made) == ()


def test_a_file_kept_of_a_removed_image_is_unchanged():
    known = entry(image("a"), gone="2026-01-01T00:00:00Z")
    assert todo(image("a"), entries=[known], files={"a.jpg": 1000}).batches == ()


def test_an_unsafe_image_fails_with_the_reason_and_without_a_request():
    bad = image("#1", link="", name="", unsafe="the id '../x' makes no file name")
    made = todo(bad, image("b"), files={"": 5})
    assert ids(made) == ["b"]
    (row,) = made.settled
    assert (row.id, row.name, row.outcome) == ("#1", "#1", Outcome.FAILED)
    assert (row.error, row.retryable) == ("the id '../x' makes no file name", False)


# How it is dealt out


def weights(made):
    return [
        sum(REQUEST_BYTES + piece.image.size for piece in batch.byte_ranges)
        for batch in batches_of(made)
    ]


def test_a_small_album_has_an_image_a_task_run_the_largest_first():
    made = todo(*(image(f"i{size}", size=size) for size in (5, 900, 30, 70)))
    assert ids(made) == ["i900", "i70", "i30", "i5"]
    assert [batch.name for batch in batches_of(made)] == ["00000", "00001", "00002", "00003"]
    assert str(batches_of(made)[0]) == "i900.jpg"


def test_images_of_one_size_keep_the_albums_order():
    assert ids(todo(*map(image, "cabd"))) == list("cabd")


@pytest.mark.parametrize(
    ("images", "most", "runs"), [(10, 1, 1), (10, 3, 3), (10, 10, 10), (10, 64, 10), (3500, 64, 64)]
)
def test_there_are_no_more_task_runs_than_allowed(images, most, runs):
    made = todo(*(image(f"i{number}") for number in range(images)), most=most)
    assert len(batches_of(made)) == runs
    counts = [len(batch.byte_ranges) for batch in batches_of(made)]
    assert (sum(counts), max(counts) - min(counts) <= 1) == (images, True)


def test_a_batch_says_what_it_begins_with_and_how_many_follow():
    made = todo(image("a", size=9), image("b", size=8), image("c", size=7), most=1)
    assert str(batches_of(made)[0]) == "a.jpg +2"


def test_an_unknown_size_is_taken_for_the_median_of_its_kind():
    small = [image(f"s{number}", size=1000) for number in range(3)]
    videos = [image(f"v{number}", size=5_000_000, type="video/mp4") for number in range(3)]
    mystery = image("mystery", size=None)
    film = image("film", size=None, type="video/mp4")
    order = ids(todo(mystery, film, image("middle", size=2000), *small, *videos))
    assert order.index("film") < order.index("middle") < order.index("mystery")
    assert order.index("mystery") < order.index("s0")


def test_where_no_size_is_known_a_video_comes_first():
    unknown = [image("a", size=None), image("b", size=None, type="video/mp4")]
    assert ids(todo(*unknown)) == ["b", "a"]
    assert TYPICAL_IMAGE_BYTES < TYPICAL_VIDEO_BYTES


sizes = st.lists(st.integers(1, 20_000_000), min_size=1, max_size=80)


@settings(deadline=None)
@given(sizes, st.integers(1, 12))
def test_batches_are_of_about_equal_bytes(sizes, most):
    made = todo(*(image(f"i{n}", size=size) for n, size in enumerate(sizes)), most=most)
    loads = weights(made)
    mean, largest = sum(loads) / len(loads), REQUEST_BYTES + max(sizes)
    assert len(loads) == min(most, len(sizes))
    assert max(loads) <= mean + largest
    assert max(loads) - min(loads) <= largest
    for batch in batches_of(made):
        inside = [piece.image.size for piece in batch.byte_ranges]
        assert inside == sorted(inside, reverse=True)
    firsts = [batch.byte_ranges[0].image.size for batch in batches_of(made)]
    assert firsts == sorted(firsts, reverse=True)


def test_many_images_are_dealt_out_evenly():
    """Longest first keeps the longest batch within 4/3 of the best, and here far closer."""
    listed = [image(f"i{n}", size=20_000 + (n * 7919) % 3_000_000) for n in range(1100)]
    loads = weights(todo(*listed))
    assert max(loads) <= 4 / 3 * sum(loads) / len(loads)


@st.composite
def cases(draw):
    images, entries, files = [], {}, {}
    for key in draw(st.lists(st.text("abc12", min_size=1, max_size=4), unique=True, max_size=12)):
        size = draw(st.none() | st.integers(1, 5))
        unsafe = draw(st.none() | st.just("no name"))
        listed = image(key, size=size, unsafe=unsafe, name="" if unsafe else f"{key}.jpg")
        images.append(listed)
        if draw(st.booleans()):
            then = dataclasses.replace(listed, size=draw(st.sampled_from([size, 3])), unsafe=None)
            entries[key] = entry(then, bytes=draw(st.integers(1, 2)))
        if draw(st.booleans()) and not unsafe:
            files[listed.name] = draw(st.integers(1, 2))
    return album(*images), entries, files, draw(st.integers(1, 5))


@settings(deadline=None)
@given(cases())
def test_every_image_lands_in_exactly_one_place(case):
    listing, entries, files, most = case
    made = plan(listing, entries, files, most)
    places = Counter([*ids(made), *(row.id for row in made.settled)])
    assert places == Counter(listed.id for listed in listing.images)
    assert len(batches_of(made)) <= most
    assert all(batch.byte_ranges for batch in batches_of(made))
    assert len({batch.name for batch in batches_of(made)}) == len(batches_of(made))
    for row in made.settled:
        if row.outcome is Outcome.UNCHANGED:
            assert files[row.name] == row.bytes
    for piece in pieces(made):
        assert piece.file_exists == (piece.image.name in files)


def test_a_plan_has_a_summary():
    listed = [image(f"i{number}", size=1_000_000) for number in range(100)]
    known = image("known")
    made = todo(*listed, known, entries=[entry(known)], files={"known.jpg": 1000})
    summary = "100 images to fetch (100.0 MB by the API's sizes) in 64 task runs, 1 settled"
    assert str(made) == summary
