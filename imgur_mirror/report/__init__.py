"""What people look at: the reports of one album and of several, their tables and pictures.

`contact_sheet`, `near_duplicates` and `waterfall` are imported by their own paths.
"""

from imgur_mirror.report.album import (
    PictureLinks,
    fetched_line,
    image_rows,
    mirror_headline,
    mirror_markdown,
    missing_text,
    plan_line,
    shortfall,
)
from imgur_mirror.report.albums import summary_headline, summary_rows, summary_text
from imgur_mirror.report.svg import data_uri
from imgur_mirror.report.tables import Cell, Row, escape, label, markdown_table, text_table

__all__ = [
    "Cell",
    "PictureLinks",
    "Row",
    "data_uri",
    "escape",
    "fetched_line",
    "image_rows",
    "label",
    "markdown_table",
    "mirror_headline",
    "mirror_markdown",
    "missing_text",
    "plan_line",
    "shortfall",
    "summary_headline",
    "summary_rows",
    "summary_text",
    "text_table",
]
