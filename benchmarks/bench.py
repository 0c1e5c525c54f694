"""Measure side by side what this project costs and what others take: `make bench`."""

import argparse
import os
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.article import article
from benchmarks.imports import imports
from benchmarks.link import link
from benchmarks.measuring import BenchmarkError, Options, Section, machine, versions
from benchmarks.raw import many, raw
from benchmarks.report import KEPT, Results, read, text, write
from benchmarks.runners import runners
from benchmarks.tools import TOOLS, installed

__all__ = ["main"]

SECTIONS: dict[str, Callable[[Options], Section]] = {
    section.__name__: section for section in (article, link, raw, many, runners, imports)
}


def _sections(value: str) -> list[str]:
    names = value.split(",")
    if unknown := set(names) - set(SECTIONS):
        raise argparse.ArgumentTypeError(f"no {', '.join(sorted(unknown))}: {', '.join(SECTIONS)}")
    return names


def _parser() -> argparse.ArgumentParser:
    tools = "\n".join(f"  {tool.name:<12}{tool.install}" for tool in TOOLS.values())
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.bench",
        description=__doc__,
        epilog=f"what is compared with where it is installed, and how that is done:\n{tools}"
        "\n  nginx       apt install nginx-light   (serves `raw` and `many`)",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("--only", type=_sections, default=list(SECTIONS), help=", ".join(SECTIONS))
    add("--rounds", type=int, default=3, help="runs of each contender, in turns (%(default)s)")
    add("--time-scale", type=float, default=0.2, help="of `article`'s network (%(default)s)")
    add("--quick", action="store_true", help="little of everything: to see that it works")
    add("--output", type=Path, help="where the results are kept (results.json beside this)")
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print and keep the results; 0 unless something could not be measured."""
    flags = _parser().parse_args(arguments)
    # Figures of a quick run say nothing: they replace no others unless that is asked for.
    output = flags.output or (None if flags.quick else KEPT)
    found = Results(machine(), versions() | {tool.name: tool.version for tool in installed()})
    with tempfile.TemporaryDirectory(prefix="bench-") as ground:
        options = Options(Path(ground), flags.rounds, flags.time_scale, flags.quick)
        for name, section in _measured(flags.only, options):
            found = replace(found, sections={**found.sections, name: section})
            if output:
                # Now: a run takes long, and may be stopped.
                write(found.over(read(output)), output)
    print(text(found))
    if flags.quick:
        print("\nThis was a quick run: it says that the benchmarks work, and no more.")
    return 0 if set(found.sections) == set(flags.only) else 1


def _measured(names: Sequence[str], options: Options) -> Iterator[tuple[str, Section]]:
    # Imported late, since `--help` needs none of it.
    from flows.server import prefect_server

    with prefect_server(options.ground / "prefect"):
        os.environ["PREFECT_LOGGING_LEVEL"] = "WARNING"
        for name in names:
            print(f"{name} …", file=sys.stderr, flush=True)
            now = datetime.now(UTC).isoformat(timespec="seconds")
            try:
                yield name, replace(SECTIONS[name](options), when=now)
            except BenchmarkError as error:
                print(f"{name} is left out: {error}", file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
