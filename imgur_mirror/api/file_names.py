"""File names made from the ids, links and types that the API lists."""

import re
from collections.abc import Sequence

from imgur_mirror.text import printable

__all__ = ["UnsafeName", "capital_bits", "distinct", "file_name"]


class UnsafeName(ValueError):
    """An id or a link makes no file name; the message is a sentence that says why."""


_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")

# Windows opens a device for these names, whatever extension follows.
_DEVICE = re.compile(r"con|prn|aux|nul|conin\$|conout\$|(?:com|lpt)[0-9]", re.IGNORECASE)

# `gifv` is missing on purpose: it is a page around a video, not a video.
_EXTENSION = re.compile(
    r"\.(jpe?g|jfif|a?png|gif|webp|bmp|tiff?|heic|avif|xcf|mp4|m4v|mov|webm|mkv|avi|mpe?g|flv|wmv)",
    re.IGNORECASE | re.ASCII,
)

_EXTENSIONS_BY_TYPE = {
    "image/jpeg": "jpg",
    "image/jpg": "jpg",
    "image/png": "png",
    "image/apng": "apng",
    "image/gif": "gif",
    "image/webp": "webp",
    "image/bmp": "bmp",
    "image/tiff": "tiff",
    "image/heic": "heic",
    "image/avif": "avif",
    "video/mp4": "mp4",
    "video/quicktime": "mov",
    "video/webm": "webm",
    "video/x-matroska": "mkv",
    "video/mpeg": "mpeg",
}


def file_name(id: str, link: str, type: str | None) -> str:  # noqa: A002 - as the API names them
    """Return the name an image has at Imgur: its id and, in lower case, its link's extension.

    Where the link ends in no extension of a picture or video, the content type decides.

    Raises:
        UnsafeName: for an id that is no plain word, and where no extension is known.
    """
    if not _ID.fullmatch(id) or _DEVICE.fullmatch(id):
        raise UnsafeName(f"the id {printable(id, 80)!r} makes no file name")
    media = (type or "").partition(";")[0].strip().lower()
    extension = _extension(link) or _EXTENSIONS_BY_TYPE.get(media)
    if extension is None:
        raise UnsafeName(
            f"neither the link {printable(link, 80)!r} nor the type {printable(media, 40)!r}"
            " says what kind of file it is"
        )
    return f"{id}.{extension}"


def _extension(link: str) -> str | None:
    """Return the known extension at the end of the link's path, without its dot."""
    last = re.split(r"[?#]", link, maxsplit=1)[0].rpartition("/")[2]
    known = _EXTENSION.fullmatch(last, max(last.rfind("."), 0))
    return known[1].lower() if known else None


def distinct(names: Sequence[str]) -> list[str]:
    """Return the names, with those marked that differ from an earlier one in capitals alone.

    Some file systems would take them for the same. The mark says which letters are capitals, so
    that a name keeps its mark when the others change; it starts with a `~`, which no id holds.
    """
    taken: set[str] = set()
    marked = []
    for name in names:
        stem, dot, extension = name.rpartition(".") if "." in name else (name, "", "")
        mark = f"~{capital_bits(stem)}"
        while f"{stem}{dot}{extension}".casefold() in taken:
            stem += mark
        marked.append(f"{stem}{dot}{extension}")
        taken.add(marked[-1].casefold())
    return marked


def capital_bits(text: str) -> str:
    """Return which letters are capitals as a hex number: one bit each, the last letter lowest."""
    return f"{sum(1 << place for place, c in enumerate(reversed(text)) if c.isupper()):x}"
