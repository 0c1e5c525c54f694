"""The channel by which tests arrange albums and faults, and read what was served: `/_/`.

| request | body or answer |
|---|---|
| PUT albums/ID | count, bytes (or a list), width in pixels, kinds, title, account, add, and what the API lists just so: images (all of them), listed (fields of the album, such as images_count); answers with GET's |
| GET, DELETE albums/ID | its images: id, name, bytes, kind, md5 |
| PUT, GET, DELETE images/ID | one image outside of any album: bytes, kind |
| PUT, DELETE collections/PATH | what a collection lists (see `collections` for the paths): posts (ids, or entries just so), newest first, size of a page, repeats from one page to the next |
| GET, DELETE asked | the paths that the API was asked for, in their order |
| PUT faults/IMAGE (`*`: all) | a fault or a list of them: kind, times, skip, its options; kind `scripted` is any answer at all (see `scripted`), for `*` the same one for every link |
| DELETE faults, faults/IMAGE | |
| PUT api-faults | the same, and `path`: what follows /3/ (`*`: everything), such as account/NAME/albums/0; kind `verbatim` is any status, headers and body |
| DELETE api-faults | |
| GET served?prefix=, DELETE served | the requests of the image host whose path starts so; `target` is the path as it was escaped |
| GET counts | bodies begun by image |
| GET, DELETE connections | open, peak, in_flight, in_flight_peak; DELETE resets the peaks |
"""  # noqa: E501 - a table

import asyncio
import re
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from standin.albums import Album, Item, Library, items
from standin.answers import Answer, is_json
from standin.collections import Collection
from standin.faults import Faults
from standin.ledger import Ledger
from standin.pictures import KINDS, Picture, digest, draw

__all__ = ["Control"]

ALBUM_FIELDS = ("title", "account", "in_gallery", "listed")
Query = Mapping[str, str]
Json = Any
"""Data as JSON has it; as a result, also a call that makes it."""


@dataclass(frozen=True, slots=True)
class Control:
    """Answers under /_/; whatever it is told takes effect with the next request."""

    library: Library
    faults: Faults
    api_faults: Faults
    ledger: Ledger
    asked: deque[str]

    async def answer(self, method: str, path: str, body: Json, query: Query) -> Answer:
        """The answer to a request for a path after /_/."""
        for verb, pattern, act in ROUTES:
            if verb == method and (match := re.fullmatch(pattern, path)):
                try:
                    result = act(self, *match.groups(), body=body, query=query)
                except (AttributeError, KeyError, TypeError, ValueError) as error:
                    return is_json({"error": f"{type(error).__name__}: {error}"}, 400)
                # The digests of an album may take a while.
                return is_json(await asyncio.to_thread(result) if callable(result) else result)
        return is_json({"error": f"no {method} {path}"}, 404)

    def put_album(self, name: str, *, body: Json, **_: object) -> Json:
        """Make an album, or add to one."""
        old = self.library.albums.get(name)
        kept = old.items if old and "add" in body else ()
        count = body.get("add", body.get("count"))
        sizes = body.get("bytes", 20_000)
        if isinstance(sizes, int):
            sizes = [sizes] * (1 if count is None else count)
        kinds, width = body.get("kinds", ["jpg"]), body.get("width", 0)
        shown = kept + items(name, sizes[:count], kinds, len(kept), width)
        for kind, size in {(item.picture.kind, item.picture.size) for item in shown}:
            _check(kind, size, shown)
        album = replace(old, items=shown) if old and kept else Album(id=name, items=shown)
        changes = {key: body[key] for key in ALBUM_FIELDS if key in body}
        self.library.put(replace(album, raw=body.get("images"), **changes))
        return [_brief(item) for item in shown]

    def get_album(self, name: str, **_: object) -> Json:
        """The images of an album with their digests, once they have been computed."""
        shown = self.library.albums[name].items
        return lambda: [{**_brief(item), "md5": digest(item.picture)} for item in shown]

    def drop_album(self, name: str, **_: object) -> None:
        """Have the album no more."""
        self.library.remove(name)

    def put_image(self, name: str, *, body: Json, **_: object) -> Json:
        """Make a single image, or another version of one."""
        kind, size = body.get("kind", "jpg"), body.get("bytes", 20_000)
        item = Item(Picture(name, kind, size), f".{kind}", in_gallery=True)
        _check(kind, size, (item,))
        self.library.put_single(item)
        return _brief(item)

    def get_image(self, name: str, **_: object) -> Json:
        """A single image with its digest."""
        item = self.library.singles[name]
        return {**_brief(item), "md5": digest(item.picture)}

    def drop_image(self, name: str, **_: object) -> None:
        """Have the image no more."""
        self.library.remove_single(name)

    def put_collection(self, path: str, *, body: Json, **_: object) -> None:
        """Have a collection list these posts."""
        self.library.collections[path.lower()] = Collection(
            body["posts"], int(body.get("size", 60)), int(body.get("repeats", 1))
        )

    def drop_collection(self, path: str, **_: object) -> None:
        """Have the collection no more."""
        self.library.collections.pop(path.lower(), None)

    def get_asked(self, **_: object) -> Json:
        """What the API was asked for."""
        return list(self.asked)

    def drop_asked(self, **_: object) -> None:
        """Start that record anew."""
        self.asked.clear()

    def put_faults(self, image: str, *, body: Json, **_: object) -> None:
        """Set the faults of an image."""
        self.faults.put(image, body if isinstance(body, list) else [body])

    def drop_faults(self, image: str | None = None, **_: object) -> None:
        """Forget the faults of an image, or of all."""
        self.faults.clear(image)

    def put_api_faults(self, *, body: Json, **_: object) -> None:
        """Set the faults of API paths."""
        wanted = body if isinstance(body, list) else [body]
        for path in dict.fromkeys(fault["path"] for fault in wanted):
            self.api_faults.put(path, [_without_path(f) for f in wanted if f["path"] == path])

    def drop_api_faults(self, **_: object) -> None:
        """Forget them all."""
        self.api_faults.clear()

    def get_served(self, *, query: Query, **_: object) -> Json:
        """The requests of the image host."""
        prefix = query.get("prefix", "")
        return [asdict(entry) for entry in self.ledger.entries if entry.path.startswith(prefix)]

    def drop_served(self, **_: object) -> None:
        """Start the record anew."""
        self.ledger.entries.clear()

    def get_counts(self, **_: object) -> Json:
        """Bodies begun, by image."""
        return self.ledger.counts()

    def get_load(self, **_: object) -> Json:
        """Connections and requests, now and at most."""
        return self.ledger.load()

    def drop_load(self, **_: object) -> None:
        """Count the peaks from now on."""
        self.ledger.connections.reset()
        self.ledger.requests.reset()


