"""What a crash can do: `python -m benchmarks.crash`, or `make crash-test`.

Under each strategy an album is mirrored again and again, and all processes of the run are killed
with SIGKILL at a random instant: while it plans, downloads, writes the manifest or publishes. After
each kill every file under its own name is compared with its source, and what the manifest vouches
for with what is there. A mirror that is complete is erased, so that the next kills have work to
interrupt. The stand-in, which is not killed, says what was served twice: at most the images whose
connections were in use at a kill.
"""

import argparse
import hashlib
import json
import os
import re
import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from random import Random
from typing import Any

import httpx

from benchmarks.session import Session
from flows.cli.server import prefect_server
from imgur_mirror.models import Strategy
from standin.process import running

__all__ = ["Phase", "Series", "Source", "crash", "source"]

ALBUM = "Crash01"
MANIFEST = "album.json"
LARGE = 3_000_000
"""Bytes of every fiftieth image: enough that a kill leaves a part of it worth continuing."""

NETWORK = ("--connection-rate", "2000000", "--first-byte", "0.02")
LONGEST = 300
"""Seconds after which a run that neither ends nor gets anywhere is a fault."""

AT_WORK = re.compile(r".*\.part(\.etag|\.log)?|\.run-\w+|\.album\.json\.\w+")
"""Names that only a run at work leaves; none of them may outlive the last run."""


class Phase(StrEnum):
    """What a run is at, from its first sign to that of the next phase."""

    PLANNING = "planning"
    DOWNLOADING = "downloading"
    FINISHING = "finishing"
    PUBLISHING = "publishing"


WAIT = {Phase.PLANNING: 1.5, Phase.DOWNLOADING: 2.0, Phase.FINISHING: 0.3, Phase.PUBLISHING: 0.6}
"""Seconds from a phase's first sign within which the kill comes."""

WEIGHTS = (2, 5, 2, 1)


@dataclass(frozen=True, slots=True)
class Source:
    """The stand-in's album: the MD5 of each file by its name, and what was asked for so far."""

    address: str
    files: dict[str, str]

    def environment(self) -> dict[str, str]:
        """The settings of a run that mirrors from here."""
        host = self.address.removeprefix("http://")
        return os.environ | {
            "IMGUR_API_URL": f"{self.address}/",
            "IMGUR_IMAGE_HOSTS": json.dumps([host]),
            "IMGUR_CLIENT_ID": "standin",
            "PREFECT_LOGGING_LEVEL": "WARNING",
        }

    def asked(self) -> bool:
        """Whether an image was asked for since `mark`."""
        return bool(self._get("connections")["in_flight_peak"])

    def await_quiet(self) -> None:
        """Return when the connections of the dead are gone."""
        while self._get("connections")["open"]:
            time.sleep(0.01)

    def mark(self) -> None:
        """Have `asked` count from here."""
        httpx.delete(f"{self.address}/_/connections")

    def served(self) -> list[dict[str, Any]]:
        """The requests since the last call."""
        served: list[dict[str, Any]] = self._get("served")
        httpx.delete(f"{self.address}/_/served")
        return served

    def _get(self, path: str) -> Any:  # noqa: ANN401 - data as JSON has it
        return httpx.get(f"{self.address}/_/{path}", timeout=60).json()


@contextmanager
def source(images: int, rng: Random) -> Iterator[Source]:
    """A stand-in with an album: mostly 20 to 200 kB an image, and a few large ones."""
    sizes = [LARGE if at % 50 == 20 else rng.randrange(20_000, 200_000) for at in range(images)]
    with running("fast", *NETWORK) as address:
        album = f"{address}/_/albums/{ALBUM}"
        httpx.put(album, json={"bytes": sizes, "count": images}).raise_for_status()
        listed = httpx.get(album, timeout=120).raise_for_status().json()
        yield Source(address, {image["name"]: image["md5"] for image in listed})


