"""The media type of a file, as its first bytes tell it."""

__all__ = ["is_html", "media_type_of"]

_SIGNATURES = (
    (0, b"\xff\xd8\xff", "image/jpeg"),
    (0, b"\x89PNG\r\n\x1a\n", "image/png"),
    (0, b"GIF87a", "image/gif"),
    (0, b"GIF89a", "image/gif"),
    (4, b"ftypavif", "image/avif"),
    (4, b"ftypavis", "image/avif"),
    (4, b"ftypheic", "image/heic"),
    (4, b"ftypheix", "image/heic"),
    (4, b"ftypmif1", "image/heic"),
    (4, b"ftypqt", "video/quicktime"),
    (4, b"ftyp", "video/mp4"),
    (0, b"\x1aE\xdf\xa3", "video/webm"),
    (0, b"II*\0", "image/tiff"),
    (0, b"MM\0*", "image/tiff"),
)
"""Offset, signature and media type; the first that fits counts."""


def media_type_of(head: bytes) -> str | None:
    """Return the media type of a picture or video, None for anything else.

    `head` are the first 16 bytes of the file at least.
    """
    for offset, signature, media_type in _SIGNATURES:
        if head.startswith(signature, offset):
            return media_type
    # Any text may begin with two such letters, or have four of them after eight others.
    if head.startswith(b"RIFF") and head.startswith(b"WEBP", 8):
        return "image/webp"
    if head.startswith(b"BM") and head.startswith(b"\0\0\0\0", 6):
        return "image/bmp"
    return None


def is_html(head: bytes) -> bool:
    """Tell whether an HTML page begins with `head`, its first 64 bytes at least."""
    text = head.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    return text.startswith((b"<!doctype", b"<html", b"<head"))
