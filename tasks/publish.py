"""What a run leaves in Prefect: its figures as artifacts, under keys that stay the same."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from prefect.artifacts import create_markdown_artifact, create_table_artifact
from prefect.cache_policies import NO_CACHE
from prefect.logging import get_run_logger
from prefect.tasks import task

from imgur_mirror.compare import comparison
from imgur_mirror.compare.comparison import Comparison
from imgur_mirror.compare.points import side_by_side
from imgur_mirror.models import AlbumResult, Mirrored, Outcome
from imgur_mirror.report import (
    PictureLinks,
    data_uri,
    image_rows,
    mirror_headline,
    mirror_markdown,
    summary_headline,
    summary_rows,
)
from imgur_mirror.report.contact_sheet import CONTACT_SHEET, Sheet, contact_sheet, sheet_markdown
from imgur_mirror.report.report_folder import report_file, write_report
from imgur_mirror.report.waterfall import waterfall
from imgur_mirror.store import AlbumFolder, StoreError
from tasks.artifact_key import artifact_key
from tasks.quoted import quoted

__all__ = ["publish_comparison", "publish_mirror", "publish_summary"]

MAX_ROWS = 2000
"""Rows of the table of images; more would make the artifact slow to open."""


WATERFALL, REPORT = "waterfall.svg", "report.md"
"""Files beside the mirror, where the contact sheet's page is too."""

T = TypeVar("T")


def publish_mirror(mirrored: Mirrored, folder: AlbumFolder) -> None:
    """Publish a mirror: a table of its images, a report that starts with its result, pictures.

    The report and the pictures are written beside the mirror too. A picture that cannot be made
    costs a warning.
    """
    _publish_mirror(quoted(mirrored), folder, mirrored.album.id)


@task(name="publish-mirror", task_run_name="publish {album}", cache_policy=NO_CACHE)
def _publish_mirror(mirrored: Mirrored, folder: AlbumFolder, album: str) -> None:
    key = artifact_key(album)
    # Thumbnails are made by a process of their own, and take the longest.
    with ThreadPoolExecutor(1) as pool:
        sheet = pool.submit(contact_sheet, mirrored, folder)
        _publish_images(mirrored, key)
        svg = _tried("waterfall", lambda: _drawn(mirrored, folder))
    _tried("contact sheet", lambda: _publish_sheet(sheet.result(), key))
    _publish_report(mirrored, key, svg)
    _tried("report beside the mirror", lambda: _write_report(mirrored, folder, svg))


def _publish_images(mirrored: Mirrored, key: str) -> None:
    create_table_artifact(
        [dict(row) for row in image_rows(mirrored, MAX_ROWS)],
        key=f"images-{key}",
        description=mirror_headline(mirrored),
    )


def _drawn(mirrored: Mirrored, folder: AlbumFolder) -> str | None:
    """Draw the waterfall of a run that fetched something; another leaves the earlier one."""
    svg = waterfall(mirrored) if mirrored.having(Outcome.DOWNLOADED) else None
    if svg is not None:
        write_report(folder, WATERFALL, svg)
    return svg


def _publish_sheet(sheet: Sheet | None, key: str) -> None:
    if sheet is not None:
        create_markdown_artifact(sheet_markdown(sheet), key=f"sheet-{key}")


def _publish_report(mirrored: Mirrored, key: str, svg: str | None) -> None:
    left_out = len(mirrored.downloads) - MAX_ROWS
    notes = [f"{left_out} images are not in the table of images"] if left_out > 0 else []
    shown = PictureLinks(waterfall=data_uri(svg) if svg else "")
    create_markdown_artifact(mirror_markdown(mirrored, notes, shown), key=f"mirror-{key}")


def _write_report(mirrored: Mirrored, folder: AlbumFolder, svg: str | None) -> None:
    beside = PictureLinks(
        waterfall=WATERFALL if svg else "",
        contact_sheet=CONTACT_SHEET if report_file(folder, CONTACT_SHEET).exists() else "",
    )
    write_report(folder, REPORT, mirror_markdown(mirrored, pictures=beside))


def _tried(what: str, make: Callable[[], T]) -> T | None:
    """Give what is made, or None with a warning: no picture is worth a run."""
    try:
        return make()
    except Exception as error:  # noqa: BLE001 - whatever a chart library, a server or a disk raises
        get_run_logger().warning(
            "there is no new %s: %s; the images and their manifest are stored as reported",
            what,
            f"{type(error).__name__}: {error}".rstrip("."),
        )
        return None


def publish_comparison(found: Comparison, folder: AlbumFolder) -> None:
    """Publish a comparison: tables with a row a strategy, and a report with charts.

    The report and its charts are files too, beside the mirror whose folder is given.
    """
    _publish_comparison(quoted(found), folder)


@task(name="publish-comparison", task_run_name="publish comparison", cache_policy=NO_CACHE)
def _publish_comparison(found: Comparison, folder: AlbumFolder) -> None:
    key = artifact_key(folder.name)
    pictures = comparison.comparison_pictures(found)
    addresses = {name: data_uri(svg) for name, svg in pictures.items()}
    headline = comparison.comparison_headline(side_by_side(found.runs))
    for name, rows in (("strategies", found.rows), ("workers", found.sweep)):
        if rows:
            table = [dict(row) for row in rows]
            create_table_artifact(table, key=f"{name}-{key}", description=headline)
    markdown = comparison.comparison_markdown(found, addresses.__getitem__)
    create_markdown_artifact(markdown, key=f"comparison-{key}")
    pages = pictures | {"comparison.md": comparison.comparison_markdown(found, str)}
    try:
        for name, text in pages.items():
            write_report(folder, name, text)
    except StoreError as error:
        # The figures are in the artifacts; a full disk takes none of them back.
        get_run_logger().warning("the comparison has no files beside the mirror: %s", error)


def publish_summary(results: Sequence[AlbumResult]) -> None:
    """Publish what became of several albums: a table with a row an album."""
    _publish_summary(quoted(results))


@task(name="publish-summary", task_run_name="publish summary", cache_policy=NO_CACHE)
def _publish_summary(results: Sequence[AlbumResult]) -> None:
    create_table_artifact(
        [dict(row) for row in summary_rows(results)],
        key="albums",
        description=summary_headline(results),
    )
