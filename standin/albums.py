"""What the stand-in has: albums, accounts, single images, and how the API lists them."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from hashlib import md5
from random import Random
from string import ascii_letters, digits
from typing import Any

from standin.pictures import KINDS, Picture, dimensions

__all__ = ["Album", "Item", "Library", "identity", "items", "library"]

MISSING = object()
"""As a listed value: the API leaves the field out."""

BORN = 1_400_000_000
"""Seconds since 1970: when the first image of every album was uploaded."""


def identity(name: str) -> str:
    """Seven letters and digits that stand for a name."""
    number = int(md5(name.encode(), usedforsecurity=False).hexdigest(), 16)
    letters = ascii_letters + digits
    return "".join(letters[number // 62**place % 62] for place in range(7))


@dataclass(frozen=True, slots=True)
class Item:
    """A picture as an album holds it; `listed` are the fields in which the API is odd.

    `suffix` is what follows the id in its link: the extension, or `h.gif` for a thumbnail.
    """

    picture: Picture
    suffix: str
    index: int = 0
    listed: Mapping[str, object] = field(default_factory=dict)
    in_gallery: bool = False

    @property
    def name(self) -> str:
        """The file name at the image host."""
        return self.picture.id + self.suffix

    def image(self, base: str) -> dict[str, Any]:
        """The image as the API has it; `base` is the address of the image host."""
        picture, link = self.picture, f"{base}/{self.name}"
        width, height = dimensions(picture)
        image = {
            "id": picture.id,
            "title": None if self.index % 3 else f"Picture {self.index + 1}",
            "description": None,
            "datetime": BORN + self.index,
            "type": picture.type,
            "animated": picture.kind == "mp4",
            "width": width,
            "height": height,
            "size": picture.size,
            "views": 1000 + self.index,
            "bandwidth": picture.size * (1000 + self.index),
            "vote": None,
            "favorite": False,
            "nsfw": None,
            "section": None,
            "account_url": None,
            "account_id": None,
            "is_ad": False,
            "in_most_viral": False,
            "has_sound": False,
            "tags": [],
            "ad_type": 0,
            "ad_url": "",
            "edited": "0",
            "in_gallery": self.in_gallery,
            "link": link,
            **(_video(picture, base) if picture.kind == "mp4" else {}),
            **self.listed,
        }
        return {key: value for key, value in image.items() if value is not MISSING}


def _video(picture: Picture, base: str) -> dict[str, Any]:
    """The fields that only a video has; its size is in one of them, as text."""
    return {
        "size": 0,
        "mp4_size": str(picture.size),
        "mp4": f"{base}/{picture.id}.mp4",
        "gifv": f"{base}/{picture.id}.gifv",
        "hls": f"{base}/{picture.id}.m3u8",
        "processing": {"status": "completed"},
    }


@dataclass(frozen=True, slots=True, kw_only=True)
class Album:
    """An album; `raw` are images to list just as they are, instead of its own.

    `listed` are the fields of the album itself in which the API is odd.
    """

    id: str
    items: tuple[Item, ...] = ()
    title: str | None = None
    account: str | None = None
    in_gallery: bool = False
    raw: Sequence[object] | None = None
    listed: Mapping[str, object] = field(default_factory=dict)

    def images(self, base: str) -> Sequence[object] | None:
        """Its images as the API lists them; null where there are none."""
        if self.raw is not None:
            return self.raw
        return [item.image(base) for item in self.items] or None

    def listing(self, base: str, *, whole: bool = True) -> dict[str, Any]:
        """The album as the API has it, with its images if `whole`."""
        cover = self.items[0].picture if self.items else None
        width, height = dimensions(cover) if cover else (None, None)
        return {
            "id": self.id,
            "title": self.title,
            "description": None,
            "datetime": BORN,
            "cover": cover.id if cover else None,
            "cover_width": width,
            "cover_height": height,
            "account_url": self.account,
            "account_id": 4711 if self.account else None,
            "privacy": "public" if self.in_gallery else "hidden",
            "layout": "blog",
            "views": 31337,
            "link": f"https://imgur.com/a/{self.id}",
            "favorite": False,
            "nsfw": False,
            "section": None,
            "images_count": len(self.items if self.raw is None else self.raw),
            "in_gallery": self.in_gallery,
            "is_ad": False,
            "include_album_ads": False,
            "is_album": True,
            **self.listed,
            **({"images": self.images(base)} if whole else {}),
        }


def items(
    album: str,
    sizes: Iterable[int],
    kinds: Sequence[str] = ("jpg",),
    first: int = 0,
    width: int = 0,
) -> tuple[Item, ...]:
    """Images of an album from its index `first` on, with the kinds in turn."""
    return tuple(
        Item(Picture(identity(f"{album}/{index}"), kind, size, width=width), f".{kind}", index)
        for index, size in enumerate(sizes, first)
        for kind in [kinds[index % len(kinds)]]
    )


class Library:
    """Albums by id, single images by id, and the pictures of them all."""

    def __init__(self) -> None:
        self.albums: dict[str, Album] = {}
        self.singles: dict[str, Item] = {}
        self.collections: dict[str, Any] = {}
        self._items: dict[str, Item] = {}

    def put(self, album: Album) -> None:
        """Have this album, in place of one with its id."""
        self.remove(album.id)
        self.albums[album.id] = album
        self._items |= {item.picture.id: item for item in album.items}

    def put_single(self, item: Item) -> None:
        """Have this image outside of any album."""
        self.singles[item.picture.id] = self._items[item.picture.id] = item

    def remove_single(self, image: str) -> None:
        """Have that single image no more."""
        self.singles.pop(image, None)
        self._items.pop(image, None)

    def remove(self, album: str) -> None:
        """Have neither the album nor its images any more."""
        if album in self.albums:
            for item in self.albums.pop(album).items:
                self._items.pop(item.picture.id, None)

    def item(self, image: str) -> Item | None:
        """The image of that id."""
        return self._items.get(image)

    def picture(self, stem: str) -> Picture | None:
        """The picture of an id, or of an id and the letter of a thumbnail."""
        item = self._items.get(stem) or self._items.get(stem[:-1])
        return item.picture if item else None

    def account(self, user: str) -> list[Album]:
        """The albums of an account, whose name may be in any capitals."""
        wanted = user.lower()
        return [each for each in self.albums.values() if (each.account or "").lower() == wanted]


ODDITIES: Mapping[int, dict[str, object]] = {
    4: {"suffix": ".jpeg"},
    12: {"listed": {"size": 0}},
    18: {"listed": {"size": MISSING}},
    24: {"listed": {"size": 12_345}},
    # A large PNG that was made a JPEG: its address and its type still say PNG.
    27: {"suffix": ".png", "listed": {"type": "image/png"}},
    # Over 20 MB, says the API, and links to a thumbnail.
    31: {"suffix": "h.gif", "listed": {"size": 23_456_789}},
    36: {"listed": {"title": '…/¿Qué? 🐈 "<b>&amp;\\'}},
}
LARGE = {7: 3_000_000, 33: 3_145_728}


def _showcase(album: str) -> tuple[Item, ...]:
    """60 images of all types, 1 to 200 kB but for two, with everything that may be odd."""
    rng = Random("showcase")  # noqa: S311 - a seed
    sizes = [rng.randrange(1_000, rng.choice((5_000, 50_000, 200_000))) for _ in range(60)]
    sizes = [LARGE.get(index, size) for index, size in enumerate(sizes)]
    kinds = ("jpg", "gif", "png", "jpg", "jpg", "mp4", "jpg", "png", "jpg", "png")
    shown = items(album, sizes, kinds)
    return tuple(replace(item, **_oddity(item, ODDITIES.get(item.index, {}))) for item in shown)


def _oddity(item: Item, changes: dict[str, object]) -> dict[str, Any]:
    """The changes, with a picture whose bytes are what its odd address does not say."""
    kind = {27: "jpg", 31: "gif"}.get(item.index, item.picture.kind)
    return {**changes, "picture": replace(item.picture, kind=kind)}


def library(sizes: Sequence[int] = (), width: int = 0) -> Library:
    """What every profile has; `sizes` and `width` are those of the images of PdA9Amq."""
    has = Library()
    shown = items("PdA9Amq", sizes, width=width) if sizes else _showcase("PdA9Amq")
    has.put(Album(id="PdA9Amq", items=shown, title="Forty ways to be late"))
    has.put(Album(id="Empty00", title="Nothing yet"))
    gallery = items("GaLry01", [9_000, 30_000, 4_000], tuple(KINDS))
    has.put(Album(id="GaLry01", items=gallery, title="In the gallery", in_gallery=True))
    for user, count in {"mirrorfan": 3, "collector": 120}.items():
        for album in (identity(f"{user}/{number}") for number in range(count)):
            has.put(Album(id=album, items=items(album, [2_000, 5_000]), account=user))
    has.put_single(Item(Picture("GaLimg1", "png", 20_000), ".png", in_gallery=True))
    has.put_single(Item(Picture("Single1", "jpg", 40_000), ".jpg"))
    return has
