"""What is computed from pictures: of every format, of hostile files, and which look the same."""

import io
import json
import os
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import pytest
from PIL import Image as Picture

from imgur_mirror.models import Work
from imgur_mirror.pictures import SIDE, Undecodable, similar_pairs
from imgur_mirror.pictures.placeholder import placeholder
from imgur_mirror.pictures.thumbnails import thumbnails
from imgur_mirror.pictures.work import compute
from tests.support.pictures import HOSTILE, drawing, encoded, saved


def thumbnail(content):
    made = compute(io.BytesIO(content), Work.THUMBNAIL).thumbnail
    return Picture.open(io.BytesIO(made))


def looks(content):
    return compute(io.BytesIO(content), Work.NONE).perceptual_hash


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
def test_every_format_has_all_that_is_computed(form, mode, colour):
    content = encoded(form, mode=mode, colour=colour)
    small = thumbnail(content)
    assert small.size == (SIDE, SIDE * 400 // 640)
    if colour == (200, 30, 30):
        red, green, blue = small.convert("RGB").getpixel((50, 40))
        assert red > 150 > 100 > green
        assert blue < 100
    found = compute(io.BytesIO(content), Work.BLURHASH)
    assert len(found.blurhash) == 28
    assert found.thumbnail is None
    assert len(found.perceptual_hash) == 32


def test_a_small_picture_stays_small_and_a_turned_one_is_turned():
    exif = Picture.Exif()
    exif[0x0112] = 6
    assert thumbnail(encoded("PNG", size=(20, 10))).size == (20, 10)
    assert thumbnail(encoded("JPEG", exif=exif)).size == (90, SIDE)


# In a process of its own, whose address space is no larger than what one picture may take.
COMPUTE = """
import io, json, resource, sys
from imgur_mirror.models import Work
from imgur_mirror.pictures import Undecodable
from imgur_mirror.pictures.work import compute
resource.setrlimit(resource.RLIMIT_AS, (1 << 30, 1 << 30))
for work in (Work.THUMBNAIL, Work.BLURHASH):
    for path in sys.argv[1:]:
        try:
            with open(path, "rb") as file:
                compute(file, work)
            print(json.dumps("decoded"))
        except Undecodable as error:
            print(json.dumps(str(error)))
"""


def test_a_hostile_picture_is_refused_within_the_memory_of_one(tmp_path):
    """And quickly: a decoder at work on thousands of scans would be stopped by the time-out."""
    paths = [tmp_path / str(number) for number in range(len(HOSTILE))]
    for path, (make, _) in zip(paths, HOSTILE.values(), strict=True):
        path.write_bytes(make())
    ended = subprocess.run(
        [sys.executable, "-c", COMPUTE, *map(str, paths)], capture_output=True, check=False
    )
    assert ended.stderr == b""
    said = [json.loads(line) for line in ended.stdout.splitlines()]
    for (name, (_, expected)), *found in zip(
        HOSTILE.items(), said[: len(paths)], said[len(paths) :], strict=True
    ):
        for sentence in found:
            assert expected in sentence, name
            assert "memory" not in sentence, name


def test_other_formats_than_imgurs_are_not_decoded():
    with pytest.raises(Undecodable, match="none of JPEG"):
        compute(io.BytesIO(encoded("TIFF")), Work.THUMBNAIL)


def test_the_largest_picture_is_decoded():
    assert thumbnail(encoded("JPEG", size=(6500, 4900), progressive=True)).size == (SIDE, 109)


def opener(content):
    @contextmanager
    def opened():
        yield io.BytesIO(content)

    return opened


def missing():
    return Path("/nowhere/at/all").open("rb")


def test_what_cannot_be_decoded_or_read_has_no_thumbnail_and_stops_no_other():
    made = thumbnails([opener(b"hello"), missing, opener(encoded("JPEG"))])
    assert made[:2] == [None, None]
    assert Picture.open(io.BytesIO(made[2])).size == (SIDE, 90)


def test_without_time_there_are_no_thumbnails():
    assert thumbnails([opener(encoded("JPEG"))] * 3, seconds=0) == [None, None, None]
    assert thumbnails([]) == []


def test_a_blurhash_is_painted_in_the_colours_of_its_picture():
    blur = compute(io.BytesIO(encoded("JPEG")), Work.BLURHASH).blurhash
    painted = Picture.open(io.BytesIO(placeholder(blur, 640, 400)))
    assert painted.size == (144, 90)
    red, green, _ = painted.convert("RGB").getpixel((70, 45))
    assert red > 150 > 100 > green
    assert placeholder("no hash", 4, 3) is None
    assert placeholder("\x1b" * 28, 4, 3) is None


def test_a_picture_that_was_scaled_or_compressed_is_paired_with_its_original_alone():
    originals = [drawing(seed) for seed in range(8)]
    hashes = {f"o{n}": looks(saved(one, "PNG")) for n, one in enumerate(originals)}
    hashes["small"] = looks(saved(originals[0].resize((200, 125)), "JPEG", quality=60))
    hashes["poor"] = looks(saved(originals[1], "JPEG", quality=15))
    hashes["same"] = hashes["o2"]
    pairs = {(pair.first, pair.second) for pair in similar_pairs(hashes)}
    assert pairs == {("o0", "small"), ("o1", "poor"), ("o2", "same")}


def test_blank_pictures_are_no_pairs():
    blank = [looks(encoded("PNG", colour=colour)) for colour in ((0, 0, 0), (250, 250, 250))]
    assert similar_pairs(dict(zip("ab", blank, strict=True))) == []


def test_twenty_thousand_pictures_are_compared_in_no_time():
    """Not all with all, which would take minutes; nor all copies of one with each other."""
    hashes = {f"r{number}": os.urandom(16).hex() for number in range(10_000)}
    hashes |= {f"c{number}": "0123456789abcdef" * 2 for number in range(10_000)}
    pairs = similar_pairs(hashes)
    assert len(pairs) == 9_999
    assert {pair.first for pair in pairs} == {"c0"}
