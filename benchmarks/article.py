"""40 images on slow connections, one of them large and late: the article's album."""

from benchmarks.contenders import naive, ours, tools
from benchmarks.measuring import Contender, Options, Row, Section, Target, in_turns
from benchmarks.sources import Source, limit, of_standin
from imgur_mirror.models import Strategy
from standin.network import profile

__all__ = ["article", "at_full_scale"]

NAIVE = {
    "loop of urlretrieve": ("loop", 1),
    "ThreadPoolExecutor(5)": ("threads", 5),
    "multiprocessing.Pool(8)": ("processes", 8),
    "aiohttp gather (32)": ("gather", 32),
    "aiohttp loop (32)": ("plain", 32),
}

# The most that the downloads of each may take of the naive contender with as many workers.
DOWNLOADS = {
    (Strategy.SEQUENTIAL, 1): ("loop of urlretrieve", 0.92),
    (Strategy.THREADS, 5): ("ThreadPoolExecutor(5)", 0.60),
    (Strategy.DASK, 8): ("multiprocessing.Pool(8)", 0.60),
    (Strategy.ASYNC, 32): ("aiohttp gather (32)", 0.30),
}

# The most that the whole flow may take of the fastest naive contender.
MIRROR = {(Strategy.ASYNC, 32): 0.40, (Strategy.THREADS, 16): 0.45, (Strategy.DASK, 8): 0.85}


def article(options: Options) -> Section:
    """Measure the downloads alone and the whole flow, against the naive contenders."""
    scale = options.time_scale / 10 if options.quick else options.time_scale
    with of_standin("article", "--time-scale", str(scale)) as source:
        rows = in_turns(_contenders(source), options.rounds, options.ground)
        least = limit(profile("article").scaled(scale), source.bytes, 32)
    return Section(
        title=f"article: 40 images, times × {scale:g}",
        rows=tuple(rows.values()),
        baseline=least,
        baseline_name="the limit of 32 connections",
        targets=_targets(rows, scale),
        notes=_notes(scale),
    )


def _contenders(source: Source) -> dict[str, Contender]:
    return {
        **{name: naive(way, source, workers) for name, (way, workers) in NAIVE.items()},
        **tools(source, 32, left_out="gallery-dl"),
        **{_name("downloads", *key): ours("downloads", source, *key) for key in DOWNLOADS},
        **{_name("mirror", *key): ours("mirror", source, *key) for key in MIRROR},
    }


def _name(what: str, strategy: Strategy, workers: int) -> str:
    shown = {"downloads": "download_images", "mirror": "mirror_album"}[what]
    return f"{shown}, {strategy}({workers})"


def at_full_scale(row: Row, scale: float) -> float:
    """Seconds at the article's own times: what is not download takes as long on any network."""
    download = row.figure("download")
    return row.figure() - download + download / scale


def _targets(rows: dict[str, Row], scale: float) -> tuple[Target, ...]:
    times = {name: rows[name].figure() / scale for name in NAIVE}
    # The plain loop is no naive contender, but the limit for one.
    best = min(time for name, time in times.items() if NAIVE[name][0] != "plain")
    downloads = [
        _target("downloads", key, rows, scale, times[peer], peer, bound)
        for key, (peer, bound) in DOWNLOADS.items()
    ]
    mirrors = [
        _target("mirror", key, rows, scale, best, "the best naive", bound)
        for key, bound in MIRROR.items()
    ]
    return (*downloads, *mirrors)


def _target(
    what: str,
    key: tuple[Strategy, int],
    rows: dict[str, Row],
    scale: float,
    peer_seconds: float,
    peer: str,
    bound: float,
) -> Target:
    name = _name(what, *key)
    return Target(
        f"article: {name} / {peer}", at_full_scale(rows[name], scale) / peer_seconds, bound
    )


def _notes(scale: float) -> tuple[str, ...]:
    if scale == 1:
        return ()
    said = (
        "the ratios are for the article's own times: the downloads' seconds divided by "
        f"{scale:g}, the start-up as it was measured; --time-scale 1 measures them"
    )
    return (said,)
