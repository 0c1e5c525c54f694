"""The contenders of a benchmark: each downloads the same source, and is checked afterwards."""

from pathlib import Path

from benchmarks.measuring import Contender, Run, child
from benchmarks.sources import Source
from benchmarks.tools import Tool, installed
from imgur_mirror.models import Strategy, Work

__all__ = ["naive", "ours", "tool", "tools"]


def naive(way: str, source: Source, workers: int = 1) -> Contender:
    """One of the ways of `benchmarks.naive`."""

    def run(folder: Path) -> Run:
        links, files = folder / "links", _files(folder)
        links.write_text("\n".join(source.links), encoding="utf-8")
        ran = child("benchmarks.naive", way, links, files, "--workers", workers)
        source.check(files, way)
        return ran

    return run


def tool(one: Tool, source: Source, workers: int) -> Contender:
    """A tool of this machine."""

    def run(folder: Path) -> Run:
        files = _files(folder)
        ran = one.download(source.links, files, workers)
        source.check(files, one.name)
        return ran

    return run


def tools(source: Source, workers: int, *, left_out: str = "") -> dict[str, Contender]:
    """All tools of this machine but one, by what the report calls them."""
    return {
        f"{one.name} ({workers})": tool(one, source, workers)
        for one in installed()
        if one.name != left_out
    }


def ours(
    what: str, source: Source, strategy: Strategy, workers: int, work: Work = Work.NONE
) -> Contender:
    """The whole flow (`mirror`), its downloads alone (`downloads`), or with `work`."""

    def run(folder: Path) -> Run:
        with source.configured():
            ran = child("benchmarks.ours", what, source.album, folder, strategy, workers, work)
        source.check(folder / source.album, f"{what} under {strategy}")
        return ran

    return run


def _files(folder: Path) -> Path:
    files = folder / "files"
    files.mkdir()
    return files
