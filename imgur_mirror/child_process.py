"""Modules of this package that run in a process of their own, beside the one that asks them."""

import signal
import subprocess
import sys
from collections.abc import Collection, Iterator
from contextlib import contextmanager

__all__ = ["child_process"]


def child_process(
    module: str,
    *arguments: str,
    bufsize: int = -1,
    stderr: int | None = None,
    pass_fds: Collection[int] = (),
) -> subprocess.Popen[bytes]:
    """Start a module with pipes to and from it; what else may be said is as `Popen` takes it.

    It is not told of Ctrl-C: it ends with its input, and so with the process that started it.

    Raises:
        OSError: where there can be no such process.
    """
    with _without_interrupts():
        return subprocess.Popen(  # noqa: S603 - our own module
            # -P: whatever lies in the working directory is not imported.
            [sys.executable, "-P", "-m", module, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            bufsize=bufsize,
            stderr=stderr,
            pass_fds=pass_fds,
        )


@contextmanager
def _without_interrupts() -> Iterator[None]:
    """Have what is started here not be told of Ctrl-C."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
