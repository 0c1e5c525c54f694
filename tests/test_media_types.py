"""What a file is, told by its first bytes and not by what it is called."""

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from imgur_mirror.download.media_types import is_html, media_type_of


@pytest.mark.parametrize(
    ("made", "kind"),
    [
        ("JPEG", "image/jpeg"),
        ("PNG", "image/png"),
        ("GIF", "image/gif"),
        ("WEBP", "image/webp"),
        ("TIFF", "image/tiff"),
        ("BMP", "image/bmp"),
    ],
)
def test_a_picture_is_known_by_its_head(made, kind):
    file = io.BytesIO()
    Image.new("RGB", (40, 30), "teal").save(file, made)
    assert media_type_of(file.getvalue()[:64]) == kind
    assert not is_html(file.getvalue()[:64])


@pytest.mark.parametrize(
    ("head", "kind"),
    [
        (b"\0\0\0\x20ftypisom\0\0\2\0isomiso2avc1mp41", "video/mp4"),
        (b"\0\0\0\x18ftypmp42\0\0\0\0mp42isom", "video/mp4"),
        (b"\0\0\0\x14ftypqt  \0\0\2\0qt  ", "video/quicktime"),
        (b"\0\0\0\x1cftypavif\0\0\0\0avifmif1", "image/avif"),
        (b"\0\0\0\x1cftypavis\0\0\0\0avismsf1", "image/avif"),
        (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", "image/heic"),
        (b"\x1a\x45\xdf\xa3\x9f\x42\x86\x81\1\x42\xf7\x81", "video/webm"),
        (
            b"\x1aE\xdf\xa3\xa3B\x86\x81\1B\xf7\x81\1B\xf2\x81\4B\x82\x88matroska",
            "video/x-matroska",
        ),
        (b"\0\0\x1d\x92moov\0\0\0lmvhd", "video/quicktime"),
        (b"\0\0\0\1mdat\0\0\0\0\1\0\0\0", "video/quicktime"),
        (b"\x0908mmdat\0\0\0\0", "video/quicktime"),
        (b"\nso free of charge it is", None),
        (b"\0\0\0\x08wide\0\0\xff\xffmdat", "video/quicktime"),
        (b"\0\0\0\x14pnot\xbc\0\0\0", "video/quicktime"),
        (b"RIFF\x30\x75\0\0AVI LIST", "video/x-msvideo"),
        (b"\0\0\1\xba\x44\0\4\0", "video/mpeg"),
        (b"FLV\1\5\0\0\0\x09", "video/x-flv"),
        (b"\x30\x26\xb2\x75\x8e\x66\xcf\x11\xa6\xd9", "video/x-ms-wmv"),
        (b"gimp xcf v011\0", "image/x-xcf"),
        (b"GIF87a\1\0\1\0\x80\0\0\0\0\0\0\0", "image/gif"),
        (b"MM\0*\0\0\0\x08\0\0\0\0\0\0\0\0", "image/tiff"),
        # Text that begins as a picture might.
        (b"BMW sells cars in many a country", None),
        (b"I heard WEBP is a good format", None),
        (b"the new WEBP is a good format", None),
        (b"I'm free at last", None),
        (b"\xef\xbb\xbf{free pictures", None),
        (b"a\r\nbmoov is what this text is about", None),
        (b"%PDF-1.4\n%\xe2\xe3\xcf\xd3\n", None),
        (b"PK\3\4\x14\0\0\0", None),
        (b"RIFF\x10\0\0\0WAVEfmt ", None),
        (b'{"data":{"error":"over capacity"}}', None),
        (b"<svg xmlns='http://www.w3.org/2000/svg'>", None),
        (b"\0" * 64, None),
        (b"\xff\xd8", None),
        (b"", None),
    ],
)
def test_what_is_no_picture_has_no_kind(head, kind):
    assert media_type_of(head) == kind


@pytest.mark.parametrize(
    ("head", "page"),
    [
        (b"<!DOCTYPE html>\n<html>", True),
        (b"<html lang='en'><head>", True),
        (b"\xef\xbb\xbf\r\n\t <HTML>", True),
        (b"<head><title>Imgur is over capacity!", True),
        (b"<?xml version='1.0'?><svg>", False),
        (b"html is what this text is about", False),
        (b"", False),
    ],
)
def test_a_page_is_known_by_its_head(head, page):
    assert is_html(head) is page


@given(st.binary(max_size=64))
def test_any_bytes_are_at_most_one_of_both(head):
    assert not (is_html(head) and media_type_of(head))
