"""README and guides: their links lead somewhere, and their commands do what they say."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.support.imgur import control
from tests.support.processes import PROJECT
from tests.support.waiting import LONG

PAGES = [
    PROJECT / "README.md",
    PROJECT / "CONTRIBUTING.md",
    *sorted((PROJECT / "docs").glob("*.md")),
]

FENCE = re.compile(
    r"(?:<!-- not run: (?P<reason>[^\n]+) -->\n)?^```(?P<language>\w*)\n(?P<text>.*?)^```$",
    re.DOTALL | re.MULTILINE,
)
LINK = re.compile(r"\]\((?P<target>[^)\s]+)\)")
MOST_LINES = 150
"""Of the README: a screen and a half."""


class Block(NamedTuple):
    """A block of commands in a page; `reason` says why the test does not run it."""

    language: str
    text: str
    reason: str | None


def blocks(page: Path) -> list[Block]:
    found = FENCE.finditer(page.read_text(encoding="utf-8"))
    return [Block(match["language"], match["text"], match["reason"]) for match in found]


def anchors(page: Path) -> set[str]:
    """What a link can name in a page, as GitHub makes it of headings."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def broken_links(page: Path) -> Iterator[str]:
    for match in LINK.finditer(page.read_text(encoding="utf-8")):
        target, _, anchor = match["target"].partition("#")
        if target.startswith(("http:", "https:")):
            continue
        file = page.parent / target if target else page
        if not file.exists() or (anchor and anchor not in anchors(file)):
            yield match["target"]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_links_lead_somewhere(page):
    assert list(broken_links(page)) == []


def test_every_guide_is_linked_from_the_readme():
    readme = (PROJECT / "README.md").read_text(encoding="utf-8")
    guides = [page for page in PAGES if page.parent == PROJECT / "docs"]
    assert [page.name for page in guides if f"(docs/{page.name})" not in readme] == []


def test_the_readme_is_short():
    assert len((PROJECT / "README.md").read_text(encoding="utf-8").splitlines()) <= MOST_LINES


USERS = [page for page in PAGES if page.stem != "CONTRIBUTING"]
RUNNABLE = [page for page in USERS if any(not block.reason for block in blocks(page))]


@pytest.mark.slow
@pytest.mark.parametrize("page", RUNNABLE, ids=lambda page: page.stem)
def test_commands_do_what_they_say(page, prefect_server, imgur, downloads, tmp_path, monkeypatch):
    """All blocks of a page, one after another, as someone would who reads it from the top."""
    given(imgur, tmp_path)
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}:{os.environ['PATH']}")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("IMGUR_DOWNLOADS")
    for block in blocks(page):
        if not block.reason:
            shell = [sys.executable, "-c"] if block.language == "python" else ["bash", "-ec"]
            ran = subprocess.run(
                [*shell, block.text], cwd=tmp_path, capture_output=True, text=True, timeout=3 * LONG
            )
            assert ran.returncode == 0, f"{block.text}\n{ran.stdout}\n{ran.stderr}"


def given(imgur: str, folder: Path) -> None:
    """What the commands name: an account, and files with links."""
    control(imgur, "PUT", "albums/sarah01", {"count": 2, "bytes": 3000, "account": "sarah"})
    listed = control(imgur, "GET", "albums/sarah01")
    links = [f"{imgur}/{image['name']}" for image in listed]
    (folder / "links.csv").write_text("\n".join(["url", *links]) + "\n", "utf-8")
    import pyarrow
    from pyarrow.parquet import write_table

    write_table(pyarrow.table({"url": links}), folder / "links.parquet")
