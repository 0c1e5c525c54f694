"""What kind of file some bytes are, told by the first of them."""

__all__ = ["is_page", "kind_of"]

_MAGIC = (
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


def kind_of(head: bytes) -> str | None:
    """Give the content type of a picture or video, from at least its first 16 bytes."""
    for offset, magic, kind in _MAGIC:
        if head.startswith(magic, offset):
            return kind
    # Two letters alone, or four after eight, may begin any text.
    if head.startswith(b"RIFF") and head.startswith(b"WEBP", 8):
        return "image/webp"
    if head.startswith(b"BM") and head.startswith(b"\0\0\0\0", 6):
        return "image/bmp"
    return None


def is_page(head: bytes) -> bool:
    """Tell whether an HTML page begins so, from at least its first 64 bytes."""
    text = head.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    return text.startswith((b"<!doctype", b"<html", b"<head"))
