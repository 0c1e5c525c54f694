"""Measure what lies past one machine's tasks: a cluster, a very large job, a database.

`make bench-scale`; a million images, mirrored twice, take the better part of an hour.
"""

import sys
from collections.abc import Sequence
from pathlib import Path

from benchmarks import listed, postgres
from benchmarks.beside import beside
from benchmarks.database import database
from benchmarks.growth import workers
from benchmarks.job import job, killed
from benchmarks.measuring import Options, versions
from benchmarks.report import SCALE
from benchmarks.suite import Suite

__all__ = ["main"]

SUITE = Suite(
    "python -m benchmarks.scale",
    __doc__,
    {section.__name__: section for section in (workers, beside, database, job, killed)},
    SCALE,
    f"  nginx         apt install nginx-light   (serves `beside` and `job`)\n"
    f"  PostgreSQL    {postgres.INSTALL}\n"
    f"  img2dataset   {listed.INSTALL}",
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print and keep the results; 0 unless something could not be measured."""
    parser = SUITE.parser(rounds=1)
    parser.add_argument(
        "--images", type=int, default=1_000_000, help="links of `job` and `killed` (%(default)s)"
    )
    flags = parser.parse_args(arguments)
    options = Options(Path(), flags.rounds, quick=flags.quick, images=flags.images)
    return SUITE.run(flags, options, versions())


if __name__ == "__main__":
    sys.exit(main())
