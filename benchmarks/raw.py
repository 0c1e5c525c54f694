"""Many images from nginx on loopback, where nothing waits: what each image costs us."""

import shutil
from collections.abc import Iterator
from dataclasses import replace

from benchmarks.contenders import naive, ours, tool, tools
from benchmarks.measuring import Contender, Options, Row, Section, Target, in_turns
from benchmarks.sources import Source, quickest
from benchmarks.tools import TOOLS
from imgur_mirror.models import Strategy

__all__ = ["many", "raw"]

CONNECTIONS = 16
PLAIN = f"aiohttp loop ({CONNECTIONS})"
FLOW = f"mirror_album, async({CONNECTIONS})"
LOOP, GALLERY_DL = "loop of urlretrieve", "gallery-dl"
MEBIBYTE = 1 << 20

ONE_BY_ONE = 10
"""How many times fewer images there are for what fetches them one after another."""


def raw(options: Options) -> Section:
    """10,000 images of 100 kB: images a second."""
    count = 200 if options.quick else 10_000
    with quickest(options.ground, [count], 100_000) as ([source], host):
        few = source.part(count // ONE_BY_ONE)
        rows = _counted(in_turns(_contenders(source, few), options.rounds, options.ground), source)
    return Section(
        title=f"raw: {count:,} images of 100 kB from {host} on loopback",
        rows=tuple(rows.values()),
        baseline=rows[PLAIN].each,
        baseline_name=f"{PLAIN}, an image",
        targets=tuple(_targets(rows)),
        notes=(f"what goes one by one fetches {len(few.files):,} of the images",),
    )


def many(options: Options) -> Section:
    """100,000 images of 1 kB: memory, and whether time grows faster than the album."""
    counts = [100, 1_000] if options.quick else [10_000, 100_000]
    with quickest(options.ground, counts, 1_000) as (sources, host):
        contenders = {
            f"{name}, {count:,} images": contender
            for count, source in zip(counts, sources, strict=True)
            for name, contender in {
                PLAIN: naive("plain", source, CONNECTIONS),
                FLOW: ours("mirror", source, Strategy.ASYNC, CONNECTIONS),
            }.items()
        }
        rows = in_turns(contenders, options.rounds, options.ground)
    return Section(
        title=f"raw: images of 1 kB from {host} on loopback",
        rows=tuple(rows.values()),
        targets=_growth(rows, *counts),
    )


def _contenders(source: Source, few: Source) -> dict[str, Contender]:
    one_by_one = {LOOP: naive("loop", few)}
    fast = tools(source, CONNECTIONS, left_out=GALLERY_DL)
    if shutil.which(GALLERY_DL):
        one_by_one[GALLERY_DL] = tool(TOOLS[GALLERY_DL], few, 1)
    return {
        **one_by_one,
        f"ThreadPoolExecutor({CONNECTIONS})": naive("threads", source, CONNECTIONS),
        f"multiprocessing.Pool({CONNECTIONS})": naive("processes", source, CONNECTIONS),
        f"aiohttp gather ({CONNECTIONS})": naive("gather", source, CONNECTIONS),
        PLAIN: naive("plain", source, CONNECTIONS),
        **fast,
        f"mirror_album, threads({CONNECTIONS})": ours(
            "mirror", source, Strategy.THREADS, CONNECTIONS
        ),
        FLOW: ours("mirror", source, Strategy.ASYNC, CONNECTIONS),
    }


def _counted(rows: dict[str, Row], source: Source) -> dict[str, Row]:
    """The rows with the number of their images."""
    count = len(source.files)
    return {
        name: replace(row, images=count // ONE_BY_ONE if name in (LOOP, GALLERY_DL) else count)
        for name, row in rows.items()
    }


def _targets(rows: dict[str, Row]) -> Iterator[Target]:
    for other, bound in {PLAIN: 0.8, GALLERY_DL: 3.0, f"aria2c ({CONNECTIONS})": 1.0}.items():
        if other in rows:
            ratio = rows[other].each / rows[FLOW].each
            yield Target(f"raw: images/s, {FLOW} / {other}", ratio, bound, at_least=True)
    added = rows[FLOW].figure() - rows[PLAIN].figure()
    yield Target(f"raw: orchestration, {FLOW} less {PLAIN}", added, 4, "s")


def _growth(rows: dict[str, Row], few: int, most: int) -> tuple[Target, ...]:
    def each(count: int) -> float:
        return rows[f"{FLOW}, {count:,} images"].figure() / count

    used = rows[f"{FLOW}, {most:,} images"].figure("memory") / MEBIBYTE
    return (
        Target(f"raw: time an image, of {most:,} / of {few:,}", each(most) / each(few), 1.3),
        Target(f"raw: memory of {FLOW}, {most:,} images", used, 450, "MiB"),
    )
