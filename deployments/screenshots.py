"""Pictures of the demo's results in Prefect's UI, for the README: `make screenshots`."""

import sys
from pathlib import Path

import httpx
from playwright.sync_api import Page, sync_playwright

from deployments.demo import HOME
from flows.server import prefect_server

CHROMIUM = "/usr/bin/chromium"
"""Debian's package; a browser of Playwright's own is not fetched."""

FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
DOCS = Path("docs")


def screenshots() -> int:
    """Take the pictures of the latest comparison; run the demo first."""
    with prefect_server(HOME) as api, sync_playwright() as playwright:
        artifact = _latest(api, "comparison-")
        if artifact is None:
            print("there is no comparison yet: run make demo first", file=sys.stderr)
            return 1
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        page = browser.new_page(viewport={"width": 1200, "height": 900})
        _take(page, f"{api.removesuffix('/api')}/v2/artifacts/artifact/{artifact}", "comparison")
        browser.close()
    return 0


def _latest(api: str, prefix: str) -> str | None:
    """Give the id of the latest artifact whose key begins so."""
    wanted = {"artifacts": {"key": {"like_": prefix}}, "sort": "CREATED_DESC", "limit": 1}
    found = httpx.post(f"{api}/artifacts/filter", json=wanted, timeout=30).raise_for_status()
    return next((str(artifact["id"]) for artifact in found.json()), None)


def _take(page: Page, url: str, name: str) -> None:
    page.goto(url, wait_until="networkidle")
    page.wait_for_timeout(1500)
    DOCS.mkdir(exist_ok=True)
    page.screenshot(path=DOCS / f"{name}.png")


if __name__ == "__main__":
    sys.exit(screenshots())
