"""The album as thumbnails: real pictures, hostile ones, and the page that shows them."""

import base64
import io
import os
import re
import struct
import zlib
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote

import pytest
from markdown_it import MarkdownIt
from PIL import Image as Picture

from imgur_mirror.models import Album, Image
from imgur_mirror.report.contact_sheet import (
    CONTACT_SHEET,
    Sheet,
    Tile,
    contact_sheet,
    sheet_markdown,
)
from imgur_mirror.report.report_folder import REPORTS, read_report, write_report
from imgur_mirror.report.thumbnails import SIDE, thumbnails
from imgur_mirror.store import StoreError, album_folder
from tests.support.rows import image as row
from tests.support.rows import mirror


@pytest.fixture
def folder(tmp_path):
    found = album_folder(str(tmp_path), "album")
    found.local_dir.mkdir()
    return found


def page(folder, name):
    return folder.local_dir.parent / REPORTS / folder.name / name


def encoded(form, size=(640, 400), mode="RGB", colour=(200, 30, 30), **options):
    data = io.BytesIO()
    Picture.new(mode, size, colour).save(data, form, **options)
    return data.getvalue()


def put(folder, **files):
    """Store files, named by what precedes their extension."""
    for name, content in files.items():
        (folder.local_dir / name.replace("__", ".")).write_bytes(content)


def mirrored(*names, title=None, md5="0", titles=None):
    images = [
        Image(id=name.partition(".")[0], link="", name=name, title=(titles or {}).get(name))
        for name in names
    ]
    album = Album(id="album", title=title, images=tuple(images))
    return mirror(*(row(name, md5=md5) for name in names), album=album)


def opened(thumbnail):
    return Picture.open(io.BytesIO(thumbnail))


class Tiles(HTMLParser):
    """The links of a page with their pictures, and all tags and text in it."""

    def __init__(self, html):
        super().__init__()
        self.links, self.pictures, self.tags, self.text = [], [], set(), ""
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        if tag == "a":
            self.links.append(dict(attrs))
        elif tag == "img":
            self.pictures.append(dict(attrs))

    def handle_data(self, data):
        self.text += data


