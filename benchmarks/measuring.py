"""Runs side by side, in turns, each in a new folder: what all benchmarks share."""

import json
import os
import platform
import re
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory, mkdtemp

__all__ = [
    "BenchmarkError",
    "Contender",
    "Options",
    "Row",
    "Run",
    "Section",
    "Spread",
    "Target",
    "child",
    "in_turns",
    "machine",
    "memory",
    "python",
    "versions",
]

LONGEST = 3600
"""Seconds that one run of one contender may take."""

LIBRARIES = ("prefect", "prefect-dask", "distributed", "aiohttp", "requests")


class BenchmarkError(RuntimeError):
    """A contender did not do its work; the message says which, and how it ended."""


@dataclass(frozen=True, slots=True)
class Options:
    """What the shell asked for; `ground` is a folder for everything, removed at the end."""

    ground: Path
    rounds: int = 3
    time_scale: float = 0.2
    quick: bool = False
    images: int = 1_000_000


@dataclass(frozen=True, slots=True)
class Run:
    """The seconds of one run, and what else it said of itself."""

    seconds: float
    more: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Spread:
    """The median of several figures, and the least and the most of them."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, values: Sequence[float]) -> "Spread":
        """The spread of at least one figure."""
        return cls(median(values), min(values), max(values))


@dataclass(frozen=True, slots=True)
class Row:
    """One contender with all its runs; `images` is how many each fetched, where that matters."""

    name: str
    runs: tuple[Run, ...]
    images: int = 0

    @property
    def spread(self) -> Spread:
        """Of the seconds."""
        return Spread.of([run.seconds for run in self.runs])

    @property
    def each(self) -> float:
        """The median of the seconds, for each image where they are counted."""
        return self.figure() / max(1, self.images)

    def figure(self, name: str = "seconds") -> float:
        """The median of one figure: the seconds, or what the runs said besides."""
        return median(run.seconds if name == "seconds" else run.more[name] for run in self.runs)


@dataclass(frozen=True, slots=True)
class Target:
    """What must be reached: at most `bound`, or at least that."""

    what: str
    measured: float
    bound: float
    unit: str = "×"
    at_least: bool = False

    @property
    def reached(self) -> bool:
        """Whether it is, with the figures as they were measured."""
        if self.at_least:
            return self.measured >= self.bound
        return self.measured <= self.bound


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """One benchmark's figures.

    `baseline` are the seconds that its rows are compared with: for each image where they are
    counted, or whatever else `unit` says that is counted. `shown` are the figures that the guides
    has besides.
    """

    title: str
    when: str = ""
    rows: tuple[Row, ...]
    baseline: float | None = None
    baseline_name: str = ""
    unit: str = "images"
    shown: tuple[str, ...] = ()
    targets: tuple[Target, ...] = ()
    notes: tuple[str, ...] = ()


Contender = Callable[[Path], Run]
"""Does its work in an empty folder, and says how long it took."""


def in_turns(contenders: Mapping[str, Contender], rounds: int, ground: Path) -> dict[str, Row]:
    """Run them all once a round, so that what slows the machine down slows all of them.

    What they downloaded is removed when all are through: ext4 passes over the inodes of files that
    were removed in the last minutes one by one, which made the next contender's files cost ten
    times what they do.
    """
    runs: dict[str, list[Run]] = {name: [] for name in contenders}
    with TemporaryDirectory(dir=ground) as downloads:
        for _ in range(rounds):
            for name, contender in contenders.items():
                runs[name].append(_alone(contender, Path(downloads)))
                print(f"  {name:<38} {runs[name][-1].seconds:9.3f} s", file=sys.stderr, flush=True)
    return {name: Row(name, tuple(ran)) for name, ran in runs.items()}


def _alone(contender: Contender, downloads: Path) -> Run:
    folder = Path(mkdtemp(dir=downloads))
    # What the last one left to the kernel to write would be written during this one.
    os.sync()
    return contender(folder)


def child(module: str, *arguments: object) -> Run:
    """Run a module in a process of its own, which ends by printing its figures as JSON."""
    return python("-m", module, *arguments)


def python(*arguments: object) -> Run:
    """Run Python with these arguments; the last line that it prints has the figures."""
    command = [sys.executable, *map(str, arguments)]
    done = subprocess.run(  # noqa: S603 - our own modules
        command, capture_output=True, text=True, timeout=LONGEST, check=False
    )
    if done.returncode != 0:
        said = (done.stderr or done.stdout)[-2000:]
        raise BenchmarkError(f"{' '.join(command)} ended with {done.returncode}:\n{said}")
    figures: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return Run(figures.pop("seconds"), figures)


def memory(process: int | str = "self") -> int:
    """The most bytes that a process has had resident; 0 where the system does not say."""
    # Not getrusage: that counts what was resident before exec as well.
    try:
        text = Path(f"/proc/{process}/status").read_text(encoding="utf-8", errors="replace")
    except OSError:
        text = ""
    found = re.search(r"VmHWM:\s+(\d+) kB", text)
    return int(found[1]) * 1024 if found else 0


def machine() -> dict[str, str]:
    """What the figures hold for: cores, the model of the CPU, the kernel."""
    cpuinfo = Path("/proc/cpuinfo")
    text = cpuinfo.read_text(encoding="utf-8") if cpuinfo.exists() else ""
    model = re.search(r"^model name\s*:\s*(.+)$", text, re.MULTILINE)
    return {
        "cores": str(os.cpu_count()),
        "cpu": model[1] if model else platform.machine(),
        "kernel": f"{platform.system()} {platform.release()}",
    }


def versions() -> dict[str, str]:
    """The versions of Python and of the libraries."""
    return {"python": platform.python_version(), **{name: version(name) for name in LIBRARIES}}
