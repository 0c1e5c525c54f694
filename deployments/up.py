"""Server, worker and deployments on one machine, stopped together by Ctrl-C: `make up`.

`python -m deployments.up ALBUM …` has the nightly run mirror these albums from now on.
"""

import sys
from argparse import ArgumentParser
from collections.abc import Sequence

import httpx
from prefect.exceptions import PrefectHTTPStatusError
from prefect.variables import Variable

from deployments.deploy import deploy
from deployments.session import session, until_stopped
from deployments.watch import watch
from deployments.worker import WorkerError, keep_worker
from flows.cli.command_line import refusal
from flows.cli.server import ServerError
from flows.mirror_albums import VARIABLE

__all__ = ["up"]

ABOUT = "Run a Prefect server, a worker and the deployments until Ctrl-C."
READY = """
The UI is at {ui} - Ctrl-C stops all.
Prefect's commands find this server with: export PREFECT_API_URL={api}
"""


def up(albums: Sequence[str] = ()) -> int:
    """Deploy all, and run what is due, until Ctrl-C or SIGTERM; gives the exit status.

    Albums, if any are given, take the place of those that the nightly run mirrors.
    """
    try:
        with until_stopped(), session("make up") as api:
            print("Deploying …", flush=True)
            deploy()
            watch()
            if albums:
                Variable.set(VARIABLE, list(albums), overwrite=True)
            print("Starting a worker …", flush=True)
            print(READY.format(ui=api.removesuffix("/api"), api=api), flush=True)
            keep_worker()
    except (ServerError, WorkerError) as error:
        print(error, file=sys.stderr)
        return error.status
    except (PrefectHTTPStatusError, httpx.HTTPError) as error:
        said = " ".join(str(error).split())
        print(f"the Prefect server did not take the deployments: {said}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        pass
    print("stopped", file=sys.stderr)
    return 0


def main(arguments: Sequence[str] | None = None) -> int:
    """Read the albums, and refuse what names none before anything starts."""
    parser = ArgumentParser(prog="python -m deployments.up", description=ABOUT)
    parser.add_argument(
        "albums", nargs="*", metavar="ALBUM", help="what the nightly run mirrors from now on"
    )
    albums: list[str] = parser.parse_args(arguments).albums
    if wrong := refusal(albums):
        print(wrong, file=sys.stderr)
        return 2
    return up(albums)


if __name__ == "__main__":
    sys.exit(main())