def run(series: "Series", downloads: Path, source: Source) -> Session:
    """Start the flow as a user starts it."""
    options = ["--strategy", series.strategy, "--workers", str(series.workers)]
    command = [sys.executable, "-m", "flows.mirror_album", ALBUM, *options]
    command += ["--downloads", str(downloads)]
    return Session(command, downloads / "log", source.environment())


@dataclass
class Series:
    """The kills of one strategy, and what was found after each."""

    strategy: Strategy
    workers: int
    kills: Counter[Phase] = field(default_factory=Counter)
    mirrors: int = 0
    checked: int = 0
    resumed: int = 0
    refetched: int = 0
    faults: list[str] = field(default_factory=list)

    @property
    def in_use(self) -> int:
        """The most images that may have been served twice: the connections in use at all kills."""
        workers = 1 if self.strategy is Strategy.SEQUENTIAL else self.workers
        return workers * self.kills[Phase.DOWNLOADING]

    @property
    def row(self) -> str:
        """The figures, in one line under `HEAD`."""
        phases = " ".join(f"{self.kills[phase]:>12}" for phase in Phase)
        served = f"{self.refetched} of {self.in_use}"
        return (
            f"{self.strategy:<10} {self.kills.total():>5} {phases} {self.mirrors:>8} "
            f"{self.checked:>8} {len(self.faults):>6} {served:>12} {self.resumed:>8}"
        )


HEAD = (
    f"{'strategy':<10} {'kills':>5} {' '.join(f'{phase:>12}' for phase in Phase)} {'mirrors':>8} "
    f"{'checked':>8} {'faults':>6} {'served twice':>12} {'resumed':>8}"
)


def crash(series: Series, kills: int, source: Source, downloads: Path, rng: Random) -> Series:
    """Kill so many runs, let a last one complete, and give what was found."""
    downloads.mkdir(parents=True)
    crashes = _Crashes(series, source, downloads, rng)
    while series.kills.total() < kills and not series.faults:
        crashes.once()
    if not series.faults:
        crashes.finish()
    return series


