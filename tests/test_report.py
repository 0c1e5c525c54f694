"""What a run says: rows, lines, Markdown and the chart, from values made by hand."""

import base64
import re
import subprocess
import sys
from dataclasses import replace
from itertools import pairwise
from xml.etree import ElementTree

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from imgur_mirror.compare import (
    Comparison,
    comparison_charts,
    comparison_headline,
    comparison_markdown,
    comparison_rows,
)
from imgur_mirror.compare.bar_chart import bar_chart
from imgur_mirror.models import Album, AlbumResult, Download, Image, Outcome, Strategy, Work
from imgur_mirror.report import (
    PictureLinks,
    data_uri,
    fetched_line,
    image_rows,
    mirror_headline,
    mirror_markdown,
    missing_text,
    plan_line,
    summary_headline,
    summary_rows,
    summary_text,
    text_table,
)
from imgur_mirror.text import duration
from tests.support.compared import compared
from tests.support.rows import BEGAN, SVG, image, measured, mirror

PARTS = ("start-up", "download", "work")


FOUR = [
    measured(Strategy.SEQUENTIAL, 0.25, 4.75, workers=1, slowest=1.3),
    measured(Strategy.THREADS, 0.25, 1.75),
    measured(Strategy.DASK, 2.5, 1.5),
    measured(Strategy.ASYNC, 0.25, 1.0),
]

MIXED = mirror(
    image("same001.jpg", Outcome.UNCHANGED, bytes=10),
    image("fast001.jpg", seconds=0.25, bytes=4_000_000, attempts=1, first_byte=0.0123456),
    image("gone001.jpg", Outcome.GONE, attempts=1, error="removed at Imgur"),
    image("slow001.jpg", seconds=3, bytes=8_300_000, attempts=2, first_byte=1.5, worker="w-1"),
    image("fail001.jpg", Outcome.FAILED, attempts=4, error="HTTP 503."),
)


def cells(markdown):
    """The text of every table in it, as a Markdown parser reads it: rows of cells."""
    rows = []
    tokens = MarkdownIt("commonmark").enable("table").parse(markdown)
    for token, content in pairwise(tokens):
        if token.type == "tr_open":
            rows.append([])
        if token.type in ("td_open", "th_open"):
            assert all(child.type in ("text", "text_special") for child in content.children)
            rows[-1].append("".join(child.content for child in content.children))
    return rows


def bars(svg):
    """From and to where each bar reaches, in pixels: {(part, work, strategy): (start, stop)}."""
    found = {}
    for bar in ElementTree.fromstring(svg).iter(f"{SVG}rect"):
        part, *trial = bar.get("id", "").rsplit("-", 2)
        if part in PARTS:
            start = float(bar.get("x"))
            found[part, *trial] = start, start + float(bar.get("width"))
    return found


def test_image_rows_begin_with_what_matters():
    rows = image_rows(MIXED)
    assert [row["file"] for row in rows] == [
        "fail001.jpg",
        "gone001.jpg",
        "slow001.jpg",
        "fast001.jpg",
        "same001.jpg",
    ]
    assert list(rows[0].items()) == [
        ("file", "fail001.jpg"),
        ("outcome", "failed"),
        ("bytes", 0),
        ("queued s", ""),
        ("first byte s", ""),
        ("seconds", ""),
        ("work s", ""),
        ("attempts", 4),
        ("worker", ""),
        ("error", "HTTP 503."),
    ]
    assert rows[3]["first byte s"] == 0.012
    assert (rows[2]["seconds"], rows[2]["worker"], rows[2]["error"]) == (3.0, "w-1", "")
    assert image_rows(MIXED, limit=2) == rows[:2]


def test_a_report_has_the_work_and_what_could_not_be_decoded():
    """Each image's work in its row, all of it in the figures."""
    good = image("good001.jpg", seconds=1.0, attempts=1)
    run = mirror(
        replace(good, work_started=BEGAN + 1, work_seconds=0.25),
        replace(good, name="bad0001.jpg", work_seconds=0.5, work_error="it is cut | short"),
    )
    rows = {row["file"]: row for row in image_rows(run)}
    assert (rows["good001.jpg"]["work s"], rows["good001.jpg"]["queued s"]) == (0.25, 0.0)
    assert rows["bad0001.jpg"]["error"] == "it is cut | short"
    text = mirror_markdown(run)
    assert "## Stored, but not decoded" in text
    assert "it is cut &#124; short" in text
    assert "0.75 s" in text
    assert "| work |" in text
    assert "| work |" not in mirror_markdown(mirror(good))


