"""Ctrl-C while a command still imports Prefect, which takes seconds, is one line.

What the command does about it begins after that.
"""

import sys
from types import TracebackType

__all__ = ["say_stopped_early"]


def say_stopped_early() -> None:
    """Have `python -m` of this package print no traceback of a Ctrl-C that nothing handles."""
    # So it is while `python -m` looks for the module: in a script of one's own nothing is changed.
    if sys.argv[0] == "-m":
        sys.excepthook = _print


def _print(
    kind: type[BaseException], error: BaseException, traceback: TracebackType | None
) -> None:
    if issubclass(kind, KeyboardInterrupt):
        print("stopped", file=sys.stderr)
    else:
        sys.__excepthook__(kind, error, traceback)
