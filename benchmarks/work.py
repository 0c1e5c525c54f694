"""Which concurrency for which work: strategies and works, side by side on two networks.

The article's album on its network, at its times x `--time-scale`; and many more pictures from nginx
on loopback, which needs little of the processor, so that this is what there is to share.
"""

from collections.abc import Iterator, Mapping
from urllib.request import urlopen

from benchmarks.contenders import ours
from benchmarks.measuring import Contender, Options, Row, Section, Target, in_turns
from benchmarks.sources import Source, of_standin, quickest
from imgur_mirror.models import Strategy, Work
from standin.network import MEGAPIXEL_WIDTH, profile

__all__ = ["FAST", "SLOW", "targets", "trial", "work"]

WORKERS = 2

MANY, QUICK = 800, 3
"""Pictures over the quick network, and in a quick run."""

SIZE = 400_000
"""Bytes of each of them: about the article's mean."""

SLOW, FAST = "slow network", "quick network"


def work(options: Options) -> Section:
    """Measure each strategy with each work, on both networks."""
    few = len(profile("article").sizes)
    many = QUICK if options.quick else MANY
    scale = options.time_scale / 10 if options.quick else options.time_scale
    with (
        of_standin("article", "--time-scale", str(scale), "--width", str(MEGAPIXEL_WIDTH)) as slow,
        quickest(options.ground, [many], SIZE, MEGAPIXEL_WIDTH) as ([fast], host),
    ):
        _have_drawn(fast)
        rows = in_turns(dict(_contenders({SLOW: slow, FAST: fast})), options.rounds, options.ground)
    return Section(
        title=f"work: {few} pictures, times × {scale:g}; {many} from {host} on the quick network",
        rows=tuple(rows.values()),
        shown=("start-up", "download", "work", "cores"),
        targets=tuple(targets(rows)),
        notes=("seconds are until the last file and its work, with the start-up",),
    )


def _have_drawn(source: Source) -> None:
    """Have the stand-in draw and keep these pictures before anything is measured.

    Those of its profile it draws as it starts, and nginx has files.
    """
    for link in source.links:
        with urlopen(link) as answer:  # noqa: S310 - loopback
            answer.read()


def _contenders(sources: Mapping[str, Source]) -> Iterator[tuple[str, Contender]]:
    for network, source in sources.items():
        for each in Work:
            for strategy in Strategy:
                yield trial(network, each, strategy), ours("work", source, strategy, WORKERS, each)


def trial(network: str, each: Work, strategy: Strategy) -> str:
    """Name a contender."""
    workers = 1 if strategy is Strategy.SEQUENTIAL else WORKERS
    return f"{network}, {each}, {strategy}({workers})"


def targets(rows: Mapping[str, Row]) -> Iterator[Target]:
    """Say what the rows, which are by their contenders' names, must reach."""
    for network in (SLOW, FAST):
        for each, quicker, slower in (
            (Work.BLURHASH, Strategy.DASK, Strategy.THREADS),
            (Work.THUMBNAIL, Strategy.THREADS, Strategy.SEQUENTIAL),
        ):
            seconds = [rows[trial(network, each, one)].figure() for one in (quicker, slower)]
            what = f"work: {network}, {each}: {quicker} / {slower}"
            yield Target(what, seconds[0] / seconds[1], 0.65)
