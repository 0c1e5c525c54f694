"""Server, worker and deployments on one machine, stopped together by Ctrl-C: `make up`."""

import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from deployments.demo import HOME
from deployments.watch import watch
from flows.server import PROJECT, ServerError, prefect_api, stop

__all__ = ["deploy", "up", "worker"]

POOL = "imgur-mirror"
PREFECT = [sys.executable, "-m", "prefect", "--no-prompt"]


def up() -> int:
    """Deploy all, and run what is due, until Ctrl-C or SIGTERM; gives the exit status."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        with prefect_api(HOME) as api:
            deploy()
            watch()
            with worker() as running:
                print(f"The UI is at {api.removesuffix('/api')} - Ctrl-C stops all", flush=True)
                return running.wait()
    except ServerError as error:
        print(error, file=sys.stderr)
        return 1
    except subprocess.CalledProcessError as error:
        print(f"{' '.join(map(str, error.cmd))} ended with {error.returncode}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("stopped", file=sys.stderr)
        return 0


def deploy() -> None:
    """Deploy what prefect.yaml lists to the configured server, and make its work pool.

    Raises:
        subprocess.CalledProcessError: where Prefect refuses; it has said why.
    """
    _prefect("work-pool", "create", POOL, "--type", "process", "--overwrite")
    _prefect("deploy", "--all")


def _prefect(*arguments: str) -> None:
    subprocess.run([*PREFECT, *arguments], cwd=PROJECT, check=True)  # noqa: S603 - our own words


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


if __name__ == "__main__":
    sys.exit(up())
