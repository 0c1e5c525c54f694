"""What a person sees in Prefect's UI, in both of its versions, with a real browser."""

import io
import json
import os
from collections import Counter
from pathlib import Path

import pytest
from PIL import Image, ImageColor

from deployments.deploy import deploy
from deployments.screenshots import CHROMIUM, FLAGS
from flows.compare_strategies import compare_strategies
from flows.mirror_album import mirror_album
from imgur_mirror.compare.bar_chart import PARTS
from imgur_mirror.models import Strategy
from tasks.artifact_key import artifact_key
from tests.support.imgur import environment, new_album
from tests.support.prefect_api import artifacts, ask, filtered, read
from tests.support.waiting import eventually

PATIENCE = 60_000
"""Milliseconds; the UI of a busy server takes a while."""

TIMED = {part: PARTS[part][0] for part in ("start-up", "download")}
"""The parts of the bars of a comparison without work, and their colours."""

PICTURE = "img[src^='data:image/']"
SCROLLED = """selector => {
    const found = document.querySelector(selector)
    found?.scrollIntoView()
    return found && found.getBoundingClientRect().toJSON()
}"""
"""Where the first picture is on the page, which then shows it; null while there is none."""

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not Path(CHROMIUM).exists() and not os.environ.get("CI"),
        reason=f"there is no {CHROMIUM}: as root, apt-get install chromium",
    ),
]


class Seen:
    """A UI of the server: the page that is open, and what there is to look at."""

    def __init__(self, page, address, api, album):
        self.page, self.address, self.api, self.album = page, address, api, album

    def open(self, path):
        self.page.goto(f"{self.address}/{path}", timeout=PATIENCE, wait_until="networkidle")
        return self.page

    def pictures(self, key):
        """Open the latest artifact of a key, and give its pictures once the first is there."""
        identity = artifacts(self.api, f"{key}-{artifact_key(self.album)}")[0]["id"]
        found = self.open(f"artifacts/artifact/{identity}").locator(PICTURE)
        found.first.wait_for()
        return found


@pytest.fixture(scope="module")
def album(prefect_server, imgur, tmp_path_factory):
    """An album that was mirrored and compared, before any browser starts."""
    deploy()
    album = new_album(imgur, count=6, bytes=20_000)
    with pytest.MonkeyPatch.context() as patch:
        for name, value in environment(imgur).items():
            patch.setenv(name, value)
        patch.setenv("IMGUR_DOWNLOADS", str(tmp_path_factory.mktemp("browser")))
        mirror_album(album)
        compare_strategies(album, [Strategy.SEQUENTIAL, Strategy.THREADS, Strategy.ASYNC])
    return album


@pytest.fixture(scope="module")
def browser(album):
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture(params=["", "/v2"], ids=["classic", "v2"])
def ui(request, browser, prefect_server, album):
    page = browser.new_page(viewport={"width": 1200, "height": 1400})
    page.set_default_timeout(PATIENCE)
    address = f"{prefect_server.removesuffix('/api')}{request.param}"
    yield Seen(page, address, prefect_server, album)
    page.close()


def test_the_run_form_offers_choices_and_refuses_what_is_out_of_bounds(ui):
    identity = read(f"{ui.api}/deployments/name/mirror-album/on-demand")["id"]
    page = ui.open(f"deployments/deployment/{identity}/run")
    page.get_by_text("always has one").wait_for()
    chosen = page.get_by_role("button", name="async").or_(page.get_by_label("Select strategy"))
    chosen.first.press("ArrowDown")
    if ui.address.endswith("/v2"):
        chosen.first.click()
    for strategy in Strategy:
        page.get_by_text(str(strategy), exact=True).last.wait_for()
    page.keyboard.press("Escape")

    page.locator("textarea").first.fill("PdA9Amq")
    workers = page.locator("input[type=number]")
    assert workers.input_value() == "16"
    before = runs(ui, identity)
    workers.fill("257")
    page.get_by_role("button", name="Submit").click()
    if ui.address.endswith("/v2"):
        assert "256" in workers.evaluate("field => field.validationMessage")
    else:
        page.get_by_text("257 is greater than the maximum of 256").first.wait_for()
    assert runs(ui, identity) == before


def runs(ui, deployment):
    wanted = {"deployments": {"id": {"any_": [deployment]}}}
    return ask("POST", f"{ui.api}/flow_runs/count", wanted).raise_for_status().json()


def test_a_run_shows_its_task_runs_and_artifacts(ui):
    wanted = {"name": {"like_": f"{ui.album} · async"}}
    (run,) = filtered(ui.api, "flow_runs", flow_runs=wanted)
    page = ui.open(f"runs/flow-run/{run['id']}")
    page.get_by_text("Completed").first.wait_for()
    page.get_by_text("Task Runs", exact=True).first.click()
    page.get_by_text(f"publish {ui.album}").first.wait_for()
    page.get_by_text("Artifacts", exact=True).last.click()
    page.get_by_text(f"mirror-{artifact_key(ui.album)}").first.wait_for()


def test_the_comparison_shows_its_chart(ui):
    """Its colours cover areas that are to each other as the seconds are that they stand for."""
    table = artifacts(ui.api, f"strategies-{artifact_key(ui.album)}")[0]["data"]
    seconds = {part: sum(row[f"{part} s"] for row in json.loads(table)) for part in TIMED}
    ui.pictures("comparison")

    def areas():
        # By the page and of the page: the newer UI draws its elements anew while one is looked at.
        place = ui.page.wait_for_function(SCROLLED, arg=PICTURE).json_value()
        # The waterfalls, which follow, have the same colours.
        clip = {name: place[name] for name in ("x", "y", "width", "height")}
        colours = pixels(ui.page.screenshot(clip=clip))
        return {part: near(colours, colour) for part, colour in TIMED.items()}

    assert eventually(lambda: min(found := areas().values()) > 100 and sum(found) > 2000), areas()
    assert shares(areas()) == pytest.approx(shares(seconds), abs=0.15)


def shares(parts):
    """Of the whole, each part's."""
    return {part: value / sum(parts.values()) for part, value in parts.items()}


def pixels(png):
    """How often each colour is there."""
    image = Image.open(io.BytesIO(png)).convert("RGB")
    counted = image.getcolors(image.width * image.height)
    return Counter({colour: count for count, colour in counted})


def near(colours, wanted):
    target = ImageColor.getrgb(wanted)
    return sum(
        count
        for colour, count in colours.items()
        if all(abs(one - other) <= 8 for one, other in zip(colour, target, strict=True))
    )


def test_the_contact_sheet_shows_its_thumbnails(ui):
    """Decoded by the browser, each larger than an icon."""
    thumbnails = ui.pictures("sheet")

    def widths():
        # All in one look, for the same reason.
        return thumbnails.evaluate_all("images => images.map(image => image.naturalWidth)")

    assert eventually(lambda: [width > 50 for width in widths()] == [True] * 6), widths()
