"""Prefect's UI on what this project has recorded: `make ui`.

It joins the server of `make up` or `make serve` while one runs: two servers would share one SQLite
file.
"""

import sys
from threading import Event

from deployments.project import HOME
from deployments.session import PREFECT_PORT, until_stopped
from flows.cli.server import ServerError, prefect_server

__all__ = ["ui"]


def ui() -> int:
    """Have the server run until Ctrl-C or SIGTERM; gives the exit status."""
    try:
        with until_stopped(), prefect_server(HOME, PREFECT_PORT) as api:
            print(f"The UI is at {api.removesuffix('/api')} - Ctrl-C stops it.", flush=True)
            Event().wait()
    except ServerError as error:
        print(error, file=sys.stderr)
        return error.status
    except KeyboardInterrupt:
        print("stopped", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(ui())
