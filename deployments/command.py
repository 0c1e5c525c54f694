"""The command `imgur-mirror`: the flows, and what runs them, as its subcommands.

Prefect is imported by what a subcommand does, and not for help.
"""

import signal
import sys
from collections.abc import Callable, Sequence
from functools import wraps
from importlib import import_module
from typing import Annotated, Any

from cyclopts import App, Parameter

from flows.cli.arguments import call, new_app
from flows.cli.console import Verbosity, verbosity
from flows.cli.signature import signature_of

__all__ = ["main"]

ABOUT = "Mirror Imgur albums, and measure which kind of concurrency pays."

FLOWS = {
    "album": ("flows.mirror_album", "mirror_headline"),
    "albums": ("flows.mirror_albums", "summary_text"),
    "many": ("flows.mirror_many", "described"),
    "compare": ("flows.compare_strategies", "comparison_text"),
}
"""The module of each subcommand's flow, and the name there of what describes its result."""

VERBOSE = Parameter(
    name=["--verbose", "-v"],
    help="Print all of the log, Prefect's own lines too.",
    show_default=False,
)
QUIET = Parameter(
    name=["--quiet", "-q"],
    help="Print warnings and the result only, and no progress.",
    show_default=False,
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what the arguments say, and give the exit status: 0, 1 or 2, as for `flows.cli`."""
    try:
        return call(_app().meta, arguments) or 0
    except KeyboardInterrupt:
        # While a subcommand still imports Prefect; what it does about Ctrl-C begins after that.
        print("stopped", file=sys.stderr)
        return 128 + signal.SIGINT


def _app() -> App:
    app = new_app("imgur-mirror", ABOUT, _version)
    for name, (module, describe) in FLOWS.items():
        app.command(_flow_command(module, describe), name=name)
    for command in (up, serve, demo, notify):
        app.command(command)
    app.register_install_completion_command()
    app.meta.default(_launcher(app))
    # Help is left to the subcommand that it is asked of.
    app.meta.help_flags = []
    return app


def _launcher(app: App) -> Callable[..., int | None]:
    def launch(
        *tokens: Annotated[str, Parameter(show=False, allow_leading_hyphen=True)],
        verbose: Annotated[bool, VERBOSE] = False,
        quiet: Annotated[bool, QUIET] = False,
    ) -> int | None:
        normal = Verbosity.QUIET if quiet else Verbosity.NORMAL
        verbosity.set(Verbosity.ALL if verbose else normal)
        status: int | None = call(app, tokens)
        return status

    return launch


def _flow_command(module: str, describe: str) -> Callable[..., int]:
    parameters = signature_of(module)

    @wraps(parameters)
    def command(*args: Any, **kwargs: Any) -> int:  # noqa: ANN401 - as the flow has them
        from flows.cli.command_line import run

        flows = import_module(module)
        flow = getattr(flows, module.rpartition(".")[2])
        return run(flow, getattr(flows, describe), parameters(*args, **kwargs))

    return command


def _version() -> str:
    from importlib.metadata import version

    return version("imgur-mirror")


def up(*albums: str) -> int:
    """Run a Prefect server, a worker and the deployments until Ctrl-C.

    Args:
        albums: What the nightly run mirrors from now on.
    """
    from deployments.up import main

    return main(albums)


def serve() -> int:
    """Run a Prefect server, unless one is configured, and serve the deployments from here."""
    from deployments.serve import main

    return main()


def demo() -> int:
    """Compare the four strategies against a local stand-in for Imgur."""
    from deployments.demo import demo

    return demo()


def notify(block: str) -> int:
    """Be told of runs of these deployments that failed or crashed.

    Args:
        block: A notification block: its type and name, slack-webhook/ops.
    """
    from deployments.notify import main

    return main([block])


if __name__ == "__main__":
    sys.exit(main())
