"""An album as small thumbnails: a page beside the mirror, and Markdown that holds all of it."""

import base64
import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from html import escape as html
from urllib.parse import quote

from imgur_mirror.models import Album, Image, Mirrored
from imgur_mirror.report.report_folder import read_page, stored_address, write_page
from imgur_mirror.report.svg import data_uri
from imgur_mirror.report.tables import escape
from imgur_mirror.report.thumbnails import SIDE, thumbnails
from imgur_mirror.store import AlbumFolder
from imgur_mirror.text import counted_images, plain

__all__ = ["PAGE", "Sheet", "Tile", "contact_sheet", "sheet_html", "sheet_markdown"]

PAGE = "contact-sheet.html"
MOST = 200
"""Tiles of a sheet; the first ones of the album."""

MOST_BYTES = 1_500_000
"""Of the Markdown, which Prefect keeps in its database for each run that changed the album."""

COLUMNS = 4
"""Of the Markdown's table: what fits beside the UI's other columns."""

FORM = 1
"""Raised with each change of a page's looks, so that those that were written before are renewed."""

NEUTRAL = (
    f'<svg xmlns="http://www.w3.org/2000/svg" width="{SIDE}" height="{SIDE}">'
    '<rect width="100%" height="100%" fill="#D8D8D8"/><text x="50%" y="50%" text-anchor="middle"'
    ' font-family="sans-serif" font-size="13" fill="#1B1B1B">{name}</text></svg>'
)
# Scripts and anything from elsewhere are refused, should a title ever get past the escaping.
HEAD = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; img-src data:; \
style-src 'unsafe-inline'">
<meta name="viewport" content="width=device-width">
<meta name="imgur-mirror" content="{mark}">
<title>{title}</title>
<style>
body {{ font: 15px sans-serif; margin: 2em; color: #1B1B1B; background: #FFFFFF }}
main {{ display: grid; grid-template-columns: repeat(auto-fill, {side}px); gap: 12px }}
a {{ display: flex; height: {side}px; align-items: center; justify-content: center;
  background: #F2F2F2 }}
</style>
</head>
"""


@dataclass(frozen=True, slots=True)
class Tile:
    """A stored image and its thumbnail as WebP; None for what is shown by its name."""

    image: Image
    thumbnail: bytes | None


@dataclass(frozen=True, slots=True)
class Sheet:
    """The stored images of an album, in its order; `left_out` are past the last tile."""

    album: Album
    tiles: tuple[Tile, ...]
    left_out: int


def contact_sheet(mirrored: Mirrored, folder: AlbumFolder) -> Sheet | None:
    """Renew the sheet beside the mirror, and give it; None where nothing has changed in it.

    Thumbnails that took too long are not tried again before the album changes.

    Raises:
        StoreError: where the folder cannot be read, or the page not be written.
    """
    files = folder.files()
    stored = [image for image in mirrored.album.images if image.name in files]
    mark = _mark(mirrored, files)
    if not stored or f'content="{mark}"' in (read_page(folder, PAGE) or "")[:1000]:
        return None
    shown = stored[:MOST]
    with folder.copies([image.name for image in shown]) as paths:
        made = thumbnails(paths)
    tiles = tuple(Tile(image, small) for image, small in zip(shown, made, strict=True))
    sheet = Sheet(mirrored.album, tiles, len(stored) - len(tiles))
    write_page(folder, PAGE, sheet_html(sheet, folder, mark))
    return sheet


def _mark(mirrored: Mirrored, files: Mapping[str, int]) -> str:
    """Give what is another for every other sheet: a digest of all that it is made from."""
    digests = {row.name: row.md5 for row in mirrored.downloads}
    shown = [
        (image.name, image.title, files[image.name], digests.get(image.name))
        for image in mirrored.album.images
        if image.name in files
    ]
    text = json.dumps([FORM, MOST, SIDE, mirrored.album.title, shown])
    return hashlib.sha256(text.encode()).hexdigest()


def sheet_html(sheet: Sheet, folder: AlbumFolder, mark: str = "") -> str:
    """Give the sheet as a page whose tiles lead to the stored files."""
    heading = html(_heading(sheet.album))
    tiles = [
        f'<a href="{html(stored_address(folder, tile.image.name))}" title="{html(_title(tile))}">'
        f'<img src="{_picture(tile)}" alt="{html(plain(tile.image.name))}"></a>'
        for tile in sheet.tiles
    ]
    return "\n".join(
        [
            HEAD.format(mark=mark, title=heading, side=SIDE),
            f"<body>\n<h1>{heading}</h1>\n<p>{html(_count(len(sheet.tiles), sheet.left_out))}</p>",
            "<main>",
            *tiles,
            "</main>\n</body>\n</html>\n",
        ]
    )


def sheet_markdown(sheet: Sheet, most_bytes: int = MOST_BYTES) -> str:
    """Give the sheet as Markdown: a table whose cells lead to the images' pages at Imgur.

    A picture has its link below it: the classic UI draws none that is a link itself, and the
    other puts each on a line of its own where there is no table.
    """
    tiles = list(_fitting(sheet, most_bytes))
    left_out = sheet.left_out + len(sheet.tiles) - len(tiles)
    rows = [tiles[at : at + COLUMNS] for at in range(0, len(tiles), COLUMNS)]
    lines = [[""] * COLUMNS, ["---"] * COLUMNS, *rows]
    grid = "\n".join(f"| {' | '.join(line)} |" for line in lines)
    blocks = (escape(_heading(sheet.album)), _count(len(tiles), left_out), grid)
    return "\n\n".join(blocks) + "\n"


def _fitting(sheet: Sheet, most_bytes: int) -> Iterator[str]:
    """Give the tiles as Markdown, as many as there is room for."""
    room = most_bytes
    for tile in sheet.tiles:
        page = f"https://imgur.com/{quote(tile.image.id, safe='')}"
        name = escape(tile.image.name)
        text = f"![{name}]({_picture(tile)}) [{name}]({page})"
        room -= len(text) + 3
        if room < 0:
            return
        yield text


def _heading(album: Album) -> str:
    title = plain(album.title or "")
    return f"{plain(album.id)}: {title}" if title else plain(album.id)


def _count(shown: int, left_out: int) -> str:
    if not left_out:
        return counted_images(shown)
    return f"the first {shown} of {counted_images(shown + left_out)}; {left_out} are left out"


def _title(tile: Tile) -> str:
    title = plain(tile.image.title or "")
    return f"{plain(tile.image.name)}: {title}" if title else plain(tile.image.name)


def _picture(tile: Tile) -> str:
    """Give the thumbnail, or a neutral tile with the file's name, as an address that holds it."""
    if tile.thumbnail is not None:
        return "data:image/webp;base64," + base64.b64encode(tile.thumbnail).decode()
    return data_uri(NEUTRAL.format(name=html(plain(tile.image.name))))
