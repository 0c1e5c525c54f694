"""A row of a job's input: a link to an image, or the address of what the API has to list."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from imgur_mirror.api import (
    Address,
    BadAddress,
    Kind,
    distinct,
    image_at,
    original_link,
    parse_address,
)
from imgur_mirror.models import Image
from imgur_mirror.text import printable

__all__ = ["ForeignLink", "Link", "Links", "read_link", "read_links"]


class ForeignLink(BadAddress):
    """A row is a link to another site than Imgur."""


Link = Image | Address | BadAddress
"""What a row of the input names, or why it names nothing."""

IMAGE_HOST = "https://i.imgur.com/"
_BARE_ID = re.compile("[A-Za-z0-9]{5}|[A-Za-z0-9]{7}")
_FILE_NAME = re.compile(r"/?([A-Za-z0-9-]*\.[A-Za-z0-9]{2,4})(?:[?#]|$)")
_SCHEME = re.compile("https?://|//", re.IGNORECASE)

_AROUND = " \t\r\n\u00a0\u200b\ufeff\"'`“”„‘’«»<>()[]{},;"
"""What people and programs put around a link."""

_COMMENT = re.compile(r"\s#.*", re.DOTALL)

# In a query, or in the path of an archive, another link is a part of the first.
_NEXT_LINK = re.compile(r"(?<![=/&?])https?://", re.IGNORECASE)
_IMGUR = re.compile(r"imgur\.(?:com|io)/", re.IGNORECASE)

_WEB_PAGE = re.compile(
    r"(?:[a-z][a-z0-9+.-]*:)?//(?:[^/?#\s]*@)?(?P<host>[^/?#\s:@]+)\S*"
    r"|(?P<bare>(?:[a-z0-9-]+\.)+[a-z]{2,})(?::\d+)?/\S*",
    re.IGNORECASE,
)
_OWN_HOST = re.compile(r"(?:.*\.)?imgur\.(?:com|io)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Links:
    """What the rows of a shard name, row by row.

    `images` has each image once, by its link; the file name of such an image is its id as well,
    and differs from all others in the shard. `addresses` has what the API has to be asked for, each
    with the index of its first row.
    """

    rows: Sequence[Link] = ()
    images: Mapping[str, Image] = field(default_factory=dict)
    addresses: Mapping[Address, int] = field(default_factory=dict)

    def file_name(self, image: Image) -> str:
        """Return the name that the image of a row has in the shard's folder."""
        return self.images[_without_query(image.link)].name


def read_links(texts: Iterable[str], hosts: Sequence[str], bare: Kind) -> Links:
    """Read the rows of a shard; the arguments are those of `read_link`."""
    rows = [_read_row(text, hosts, bare) for text in texts]
    addresses: dict[Address, int] = {}
    for index, link in enumerate(rows):
        if isinstance(link, Address):
            addresses.setdefault(link, index)
    return Links(rows, _distinct_images(rows), addresses)


def _read_row(text: str, hosts: Sequence[str], bare: Kind) -> Link:
    try:
        return read_link(text, hosts, bare)
    except BadAddress as error:
        return error


def _distinct_images(rows: Iterable[Link]) -> dict[str, Image]:
    images: dict[str, Image] = {}
    for link in rows:
        if isinstance(link, Image):
            images.setdefault(_without_query(link.link), link)
    names = distinct([image.name for image in images.values()])
    return {
        # Nothing else is known of a link. `dataclasses.replace` takes several times as long.
        key: Image(id=name, name=name, link=image.link, type=image.type)
        for (key, image), name in zip(images.items(), names, strict=True)
    }


def read_link(text: str, hosts: Sequence[str], bare: Kind = Kind.ALBUM) -> Image | Address:
    """Say what a row names: an image whose link it is, or what the API has to be asked for.

    `hosts` are those that images may come from; `bare` is what an id by itself is the id of.

    Raises:
        ForeignLink: where it is a link to another site.
        BadAddress: where it names neither.
    """
    wanted = _bare_link(text)
    if not wanted:
        raise BadAddress("the row is empty: there should be a link")
    if _is_glued(wanted):
        raise BadAddress(
            f"there are two links in {printable(wanted, 120)!r}: put each on a line of its own"
        )
    if bare is Kind.IMAGE and _BARE_ID.fullmatch(wanted):
        return Address(Kind.IMAGE, wanted, is_file=True)
    image = _linked_image(wanted, hosts)
    if image is not None and image.unsafe is None:
        return image
    try:
        address = parse_address(wanted)
    except BadAddress as error:
        if image is not None:
            raise BadAddress(image.unsafe) from None
        raise (ForeignLink if _is_foreign(wanted, hosts) else BadAddress)(str(error)) from None
    if address.is_collection:
        raise BadAddress(f"{address} is an account or another list: give it to mirror_albums")
    return _image_of_page(wanted, address) or address


def _bare_link(text: str) -> str:
    """Cut off what is around a link: a comment, quotes, brackets and commas."""
    if "#" in text:
        text = _COMMENT.sub("", text)
    return text.strip(_AROUND)


def _is_glued(link: str) -> bool:
    """Return whether another link follows directly, or after a blank or a comma."""
    if _NEXT_LINK.search(link, 1):
        return True
    path = re.split("[?#]", link, maxsplit=1)[0]
    return len(_IMGUR.findall(path)) > 1


def _is_foreign(link: str, hosts: Sequence[str]) -> bool:
    found = _WEB_PAGE.fullmatch(link)
    if found is None:
        return False
    host = found["host"] or found["bare"]
    own = {each.partition(":")[0] for each in hosts}
    return not _OWN_HOST.fullmatch(host) and host.lower() not in own


def _linked_image(link: str, hosts: Sequence[str]) -> Image | None:
    """Return the image whose file a link leads to; `unsafe` says where it makes no file name."""
    with_scheme = original_link(link if _SCHEME.match(link) else f"https://{link}")
    try:
        parts = urlsplit(with_scheme)
    except ValueError:
        return None
    if parts.netloc.lower() not in hosts:
        return None
    stem = parts.path.rpartition("/")[2].partition(".")[0]
    return image_at(with_scheme, stem)


def _image_of_page(text: str, address: Address) -> Image | None:
    """Return the image of a page whose address has the extension of the image's file."""
    found = _FILE_NAME.search(original_link(text).rpartition("/")[2])
    if address.kind is not Kind.IMAGE or found is None:
        return None
    extension = found[1].rpartition(".")[2]
    link = f"{IMAGE_HOST}{address.id}.{extension}"
    image = image_at(link, address.id)
    return None if image.unsafe else image


def _without_query(link: str) -> str:
    """Cut off what follows `?` or `#`: links that differ in nothing else lead to the same file."""
    return re.split("[?#]", link, maxsplit=1)[0]