def _check(kind: str, size: int, shown: tuple[Item, ...]) -> None:
    """Refuse now what could not be served later: an unknown kind, too few bytes."""
    if kind not in KINDS:
        raise ValueError(f"no kind {kind!r}; there are {', '.join(KINDS)}")
    if size < 2000:
        for item in shown:
            if (item.picture.kind, item.picture.size) == (kind, size):
                draw(item.picture)


def _brief(item: Item) -> dict[str, Any]:
    picture = item.picture
    return {"id": picture.id, "name": item.name, "bytes": picture.size, "kind": picture.kind}


def _without_path(fault: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in fault.items() if name != "path"}


ROUTES: tuple[tuple[str, str, Callable[..., Any]], ...] = (
    ("PUT", r"albums/(\w+)", Control.put_album),
    ("GET", r"albums/(\w+)", Control.get_album),
    ("DELETE", r"albums/(\w+)", Control.drop_album),
    ("PUT", r"images/(\w+)", Control.put_image),
    ("GET", r"images/(\w+)", Control.get_image),
    ("DELETE", r"images/(\w+)", Control.drop_image),
    ("PUT", r"collections/(.+)", Control.put_collection),
    ("DELETE", r"collections/(.+)", Control.drop_collection),
    ("GET", r"asked", Control.get_asked),
    ("DELETE", r"asked", Control.drop_asked),
    ("PUT", r"faults/(\w+|\*)", Control.put_faults),
    ("DELETE", r"faults/(\w+|\*)", Control.drop_faults),
    ("DELETE", r"faults", Control.drop_faults),
    ("PUT", r"api-faults", Control.put_api_faults),
    ("DELETE", r"api-faults", Control.drop_api_faults),
    ("GET", r"served", Control.get_served),
    ("DELETE", r"served", Control.drop_served),
    ("GET", r"counts", Control.get_counts),
    ("GET", r"connections", Control.get_load),
    ("DELETE", r"connections", Control.drop_load),
)