def test_a_plan_says_what_is_fetched_and_what_is_only_worked_on():
    under = (3, Strategy.THREADS, 2)
    assert plan_line(1, 5, *under) == (
        "listed 6 images, 5 to fetch in 3 task runs under threads with 2 workers"
    )
    assert "2 to fetch and 3 there to work on in 3 task runs" in plan_line(1, 5, *under, 3)
    assert "images, 5 there to work on in 3 task runs" in plan_line(1, 5, *under, 5)
    stored = image("a.jpg", Outcome.UNCHANGED)
    fetched = image("b.jpg", seconds=1.0, attempts=1, received=1000)
    assert fetched_line([stored]) == "worked on 1 image there before"
    assert fetched_line([stored, fetched]).endswith(", worked on 1 image there before")


def test_an_image_without_a_name_goes_by_its_id():
    nameless = Download(
        id="../evil", name="", outcome=Outcome.FAILED, error="no\nfile\tname\x1b[2J"
    )
    (row,) = image_rows(mirror(nameless))
    assert (row["file"], row["error"]) == ("../evil", "no file name [2J")


def test_the_headline_counts_each_outcome_and_says_how_long_it_took():
    downloaded = [image(f"image{i:02}.jpg", seconds=1, bytes=212_000) for i in range(58)]
    lost = image("g.jpg", Outcome.GONE), image("f.jpg", Outcome.FAILED)
    assert mirror_headline(mirror(*downloaded, *lost)) == (
        "PdA9Amq: 58 downloaded (12.3 MB), 1 gone, 1 failed in 4.2 s"
        " · async, 16 workers (start-up 1.1 s, download 3.1 s)"
    )
    assert mirror_headline(mirror(lost[1], strategy=Strategy.SEQUENTIAL, workers=1)) == (
        "PdA9Amq: 1 failed in 4.2 s · sequential, 1 worker (start-up 1.1 s, download 3.1 s)"
    )


@pytest.mark.parametrize(
    ("unchanged", "gone", "line"),
    [
        (60, 0, "nothing new, all 60 images are there"),
        (1, 0, "nothing new, its one image is there"),
        (58, 2, "nothing new, 58 images there, 2 gone"),
        (0, 2, "none of its 2 images is there any more: Imgur removed them"),
        (0, 1, "its one image is not there any more: Imgur removed it"),
        (0, 0, "the album is empty"),
    ],
)
def test_the_headline_of_a_run_that_fetched_nothing_says_what_is_there(unchanged, gone, line):
    rows = [image(f"{i}.jpg", Outcome.UNCHANGED) for i in range(unchanged)]
    rows += [image(f"g{i}.jpg", Outcome.GONE) for i in range(gone)]
    assert mirror_headline(mirror(*rows)) == f"PdA9Amq: {line}"
    assert missing_text(mirror(*rows)) is None


def test_missing_names_ten_images_and_counts_the_rest():
    failed = [
        image(f"{i:02}.jpg", Outcome.FAILED, error="HTTP 503.", retryable=True) for i in range(12)
    ]
    names = ", ".join(f"{i:02}.jpg (HTTP 503)" for i in range(10))
    assert missing_text(mirror(image("ok.jpg"), *failed)) == (
        f"PdA9Amq: 12 of 13 images failed: {names}, and 2 more."
        " Run it again: what is there is kept, only the rest is fetched."
    )
    assert missing_text(mirror(image("a.jpg", Outcome.FAILED, retryable=True))) == (
        "PdA9Amq: 1 of 1 image failed: a.jpg (no reason given)."
        " Run it again: what is there is kept, only the rest is fetched."
    )


def test_another_run_is_advised_where_it_may_help():
    refused = image("r.jpg", Outcome.FAILED, error="its id makes no file name")
    passing = image("p.jpg", Outcome.FAILED, error="HTTP 503", retryable=True)
    assert "again" not in missing_text(mirror(image("ok.jpg"), refused))
    assert "Run it again" in missing_text(mirror(refused, passing))


def counting(count, *downloads):
    """A run of an album of which Imgur counts so many images, and lists one."""
    only = Image(id="a", link="https://i.imgur.com/a.jpg", name="a.jpg")
    return mirror(*downloads, album=Album(id="PdA9Amq", counted=count, images=(only,)))


