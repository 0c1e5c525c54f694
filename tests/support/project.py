"""The project as someone has it who cloned it into a folder with a space, and its `make`."""

import os
import re
import secrets
import shutil
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any

import psutil

from tests.support.processes import PROJECT
from tests.support.waiting import LONG, eventually

__all__ = ["Command", "Project"]

OF_THE_TESTS = "IMGUR_MIRROR_TEST"
"""In the environment of all that a command started, by which what it leaves is found."""

COPIED = ("deployments", "flows", "imgur_mirror", "runners", "standin", "tasks")


class Project:
    """A copy of this project, with the Python that runs the tests."""

    def __init__(self, folder: Path, settings: dict[str, str]) -> None:
        self.folder = folder / "my mirror"
        self.elsewhere = folder / "elsewhere"
        self.elsewhere.mkdir()
        self.settings = settings
        for package in COPIED:
            ignored = shutil.ignore_patterns("__pycache__")
            shutil.copytree(PROJECT / package, self.folder / package, ignore=ignored)
        for file in ("Makefile", "prefect.yaml", "prefect.toml", "pyproject.toml"):
            shutil.copy(PROJECT / file, self.folder)
        (self.folder / "constraints.txt").touch()
        (self.folder / ".venv").symlink_to(sys.prefix)

    def states(self, album: str) -> list[str]:
        """Read the states of an album's runs from the database, whose server is gone."""
        with closing(sqlite3.connect(self.folder / ".prefect" / "prefect.db")) as database:
            query = "SELECT state_name FROM flow_run WHERE name LIKE ?"
            return [name for (name,) in database.execute(query, [f"{album}%"])]

    @contextmanager
    def command(self, *words: str, ignoring_sigint: bool = False) -> Iterator["Command"]:
        """Run `make` from another folder; what is left of it at the end is killed."""
        # Nothing is installed: the environment is that of the tests.
        made = ["make", "-C", str(self.folder), "-o", ".venv/installed", *words]
        ignore = "trap '' INT; " if ignoring_sigint else ""
        shell = ["sh", "-c", f'{ignore}exec "$@"', "sh", *made]
        kept = {name: text for name, text in os.environ.items() if "PREFECT" not in name}
        mark = secrets.token_hex(8)
        process = subprocess.Popen(
            shell,
            cwd=self.elsewhere,
            env=kept | self.settings | {OF_THE_TESTS: mark},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        command = Command(process, mark)
        try:
            yield command
        finally:
            for left in command.processes():
                with suppress(psutil.Error):
                    left.kill()
            process.wait()


class Command:
    """A command that runs, what it prints, and what it has started."""

    def __init__(self, process: "subprocess.Popen[str]", mark: str) -> None:
        self._process = process
        self._mark = mark
        self.lines: list[str] = []

    def await_line(self, pattern: str) -> re.Match[str]:
        """Read what it prints up to a line that has this."""
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self.lines.append(line.rstrip("\n"))
            if found := re.search(pattern, line):
                return found
        raise AssertionError(f"{pattern} was not printed:\n" + "\n".join(self.lines))

    def await_end(self) -> tuple[int, list[str]]:
        """Give the exit status, and the lines since those that were awaited."""
        printed, _ = self._process.communicate(timeout=LONG)
        return self._process.returncode, printed.splitlines()

    def send(self, number: signal.Signals) -> None:
        """Send a signal to the Python of the command alone, as a service manager does."""
        self.python().send_signal(number)

    def python(self) -> psutil.Process:
        """The process of the command itself, which make started."""
        return self.find("-m deployments.")

    def find(self, words: str) -> psutil.Process:
        """The process with these words in its command line, once it is there."""
        found = eventually(lambda: [one for one in self.processes() if words in _line(one)])
        assert found, f"no process has {words!r}"
        return found[0]

    def processes(self) -> list[psutil.Process]:
        """All that this command started and that lives."""
        return [process for process in psutil.process_iter() if self._has_mark(process)]

    def leaves_nothing(self) -> bool:
        """Whether all that it started has ended, or does so soon."""
        return eventually(lambda: not self.processes())

    def _has_mark(self, process: psutil.Process) -> bool:
        with suppress(psutil.Error):
            alive = process.status() != psutil.STATUS_ZOMBIE
            return alive and process.environ().get(OF_THE_TESTS) == self._mark
        return False


def _line(process: psutil.Process) -> Any:
    with suppress(psutil.Error):
        return " ".join(process.cmdline())
    return ""
