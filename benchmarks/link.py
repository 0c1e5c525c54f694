"""500 images of 100 kB over one line of 100 Mbit/s, 50 ms to the first byte of each."""

from benchmarks.contenders import naive, ours, tools
from benchmarks.measuring import Contender, Options, Row, Section, Target, in_turns
from benchmarks.sources import Source, limit, of_standin
from imgur_mirror.models import Strategy
from imgur_mirror.text import size
from standin.network import profile

__all__ = ["link"]

OURS = {(Strategy.THREADS, 16): 1.15, (Strategy.ASYNC, 32): 1.15}
"""The most that the downloads of each may take of the limit."""

OF_CURL = 1.05
QUICK = (20_000,) * 40


def link(options: Options) -> Section:
    """Measure how full the line is."""
    sizes = QUICK if options.quick else profile("link").sizes
    with of_standin("link", album="Link001", sizes=sizes) as source:
        return _measured(source, options)


def _measured(source: Source, options: Options) -> Section:
    least = limit(profile("link"), source.bytes, 32)
    rows = in_turns(_contenders(source), options.rounds, options.ground)
    return Section(
        title=f"link: {len(source.files)} images, {size(source.bytes)}, 100 Mbit/s",
        rows=tuple(rows.values()),
        baseline=least,
        baseline_name="the limit",
        targets=tuple(target for key in OURS for target in _targets(*key, rows, least)),
        notes=("the targets are for the download times, from the first request on",),
    )


def _contenders(source: Source) -> dict[str, Contender]:
    return {
        "ThreadPoolExecutor(16)": naive("threads", source, 16),
        "multiprocessing.Pool(16)": naive("processes", source, 16),
        "aiohttp gather (32)": naive("gather", source, 32),
        "aiohttp loop (32)": naive("plain", source, 32),
        **tools(source, 16, left_out="gallery-dl"),
        **tools(source, 32, left_out="gallery-dl"),
        **{_name(*key): ours("mirror", source, *key) for key in OURS},
    }


def _name(strategy: Strategy, workers: int) -> str:
    return f"mirror_album, {strategy}({workers})"


def _targets(strategy: Strategy, workers: int, rows: dict[str, Row], least: float) -> list[Target]:
    """Against the limit, and against curl with as many connections where it is installed."""
    name, curl = _name(strategy, workers), f"curl ({workers})"
    took = rows[name].figure("download")
    targets = [Target(f"link: {name} / the limit", took / least, OURS[strategy, workers])]
    if curl in rows:
        targets.append(Target(f"link: {name} / {curl}", took / rows[curl].figure(), OF_CURL))
    return targets
