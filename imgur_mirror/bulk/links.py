"""A row of a job's input: a link to an image, or the address of what the API has to list."""

import re
from collections.abc import Sequence
from urllib.parse import urlsplit

from imgur_mirror.api import Address, BadAddress, Kind, image_at, parse_address
from imgur_mirror.models import Image

__all__ = ["read_link", "same"]

IMAGES = "https://i.imgur.com/"
_BARE = re.compile("[A-Za-z0-9]{5}|[A-Za-z0-9]{7}")
_WITH_EXTENSION = re.compile(r"/?([A-Za-z0-9-]*\.[A-Za-z0-9]{2,4})(?:[?#]|$)")
_SCHEME = re.compile("https?://|//", re.IGNORECASE)


def read_link(text: str, hosts: Sequence[str], bare: Kind = Kind.ALBUM) -> Image | Address:
    """Say what a row names: an image whose link it is, or what the API has to be asked for.

    `hosts` are those that images may come from; `bare` is what an id by itself is the id of.

    Raises:
        BadAddress: where it names neither.
    """
    wanted = text.strip()
    if not wanted:
        raise BadAddress("the row is empty: there should be a link")
    if bare is Kind.IMAGE and _BARE.fullmatch(wanted):
        return Address(Kind.IMAGE, wanted)
    image = _image(wanted, hosts)
    if image is not None and image.unsafe is None:
        return image
    try:
        address = parse_address(wanted)
    except BadAddress as error:
        raise BadAddress(str(error) if image is None else image.unsafe) from None
    if address.kind is Kind.ACCOUNT:
        raise BadAddress(f"{address} is an account: give it to mirror_albums")
    return _at_imgur(wanted, address) or address


def _image(link: str, hosts: Sequence[str]) -> Image | None:
    """Give the image whose file a link leads to; `unsafe` says where it makes no file name."""
    with_scheme = link if _SCHEME.match(link) else f"https://{link}"
    try:
        parts = urlsplit(with_scheme)
    except ValueError:
        return None
    if parts.netloc.lower() not in hosts:
        return None
    stem = parts.path.rpartition("/")[2].partition(".")[0]
    return image_at(with_scheme, stem)


def _at_imgur(text: str, address: Address) -> Image | None:
    """Give the file of an image whose page's address says what kind of file it is."""
    found = _WITH_EXTENSION.search(text.rpartition("/")[2])
    if address.kind is not Kind.IMAGE or found is None:
        return None
    extension = found[1].rpartition(".")[2]
    link = f"{IMAGES}{address.id}.{extension}"
    image = image_at(link, address.id)
    return None if image.unsafe else image


def same(link: str) -> str:
    """Give what links to the same file have in common: all but what follows `?` or `#`."""
    return re.split("[?#]", link, maxsplit=1)[0]
