"""An album as it lies on the disk."""

import hashlib
import json
from pathlib import Path
from typing import Any

__all__ = ["manifest", "stored", "without_times"]


def stored(folder: Path) -> dict[str, str]:
    """What lies in a folder, but for the manifest: MD5 by file name."""
    return {
        path.name: hashlib.md5(path.read_bytes()).hexdigest()
        for path in folder.iterdir()
        if path.name != "album.json"
    }


def manifest(folder: Path) -> dict[str, Any]:
    return json.loads((folder / "album.json").read_bytes())


def without_times(manifest: dict[str, Any]) -> dict[str, Any]:
    for image in manifest["images"]:
        image.pop("fetched")
    return manifest
