"""The comparison on one's own machine: `make demo`. No account, no server to start by hand."""

import os
import sys

import httpx

from deployments.project import FOLDER, HOME
from deployments.session import PREFECT_PORT, until_stopped
from flows.cli.command_line import main
from flows.cli.server import ServerError, prefect_server
from flows.compare_strategies import compare_strategies, comparison_text
from standin.network import MEGAPIXEL_WIDTH
from standin.process import running

__all__ = ["ALBUM", "PROFILE", "TIME_SCALE", "demo", "latest_artifact", "settings"]

ALBUM = "PdA9Amq"
PROFILE = "article"
TIME_SCALE = "0.2"
DOWNLOADS = FOLDER / "downloads" / "demo"
STOPPED = 130

AFTER = """
The network was the stand-in's profile `{profile}`, with all delays times {scale}.
Files:   {downloads}/compare-strategies/STRATEGY/{album}/
Page:    {downloads}/_reports/{album}/comparison.html
In Prefect's UI, once `make ui` runs in another terminal:
         {ui}"""


def settings(imgur: str) -> dict[str, str]:
    """Return the environment in which the flows take the stand-in at this address for Imgur."""
    return {
        "IMGUR_API_URL": f"{imgur}/",
        "IMGUR_IMAGE_HOSTS": f'["{imgur.removeprefix("http://")}"]',
        "IMGUR_CLIENT_ID": "standin",
    }


def demo() -> int:
    """Compare the four strategies against the stand-in, and say where what they left is."""
    try:
        with until_stopped():
            return _compare()
    except ServerError as error:
        print(error, file=sys.stderr)
        return error.status
    except KeyboardInterrupt:
        print("stopped", file=sys.stderr)
        return STOPPED


def _compare() -> int:
    print("Starting the stand-in and a Prefect server …", flush=True)
    with (
        running(PROFILE, "--time-scale", TIME_SCALE, "--width", str(MEGAPIXEL_WIDTH)) as imgur,
        prefect_server(HOME) as api,
    ):
        os.environ |= settings(imgur)
        print("Mirroring 40 images under each of four strategies, twice …", flush=True)
        call = [ALBUM, "--downloads", str(DOWNLOADS), "--work", "none", "blurhash"]
        status = main(compare_strategies, comparison_text, call)
        report = latest_artifact(api, "comparison")
    if report:
        print(_after(report))
    return status


def _after(report: str) -> str:
    return AFTER.format(
        profile=PROFILE,
        scale=TIME_SCALE,
        downloads=DOWNLOADS,
        album=ALBUM,
        ui=f"http://127.0.0.1:{PREFECT_PORT}/artifacts/artifact/{report}",
    )


def latest_artifact(api: str, prefix: str) -> str | None:
    """Return the id of the latest artifact of the demo's album whose key begins so."""
    key = {"like_": f"{prefix}-{ALBUM.lower()}"}
    wanted = {"artifacts": {"key": key}, "sort": "CREATED_DESC", "limit": 1}
    found = httpx.post(f"{api}/artifacts/filter", json=wanted, timeout=30).raise_for_status()
    return next((str(artifact["id"]) for artifact in found.json()), None)


if __name__ == "__main__":
    sys.exit(demo())
