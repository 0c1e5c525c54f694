"""Benchmarks that are asked for by name: measured one after another, printed, and kept."""

import argparse
import os
import signal
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.measuring import BenchmarkError, Options, Section, machine
from benchmarks.report import Results, read, text, write

__all__ = ["Suite"]


@dataclass(frozen=True, slots=True)
class Suite:
    """Sections by name, where their results are kept, and what `--help` says besides."""

    prog: str
    about: str | None
    sections: Mapping[str, Callable[[Options], Section]]
    kept: Path
    installs: str = ""

    def parser(self, rounds: int = 3) -> argparse.ArgumentParser:
        """The flags that every suite has."""
        parser = argparse.ArgumentParser(
            prog=self.prog,
            description=self.about,
            epilog=f"what is compared with where it is installed, and how that is done:\n"
            f"{self.installs}",
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        add = parser.add_argument
        names = list(self.sections)
        add("--only", type=self._names, default=names, help=", ".join(names))
        add("--rounds", type=int, default=rounds, help="runs of each, in turns (%(default)s)")
        add("--quick", action="store_true", help="little of everything: to see that it works")
        add(
            "--output", type=Path, help=f"where the results are kept ({self.kept.name} beside this)"
        )
        return parser

    def _names(self, value: str) -> list[str]:
        names = value.split(",")
        if unknown := set(names) - set(self.sections):
            raise argparse.ArgumentTypeError(
                f"no {', '.join(sorted(unknown))}: {', '.join(self.sections)}"
            )
        return names

    def run(self, flags: argparse.Namespace, options: Options, versions: Mapping[str, str]) -> int:
        """Measure, print and keep the results; 0 unless something could not be measured.

        `options` needs no ground: it gets one.
        """
        # So that what was started is ended, however this is stopped.
        signal.signal(signal.SIGTERM, signal.default_int_handler)
        # Figures of a quick run say nothing: they replace no others unless that is asked for.
        output = flags.output or (None if flags.quick else self.kept)
        found = Results(machine(), versions)
        with tempfile.TemporaryDirectory(prefix="bench-") as ground:
            for name, section in self._measured(flags.only, replace(options, ground=Path(ground))):
                found = replace(found, sections={**found.sections, name: section})
                if output:
                    # Now: a run takes long, and may be stopped.
                    write(self._in_order(found.over(read(output))), output)
        print(text(found))
        if flags.quick:
            print("\nThis was a quick run: it says that the benchmarks work, and no more.")
        return 0 if set(found.sections) == set(flags.only) else 1

    def _in_order(self, results: Results) -> Results:
        """The sections as they are listed here, whichever were measured first."""
        sections = results.sections
        return replace(
            results, sections={name: sections[name] for name in self.sections if name in sections}
        )

    def _measured(self, names: Sequence[str], options: Options) -> Iterator[tuple[str, Section]]:
        # Imported late, since `--help` needs none of it.
        from flows.cli.server import prefect_server

        with prefect_server(options.ground / "prefect"):
            os.environ["PREFECT_LOGGING_LEVEL"] = "WARNING"
            for name in names:
                print(f"{name} …", file=sys.stderr, flush=True)
                now = datetime.now(UTC).isoformat(timespec="seconds")
                try:
                    yield name, replace(self.sections[name](options), when=now)
                except BenchmarkError as error:
                    print(f"{name} is left out: {error}", file=sys.stderr)
