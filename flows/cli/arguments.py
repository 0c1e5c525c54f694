"""The arguments of commands, read by the library that Prefect's own commands use.

Nothing here imports Prefect, so that help and a wrong call are answered at once.
"""

import sys
from collections.abc import Callable, Sequence
from typing import Any

from cyclopts import App, CycloptsError, Parameter

__all__ = ["WRONG_CALL", "call", "new_app"]

WRONG_CALL = 2


def new_app(name: str, about: str, version: Callable[[], str] | None = None) -> App:
    """Make a command in this project's style: `--sweep` has no `--no-sweep`, lists take several."""
    return App(
        name=name,
        help=about,
        version=version,
        version_flags=["--version"] if version else [],
        default_parameter=Parameter(negative=(), consume_multiple=True),
        result_action="return_value",
    )


def call(app: App, arguments: Sequence[str] | None) -> Any:  # noqa: ANN401 - whatever it returns
    """Call what the arguments name, and give what it returns; None after help.

    Raises:
        SystemExit: with status 2 for a wrong call, of which one sentence is printed.
    """
    given = sys.argv[1:] if arguments is None else list(arguments)
    try:
        return app(given, exit_on_error=False, print_error=False)
    except CycloptsError as error:
        print(f"wrong call: {' '.join(str(error).split())}", file=sys.stderr)
        raise SystemExit(WRONG_CALL) from None
