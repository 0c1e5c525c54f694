"""What has become of images, and the runs that they belong to, made by hand."""

from imgur_mirror.models import Album, Download, Mirrored, Outcome, Strategy, Timings

__all__ = ["BEGAN", "SVG", "image", "measured", "mirror"]

BEGAN = 1_700_000_000.0
SVG = "{http://www.w3.org/2000/svg}"


def image(name, outcome=Outcome.DOWNLOADED, seconds=None, **more):
    times = {} if seconds is None else {"started": BEGAN, "finished": BEGAN + seconds}
    return Download(id=name[:7], name=name, outcome=outcome, **times, **more)


def mirror(
    *downloads,
    strategy=Strategy.ASYNC,
    workers=16,
    startup=1.125,
    download=3.125,
    title=None,
    album=None,
):
    first = BEGAN + startup
    return Mirrored(
        album=album or Album(id="PdA9Amq", title=title),
        strategy=strategy,
        workers=workers,
        downloads=downloads,
        timings=Timings(began=BEGAN, first_request=first, ended=first + download),
    )


def measured(strategy, startup, download, workers=8, slowest=0.5):
    """A run of two images and 2 MB."""
    return mirror(
        image("aaaaaaa.jpg", seconds=slowest, bytes=1_500_000, attempts=1),
        image("bbbbbbb.png", seconds=slowest / 2, bytes=500_000, attempts=1),
        strategy=strategy,
        workers=workers,
        startup=startup,
        download=download,
    )
