"""A PostgreSQL server of one's own, from Debian's package; its data goes with it."""

import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from benchmarks.measuring import BenchmarkError
from benchmarks.sources import await_port, free_port

__all__ = ["INSTALL", "postgres", "postgres_programs"]

INSTALL = "apt install postgresql"
DEBIAN = Path("/usr/lib/postgresql")
USER = "prefect"
"""The user of the database, which is called `postgres`, as each server has one."""


def postgres_programs() -> Path | None:
    """Where PostgreSQL's programs are, the newest ones; Debian has them on no path."""
    found = sorted(DEBIAN.glob("*/bin/initdb"), key=lambda path: float(path.parts[-3]))
    program = found[-1] if found else shutil.which("initdb")
    return None if program is None else Path(program).parent


@contextmanager
def postgres() -> Iterator[str]:
    """Run a server on a free port; gives the address of its database as Prefect has it.

    Raises:
        BenchmarkError: where it is not installed, or does not start.
    """
    programs = postgres_programs()
    if programs is None:
        raise BenchmarkError(f"PostgreSQL is not installed: {INSTALL}")
    with TemporaryDirectory(prefix="postgres-") as folder:
        data = Path(folder)
        account = _account(data)
        _init(programs, data, account)
        with _served(programs, data, account) as port:
            yield f"postgresql+asyncpg://{USER}@127.0.0.1:{port}/postgres"


def _account(data: Path) -> dict[str, Any]:
    """PostgreSQL refuses to run as root: then as the user that its package has made."""
    if os.getuid() != 0:
        return {}
    shutil.chown(data, "postgres", "postgres")
    return {"user": "postgres", "group": "postgres", "extra_groups": []}


def _init(programs: Path, data: Path, account: dict[str, Any]) -> None:
    options = [f"--username={USER}", "--auth=trust", "--encoding=UTF8", "--no-locale", "--no-sync"]
    done = subprocess.run(  # noqa: S603 - nothing in it comes from outside
        [programs / "initdb", "--pgdata", data, *options],
        cwd=data,
        capture_output=True,
        text=True,
        check=False,
        **account,
    )
    if done.returncode != 0:
        raise BenchmarkError(f"initdb ended with {done.returncode}: {done.stderr}")


@contextmanager
def _served(programs: Path, data: Path, account: dict[str, Any]) -> Iterator[int]:
    port = free_port()
    listening = ["-c", "listen_addresses=127.0.0.1", "-p", str(port), "-k", str(data)]
    log = data / "server.log"
    with (
        log.open("wb") as file,
        subprocess.Popen(  # noqa: S603 - nothing in it comes from outside
            [programs / "postgres", "-D", data, *listening],
            cwd=data,
            stderr=file,
            stdout=file,
            start_new_session=True,
            **account,
        ) as server,
    ):
        try:
            await_port(port, server, log)
            yield port
        finally:
            # Its fast shutdown: whoever is connected is not waited for.
            server.send_signal(signal.SIGINT)
