"""Pictures of an album that look the same: the pairs, their page, and what is said of them."""

import re

import pytest
from markdown_it import MarkdownIt

from imgur_mirror.report.near_duplicates import (
    NEAR_DUPLICATES,
    duplicates_markdown,
    near_duplicates,
)
from imgur_mirror.report.report_folder import read_report
from imgur_mirror.store import album_folder
from tests.support.pictures import encoded
from tests.support.rows import image, mirror

ONE, LIKE_ONE, OTHER = "0123456789abcdef" * 2, "0123456789abcdee" * 2, "fedcba9876543210" * 2


@pytest.fixture
def folder(tmp_path):
    found = album_folder(str(tmp_path), "PdA9Amq")
    found.local_dir.mkdir()
    return found


def row(folder, name, looks, md5=None):
    (folder.local_dir / name).write_bytes(encoded("JPEG", size=(80, 60)))
    return image(name, bytes=2_000, md5=md5 or name * 4, perceptual_hash=looks)


def test_a_pair_stands_side_by_side_and_leads_to_the_files(folder):
    rows = [row(folder, "a.jpg", ONE), row(folder, "b.jpg", OTHER), row(folder, "c.jpg", LIKE_ONE)]
    found = near_duplicates(mirror(*rows), folder)
    assert [(pair.first, pair.second, pair.bits) for pair in found.pairs] == [("a.jpg", "c.jpg", 2)]

    html = read_report(folder, NEAR_DUPLICATES)
    links = re.findall(r'<a href="(.*?)"><img src="data:image/webp;base64,', html)
    assert links == ["../../PdA9Amq/a.jpg", "../../PdA9Amq/c.jpg"]
    assert "2 of 128 bits differ" in html
    assert "1 pair" in html
    assert not re.search(r'(?:src|href)="(?:https?:)?//', html)
    assert {path.name for path in folder.local_dir.iterdir()} == {"a.jpg", "b.jpg", "c.jpg"}
    rendered = MarkdownIt("commonmark").enable("table").render(duplicates_markdown(found))
    assert rendered.count("<tr>") == 2


def test_a_page_is_replaced_when_the_pairs_change_and_says_so_when_there_are_none(folder):
    rows = [row(folder, "a.jpg", ONE), row(folder, "c.jpg", ONE)]
    assert near_duplicates(mirror(*rows), folder) is not None
    assert near_duplicates(mirror(*rows), folder) is None
    assert near_duplicates(mirror(rows[0]), folder).pairs == ()
    assert "0 pairs" in read_report(folder, NEAR_DUPLICATES)
    assert near_duplicates(mirror(rows[0]), folder) is None


def test_an_album_without_pairs_or_without_work_has_no_page(folder):
    rows = [row(folder, "a.jpg", ONE), row(folder, "b.jpg", OTHER), row(folder, "c.jpg", None)]
    assert near_duplicates(mirror(*rows), folder) is None
    assert read_report(folder, NEAR_DUPLICATES) is None


def test_files_of_the_same_bytes_are_called_so_and_many_pairs_are_counted(folder):
    rows = [row(folder, f"i{number:03}.jpg", ONE, md5="0" * 32) for number in range(103)]
    found = near_duplicates(mirror(*rows), folder)
    assert (len(found.pairs), found.left_out) == (100, 2)
    html = read_report(folder, NEAR_DUPLICATES)
    assert html.count("the same file") == 100
    assert "102 pairs, of which 2 are left out" in html


def test_names_stay_text(folder):
    name = "a'\"><img src=x>.jpg"
    near_duplicates(mirror(row(folder, name, ONE), row(folder, "b.jpg", ONE)), folder)
    html = read_report(folder, NEAR_DUPLICATES)
    assert html.count("<img") == 2
    assert "src=x" not in re.sub(r"&lt;img src=x&gt;", "", html)