def test_that_imgur_counts_more_than_it_lists_is_said_wherever_the_result_is():
    there = image("a.jpg", Outcome.UNCHANGED)
    whole, short, gone = mirror(there), counting(3, there), mirror(image("b.jpg", Outcome.GONE))
    said = "Imgur counts 3 images and lists 1"
    assert mirror_headline(short) == f"PdA9Amq: nothing new, its one image is there; {said}"
    assert mirror_markdown(short).startswith(f"{mirror_headline(short)}\n\n")
    assert missing_text(short) is None
    results = [AlbumResult("PdA9Amq", run, None) for run in (whole, short, gone)]
    assert summary_headline(results) == (
        f"3 albums, 0 new images, all there; PdA9Amq: {said};"
        " PdA9Amq: none of its images is there any more"
    )


def of_many(number, outcome, error=None):
    return AlbumResult(f"al{number:05}", album_run(f"al{number:05}", outcome), error)


def album_run(name, outcome):
    return mirror(image(f"{name}.jpg", outcome), album=Album(id=name))


def test_of_many_albums_what_matters_is_said_first_and_the_unchanged_are_folded():
    results = [of_many(number, Outcome.UNCHANGED) for number in range(500)]
    results[300] = of_many(300, Outcome.DOWNLOADED)
    results[400] = of_many(400, Outcome.FAILED, "al00400: its one image failed.")

    rows = summary_rows(results)

    assert [row["album"] for row in rows] == ["al00400", "al00300", "498 albums without a change"]
    assert (rows[-1]["unchanged"], rows[-1]["new"]) == (498, 0)
    assert summary_headline(results) == (
        "500 albums, 1 new image in 1 album; 1 album is not complete: al00400: its one image failed"
    )
    assert len(summary_text(results).splitlines()) == 6


def test_what_is_the_same_for_many_albums_is_said_once():
    results = [AlbumResult(f"al{number:05}", None, "not tried") for number in range(500)]
    assert summary_headline(results) == (
        "500 albums, 0 new images; 500 albums are not complete: "
        "al00000, al00001, al00002, and 497 more: not tried"
    )


def test_a_few_albums_each_have_a_row_in_their_order():
    results = [of_many(0, Outcome.UNCHANGED), of_many(1, Outcome.DOWNLOADED)]
    assert [row["album"] for row in summary_rows(results)] == ["al00000", "al00001"]


@pytest.mark.parametrize("count", [None, 0, 1])
def test_a_count_that_is_not_above_the_list_is_not_said(count):
    assert "counts" not in mirror_headline(counting(count, image("a.jpg")))


def test_the_report_of_a_mirror_has_its_result_notes_and_tables():
    markdown = mirror_markdown(MIXED, notes=["the manifest was damaged | set aside"])
    assert markdown.startswith(mirror_headline(MIXED) + "\n\n")
    assert "\n- the manifest was damaged &#124; set aside\n" in markdown
    assert cells(markdown) == [
        ["downloaded", "unchanged", "gone", "failed", "fetched", "start-up", "download", "total"],
        ["2", "1", "1", "1", "12.3 MB", "1.1 s", "3.1 s", "4.2 s"],
        ["file", "attempts", "why"],
        ["fail001.jpg", "4", "HTTP 503"],
        ["file", "attempts", "why"],
        ["gone001.jpg", "1", "removed at Imgur"],
        ["file", "size", "first byte", "in all"],
        ["slow001.jpg", "8.3 MB", "1.50 s", "3.00 s"],
        ["fast001.jpg", "4.0 MB", "0.01 s", "0.25 s"],
    ]


def test_the_report_shows_its_pictures_by_their_addresses():
    markdown = mirror_markdown(MIXED, pictures=PictureLinks("waterfall.svg", "contact-sheet.html"))
    html = MarkdownIt("commonmark").render(markdown)
    assert re.findall(r'src="(.*?)"', html) == ["waterfall.svg"]
    assert re.findall(r'href="(.*?)"', html) == ["contact-sheet.html"]
    assert "tried again, or fetched in pieces" in html
    assert "Several requests" not in mirror_markdown(MIXED)


