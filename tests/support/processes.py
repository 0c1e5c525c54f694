"""Commands of this project, each in a process of its own."""

import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.support.waiting import LONG

__all__ = ["PROJECT", "answers", "free_port", "python"]

PROJECT = Path(__file__).parents[2]


def python(*arguments: object, env: dict[str, str] | None = None, **options: Any) -> Any:
    """Run Python in the folder of the project, with this in addition to the environment."""
    command = [sys.executable, *map(str, arguments)]
    streams = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    return subprocess.run(
        command,
        env=os.environ | (env or {}),
        cwd=PROJECT,
        text=True,
        **{"timeout": LONG, "check": False} | streams | options,
    )


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


def answers(port: int) -> bool:
    """Whether something listens on a port of this machine."""
    with socket.socket() as sock:
        return sock.connect_ex(("127.0.0.1", port)) == 0
