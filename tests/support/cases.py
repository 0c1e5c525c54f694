"""The cases of tests/cases: inputs, each with what is right, and how the stand-in plays them."""

import base64
import json
import re
from pathlib import Path
from typing import Any

import requests

from imgur_mirror.models import Mirrored
from tests.support.imgur import new_album, put
from tests.support.waiting import LONG

__all__ = [
    "CASES",
    "is_about_an_album",
    "list_album",
    "listing",
    "outcome_of",
    "read_cases",
    "scripted",
]

CASES = Path(__file__).parents[1] / "cases"

OPTIONS = ("status", "before_status", "headers", "etag", "body", "chunked")
REPEATED = re.compile(r"(.) \* (\d+)")


def read_cases(name: str) -> dict[str, dict[str, Any]]:
    """The cases of a file, by their names."""
    return {case["name"]: case for case in json.loads((CASES / name).read_bytes())["cases"]}


def is_about_an_album(case: dict[str, Any]) -> bool:
    """Whether a case is about several images, or about what was there before."""
    return "before" in case or "exit" in case["right"]


def outcome_of(state: Any) -> Mirrored:
    """The rows of a run of `mirror_album`, complete or not."""
    result = state.result(raise_on_failure=False)
    return result if isinstance(result, Mirrored) else result.result


def scripted(case: dict[str, Any]) -> dict[str, Any]:
    """The fault by which the stand-in answers as a case says; a body may be bytes."""
    options = {name: case[name] for name in OPTIONS if name in case}
    if isinstance(options.get("body"), bytes):
        options["body"] = {"base64": base64.b64encode(options["body"]).decode()}
    headers = {name: _written_out(value) for name, value in case.get("headers", {}).items()}
    return {"kind": "scripted", **options, "headers": headers}


def _written_out(value: Any) -> Any:
    """The value of a header; `x * 9000` is so many of that letter."""
    found = REPEATED.fullmatch(value) if isinstance(value, str) else None
    return found[1] * int(found[2]) if found else value


def listing(imgur: str, album: str) -> list[dict[str, Any]]:
    """The images of an album as the API lists them."""
    answer = requests.get(
        f"{imgur}/3/album/{album}", headers={"Authorization": "Client-ID x"}, timeout=LONG
    )
    return answer.json()["data"]["images"]


def list_album(imgur: str, sizes: list[int], changes: list[dict[str, Any]]) -> tuple[str, list]:
    """Make an album of JPEGs, listed with these changes; its id, and its images as listed.

    A changed `link` is a template with the image's `host` and `id`.
    """
    album = new_album(imgur, bytes=sizes)
    images = [
        image | _filled(change, imgur, image["id"])
        for image, change in zip(listing(imgur, album), changes, strict=True)
    ]
    put(imgur, f"albums/{album}", {"bytes": sizes, "images": images})
    return album, images


def _filled(change: dict[str, Any], imgur: str, image: str) -> dict[str, Any]:
    link = change.get("link")
    return change | ({"link": link.format(host=imgur, id=image)} if link else {})