def test_a_log_says_what_a_run_is_about_to_do_and_what_came():
    assert plan_line(28, 12, 12, Strategy.ASYNC, 16) == (
        "listed 40 images, 12 to fetch in 12 task runs under async with 16 workers"
    )
    assert plan_line(0, 1, 1, Strategy.SEQUENTIAL, 1) == (
        "listed 1 image, 1 to fetch in 1 task run under sequential with 1 worker"
    )
    assert plan_line(40, 0, 0, Strategy.ASYNC, 16) == "listed 40 images, nothing to fetch"
    rows = [image("a.jpg", seconds=2, received=1_400_000), image("b.jpg", seconds=1, received=600)]
    assert fetched_line(rows) == "fetched 2 images (1.4 MB) in 2.0 s"
    piece = image("a.jpg", Outcome.BYTE_RANGE, seconds=3, received=1000)
    lost = image("f.jpg", Outcome.FAILED, error="HTTP 503")
    assert fetched_line([*rows, piece, lost]) == "fetched 2 of 3 images (1.4 MB) in 3.0 s"


def test_long_lists_are_cut_and_counted():
    gone = [image(f"{i:03}.jpg", Outcome.GONE) for i in range(60)]
    markdown = mirror_markdown(mirror(*gone))
    assert "049.jpg" in markdown
    assert "050.jpg" not in markdown
    assert "\n\nand 10 more\n" in markdown


def test_the_report_of_an_empty_album_says_that_it_is_empty():
    assert mirror_markdown(mirror()).startswith("PdA9Amq: the album is empty\n")


@settings(deadline=None)
@given(title=st.text(), error=st.text(min_size=1), note=st.text())
@example(title="a | b", error="\\| `c` | <b>d</b> [e](https://f)\n| g |", note="# h")
@example(title="<script>", error="&lt; &#124; www.x.org a@b.c https://d ~~e~~ $f$", note="\x85- x")
def test_text_from_outside_stays_text(title, error, note):
    failed = image("fail001.jpg", Outcome.FAILED, error=error)
    markdown = mirror_markdown(mirror(failed, title=title), notes=[note])
    rows = cells(markdown)
    assert [len(row) for row in rows] == [8, 8, 3, 3]
    shown = " ".join("".join(c if c.isprintable() else " " for c in error).split()).rstrip(".")
    assert rows[3][2] == (shown or "no reason given").strip()
    html = MarkdownIt("commonmark", {"html": True}).enable("table").render(markdown)
    tags = set(re.findall(r"</?([a-z0-9]+)", html))
    assert tags <= {"p", "ul", "li", "h2", "table", "thead", "tbody", "tr", "th", "td"}


def test_a_comparison_of_one_round_has_a_row_for_each_strategy_in_order():
    rows = comparison_rows([FOUR[3], *FOUR[:3]])
    assert [row["strategy"] for row in rows] == ["sequential", "threads", "dask", "async"]
    assert list(rows[0].items()) == [
        ("strategy", "sequential"),
        ("workers", 1),
        ("start-up s", 0.25),
        ("download s", 4.75),
        ("total s", 5.0),
        ("images/s", 0.42),
        ("MB/s", 0.42),
        ("speed-up", 1.0),
        ("slowest image", "aaaaaaa.jpg 1.30 s"),
        ("images", 2),
    ]
    assert [row["speed-up"] for row in rows] == [1.0, 2.5, 1.25, 4.0]
    assert [row["MB/s"] for row in rows] == [0.42, 1.14, 1.33, 2.0]


def test_a_comparison_of_several_rounds_has_medians_and_spread():
    rounds = [
        measured(Strategy.ASYNC, 0.5, 1.0, slowest=1),
        measured(Strategy.ASYNC, 0.25, 4.0, slowest=2),
        measured(Strategy.ASYNC, 0.75, 2.0, slowest=9),
    ]
    *_, row = comparison_rows([*rounds, FOUR[0]])
    assert list(row.items()) == [
        ("strategy", "async"),
        ("workers", 8),
        ("start-up s", 0.5),
        ("download s", 2.0),
        ("total s", 2.75),
        ("images/s", 1.0),
        ("MB/s", 1.0),
        ("speed-up", 1.82),
        ("slowest image", "aaaaaaa.jpg 2.00 s"),
        ("images", 2),
        ("rounds", 3),
        ("spread s", 2.75),
    ]
    first, _ = comparison_rows([*rounds, FOUR[0]])
    assert (first["rounds"], first["spread s"]) == (1, 0.0)
    assert "median of its rounds" in comparison_markdown(Comparison((*rounds, FOUR[0])), str)
    assert "median of its rounds" not in comparison_markdown(Comparison(tuple(FOUR)), str)


