"""The contact sheet of an album: its images as thumbnails, as an HTML file and as Markdown."""

import base64
import hashlib
import json
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from html import escape as html_escape
from urllib.parse import quote

from imgur_mirror.models import Album, Download, Image, Mirrored
from imgur_mirror.pictures import SIDE
from imgur_mirror.report.report_folder import image_uri, read_report, write_report
from imgur_mirror.report.svg import data_uri
from imgur_mirror.report.tables import escape
from imgur_mirror.report.thumbnails import album_thumbnails
from imgur_mirror.store import AlbumFolder
from imgur_mirror.text import counted_images, plain

__all__ = [
    "CONTACT_SHEET",
    "Sheet",
    "Tile",
    "contact_sheet",
    "sheet_html",
    "sheet_markdown",
    "webp_uri",
]

CONTACT_SHEET = "contact-sheet.html"
"""The name of the HTML file."""

MAX_TILES = 200
"""The most images on a sheet: the first ones of the album."""

MAX_MARKDOWN_BYTES = 1_500_000
"""Prefect keeps the Markdown in its database for each run that changed the album."""

COLUMNS = 4
"""Columns of the Markdown's table: as many as Prefect's UI has room for."""

FORMAT_VERSION = 2
"""Raised when the look of the HTML changes, so that existing files are replaced."""

