"""The media type of a file, as its first bytes tell it."""

__all__ = ["is_html", "media_type_of"]

# Those that a file may begin with instead of `ftyp`, as movies did before there was one.
_QUICKTIME = (b"moov", b"mdat", b"wide", b"free", b"skip", b"pnot")

_BOXES = (
    *((b"ftyp" + brand, "image/avif") for brand in (b"avif", b"avis")),
    *((b"ftyp" + brand, "image/heic") for brand in (b"heic", b"heix", b"hevc", b"mif1", b"msf1")),
    (b"ftypqt", "video/quicktime"),
    (b"ftyp", "video/mp4"),
    *((name, "video/quicktime") for name in _QUICKTIME),
)
"""What follows the four bytes of a size, and the media type; the first that fits counts."""

_SIGNATURES = (
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"GIF87a", "image/gif"),
    (b"GIF89a", "image/gif"),
    (b"II*\0", "image/tiff"),
    (b"MM\0*", "image/tiff"),
    (b"gimp xcf ", "image/x-xcf"),
    (b"\0\0\1\xba", "video/mpeg"),
    (b"\0\0\1\xb3", "video/mpeg"),
    (b"FLV\1", "video/x-flv"),
    (b"\x30\x26\xb2\x75\x8e\x66\xcf\x11", "video/x-ms-wmv"),
)
"""First bytes and media type; the first that fits counts."""

_RIFF = {b"WEBP": "image/webp", b"AVI ": "video/x-msvideo"}


def media_type_of(head: bytes) -> str | None:
    """Return the media type of a picture or video, None for anything else.

    `head` are the first 16 bytes of the file at least.
    """
    for signature, media_type in _SIGNATURES:
        if head.startswith(signature):
            return media_type
    if head.startswith(b"\x1aE\xdf\xa3"):
        return "video/x-matroska" if b"matroska" in head[:64] else "video/webm"
    # Any text may begin with two such letters, or have four of them after others.
    if head.startswith(b"RIFF"):
        return _RIFF.get(head[8:12])
    if head and (_is_size(head[:4]) or _is_large_movie(head)):
        for name, media_type in _BOXES:
            if head.startswith(name, 4):
                return media_type
    if head.startswith(b"BM") and head.startswith(b"\0\0\0\0", 6):
        return "image/bmp"
    return None


def _is_size(number: bytes) -> bool:
    """Return whether four bytes may be the size of a box: neither text nor more than 2 GiB."""
    return number[0] < 0x80 and any(byte < 0x20 and byte not in b"\t\r\n" for byte in number)


def _is_large_movie(head: bytes) -> bool:
    """Return whether media data of 150 MB or more come first: their size may look like text."""
    return head[0] < 0x20 and head.startswith(b"mdat", 4)


def is_html(head: bytes) -> bool:
    """Return whether an HTML page begins with `head`, its first 64 bytes at least."""
    text = head.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    return text.startswith((b"<!doctype", b"<html", b"<head"))