def test_a_comparison_of_runs_that_took_no_time_leaves_rates_empty():
    empty = mirror(strategy=Strategy.DASK, startup=0, download=0)
    (row,) = comparison_rows([empty])
    unknown = [row[name] for name in ("images/s", "MB/s", "speed-up", "slowest image")]
    assert unknown == ["", "", "", ""]
    assert comparison_headline([empty]) == "dask took 0 s, with nothing to compare it to"
    assert comparison_rows([]) == []
    assert text_table([]) == ""
    assert comparison_headline([]) == "nothing was measured"
    assert comparison_markdown(Comparison(()), str) == "nothing was measured\n"
    both = [empty, mirror(strategy=Strategy.SEQUENTIAL, startup=0, download=0)]
    assert [row["speed-up"] for row in comparison_rows(both)] == ["", ""]
    assert "level" in comparison_headline(both)
    ElementTree.fromstring(bar_chart(comparison_rows(both)))


def test_a_text_table_aligns_figures_and_leaves_unknown_cells_empty():
    assert text_table(comparison_rows([FOUR[0], FOUR[3], FOUR[3]])) == (
        "strategy    workers  start-up s  download s  total s  images/s  MB/s  speed-up"
        "  slowest image       images  rounds  spread s\n"
        "sequential        1        0.25        4.75     5.00      0.42  0.42      1.00"
        "  aaaaaaa.jpg 1.30 s       2       1      0.00\n"
        "async             8        0.25        1.00     1.25      2.00  2.00      4.00"
        "  aaaaaaa.jpg 0.50 s       2       2      0.00"
    )
    *_, line = text_table(comparison_rows(FOUR[1:])).splitlines()
    assert line == (
        "async           8        0.25        1.00     1.25      2.00  2.00            aaaaaaa.jpg"
        " 0.50 s       2"
    )
    quick = text_table(comparison_rows([measured(Strategy.ASYNC, 0.004, 0.25)]))
    assert "  0.004  " in quick


@pytest.mark.parametrize(
    ("runs", "line"),
    [
        (FOUR, "async is fastest here: 1.2 s against 5.0 s one after another (4.0 ×)"),
        (FOUR[1:], "async is fastest here: 1.2 s against 4.0 s with dask (3.2 ×)"),
        (
            FOUR[:1] + FOUR[1:2],
            "threads is fastest here: 2.0 s against 5.0 s one after another (2.5 ×)",
        ),
        (
            [measured(Strategy.SEQUENTIAL, 0, 2), measured(Strategy.DASK, 2, 2)],
            "sequential is fastest here: 2.0 s against 4.0 s with dask (2.0 ×)",
        ),
        (
            [FOUR[0], measured(Strategy.THREADS, 0.25, 1.125), FOUR[3]],
            (
                "async and threads are level here: 1.25 s and 1.38 s, no further apart than one"
                " round can tell, against 5.0 s one after another (4.0 ×)"
            ),
        ),
        (
            [FOUR[1], measured(Strategy.THREADS, 0.25, 0.75), FOUR[3], FOUR[3]],
            (
                "async and threads are level here: 1.25 s and 1.50 s, no further apart than their"
                " rounds are"
            ),
        ),
        (
            [measured(Strategy.THREADS, 0.25, 1.25)] * 2 + [FOUR[3]] * 2,
            "async is fastest here: 1.2 s against 1.5 s with threads (1.2 ×)",
        ),
        (
            [*FOUR[:3], mirror(image("a.jpg", Outcome.FAILED), download=0.1)],
            (
                "threads is fastest here: 2.0 s against 5.0 s one after another (2.5 ×);"
                " async left images out and cannot be compared"
            ),
        ),
        ([mirror(image("a.jpg", Outcome.FAILED))], "async left images out and cannot be compared"),
    ],
)
def test_the_verdict_names_the_fastest_or_those_that_are_level(runs, line):
    assert comparison_headline(runs) == line


def test_the_report_of_a_comparison_has_verdict_chart_notes_and_table():
    found = Comparison(tuple(FOUR), notes=("a *note*",))
    uris = {name: data_uri(svg) for name, svg in comparison_charts(found).items()}
    markdown = comparison_markdown(found, uris.__getitem__)
    result, chart, note, table, terms, *lanes, article = markdown.split("\n\n")
    assert lanes[0] == "## What happened when"
    assert result == comparison_headline(FOUR)
    address = re.fullmatch(r"!\[[^\]]+\]\(data:image/svg\+xml;base64,([A-Za-z0-9+/=]+)\)", chart)
    assert base64.b64decode(address[1]).decode() == bar_chart(comparison_rows(FOUR))
    assert note == "- a &#42;note&#42;"
    assert [row[0] for row in cells(table)] == [
        "strategy",
        "sequential",
        "threads",
        "dask",
        "async",
    ]
    assert cells(table)[1][-2:] == ["aaaaaaa.jpg 1.30 s", "2"]
    assert "first request" in terms
    assert re.findall(r"(\d+) s ", article) == ["48", "19", "14", "14"]


