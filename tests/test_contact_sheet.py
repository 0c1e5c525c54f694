"""The album as thumbnails: the page that shows them, and the files that they are kept in."""

import base64
import hashlib
import re
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote

import pytest
from markdown_it import MarkdownIt

from imgur_mirror.models import Album, Image
from imgur_mirror.report.contact_sheet import (
    CONTACT_SHEET,
    Sheet,
    Tile,
    contact_sheet,
    sheet_markdown,
)
from imgur_mirror.report.report_folder import REPORTS, read_report, write_report
from imgur_mirror.store import StoreError, album_folder
from tests.support.pictures import encoded
from tests.support.rows import image as row
from tests.support.rows import mirror


@pytest.fixture
def folder(tmp_path):
    found = album_folder(str(tmp_path), "album")
    found.local_dir.mkdir()
    return found


def page(folder, name):
    return folder.local_dir.parent / REPORTS / folder.name / name


def put(folder, **files):
    """Store files, named by what precedes their extension."""
    for name, content in files.items():
        (folder.local_dir / name.replace("__", ".")).write_bytes(content)


def mirrored(*names, title=None, md5="0", titles=None, **known):
    images = [
        Image(id=name.partition(".")[0], link="", name=name, title=(titles or {}).get(name))
        for name in names
    ]
    album = Album(id="album", title=title, images=tuple(images))
    rows = [
        row(name, md5=hashlib.md5(f"{name}{md5}".encode()).hexdigest(), **known) for name in names
    ]
    return mirror(*rows, album=album)


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
    assert sorted(path.name for path in written.parent.iterdir()) == [CONTACT_SHEET, "thumbnails"]
    assert len(list((written.parent / "thumbnails").iterdir())) == 2


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


def test_thumbnails_that_are_there_are_shown_and_those_of_replaced_images_go(folder):
    put(folder, a__jpg=encoded("JPEG"), b__jpg=encoded("JPEG"))
    run = mirrored("a.jpg", "b.jpg")
    made_by_task = b"RIFF of its task"
    folder.thumbnails.write(run.downloads[0].md5, made_by_task)
    folder.thumbnails.write("0" * 32, b"of an image that was replaced")
    first, second = contact_sheet(run, folder).tiles
    assert first.thumbnail == made_by_task
    assert second.thumbnail.startswith(b"RIFF")
    assert folder.thumbnails.known() == {row.md5 for row in run.downloads}
    assert contact_sheet(run, folder) is None


def test_a_thumbnail_that_a_loss_of_power_emptied_is_made_again(folder):
    put(folder, a__jpg=encoded("JPEG"))
    run = mirrored("a.jpg")
    contact_sheet(run, folder)
    kept = page(folder, "thumbnails") / f"{run.downloads[0].md5}.webp"
    kept.write_bytes(b"")
    page(folder, CONTACT_SHEET).unlink()
    (tile,) = contact_sheet(run, folder).tiles
    assert tile.thumbnail.startswith(b"RIFF")
    assert kept.read_bytes() == tile.thumbnail


def test_a_thumbnail_that_comes_later_takes_the_place_of_its_placeholder(folder):
    put(folder, a__jpg=b"no picture")
    run = mirrored("a.jpg", blurhash="LEHV6nWB2yk8pyo0adR*.7kCMdnj")
    (tile,) = contact_sheet(run, folder).tiles
    assert tile.thumbnail.startswith(b"RIFF")
    assert contact_sheet(run, folder) is None
    folder.thumbnails.write(run.downloads[0].md5, b"RIFF of its task")
    (tile,) = contact_sheet(run, folder).tiles
    assert tile.thumbnail == b"RIFF of its task"


def test_what_its_task_could_not_decode_is_not_tried_again(folder):
    put(folder, a__jpg=encoded("JPEG"))
    (tile,) = contact_sheet(mirrored("a.jpg", work_error="too large"), folder).tiles
    assert tile.thumbnail is None


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