NAME_TILE = (
    f'<svg xmlns="http://www.w3.org/2000/svg" width="{SIDE}" height="{SIDE}">'
    '<rect width="100%" height="100%" fill="#D8D8D8"/><text x="50%" y="50%" text-anchor="middle"'
    ' font-family="sans-serif" font-size="13" fill="#1B1B1B">{name}</text></svg>'
)
# The policy refuses scripts and anything from elsewhere, should a title ever get past the escaping.
HTML = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; img-src data:; \
style-src 'unsafe-inline'">
<meta name="viewport" content="width=device-width">
<meta name="imgur-mirror" content="{fingerprint}">
<title>{title}</title>
<style>
body {{ font: 15px sans-serif; margin: 2em; color: #1B1B1B; background: #FFFFFF }}
main {{ display: grid; grid-template-columns: repeat(auto-fill, {side}px); gap: 12px }}
a {{ display: flex; height: {side}px; align-items: center; justify-content: center;
  background: #F2F2F2 }}
</style>
</head>

<body>
<h1>{title}</h1>
<p>{count}</p>
<main>
{tiles}
</main>
</body>
</html>
"""


@dataclass(frozen=True, slots=True)
class Tile:
    """A stored image and its thumbnail as WebP, or its BlurHash as one.

    Without either, the tile shows the file's name.
    """

    image: Image
    thumbnail: bytes | None


@dataclass(frozen=True, slots=True)
class Sheet:
    """The stored images of an album, in its order; `left_out` are those beyond `MAX_TILES`."""

    album: Album
    tiles: tuple[Tile, ...]
    left_out: int


def contact_sheet(mirrored: Mirrored, folder: AlbumFolder) -> Sheet | None:
    """Replace the HTML file, and give the sheet; None if nothing has changed since the last one.

    Thumbnails are made here that no task has made. One whose turn did not come in time is not tried
    again before the album changes.

    Raises:
        StoreError: if the folder cannot be read, or the file not be written.
    """
    sizes = folder.files()
    stored = [image for image in mirrored.album.images if image.name in sizes]
    known = folder.thumbnails.known()
    if not stored or _is_current(folder, _fingerprint(mirrored, stored, sizes, known)):
        return None
    rows = {row.name: row for row in mirrored.downloads}
    shown = {image.name: image for image in stored[:MAX_TILES]}
    made = album_thumbnails(folder, {name: sizes[name] for name in shown}, rows, known)
    tiles = tuple(_tile(image, made.get(name), rows.get(name)) for name, image in shown.items())
    known |= {row.md5 for name in made if (row := rows.get(name)) and row.md5}
    sheet = Sheet(mirrored.album, tiles, len(stored) - len(tiles))
    fingerprint = _fingerprint(mirrored, stored, sizes, known)
    write_report(folder, CONTACT_SHEET, sheet_html(sheet, folder, fingerprint))
    _sweep(folder, known, mirrored)
    return sheet


def _tile(image: Image, thumbnail: bytes | None, row: Download | None) -> Tile:
    if thumbnail is None and row is not None and row.blurhash is not None:
        # Imported where it is used: it brings Pillow.
        from imgur_mirror.pictures.placeholder import placeholder

        thumbnail = placeholder(row.blurhash, image.width or 4, image.height or 3)
    return Tile(image, thumbnail)


def _sweep(folder: AlbumFolder, known: Collection[str], mirrored: Mirrored) -> None:
    """Remove the thumbnails of images that were replaced."""
    digests = {row.md5 for row in mirrored.downloads}
    # Of an image that failed, or is gone, the digest of the file that was kept is not known here.
    if None not in digests:
        folder.thumbnails.remove([md5 for md5 in known if md5 not in digests])


def _is_current(folder: AlbumFolder, fingerprint: str) -> bool:
    existing = read_report(folder, CONTACT_SHEET) or ""
    return f'content="{fingerprint}"' in existing[:1000]


def _fingerprint(
    mirrored: Mirrored, stored: list[Image], sizes: Mapping[str, int], known: Collection[str]
) -> str:
    """Digest all that the sheet is made from, so that a change in any of it is noticed."""
    rows = {row.name: row for row in mirrored.downloads}
    images = [
        (image.name, image.title, sizes[image.name], *_look(rows.get(image.name), known))
        for image in stored
    ]
    text = json.dumps([FORMAT_VERSION, MAX_TILES, SIDE, mirrored.album.title, images])
    return hashlib.sha256(text.encode()).hexdigest()


def _look(row: Download | None, known: Collection[str]) -> tuple[str | None, ...]:
    """Return what a tile's look depends on: the image, and without a thumbnail its BlurHash."""
    if row is None:
        return ()
    return (row.md5,) if row.md5 in known else (row.md5, row.blurhash or "")


def sheet_html(sheet: Sheet, folder: AlbumFolder, fingerprint: str = "") -> str:
    """Return the sheet as HTML whose tiles link to the stored files."""
    return HTML.format(
        fingerprint=fingerprint,
        side=SIDE,
        title=html_escape(_titled(sheet.album.id, sheet.album.title)),
        count=html_escape(_count(len(sheet.tiles), sheet.left_out)),
        tiles="\n".join(_html_tile(tile, folder) for tile in sheet.tiles),
    )


def _html_tile(tile: Tile, folder: AlbumFolder) -> str:
    name = tile.image.name
    uri, title = html_escape(image_uri(folder, name)), html_escape(_titled(name, tile.image.title))
    image = f'<img src="{_picture_uri(tile)}" alt="{html_escape(plain(name))}">'
    return f'<a href="{uri}" title="{title}">{image}</a>'


def sheet_markdown(sheet: Sheet, max_bytes: int = MAX_MARKDOWN_BYTES) -> str:
    """Return the sheet as Markdown: a table whose cells link to the images' pages at Imgur.

    The link is below the picture: Prefect's classic UI shows no picture that is a link itself. It
    is a table because the newer UI puts each picture outside of one on a line of its own.
    """
    tiles = list(_markdown_tiles(sheet, max_bytes))
    left_out = sheet.left_out + len(sheet.tiles) - len(tiles)
    rows = [tiles[at : at + COLUMNS] for at in range(0, len(tiles), COLUMNS)]
    lines = [[""] * COLUMNS, ["---"] * COLUMNS, *rows]
    table = "\n".join(f"| {' | '.join(line)} |" for line in lines)
    heading = escape(_titled(sheet.album.id, sheet.album.title))
    return f"{heading}\n\n{_count(len(tiles), left_out)}\n\n{table}\n"


def _markdown_tiles(sheet: Sheet, max_bytes: int) -> Iterator[str]:
    """Yield the tiles as Markdown, as many as there is room for."""
    room = max_bytes
    for tile in sheet.tiles:
        page = f"https://imgur.com/{quote(tile.image.id, safe='')}"
        name = escape(tile.image.name)
        text = f"![{name}]({_picture_uri(tile)}) [{name}]({page})"
        room -= len(text) + 3
        if room < 0:
            return
        yield text


def _titled(name: str, title: str | None) -> str:
    return ": ".join(filter(None, (plain(name), plain(title or ""))))


def _count(shown: int, left_out: int) -> str:
    if not left_out:
        return counted_images(shown)
    return f"the first {shown} of {counted_images(shown + left_out)}; {left_out} are left out"


def webp_uri(thumbnail: bytes) -> str:
    """Return a thumbnail as a URI that holds all of it."""
    return "data:image/webp;base64," + base64.b64encode(thumbnail).decode()


def _picture_uri(tile: Tile) -> str:
    """Return the thumbnail, or a grey tile with the file's name, as a URI that holds all of it."""
    if tile.thumbnail is not None:
        return webp_uri(tile.thumbnail)
    return data_uri(NAME_TILE.format(name=html_escape(plain(tile.image.name))))