def test_the_bar_chart_is_drawn_to_scale():
    rows = comparison_rows(FOUR)
    drawn = bars(bar_chart(rows))
    assert set(drawn) == {(part, "none", row["strategy"]) for part in PARTS[:2] for row in rows}
    start, stop = drawn["download", "none", "sequential"]
    unit = (stop - start) / rows[0]["download s"]
    for row in rows:
        (origin, middle), (joint, end) = (
            drawn[part, "none", row["strategy"]] for part in PARTS[:2]
        )
        assert joint == pytest.approx(middle)
        assert middle - origin == pytest.approx(row["start-up s"] * unit, rel=0.01)
        assert end - origin == pytest.approx(row["total s"] * unit, rel=0.01)


def test_the_bars_of_several_works_are_in_groups_and_have_a_part_for_the_work():
    found = compared()
    svg = bar_chart(found.rows)
    drawn = bars(svg)
    assert {trial[1:] for trial in drawn} == {(work, each) for work in Work for each in Strategy}
    assert ("work", "none", "threads") not in drawn
    start, stop = drawn["work", "blurhash", "threads"]
    begin, end = drawn["download", "blurhash", "threads"]
    assert (stop - start) / (end - begin) == pytest.approx(4.82 / 1.6, rel=0.01)
    labels = [text.text for text in ElementTree.fromstring(svg).iter(f"{SVG}text")]
    assert [label for label in labels if label in list(Work)] == list(Work)
    assert 'width="360"' in bar_chart(found.rows, 360)


def test_rows_tell_the_time_of_the_work_and_the_processors_use():
    rows = {(row["work"], row["strategy"]): row for row in compared().rows}
    row = rows["blurhash", "threads"]
    assert row["start-up s"] + row["download s"] + row["work s"] == pytest.approx(row["total s"])
    assert (row["work s"], row["cores"], row["peak MB"]) == (4.815, 1.0, 150)
    assert row["processor s"] == pytest.approx(row["total s"], abs=0.01)
    # Over sequential with the same work.
    assert row["speed-up"] == round(rows["blurhash", "sequential"]["total s"] / row["total s"], 2)
    assert rows["none", "threads"]["work s"] == 0


def test_the_bar_chart_says_its_figures():
    svg = bar_chart(comparison_rows(FOUR))
    labels = [text.text for text in ElementTree.fromstring(svg).iter(f"{SVG}text")]
    for label in (
        "sequential",
        "1 worker",
        "async",
        "8 workers",
        "start-up",
        "download",
        "seconds",
    ):
        assert label in labels
    for label in ("5.0 s", "2.0 s · 2.5 ×", "4.0 s · 1.2 ×", "1.2 s · 4.0 ×", "2.5 s", "4.8 s"):
        assert label in labels
    assert len(svg) < 10_000


def test_the_bar_chart_is_the_same_each_time():
    assert bar_chart(comparison_rows(FOUR)) == bar_chart(comparison_rows(FOUR))


def test_a_data_uri_holds_the_picture():
    assert data_uri("<svg/>") == "data:image/svg+xml;base64,PHN2Zy8+"


def test_reports_cost_no_chart_library_to_import():
    heavy = "{'matplotlib', 'PIL', 'numpy'} & set(sys.modules)"
    code = (
        "import sys, imgur_mirror.compare.comparison, imgur_mirror.report.album,"
        " imgur_mirror.report.waterfall, imgur_mirror.report.contact_sheet,"
        " imgur_mirror.report.near_duplicates, imgur_mirror.download.image_work;"
        f"sys.exit(bool({heavy}))"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (-1, "0 s"),
        (0, "0 s"),
        (0.0004, "0 s"),
        (0.0006, "0.001 s"),
        (0.0123, "0.01 s"),
        (0.25, "0.25 s"),
        (0.96, "1.0 s"),
        (4.21, "4.2 s"),
        (119.94, "119.9 s"),
        (125.2, "2 min 5 s"),
        (7199.9, "120 min 0 s"),
        (12000, "3 h 20 min"),
    ],
)
def test_a_duration_is_shown_in_the_units_of_its_size(seconds, text):
    assert duration(seconds) == text
