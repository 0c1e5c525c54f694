"""The processes that this one has started, and theirs, also where those between are gone.

A worker gives each flow run a session of its own, and one that is killed leaves them behind: no
process group and no parent leads to them. What all inherit is the environment.
"""

import os
import secrets
from contextlib import suppress

import psutil

__all__ = ["RUN_SECONDS", "end_descendants", "mark_descendants"]

MARK = "IMGUR_MIRROR_STARTED_BY"

RUN_SECONDS = 20
"""For the runs under way, to tell the server that they end."""


def mark_descendants() -> None:
    """Have what is started from now on inherit a mark."""
    os.environ[MARK] = secrets.token_hex(8)


def end_descendants(patience: float, spared: int | None = None) -> None:
    """End what has the mark, but the process that is spared.

    A run is told, and reports that it ends; after so many seconds it is killed.
    """
    found = [process for process in _descendants() if process.pid != spared]
    for process in found:
        with suppress(psutil.Error):
            process.terminate()
    _, alive = psutil.wait_procs(found, patience)
    for process in alive:
        with suppress(psutil.Error):
            process.kill()


def _descendants() -> list[psutil.Process]:
    return [process for process in psutil.process_iter() if _is_marked(process)]


def _is_marked(process: psutil.Process) -> bool:
    try:
        return process.pid != os.getpid() and process.environ().get(MARK) == os.environ[MARK]
    except psutil.Error:
        # It has ended, or is another user's.
        return False
