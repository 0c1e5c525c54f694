"""The stand-in as a child process, for tests, the demo and the benchmarks."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["READY", "running"]

READY = "stand-in ready at "


@contextmanager
def running(profile: str = "fast", *flags: str) -> Iterator[str]:
    """A stand-in on a free port, and its address; it ends with the block.

    Raises:
        RuntimeError: it did not start, and said why on stderr.
    """
    command = [sys.executable, "-m", "standin", "--port", "0", "--profile", profile, *flags]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:  # noqa: S603 - our own module
        try:
            yield _address(child)
        finally:
            child.terminate()


def _address(child: subprocess.Popen[str]) -> str:
    line = child.stdout.readline() if child.stdout else ""
    if not line.startswith(READY):
        raise RuntimeError("the stand-in did not start; it said why on stderr")
    return line.removeprefix(READY).strip()
