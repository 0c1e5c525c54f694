"""Pictures for the README and the guides: `make screenshots`.

Of Prefect's UI, after the demo and one mirror; and of the page of a comparison, whose figures are
this machine's: it should have nothing else to do.
"""

import io
import os
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import httpx
from PIL import Image
from playwright.sync_api import Browser, Page, sync_playwright

from deployments.demo import ALBUM, PROFILE, TIME_SCALE, latest_artifact, settings
from deployments.deploy import deploy
from deployments.project import HOME
from flows.cli.command_line import main
from flows.cli.server import prefect_server
from flows.compare_strategies import compare_strategies, comparison_text
from flows.mirror_album import mirror_album
from standin.network import MEGAPIXEL_WIDTH, profile
from standin.process import running

__all__ = ["CHROMIUM", "FLAGS"]

CHROMIUM = "/usr/bin/chromium"
"""Debian's package; a browser of Playwright's own is not fetched."""

FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
DOCS = Path("docs")
COLOURS = 128
"""Of a picture's palette: text and charts need no more, and the file is a third of the size."""

WORKED_ON, MANY, QUICK = "Worked0", 10, "0.005"
"""The album of the comparison's page, how many times the demo's pictures it has, and its delays."""

ARTIFACTS = {"comparison": "comparison", "mirror": "mirror", "contact-sheet": "sheet"}
"""The name of the picture, and what the artifact's key begins with."""


def screenshots() -> int:
    """Mirror the demo's album once, and take the pictures; run the demo first."""
    with prefect_server(HOME) as api, TemporaryDirectory() as folder:
        if latest_artifact(api, "comparison") is None:
            print("there is no comparison yet: run make demo first", file=sys.stderr)
            return 1
        deploy()
        _mirror()
        # Before the browser, whose event loop flows would take for their own.
        comparison = _compare(folder)
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
            _take_comparison(browser, comparison.as_uri())
            page = browser.new_page(viewport={"width": 1500, "height": 900})
            for name, path in _pages(api).items():
                _take(page, f"{api.removesuffix('/api')}/v2/{path}", name)
            browser.close()
    return 0


def _mirror() -> None:
    """Leave a run, and what it publishes, of the album that the demo compares."""
    with running(PROFILE, "--time-scale", TIME_SCALE) as imgur, TemporaryDirectory() as folder:
        os.environ |= settings(imgur)
        mirror_album(ALBUM, downloads=folder)


def _compare(folder: str) -> Path:
    """Compare the strategies with each work on many pictures; gives the page that says so."""
    sizes = profile(PROFILE).sizes * MANY
    about = {"bytes": sizes, "width": MEGAPIXEL_WIDTH}
    with running(PROFILE, "--time-scale", QUICK) as imgur:
        httpx.put(f"{imgur}/_/albums/{WORKED_ON}", json=about, timeout=60).raise_for_status()
        for image in httpx.get(f"{imgur}/_/albums/{WORKED_ON}", timeout=60).json():
            # It draws a picture when it is first asked for it.
            httpx.get(f"{imgur}/{image['name']}", timeout=60).raise_for_status()
        os.environ |= settings(imgur)
        works = ("none", "thumbnail", "blurhash")
        call = [WORKED_ON, "--workers", "2", "--downloads", folder, "--work", *works]
        main(compare_strategies, comparison_text, call)
    return Path(folder, "_reports", WORKED_ON, "comparison.html")


def _pages(api: str) -> dict[str, str]:
    """Say where in the UI each picture is taken, by its name."""
    deployed = httpx.get(f"{api}/deployments/name/mirror-album/on-demand", timeout=30)
    named = {"name": {"like_": f"{ALBUM} · async"}}
    wanted = {"flow_runs": named, "sort": "START_TIME_DESC", "limit": 1}
    runs = httpx.post(f"{api}/flow_runs/filter", json=wanted, timeout=30).raise_for_status()
    artifacts = {name: latest_artifact(api, prefix) for name, prefix in ARTIFACTS.items()}
    return {
        "run-form": f"deployments/deployment/{deployed.raise_for_status().json()['id']}/run",
        "run": f"runs/flow-run/{runs.json()[0]['id']}",
        **{name: f"artifacts/artifact/{found}" for name, found in artifacts.items() if found},
    }


def _take(page: Page, url: str, name: str) -> None:
    page.goto(url, wait_until="networkidle")
    page.wait_for_timeout(1500)
    _keep(page.screenshot(), name)


def _take_comparison(browser: Browser, url: str) -> None:
    """Take the page of a comparison, wide and on a telephone, and its last waterfalls."""
    wide = browser.new_page(viewport={"width": 1200, "height": 1500})
    wide.goto(url)
    _keep(wide.screenshot(), "which-concurrency")
    _keep(wide.locator("figure.wide").last.screenshot(), "which-concurrency-lanes")
    phone = browser.new_page(viewport={"width": 400, "height": 1100}, color_scheme="dark")
    phone.goto(url)
    phone.locator("h2").first.evaluate("heading => heading.scrollIntoView()")
    _keep(phone.screenshot(), "which-concurrency-phone")


def _keep(screenshot: bytes, name: str) -> None:
    DOCS.mkdir(exist_ok=True)
    picture = Image.open(io.BytesIO(screenshot)).convert("RGB")
    picture.quantize(COLOURS).save(DOCS / f"{name}.png", optimize=True)


if __name__ == "__main__":
    sys.exit(screenshots())
