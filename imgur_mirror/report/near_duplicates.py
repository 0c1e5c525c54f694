"""Pictures of an album that are the same but for size or compression, in pairs, on a page.

Nothing is deleted: which of a pair is worth keeping is for a person to see. The hashes of how the
pictures look come from the work on them, so only what was worked on is compared.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from html import escape as html_escape

from imgur_mirror.models import Download, Mirrored
from imgur_mirror.pictures import Pair, similar_pairs
from imgur_mirror.report.contact_sheet import webp_uri
from imgur_mirror.report.report_folder import image_uri, read_report, write_report
from imgur_mirror.report.tables import Row, escape, markdown_table
from imgur_mirror.report.thumbnails import album_thumbnails
from imgur_mirror.store import AlbumFolder
from imgur_mirror.text import counted, plain, size

__all__ = ["NEAR_DUPLICATES", "Duplicates", "duplicates_markdown", "near_duplicates"]

NEAR_DUPLICATES = "near-duplicates.html"
"""The name of the HTML file."""

MAX_PAIRS = 100
"""The most pairs that are shown: those that are most alike."""

FORMAT_VERSION = 1
"""Raised when the look of the HTML changes, so that existing files are replaced."""

# The policy refuses scripts and anything from elsewhere, should a name ever get past the escaping.
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
:root {{ color-scheme: light dark }}
body {{ font: 15px sans-serif; margin: 1em }}
section {{ display: flex; flex-wrap: wrap; gap: 16px; margin: 0 0 24px;
  border-top: 1px solid #8888; padding-top: 12px }}
figure {{ margin: 0; width: 156px }}
figcaption {{ font-size: 12px; overflow-wrap: anywhere }}
p {{ width: 100%; margin: 0 }}
</style>
</head>

<body>
<h1>{title}</h1>
<p>{count}</p>
{pairs}
</body>
</html>
"""


@dataclass(frozen=True, slots=True)
class Duplicates:
    """The pairs of an album, by file name, with the outcome of each; `left_out` are not shown."""

    album: str
    pairs: tuple[Pair, ...]
    rows: Mapping[str, Download]
    left_out: int = 0


def near_duplicates(mirrored: Mirrored, folder: AlbumFolder) -> Duplicates | None:
    """Replace the HTML file, and give the pairs; None where they are as they were.

    Raises:
        StoreError: if the folder cannot be read, or the file not be written.
    """
    rows = {row.name: row for row in mirrored.downloads if row.perceptual_hash}
    if not rows:
        return None
    pairs = similar_pairs({name: row.perceptual_hash or "" for name, row in rows.items()})
    shown = tuple(pairs[:MAX_PAIRS])
    found = Duplicates(mirrored.album.id, shown, rows, len(pairs) - len(shown))
    fingerprint = _fingerprint(found)
    existing = read_report(folder, NEAR_DUPLICATES)
    # An album that never had a pair has no page.
    if f'content="{fingerprint}"' in (existing or "")[:1000] or not (pairs or existing):
        return None
    write_report(folder, NEAR_DUPLICATES, _html(found, folder, fingerprint))
    return found


def duplicates_markdown(found: Duplicates) -> str:
    """Return the pairs as Markdown: a table with a row for each."""
    rows: list[Row] = []
    for pair in found.pairs:
        first, second = found.rows[pair.first], found.rows[pair.second]
        rows.append(
            {
                "picture": first.name,
                "size": size(first.bytes),
                "looks like": second.name,
                "its size": size(second.bytes),
                "difference": _difference(pair, first, second),
            }
        )
    return f"{escape(_title(found))}: {_count(found)}\n\n{markdown_table(rows)}\n"


def _fingerprint(found: Duplicates) -> str:
    """Digest all that the page is made from, so that a change in any of it is noticed."""
    pairs = [
        (pair.first, found.rows[pair.first].md5, pair.second, found.rows[pair.second].md5)
        for pair in found.pairs
    ]
    text = json.dumps([FORMAT_VERSION, found.left_out, pairs])
    return hashlib.sha256(text.encode()).hexdigest()


def _html(found: Duplicates, folder: AlbumFolder, fingerprint: str) -> str:
    names = dict.fromkeys(name for pair in found.pairs for name in (pair.first, pair.second))
    files = {name: found.rows[name].bytes for name in names}
    shown = album_thumbnails(folder, files, found.rows, folder.thumbnails.known())
    sections = []
    for pair in found.pairs:
        rows = [found.rows[pair.first], found.rows[pair.second]]
        figures = "\n".join(_figure(row, folder, shown.get(row.name)) for row in rows)
        sections.append(f"<section>\n<p>{_difference(pair, *rows)}</p>\n{figures}\n</section>")
    return HTML.format(
        fingerprint=fingerprint,
        title=html_escape(_title(found)),
        count=html_escape(_count(found)),
        pairs="\n".join(sections),
    )


def _figure(row: Download, folder: AlbumFolder, thumbnail: bytes | None) -> str:
    name = html_escape(plain(row.name))
    picture = f'<img src="{webp_uri(thumbnail)}" alt="{name}">' if thumbnail else name
    link = f'<a href="{html_escape(image_uri(folder, row.name))}">{picture}</a>'
    return f"<figure>{link}<figcaption>{name}, {size(row.bytes)}</figcaption></figure>"


def _title(found: Duplicates) -> str:
    return f"{plain(found.album)}: pictures that look the same"


def _count(found: Duplicates) -> str:
    text = counted(len(found.pairs) + found.left_out, "pair")
    return f"{text}, of which {found.left_out} are left out" if found.left_out else text


def _difference(pair: Pair, first: Download, second: Download) -> str:
    if first.md5 == second.md5:
        return "the same file"
    return f"{pair.bits} of 128 bits differ" if pair.bits else "no visible difference"
