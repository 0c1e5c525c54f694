"""The comparison on one's own machine: `make demo`. No account, no server to start by hand."""

import os
import sys
from pathlib import Path

from flows.cli.command_line import main
from flows.cli.server import ServerError, prefect_server
from flows.compare_strategies import compare_strategies, comparison_text
from standin.process import running

ALBUM = "PdA9Amq"
PROFILE = "article"
TIME_SCALE = "0.2"
HOME = Path(".prefect")
DOWNLOADS = Path("downloads") / "demo"

AFTER = f"""
The network was the stand-in's profile `{PROFILE}`, with all delays times {TIME_SCALE}.
Files:   {DOWNLOADS}/compare-strategies/STRATEGY/{ALBUM}/
Report:  make ui, then Artifacts: comparison-… has the chart, strategies-… the table"""


def settings(imgur: str) -> dict[str, str]:
    """Give the environment in which the flows take the stand-in at this address for Imgur."""
    return {
        "IMGUR_API_URL": f"{imgur}/",
        "IMGUR_IMAGE_HOSTS": f'["{imgur.removeprefix("http://")}"]',
        "IMGUR_CLIENT_ID": "standin",
    }


def demo() -> int:
    """Compare the four strategies against the stand-in, and say where what they left is."""
    print("Starting the stand-in and a Prefect server …", flush=True)
    try:
        with running(PROFILE, "--time-scale", TIME_SCALE) as imgur, prefect_server(HOME):
            os.environ |= settings(imgur)
            print("Mirroring 40 images under each of four strategies …", flush=True)
            status = main(
                compare_strategies, comparison_text, [ALBUM, "--downloads", str(DOWNLOADS)]
            )
    except ServerError as error:
        print(error, file=sys.stderr)
        return 1
    print(AFTER)
    return status


if __name__ == "__main__":
    sys.exit(demo())