class _Crashes:
    """Starts, kills and checks the runs of one series."""

    def __init__(self, series: Series, source: Source, downloads: Path, rng: Random) -> None:
        self._series = series
        self._source = source
        self._downloads = downloads
        self._folder = downloads / ALBUM
        self._rng = rng

    def once(self) -> None:
        """Start a run and kill it, unless it ends before its instant comes."""
        aim = self._rng.choices(list(Phase), WEIGHTS)[0]
        delay = self._rng.uniform(0, WAIT[aim])
        run = self._start()
        if self._reached(run, aim):
            run.until(lambda: False, delay)
        if run.status is None:
            run.kill()
            self._source.await_quiet()
            self._check()
            self._series.kills[self._phase()] += 1
        else:
            self._completed(run)

    def finish(self) -> None:
        """Let a last run do what is left."""
        run = self._start()
        run.until(lambda: False, LONGEST)
        if run.status is None:
            run.kill()
            self._fault(f"the last run did not end within {LONGEST} s")
        else:
            self._completed(run)

    def _start(self) -> Session:
        self._source.mark()
        self._runs = self._at_work()
        self._manifest = self._version()
        return run(self._series, self._downloads, self._source)

    # What a run is at

    def _reached(self, run: Session, aim: Phase) -> bool:
        """Wait until the run is in this phase; false where it ends before."""
        return run.until(lambda: self._at_work() - self._runs != set(), LONGEST) and run.until(
            lambda: self._begun(aim), LONGEST
        )

    def _phase(self) -> Phase:
        """Say what the killed run was at."""
        for phase in (Phase.PUBLISHING, Phase.FINISHING, Phase.DOWNLOADING):
            if self._begun(phase):
                return phase
        return Phase.PLANNING

    def _begun(self, phase: Phase) -> bool:
        if phase is Phase.PLANNING:
            return True
        if phase is Phase.DOWNLOADING:
            return self._source.asked()
        if phase is Phase.FINISHING:
            return self._source.files.keys() <= self._names()
        return self._version() != self._manifest

    def _names(self) -> set[str]:
        return {entry.name for entry in self._folder.glob("*")}

    def _at_work(self) -> set[str]:
        return {name for name in self._names() if AT_WORK.fullmatch(name)}

    def _version(self) -> int | None:
        """Tell one manifest from the next."""
        path = self._folder / MANIFEST
        return path.stat().st_ino if path.exists() else None

    # What it left

    def _check(self) -> None:
        """Compare every file under its own name with its source, and the manifest with both."""
        names = self._names()
        for name in names - self._at_work() - {MANIFEST}:
            self._series.checked += 1
            digest = hashlib.md5((self._folder / name).read_bytes(), usedforsecurity=False)
            if self._source.files.get(name) != digest.hexdigest():
                self._fault(f"{name} is not what its source is")
        for name, md5 in self._vouched().items():
            if name not in names or self._source.files.get(name) != md5:
                self._fault(f"the manifest vouches wrongly for {name}")

    def _vouched(self) -> dict[str, str]:
        """What the manifest says is there: the MD5 of each file by its name."""
        if MANIFEST not in self._names():
            return {}
        rows = json.loads((self._folder / MANIFEST).read_bytes())["images"]
        return {row["file"]: row["md5"] for row in rows if row["file"] is not None}

    def _completed(self, run: Session) -> None:
        """Check a mirror that says it is complete, and erase it."""
        if run.status != 0:
            self._fault(f"a run ended with status {run.status}: {run.said}")
            return
        self._check()
        if self._vouched() != self._source.files:
            self._fault("a run that ended well left an incomplete manifest")
        if left := self._at_work():
            self._fault(f"a run that ended well left {', '.join(sorted(left))}")
        self._count()
        shutil.rmtree(self._folder)

    def _count(self) -> None:
        """Count what was served more than once since the mirror was begun."""
        served = self._source.served()
        begun = Counter(entry["id"] for entry in served if entry["status"] == 200)
        self._series.mirrors += 1
        self._series.refetched += begun.total() - len(begun)
        self._series.resumed += sum(entry["status"] == 206 for entry in served)
        if self._series.refetched > self._series.in_use:
            self._fault(f"{self._series.refetched} images were served twice")

    def _fault(self, sentence: str) -> None:
        self._series.faults.append(f"{self._series.strategy}: {sentence}")


def _parser() -> argparse.ArgumentParser:
    about = "Kill mirrors at random instants, and see that nothing is lost, wrong or fetched twice."
    parser = argparse.ArgumentParser(prog="python -m benchmarks.crash", description=about)
    add = parser.add_argument
    add("--rounds", type=int, default=50, help="kills of each strategy (%(default)s)")
    add("--images", type=int, default=200, help="images of the album (%(default)s)")
    add("--workers", type=int, default=8, help="connections of a run (%(default)s)")
    add("--strategies", nargs="+", type=Strategy, default=list(Strategy), metavar="STRATEGY")
    add("--seed", type=int, default=1, help="of the instants and the sizes (%(default)s)")
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the series; 0 where nothing was lost, wrong, left behind or fetched needlessly."""
    flags = _parser().parse_args(arguments)
    rng = Random(flags.seed)  # noqa: S311 - a seed
    faults = []
    with (
        tempfile.TemporaryDirectory() as ground,
        prefect_server(Path(ground) / "prefect"),
        source(flags.images, rng) as imgur,
    ):
        print(HEAD, flush=True)
        for strategy in flags.strategies:
            series = Series(strategy, flags.workers)
            crash(series, flags.rounds, imgur, Path(ground) / strategy, rng)
            print(series.row, flush=True)
            faults += series.faults
    print(*faults, sep="\n", end="\n" if faults else "")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
