"""The API of Imgur's own website, `/post/v1/`, which gallery-dl asks for albums and images.

It has no envelope, names each image by its extension instead of by a link, and tells errors in a
list.
"""

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import PurePosixPath
from typing import Any

from standin.albums import Library
from standin.answers import Answer, is_json

__all__ = ["PREFIX", "answer"]

PREFIX = "post/v1/"
Json = dict[str, Any]
"""A post as JSON has it."""


def answer(library: Library, path: str, base: str) -> Answer:
    """The answer to a GET for a path, `PREFIX` included; `base` is where images are to be had."""
    for pattern, find in ENDPOINTS:
        if match := pattern.fullmatch(path.removeprefix(PREFIX)):
            found = find(library, match[1], base)
            return _not_found(path) if found is None else is_json(found)
    return _not_found(path)


def _not_found(path: str) -> Answer:
    told = {"code": "404", "status": "Not Found", "detail": f"Unable to find {path}"}
    return is_json({"errors": [{"id": "post-api", **told}]}, 404)


def _album(library: Library, name: str, base: str) -> Json | None:
    """An album with its images, whether it is in the gallery or not."""
    album = library.albums.get(name)
    if album is None:
        return None
    listed = album.listing(base)
    media = [_media(image) for image in album.images(base) or () if isinstance(image, Mapping)]
    return {**_post(listed), "is_album": True, "image_count": len(media), "media": media}


def _image(library: Library, name: str, base: str) -> Json | None:
    """A single image, as a post that holds it."""
    item = library.item(name)
    if item is None:
        return None
    image = item.image(base)
    return {**_post(image), "is_album": False, "image_count": 1, "media": [_media(image)]}


def _gallery_post(library: Library, name: str, base: str) -> Json | None:
    """What is in the gallery under an id, which may be either."""
    return _album(library, name, base) or _image(library, name, base)


def _post(listed: Mapping[str, Any]) -> Json:
    """What a post tells of itself; `listed` is the same thing as the other API has it."""
    return {
        "id": listed["id"],
        "title": listed.get("title") or "",
        "description": listed.get("description") or "",
        "account": None,
        "created_at": _time(listed.get("datetime")),
        "updated_at": None,
        "url": f"https://imgur.com/{listed['id']}",
        "tags": [],
        "ad_type": 0,
        "ad_url": "",
    }


def _media(image: Mapping[str, Any]) -> Json:
    link = str(image.get("link", ""))
    return {
        "id": image["id"],
        "mime_type": image.get("type"),
        "type": "video" if image.get("mp4") else "image",
        "name": "",
        "url": link,
        "ext": PurePosixPath(link).suffix.removeprefix("."),
        "width": image.get("width"),
        "height": image.get("height"),
        "size": image.get("size"),
        "metadata": {
            "title": image.get("title") or "",
            "description": image.get("description") or "",
            "is_animated": bool(image.get("animated")),
            "is_looping": False,
            "duration": 0,
            "has_sound": False,
        },
        "created_at": _time(image.get("datetime")),
        "updated_at": None,
    }


def _time(seconds: object) -> str:
    """A time as this API writes it; the year 1970 where the other API names none."""
    moment = datetime.fromtimestamp(seconds if isinstance(seconds, int) else 0, UTC)
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


ENDPOINTS: tuple[tuple[re.Pattern[str], Callable[[Library, str, str], Json | None]], ...] = (
    (re.compile(r"albums/(\w+)"), _album),
    (re.compile(r"media/(\w+)"), _image),
    (re.compile(r"posts/(\w+)"), _gallery_post),
)
