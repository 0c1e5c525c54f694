"""The tools that people would pick instead, each with the flags that make it fast."""

import json
import re
import shutil
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.measuring import LONGEST, BenchmarkError, Run

__all__ = ["TOOLS", "Tool", "installed"]

Command = Callable[[Path, Path, Sequence[str], int], list[str]]
"""The arguments, given a file that may be written, the folder, the links and the connections."""


@dataclass(frozen=True, slots=True)
class Tool:
    """A program, how it is installed, and how it is called."""

    name: str
    install: str
    arguments: Command

    def download(self, links: Sequence[str], folder: Path, workers: int) -> Run:
        """Time the whole process.

        Raises:
            BenchmarkError: where it does not end well.
        """
        program = shutil.which(self.name) or self.name
        command = [program, *self.arguments(folder.parent / "list", folder, links, workers)]
        began = time.perf_counter()
        done = subprocess.run(  # noqa: S603 - nothing in it comes from outside
            command, capture_output=True, text=True, timeout=LONGEST, check=False
        )
        seconds = time.perf_counter() - began
        if done.returncode != 0:
            said = (done.stderr or done.stdout)[-500:]
            raise BenchmarkError(f"{self.name} ended with {done.returncode}: {said}")
        return Run(seconds)

    @property
    def version(self) -> str:
        """The first number that it gives for its version."""
        command = [shutil.which(self.name) or self.name, "--version"]
        said = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603
        found = re.search(r"\d+(\.\d+)+", said.stdout)
        return found[0] if found else "unknown"


def _curl(listed: Path, folder: Path, links: Sequence[str], workers: int) -> list[str]:
    entries = (
        f"url = {json.dumps(link)}\noutput = {json.dumps(str(folder / link.rpartition('/')[2]))}\n"
        for link in links
    )
    listed.write_text("".join(entries), encoding="utf-8")
    most = ["--parallel", "--parallel-max", str(workers)]
    return ["--disable", "--silent", "--show-error", "--fail", *most, "--config", str(listed)]


def _aria2c(listed: Path, folder: Path, links: Sequence[str], workers: int) -> list[str]:
    _write(listed, links)
    return [
        *("--no-conf", "--quiet", "--file-allocation=none", "--async-dns=false"),
        *(f"--max-concurrent-downloads={workers}", "--max-connection-per-server=1", "--split=1"),
        *("--auto-file-renaming=false", "--max-download-result=0"),
        *(f"--dir={folder}", f"--input-file={listed}"),
    ]


def _wget2(listed: Path, folder: Path, links: Sequence[str], workers: int) -> list[str]:
    _write(listed, links)
    return [
        *("--no-config", "--quiet", "--no-robots", f"--max-threads={workers}"),
        # By its own Accept, a page is as good as a picture, and Imgur then sends the page.
        "--header=Accept: */*",
        *(f"--directory-prefix={folder}", f"--input-file={listed}"),
    ]


def _gallery_dl(listed: Path, folder: Path, links: Sequence[str], _workers: int) -> list[str]:
    _write(listed, links)
    return [
        *("--config-ignore", "--quiet", "--sleep", "0", "--sleep-request", "0"),
        # It would name the image itself as its referrer, which Imgur refuses.
        *("--option", 'keywords={"_http_headers": null}'),
        *("--filename", "{filename}.{extension}", "--directory", str(folder)),
        *("--input-file", str(listed)),
    ]


def _write(listed: Path, links: Sequence[str]) -> None:
    listed.write_text("".join(f"{link}\n" for link in links), encoding="utf-8")


TOOLS = {
    tool.name: tool
    for tool in (
        Tool("curl", "apt install curl", _curl),
        Tool("aria2c", "apt install aria2", _aria2c),
        Tool("wget2", "apt install wget2", _wget2),
        Tool("gallery-dl", "pipx install gallery-dl", _gallery_dl),
    )
}


def installed() -> list[Tool]:
    """Those that this machine has."""
    return [tool for tool in TOOLS.values() if shutil.which(tool.name)]
