"""Server, worker and deployments on one machine, stopped together by Ctrl-C: `make up`.

`python -m deployments.up ALBUM …` has the nightly run mirror these albums from now on.
"""

import signal
import subprocess
import sys
from argparse import ArgumentParser
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from prefect.variables import Variable

from deployments.demo import HOME
from deployments.watch import watch
from flows.cli.command_line import refusal
from flows.cli.server import PROJECT, ServerError, prefect_api, stop
from flows.mirror_albums import VARIABLE

__all__ = ["deploy", "up", "worker"]

POOL = "imgur-mirror"
ABOUT = "Run a Prefect server, a worker and the deployments until Ctrl-C."
READY = """
The UI is at {ui} - Ctrl-C stops all.
Prefect's commands find this server with: export PREFECT_API_URL={api}
"""
PREFECT = [sys.executable, "-m", "prefect", "--no-prompt"]


def up(albums: Sequence[str] = ()) -> int:
    """Deploy all, and run what is due, until Ctrl-C or SIGTERM; gives the exit status.

    Albums, if any are given, take the place of those that the nightly run mirrors.
    """
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        print("Starting a Prefect server, the deployments and a worker …", flush=True)
        with prefect_api(HOME) as api:
            deploy()
            watch()
            if albums:
                Variable.set(VARIABLE, list(albums), overwrite=True)
            with worker() as running:
                print(READY.format(ui=api.removesuffix("/api"), api=api), flush=True)
                return running.wait()
    except ServerError as error:
        print(error, file=sys.stderr)
        return 1
    except subprocess.CalledProcessError as error:
        print(f"{' '.join(map(str, error.cmd))} ended with {error.returncode}:", file=sys.stderr)
        print(error.stdout, error.stderr, sep="\n", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("stopped", file=sys.stderr)
        return 0


def deploy() -> None:
    """Deploy what prefect.yaml lists to the configured server, and make its work pool.

    Raises:
        subprocess.CalledProcessError: where Prefect refuses; its output says why.
    """
    _prefect("work-pool", "create", POOL, "--type", "process", "--overwrite")
    _prefect("deploy", "--all")


def _prefect(*arguments: str) -> None:
    # What it says where all went well is advice that `make up` follows itself.
    command = [*PREFECT, *arguments]
    subprocess.run(  # noqa: S603 - our own words
        command, cwd=PROJECT, check=True, capture_output=True, text=True
    )


@contextmanager
def worker() -> Iterator[subprocess.Popen[bytes]]:
    """Run a worker; its flow runs end with it."""
    command = [*PREFECT, "worker", "start", "--pool", POOL]
    # In a session of its own: else Ctrl-C would reach its flow runs before it can end them.
    running = subprocess.Popen(command, cwd=PROJECT, start_new_session=True)  # noqa: S603 - our own
    try:
        yield running
    finally:
        stop(running, signal.SIGINT, 30)


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
