"""Measure side by side what this project costs and what others take: `make bench`."""

import sys
from collections.abc import Sequence
from pathlib import Path

from benchmarks.article import article
from benchmarks.costs import costs
from benchmarks.imports import imports
from benchmarks.link import link
from benchmarks.measuring import Options, versions
from benchmarks.raw import many, raw
from benchmarks.report import KEPT
from benchmarks.runners import runners
from benchmarks.suite import Suite
from benchmarks.tools import TOOLS, installed
from benchmarks.work import work

__all__ = ["main"]

SUITE = Suite(
    "python -m benchmarks.bench",
    __doc__,
    {
        section.__name__: section
        for section in (article, link, raw, many, runners, imports, costs, work)
    },
    KEPT,
    "\n".join(f"  {tool.name:<12}{tool.install}" for tool in TOOLS.values())
    + "\n  nginx       apt install nginx-light   (serves `raw`, `many` and `work`)",
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print and keep the results; 0 unless something could not be measured."""
    parser = SUITE.parser()
    parser.add_argument(
        "--time-scale", type=float, default=0.2, help="of `article`'s network (%(default)s)"
    )
    flags = parser.parse_args(arguments)
    options = Options(Path(), flags.rounds, flags.time_scale, flags.quick)
    return SUITE.run(flags, options, versions() | {tool.name: tool.version for tool in installed()})


if __name__ == "__main__":
    sys.exit(main())
