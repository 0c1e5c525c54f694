"""From what the API lists, raw and not to be trusted, to an Album and its Images."""

import re
from dataclasses import replace
from typing import Any

from imgur_mirror.api.file_names import UnsafeName, distinct, file_name
from imgur_mirror.models import Album, Image
from imgur_mirror.text import printable

__all__ = ["album_of", "count", "image_of", "single"]


def album_of(album_id: str, data: dict[str, Any], listed: list[dict[str, Any]]) -> Album:
    """The album that `data` describes, with the images that are listed, each once."""
    return Album(
        id=album_id,
        title=_text(data.get("title")),
        description=_text(data.get("description")),
        datetime=_time(data.get("datetime")),
        link=_text(data.get("link"), 2_000),
        account=_text(data.get("account_url"), 100),
        images=_images(listed),
    )


def single(image_id: str, data: dict[str, Any]) -> Album:
    """The album of one image, under the image's id."""
    return album_of(image_id, data, [data])


def image_of(image_id: str, link: str) -> Image:
    """The image of that id which a link leads to, of which no more is known."""
    return _image({"id": image_id, "link": link}, 1)


def _images(listed: list[dict[str, Any]]) -> tuple[Image, ...]:
    """The images in their order, each once, under names that are apart on every file system."""
    found: dict[str, Image] = {}
    for number, data in enumerate(listed, 1):
        image = _image(data, number)
        if image.id not in found or found[image.id].unsafe:
            found[image.id] = image
    names = iter(distinct([image.name for image in found.values() if not image.unsafe]))
    return tuple(image if image.unsafe else _named(image, next(names)) for image in found.values())


def _named(image: Image, name: str) -> Image:
    return image if image.name == name else replace(image, name=name)


def _image(data: dict[str, Any], number: int) -> Image:
    """One image of a list; `number` stands for an id that cannot be shown."""
    word = data["id"] if isinstance(data.get("id"), str) else ""
    media = _media(data.get("type"))
    link = name = ""
    unsafe = None
    try:
        link = _link(word, data)
        name = file_name(word, link, media)
    except UnsafeName as error:
        unsafe = str(error)
    return Image(
        id=printable(word, 64) or f"#{number}",
        link=link,
        name=name,
        type=_type(media, name),
        size=_size(data, name),
        title=_text(data.get("title")),
        description=_text(data.get("description")),
        datetime=_time(data.get("datetime")),
        width=count(data.get("width")),
        height=count(data.get("height")),
        animated=data.get("animated") is True,
        unsafe=unsafe,
    )


_END = r"(?=[?#]|\Z)"
_OF_VIDEO = re.compile(rf"[^?#]*\.(?:gifv|mp4|webm){_END}", re.IGNORECASE)

_MENDED = (
    (re.compile(r"^//"), "https://"),
    (re.compile(r"^http://i\.imgur\.com/", re.IGNORECASE), "https://i.imgur.com/"),
    # A gifv is a page around a video.
    (re.compile(rf"^([^?#]*)\.gifv{_END}", re.IGNORECASE), r"\1.mp4"),
)

# A backslash is refused as well: some readers of addresses take it for a slash.
_WEB_ADDRESS = re.compile(r"https?://[!-\[\]-~]{1,2000}", re.IGNORECASE | re.ASCII)


def _link(word: str, data: dict[str, Any]) -> str:
    """Where the bytes of an image are; of a video, its mp4 where it has one.

    Raises:
        UnsafeName: where there is no web address.
    """
    links = (data.get("mp4") if _is_video(data) else None, data.get("link"))
    link = next((link for link in links if isinstance(link, str) and link), None)
    if link is None:
        raise UnsafeName("it has no link")
    for pattern, mended in _MENDED:
        link = pattern.sub(mended, link)
    link = _without_thumbnail(word, link)
    if not _WEB_ADDRESS.fullmatch(link):
        raise UnsafeName(f"its link {printable(link, 80)!r} is no web address")
    return link


def _is_video(data: dict[str, Any]) -> bool:
    """Whether it is a video by its type or its link.

    An `mp4` alone is no sign: an animated GIF has one beside it, made from it, and the original
    is what matters.
    """
    link = data.get("link")
    by_link = isinstance(link, str) and _OF_VIDEO.match(link) is not None
    return by_link or _has_video_type(_media(data.get("type")))


def _has_video_type(media: str | None) -> bool:
    return media is not None and media.startswith("video/")


def _without_thumbnail(word: str, link: str) -> str:
    """The link to the GIF itself: over 20 MB it is listed with its thumbnail, `<id>h.gif`."""
    path = re.split("[?#]", link, maxsplit=1)[0]
    if not path.endswith(f"/{word}h.gif"):
        return link
    return path.removesuffix("h.gif") + ".gif" + link[len(path) :]


def _type(media: str | None, name: str) -> str | None:
    """The content type of what is fetched: a video may be listed with the type of its GIF."""
    extension = name.rpartition(".")[2]
    if extension in ("mp4", "webm") and not _has_video_type(media):
        return f"video/{extension}"
    return media


def _size(data: dict[str, Any], name: str) -> int | None:
    """The bytes of what is fetched, where the API knows them: 0 means that it does not."""
    size = count(data.get("size"))
    if not name.endswith(".mp4"):
        return size
    sent = data.get("mp4_size")
    if isinstance(sent, str) and re.fullmatch(r"\d{1,15}", sent, re.ASCII):
        sent = int(sent)
    # Under the type of a GIF, `size` is the GIF's.
    return count(sent) or (size if _has_video_type(_media(data.get("type"))) else None)


def count(value: object) -> int | None:
    """A number above zero that a file or a picture can have."""
    if not isinstance(value, int) or isinstance(value, bool):
        return None
    return value if 0 < value < 1 << 53 else None


def _time(value: object) -> int | None:
    """Seconds since 1970, up to the last year that Python knows."""
    return seconds if (seconds := count(value)) and seconds < 253_402_300_800 else None


_CONTENT_TYPE = re.compile(r"\s*([\w.+-]{1,50}/[\w.+-]{1,50})\s*(?:;.*)?", re.ASCII | re.DOTALL)


def _media(value: object) -> str | None:
    """A content type such as image/jpeg, without what may follow it."""
    found = _CONTENT_TYPE.fullmatch(value) if isinstance(value, str) else None
    return found[1].lower() if found else None


def _text(value: object, limit: int = 10_000) -> str | None:
    """A text that can be written to any file; None where it is empty or something else."""
    if not isinstance(value, str):
        return None
    return value[:limit].replace("\0", "").encode("utf-8", "replace").decode() or None
