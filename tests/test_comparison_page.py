"""The page of a comparison: complete in itself, and readable in windows of any width."""

import os
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest

from deployments.screenshots import CHROMIUM, FLAGS
from imgur_mirror.compare import Comparison, comparison_page
from imgur_mirror.models import Strategy, Work
from tests.support.compared import compared, ran


class Text(HTMLParser):
    """The tags of a page, and its text."""

    def __init__(self):
        super().__init__()
        self.tags, self.text = set(), ""

    def handle_starttag(self, tag, attributes):
        self.tags.add(tag)

    def handle_data(self, data):
        self.text += data


def read(page):
    parser = Text()
    parser.feed(page)
    return parser


def test_the_page_has_all_of_the_comparison():
    found = compared(workers=(1, 2))
    text = read(comparison_page(found)).text
    for work in Work:
        assert found.verdict(work) in text
        for sentence in found.explanation[work]:
            assert sentence in text
    for said in ("Use dask, 2 workers", "More workers", "2 cores, Linux 6", "prefect 3.9.1"):
        assert said in text
    for column in found.rows[0]:
        assert column in text
    assert "What happened when" in text


def test_text_from_outside_stays_text():
    page = read(comparison_page(compared(notes=("<script>alert(1)</script>",))))
    assert "“Forty <late> & “ways””" in page.text
    assert "<script>" in page.text
    assert page.tags & {"script", "late", "img", "link"} == set()


def test_nothing_is_fetched_from_elsewhere():
    page = comparison_page(compared())
    addresses = set(re.findall(r"(?:https?:)?//[^\s\"'<>]+", page))
    assert addresses == {"http://www.w3.org/2000/svg"}
    assert "default-src 'none'" in page


@pytest.mark.parametrize(
    "found",
    [
        Comparison(()),
        Comparison((ran(Strategy.ASYNC),)),
        compared([Work.NONE]),
    ],
    ids=["nothing", "one", "no work"],
)
def test_a_small_comparison_has_a_page_too(found):
    page = read(comparison_page(found))
    assert found.headline in page.text


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    """Where the page of a comparison of all works is, with a sweep and an earlier one."""
    found = compared(workers=(1, 2))
    earlier = ({(Work.NONE, Strategy.THREADS, 2, 40): 1.0},)
    path = tmp_path_factory.mktemp("page") / "comparison.html"
    path.write_text(comparison_page(replace(found, earlier=earlier)))
    return path.as_uri()


@pytest.fixture(scope="module")
def browser():
    if not Path(CHROMIUM).exists() and not os.environ.get("CI"):
        pytest.skip(f"there is no {CHROMIUM}: as root, apt-get install chromium")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture(params=[(1400, "light"), (1400, "dark"), (400, "light"), (400, "dark")])
def page(request, browser, address):
    """The page in a window; what goes wrong in it is in `problems`."""
    width, scheme = request.param
    page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
    page.problems = []
    page.on("console", lambda message: page.problems.append(message.text))
    page.on("pageerror", lambda error: page.problems.append(str(error)))
    page.on("request", lambda request: page.problems.append(request.url))
    page.goto(address)
    yield page
    page.close()


@pytest.mark.slow
def test_the_page_fits_every_window(page, address):
    """It asks for nothing but itself, says no error, and is scrolled in one direction only."""
    assert page.problems == [address]
    width = page.viewport_size["width"]
    assert page.evaluate("document.documentElement.scrollWidth") == width
    charts = page.locator("figure:visible svg")
    # The bars, and waterfalls and a curve of each work: in one width, and no wider than the page.
    assert charts.count() == 1 + 3 + 3
    for chart in charts.all():
        assert chart.bounding_box()["width"] <= width
    sizes = charts.evaluate_all(TEXT_HEIGHTS)
    assert min(sizes) >= 9


TEXT_HEIGHTS = """charts => charts.flatMap(chart => {
    const scale = chart.getBoundingClientRect().width / chart.viewBox.baseVal.width
    return [...chart.querySelectorAll('text')].map(
        text => scale * parseFloat(text.getAttribute('font-size')))
})"""

CONTRASTS = """selector => {
    const light = colour => {
        const parts = colour.match(/[\\d.]+/g).slice(0, 3).map(value => {
            const share = value / 255
            return share <= 0.03928 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4
        })
        return 0.2126 * parts[0] + 0.7152 * parts[1] + 0.0722 * parts[2]
    }
    const paper = light(getComputedStyle(document.body).backgroundColor)
    return [...document.querySelectorAll(selector)].map(element => {
        const style = getComputedStyle(element)
        const ink = light(element.closest('svg') ? style.fill : style.color)
        return (Math.max(ink, paper) + 0.05) / (Math.min(ink, paper) + 0.05)
    })
}"""


@pytest.mark.slow
def test_the_text_can_be_read_on_light_and_on_dark_paper(page):
    """By the contrast that WCAG asks for, but for the figures on bars, which have their own."""
    for selector in ("p, h1, h2, h3, td, th", "svg text[font-weight]"):
        assert min(page.evaluate(CONTRASTS, selector)) >= 4.5, selector
