"""The process of a Prefect server, which ends with the last of those who use it.

`python -m flows.cli.server_process HOME PORT`; `flows.cli.server` starts it.
"""

import fcntl
import os
import runpy
import signal
import sys
import time
from pathlib import Path
from threading import Thread

from flows.cli.server_files import ServerFiles, try_lock

__all__ = ["api_url", "serve"]

POLL_SECONDS = 0.5
PATIENCE = 20
"""Seconds from the signal to its end by force."""


def api_url(port: int) -> str:
    """Return the address of the API of a server on this machine."""
    return f"http://127.0.0.1:{port}/api"


def serve(home: Path, port: int) -> None:
    """Be the Prefect server of `home`, unless it has one."""
    files = ServerFiles(home)
    with files.serving(api_url(port)) as is_first:
        if not is_first:
            return
        log = os.open(files.log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND, 0o644)
        for stream in (1, 2):
            os.dup2(log, stream)
        # Started before the server: its starter may end at any moment.
        Thread(target=_end_when_unused, args=[files], daemon=True).start()
        # What its pages ask for the API: by default it would be whoever listens on port 4200.
        os.environ["PREFECT_API_URL"] = api_url(port)
        sys.argv = ["prefect", "server", "start", "--port", str(port)]
        runpy.run_module("prefect", run_name="__main__")


def _end_when_unused(files: ServerFiles) -> None:
    with files.open_users() as users:
        # Asked again and again, since who waits for the lock would take it from the last user, who
        # asks for it as well in order to end the server and to see it end.
        while not try_lock(users, fcntl.LOCK_EX):
            time.sleep(POLL_SECONDS)
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(PATIENCE)
        os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    serve(Path(sys.argv[1]), int(sys.argv[2]))