@pytest.mark.parametrize(
    ("form", "mode", "colour"),
    [
        ("JPEG", "RGB", (200, 30, 30)),
        ("JPEG", "CMYK", (0, 200, 200, 20)),
        ("PNG", "RGBA", (200, 30, 30, 255)),
        ("PNG", "P", 1),
        ("PNG", "I;16", 40_000),
        ("GIF", "P", 1),
        ("WEBP", "RGB", (200, 30, 30)),
        ("BMP", "RGB", (200, 30, 30)),
    ],
)
def test_every_format_of_pictures_has_a_thumbnail(folder, form, mode, colour):
    put(folder, a=encoded(form, mode=mode, colour=colour))
    (thumbnail,) = thumbnails([folder.local_dir / "a"])
    assert opened(thumbnail).size == (SIDE, SIDE * 400 // 640)
    if colour == (200, 30, 30):
        red, green, blue = opened(thumbnail).convert("RGB").getpixel((50, 40))
        assert red > 150 > 100 > green
        assert blue < 100


def test_a_small_picture_stays_small_and_a_turned_one_is_turned(folder):
    exif = Picture.Exif()
    exif[0x0112] = 6
    put(folder, small=encoded("PNG", size=(20, 10)), turned=encoded("JPEG", exif=exif))
    small, turned = thumbnails([folder.local_dir / "small", folder.local_dir / "turned"])
    assert opened(small).size == (20, 10)
    assert opened(turned).size == (90, SIDE)


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def bomb(side):
    """A PNG of few bytes that claims many pixels."""
    head = struct.pack(">IIBBBBB", side, side, 8, 6, 0, 0, 0)
    pixels = zlib.compress(bytes(10_000))
    parts = chunk(b"IHDR", head) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + parts


def endless_scans(side=5000, scans=3000):
    """A progressive JPEG of few bytes whose every scan goes over all its pixels once more."""
    data = encoded("JPEG", size=(side, side), progressive=True, quality=20)
    start = data.rindex(b"\xff\xda")
    return data[:start] + (data[start:-2]) * scans + b"\xff\xd9"


def test_a_file_that_is_no_decent_picture_has_no_thumbnail_and_stops_no_other(folder):
    whole = encoded("PNG")
    put(
        folder,
        text=b"hello",
        empty=b"",
        cut=encoded("JPEG")[:300],
        flipped=whole[:60] + bytes(40) + whole[100:],
        bomb=bomb(60_000),
        large=bomb(6_000),
        video=b"\0\0\0\x18ftypmp42" + bytes(100),
        tiff=encoded("TIFF"),
        good=encoded("JPEG"),
    )
    os.mkfifo(folder.local_dir / "pipe")
    (folder.local_dir / "link").symlink_to(folder.local_dir / "good")
    names = ["text", "empty", "flipped", "bomb", "large", "video", "tiff", "pipe", "link", "no"]
    made = thumbnails([folder.local_dir / name for name in [*names, "good"]])
    assert made[:-1] == [None] * len(names)
    assert opened(made[-1]).size == (SIDE, 90)


def test_a_picture_that_takes_too_long_costs_itself_only(folder):
    put(folder, slow=endless_scans(), good=encoded("JPEG"))
    slow, good = thumbnails([folder.local_dir / "slow", folder.local_dir / "good"], seconds=30)
    assert slow is None
    assert good is not None


def test_without_time_there_are_no_thumbnails(folder):
    put(folder, good=encoded("JPEG"))
    assert thumbnails([folder.local_dir / "good"] * 3, seconds=0) == [None, None, None]
    assert thumbnails([]) == []


def test_the_tiles_lead_to_the_stored_files_in_the_order_of_the_album(folder):
    put(folder, b__jpg=encoded("JPEG"), a__png=encoded("PNG"), c__mp4=b"\0\0\0\x18ftypmp42")
    put(folder, album__json=b"{}", left__jpg=encoded("JPEG"))
    run = mirrored("b.jpg", "gone.jpg", "a.png", "c.mp4", title="Three")
    sheet = contact_sheet(run, folder)
    assert [tile.image.name for tile in sheet.tiles] == ["b.jpg", "a.png", "c.mp4"]

    written = page(folder, CONTACT_SHEET)
    tiles = Tiles(written.read_text())
    stored = [(written.parent / unquote(link["href"])).resolve() for link in tiles.links]
    assert stored == [folder.local_dir / name for name in ("b.jpg", "a.png", "c.mp4")]
    kinds = [picture["src"].partition(";")[0] for picture in tiles.pictures]
    assert kinds == ["data:image/webp", "data:image/webp", "data:image/svg+xml"]
    neutral = base64.b64decode(tiles.pictures[2]["src"].partition(",")[2]).decode()
    assert "c.mp4" in neutral
    assert "album: Three" in tiles.text
    assert "3 images" in tiles.text
    assert written.parent == folder.local_dir.parent / "_reports" / "album"
    assert sorted(path.name for path in written.parent.iterdir()) == [CONTACT_SHEET]


def test_a_sheet_is_not_made_again_before_something_changes(folder):
    put(folder, a__jpg=encoded("JPEG"))
    assert contact_sheet(mirrored("a.jpg"), folder) is not None
    before = page(folder, CONTACT_SHEET).stat()
    assert contact_sheet(mirrored("a.jpg"), folder) is None
    assert page(folder, CONTACT_SHEET).stat().st_mtime_ns == before.st_mtime_ns
    assert contact_sheet(mirrored("a.jpg", md5="1"), folder) is not None
    assert contact_sheet(mirrored("a.jpg", md5="1", title="New"), folder) is not None
    put(folder, b__jpg=encoded("JPEG"))
    assert contact_sheet(mirrored("b.jpg", "a.jpg"), folder) is not None
    assert contact_sheet(mirrored("a.jpg", "b.jpg"), folder) is not None
    page(folder, CONTACT_SHEET).unlink()
    assert contact_sheet(mirrored("a.jpg", "b.jpg"), folder) is not None


def test_an_album_with_nothing_stored_has_no_sheet(folder):
    assert contact_sheet(mirrored("a.jpg"), folder) is None
    assert not page(folder, CONTACT_SHEET).exists()


def test_the_first_images_of_a_large_album_are_shown_and_the_rest_counted(folder):
    names = [f"i{number:03}.jpg" for number in range(203)]
    put(folder, **{name.replace(".", "__"): encoded("JPEG", size=(8, 8)) for name in names})
    sheet = contact_sheet(mirrored(*names), folder)
    assert len(sheet.tiles) == 200
    assert "the first 200 of 203 images; 3 are left out" in page(folder, CONTACT_SHEET).read_text()
    assert "the first 200 of 203 images; 3 are left out" in sheet_markdown(sheet)


def test_the_markdown_keeps_to_its_size_and_says_what_is_left_out():
    album = Album(id="album")
    tiles = tuple(
        Tile(Image(id=f"i{number}", link="", name=f"i{number}.jpg"), bytes(3000))
        for number in range(50)
    )
    markdown = sheet_markdown(Sheet(album, tiles, 7), max_bytes=100_000)
    shown = markdown.count("data:image/webp")
    assert 20 < shown < 26
    assert f"the first {shown} of 57 images; {57 - shown} are left out" in markdown
    assert len(markdown) < 101_000


def test_the_tiles_in_prefect_lead_to_imgur():
    sheet = Sheet(Album(id="album"), (Tile(Image(id="../x y", link="", name="a.jpg"), b"webp"),), 0)
    html = MarkdownIt("commonmark").enable("table").render(sheet_markdown(sheet))
    assert '<a href="https://imgur.com/..%2Fx%20y">' in html
    assert html.count("<td>") == 4
    address = re.search(r"!\[.*?\]\((.*?)\)", sheet_markdown(sheet))[1]
    assert base64.b64decode(address.partition(",")[2]) == b"webp"


NASTY = '"><script>alert(1)</script>](javascript:x) | `` <!-- \x1b[2J \ud800 \u202e'


def test_titles_and_names_stay_text(folder):
    name = "a'\"><img src=x>.jpg"
    put(folder, **{name: encoded("JPEG")})
    run = mirrored(name, title=NASTY, titles={name: NASTY})
    sheet = contact_sheet(run, folder)
    html = read_report(folder, CONTACT_SHEET)
    tiles = Tiles(html)
    assert tiles.tags == {
        *("html", "head", "meta", "title", "style", "body", "h1", "p", "main", "a", "img")
    }
    assert len(tiles.pictures) == 1
    assert tiles.pictures[0]["src"].startswith("data:image/webp;base64,")
    assert set(tiles.links[0]) == {"href", "title"}
    assert (page(folder, CONTACT_SHEET).parent / unquote(tiles.links[0]["href"])).resolve().exists()
    assert "\x1b" not in html
    assert "\u202e" not in html
    markdown = MarkdownIt("commonmark", {"html": True}).enable("table")
    rendered = markdown.render(sheet_markdown(sheet))
    assert set(re.findall(r"<([a-z0-9]+)", rendered)) == {
        *("p", "a", "img", "table", "thead", "tbody", "tr", "th", "td")
    }
    assert "javascript" not in "".join(re.findall(r'(?:href|src)="([^"]*)"', rendered))


def test_a_sheet_that_cannot_be_written_raises_an_error_that_says_why(folder):
    (folder.local_dir.parent / "_reports").write_text("in the way")
    put(folder, a__jpg=encoded("JPEG"))
    with pytest.raises(StoreError, match="_reports"):
        contact_sheet(mirrored("a.jpg"), folder)


def test_a_report_file_is_replaced_as_a_whole(folder):
    write_report(folder, "report.md", "one")
    write_report(folder, "report.md", "two")
    assert read_report(folder, "report.md") == "two"
    assert read_report(folder, "other.md") is None
    assert [path.name for path in page(folder, "report.md").parent.iterdir()] == ["report.md"]
    assert list(Path(folder.local_dir).iterdir()) == []
