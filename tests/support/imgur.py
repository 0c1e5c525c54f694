"""The stand-in, as tests set it up and ask it; `imgur` is its address everywhere."""

import json
import secrets
from pathlib import Path
from typing import Any

import requests

from tests.support.waiting import LONG

__all__ = [
    "NO_ALBUM",
    "contents",
    "control",
    "environment",
    "fault",
    "images_served",
    "new_album",
    "new_image",
    "put",
    "served",
]


# An id that no test may put an album under: the stand-in lives as long as the session.
NO_ALBUM = "Nothing"


def environment(imgur: str) -> dict[str, str]:
    """The settings that lead a run to the stand-in."""
    return {
        "IMGUR_API_URL": imgur,
        "IMGUR_IMAGE_HOSTS": json.dumps([imgur.removeprefix("http://")]),
        "IMGUR_CLIENT_ID": "standin",
    }


def control(imgur: str, method: str, path: str, body: Any = None) -> Any:
    """Send a request to the stand-in's control channel, and return what it answers."""
    answer = requests.request(method, f"{imgur}/_/{path}", json=body, timeout=LONG)
    answer.raise_for_status()
    return answer.json()


def put(imgur: str, path: str, body: Any) -> Any:
    return control(imgur, "PUT", path, body)


def fault(imgur: str, image: str, kind: str, **options: Any) -> None:
    """Have something go wrong with an image, given by its id or its file's name."""
    put(imgur, f"faults/{image.partition('.')[0]}", {"kind": kind, **options})


def new_album(imgur: str, **about: Any) -> str:
    """Put an album of one's own on the stand-in."""
    album = secrets.token_hex(4)[:7]
    put(imgur, f"albums/{album}", about)
    return album


def new_image(imgur: str, **about: Any) -> str:
    """Put an image outside of any album on the stand-in."""
    image = secrets.token_hex(4)[:7]
    put(imgur, f"images/{image}", about)
    return image


def contents(imgur: str, album: str) -> dict[str, str]:
    """What the stand-in serves for an album: MD5 by the name of the original."""
    listed = control(imgur, "GET", f"albums/{album}")
    # The link of a GIF over 20 MB is its thumbnail's, with an h after the id.
    return {image["id"] + Path(image["name"]).suffix: image["md5"] for image in listed}


def served(imgur: str, image: str) -> list[dict[str, Any]]:
    """The requests for an image, in the order in which they came."""
    return [entry for entry in control(imgur, "GET", "served") if entry["id"] == image]


def images_served(imgur: str, album: str) -> int:
    """How many bodies of an album's images were begun."""
    ids = [name.partition(".")[0] for name in contents(imgur, album)]
    counts = control(imgur, "GET", "counts")
    return sum(counts.get(image, 0) for image in ids)
