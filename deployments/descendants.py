"""The processes that this one has started, and theirs, also where those between are gone.

A worker gives each flow run a session of its own, and one that is killed leaves them behind: no
process group and no parent leads to them. What all inherit is the environment.

`python -m deployments.descendants HOME` is the guard: it ends them where this process was killed.
"""

import os
import secrets
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil

from flows.cli.server_files import ServerFiles

__all__ = ["RUN_SECONDS", "end_descendants", "guarded_descendants"]

MARK = "IMGUR_MIRROR_STARTED_BY"

RUN_SECONDS = 20
"""For the runs under way, to tell the server that they end."""


@contextmanager
def guarded_descendants(home: Path) -> Iterator[None]:
    """End what is started from now on at the end of the block, or of this process if it is killed.

    The server of `home` stays until then: runs tell it that they end.
    """
    os.environ[MARK] = secrets.token_hex(8)
    command = [sys.executable, "-m", __name__, str(home)]
    # It reads until the end of this process: nobody else has the other end of the pipe.
    with subprocess.Popen(command, stdin=subprocess.PIPE, start_new_session=True):  # noqa: S603
        try:
            yield
        finally:
            # The guard is one of them.
            end_descendants(RUN_SECONDS)


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


if __name__ == "__main__":
    with ServerFiles(Path(sys.argv[1])).use():
        sys.stdin.read()
        end_descendants(RUN_SECONDS)
