"""What the report and the page of a comparison say besides its figures."""

from imgur_mirror.compare.comparison import Comparison
from imgur_mirror.models import Work

__all__ = ["ARTICLE", "CHOICE", "SLOWER", "WATERFALLS", "WORKS", "terms"]

WORKS = {
    Work.NONE: "the download alone",
    Work.THUMBNAIL: "a thumbnail of each image, in C code that lets go of the interpreter's lock",
    Work.BLURHASH: "a BlurHash of each image, in Python, which holds the interpreter's lock",
}
ARTICLE = (
    "For comparison: the article this grew out of measured 48 s one after another, 19 s with"
    " five threads, 14 s with a process for each core and 14 s with asyncio, on its own album"
    " and network."
)
CHOICE = (
    "The advice is about the whole time, start-up included. Of all that is as quick as the quickest"
    " (within the spread of its rounds, or a tenth where there was one), it takes the fewest"
    " workers, which is gentlest to Imgur, and then what costs this machine least: sequential, then"
    " async (one thread), threads (one for each connection), dask (a process for each)."
)
SLOWER = (
    "Beside the earlier comparisons that had as many images and workers. A strategy is called"
    " slower where it takes longer than their median by more than their spread, and by a tenth."
)
WATERFALLS = (
    "All strategies on one time axis, a lane for each worker. A long bar is a large image, and what"
    " queues behind it stands to its right; an empty lane is an idle worker; bars of work that are"
    " longer than one after another wait for the lock or for a core. An image that several workers"
    " fetch in ranges is drawn in the lane of one. Of several rounds, the one in the middle is"
    " shown."
)

_STARTUP = (
    "Start-up is from the start of the task runner to the first request sent: threads, processes"
    " or an event loop are made ready in it, whatever the size of the album."
)
_DOWNLOAD = "Download is from that request to the last file in place; the rates are over it."
_WORK = (
    "Download and work are the rest, divided as the time of the workers was, since some fetch while"
    " others compute; the rates are over both."
)
_USAGE = (
    "Processor seconds, the average of cores in use and the peak of memory are of the process and"
    " all that it started, over the total."
)
_SPEEDUP = "Speed-up is over the total of sequential with the same work."
_MEDIANS = (
    "Each figure is the median of its rounds by itself; spread is the slowest total less the"
    " fastest."
)


def terms(found: Comparison) -> str:
    """Say what the columns of the figures mean, of those that are there."""
    columns = found.rows[0]
    sentences = [
        _STARTUP,
        _WORK if "work s" in columns else _DOWNLOAD,
        _SPEEDUP,
        _USAGE if "cores" in columns else "",
        _MEDIANS if "rounds" in columns else "",
    ]
    return " ".join(filter(None, sentences))
