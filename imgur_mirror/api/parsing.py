"""Turns what the API sends of an album, which is not to be trusted, into an Album and Images."""

import re
from dataclasses import replace
from typing import Any

from imgur_mirror.api.file_names import UnsafeName, distinct, file_name
from imgur_mirror.http import is_web_address
from imgur_mirror.models import Album, Image
from imgur_mirror.text import printable

__all__ = ["album_of", "album_of_one", "image_at", "positive_int"]


def album_of(album_id: str, data: dict[str, Any], in_album: list[dict[str, Any]]) -> Album:
    """Return the album that `data` describes, with the images in it, each once."""
    return Album(
        id=album_id,
        title=_text(data.get("title")),
        description=_text(data.get("description")),
        datetime=_time(data.get("datetime")),
        link=_text(data.get("link"), 2_000),
        account=_text(data.get("account_url"), 100),
        counted=positive_int(data.get("images_count")),
        images=_images(in_album),
    )


def album_of_one(image_id: str, data: dict[str, Any]) -> Album:
    """Return the album of a single image, under the image's id."""
    return album_of(image_id, data, [data])


def image_at(link: str, image_id: str) -> Image:
    """Return the image of that id at a link, with nothing else known of it."""
    return _image({"id": image_id, "link": link}, 1)


def _images(in_album: list[dict[str, Any]]) -> tuple[Image, ...]:
    """Return the images in their order, each once, with names distinct on every file system."""
    found: dict[str, Image] = {}
    for number, data in enumerate(in_album, 1):
        image = _image(data, number)
        if image.id not in found or found[image.id].unsafe:
            found[image.id] = image
    names = iter(distinct([image.name for image in found.values() if not image.unsafe]))
    return tuple(image if image.unsafe else _named(image, next(names)) for image in found.values())


def _named(image: Image, name: str) -> Image:
    return image if image.name == name else replace(image, name=name)


def _image(data: dict[str, Any], number: int) -> Image:
    """Return the image, `number` in its album, which stands for an id that cannot be shown."""
    word = data["id"] if isinstance(data.get("id"), str) else ""
    media_type = _media_type(data.get("type"))
    link = name = ""
    unsafe = None
    try:
        link = _link(word, data)
        name = file_name(word, link, media_type)
    except UnsafeName as error:
        unsafe = str(error)
    return Image(
        id=printable(word, 64) or f"#{number}",
        link=link,
        name=name,
        type=_type(media_type, name),
        size=_size(data, name),
        title=_text(data.get("title")),
        description=_text(data.get("description")),
        datetime=_time(data.get("datetime")),
        width=positive_int(data.get("width")),
        height=positive_int(data.get("height")),
        animated=data.get("animated") is True,
        unsafe=unsafe,
    )


_END = r"(?=[?#]|\Z)"
_VIDEO_LINK = re.compile(rf"[^?#]*\.(?:gifv|mp4|webm){_END}", re.IGNORECASE)

_CORRECTIONS = (
    (re.compile(r"^//"), "https://"),
    (re.compile(r"^http://i\.imgur\.com/", re.IGNORECASE), "https://i.imgur.com/"),
    # A gifv is a page around a video.
    (re.compile(rf"^([^?#]*)\.gifv{_END}", re.IGNORECASE), r"\1.mp4"),
)


def _link(word: str, data: dict[str, Any]) -> str:
    """Return where the bytes of an image are; of a video, its mp4 where it has one.

    Raises:
        UnsafeName: where there is no web address.
    """
    if not data:
        raise UnsafeName("this entry of the list is no image")
    links = (data.get("mp4") if _is_video(data) else None, data.get("link"))
    link = next((link for link in links if isinstance(link, str) and link), None)
    if link is None:
        raise UnsafeName("it has no link")
    for pattern, corrected in _CORRECTIONS:
        link = pattern.sub(corrected, link)
    link = _without_thumbnail(word, link)
    if not is_web_address(link):
        raise UnsafeName(f"its link {printable(link, 80)!r} is no web address")
    return link


def _is_video(data: dict[str, Any]) -> bool:
    """Return whether it is a video by its type or its link.

    An `mp4` alone is no sign: an animated GIF has one beside it, made from it, and the original
    is what matters.
    """
    link = data.get("link")
    by_link = isinstance(link, str) and _VIDEO_LINK.match(link) is not None
    return by_link or _has_video_type(_media_type(data.get("type")))


def _has_video_type(media_type: str | None) -> bool:
    return media_type is not None and media_type.startswith("video/")


def _without_thumbnail(word: str, link: str) -> str:
    """Return the link of the GIF itself: over 20 MB, the API sends its thumbnail, `<id>h.gif`."""
    path = re.split("[?#]", link, maxsplit=1)[0]
    if not path.endswith(f"/{word}h.gif"):
        return link
    return path.removesuffix("h.gif") + ".gif" + link[len(path) :]


def _type(media_type: str | None, name: str) -> str | None:
    """Return the content type of what is fetched: a video may come with the type of its GIF."""
    extension = name.rpartition(".")[2]
    if extension in ("mp4", "webm") and not _has_video_type(media_type):
        return f"video/{extension}"
    return media_type


def _size(data: dict[str, Any], name: str) -> int | None:
    """Return the bytes of what is fetched; None where the API sends none, or 0, for unknown."""
    size = positive_int(data.get("size"))
    if not name.endswith(".mp4"):
        return size
    sent = data.get("mp4_size")
    if isinstance(sent, str) and re.fullmatch(r"\d{1,15}", sent, re.ASCII):
        sent = int(sent)
    # Under the type of a GIF, `size` is the GIF's.
    return positive_int(sent) or (size if _has_video_type(_media_type(data.get("type"))) else None)


def positive_int(value: object) -> int | None:
    """Return the value where it is an integer from 1 to 2**53 - 1, as sizes and lengths are."""
    if not isinstance(value, int) or isinstance(value, bool):
        return None
    return value if 0 < value < 1 << 53 else None


def _time(value: object) -> int | None:
    """Return seconds since 1970, up to the last year that `datetime` has; None for all else."""
    return seconds if (seconds := positive_int(value)) and seconds < 253_402_300_800 else None


_CONTENT_TYPE = re.compile(r"\s*([\w.+-]{1,50}/[\w.+-]{1,50})\s*(?:;.*)?", re.ASCII | re.DOTALL)


def _media_type(value: object) -> str | None:
    """Return a media type such as image/jpeg in lower case, without parameters."""
    found = _CONTENT_TYPE.fullmatch(value) if isinstance(value, str) else None
    return found[1].lower() if found else None


def _text(value: object, limit: int = 10_000) -> str | None:
    """Return a text that any file can hold, cut at `limit`; None for an empty one or no text."""
    if not isinstance(value, str):
        return None
    return value[:limit].replace("\0", "").encode("utf-8", "replace").decode() or None
