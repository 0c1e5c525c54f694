"""Publishes a run's figures: as Prefect artifacts, whose keys stay the same, and as files."""

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from prefect.artifacts import create_markdown_artifact, create_table_artifact
from prefect.cache_policies import NO_CACHE
from prefect.logging import get_run_logger
from prefect.tasks import task

from imgur_mirror.models import AlbumResult, Mirrored, Outcome
from imgur_mirror.report import (
    PictureLinks,
    Row,
    data_uri,
    image_rows,
    mirror_headline,
    mirror_markdown,
    summary_headline,
    summary_rows,
)
from imgur_mirror.report.contact_sheet import CONTACT_SHEET, Sheet, contact_sheet, sheet_markdown
from imgur_mirror.report.near_duplicates import (
    NEAR_DUPLICATES,
    duplicates_markdown,
    near_duplicates,
)
from imgur_mirror.report.report_folder import report_file, write_report
from imgur_mirror.report.waterfall import waterfall
from imgur_mirror.store import AlbumFolder
from imgur_mirror.text import plain
from tasks.artifact_key import artifact_key
from tasks.quoted import quoted

__all__ = ["create_table", "publish_mirror", "publish_summary"]

MAX_ROWS = 2000
"""Rows of the table of images; with more, the artifact is slow to open."""

WATERFALL, REPORT = "waterfall.svg", "report.md"
"""The names of the report files, which are siblings of the contact sheet."""

T = TypeVar("T")


def publish_mirror(mirrored: Mirrored, folder: AlbumFolder) -> None:
    """Publish a mirror: a table of its images, a report that starts with its result, pictures.

    The report and the pictures become report files too. One that cannot be made or written is a
    warning in the log.
    """
    _publish_mirror(quoted(mirrored), folder, mirrored.album.id)


@task(name="publish-mirror", task_run_name="publish {album}", cache_policy=NO_CACHE)
def _publish_mirror(mirrored: Mirrored, folder: AlbumFolder, album: str) -> None:
    key = artifact_key(album)
    # The thumbnails that no task has made take longest; the rest is made meanwhile.
    with ThreadPoolExecutor(1) as pool:
        sheet = pool.submit(contact_sheet, mirrored, folder)
        rows = image_rows(mirrored, MAX_ROWS)
        create_table(rows, f"images-{key}", mirror_headline(mirrored))
        svg = _or_warning("waterfall", lambda: _draw_waterfall(mirrored, folder))
        _publish_report(mirrored, key, svg)
    _or_warning("contact sheet", lambda: _publish_sheet(sheet.result(), key, album))
    _or_warning("report of near duplicates", lambda: _publish_duplicates(mirrored, folder, key))
    _or_warning("report beside the mirror", lambda: _write_report(mirrored, folder, svg))


def create_table(rows: Iterable[Row], key: str, description: str) -> None:
    """Create an artifact that is a table, with the columns of its rows."""
    table = [dict(row) for row in rows]
    create_table_artifact(table, key=key, description=description)


def _draw_waterfall(mirrored: Mirrored, folder: AlbumFolder) -> str | None:
    """Draw and write the waterfall of a run that did something; otherwise keep the last one."""
    worked = any(row.work_started is not None for row in mirrored.downloads)
    svg = waterfall(mirrored) if worked or mirrored.having(Outcome.DOWNLOADED) else None
    if svg is not None:
        write_report(folder, WATERFALL, svg)
    return svg


def _publish_sheet(sheet: Sheet | None, key: str, album: str) -> None:
    if sheet is not None:
        about = f"{plain(album)}: what its images look like"
        create_markdown_artifact(sheet_markdown(sheet), key=f"sheet-{key}", description=about)


def _publish_duplicates(mirrored: Mirrored, folder: AlbumFolder, key: str) -> None:
    if (found := near_duplicates(mirrored, folder)) is not None:
        about = f"{plain(mirrored.album.id)}: pictures that look the same"
        text = duplicates_markdown(found)
        create_markdown_artifact(text, key=f"duplicates-{key}", description=about)


def _publish_report(mirrored: Mirrored, key: str, svg: str | None) -> None:
    left_out = len(mirrored.downloads) - MAX_ROWS
    notes = [f"{left_out} images are not in the table of images"] if left_out > 0 else []
    pictures = PictureLinks(waterfall=data_uri(svg) if svg else "")
    create_markdown_artifact(
        mirror_markdown(mirrored, notes, pictures),
        key=f"mirror-{key}",
        description=mirror_headline(mirrored),
    )


def _write_report(mirrored: Mirrored, folder: AlbumFolder, svg: str | None) -> None:
    pictures = PictureLinks(
        waterfall=WATERFALL if svg else "",
        contact_sheet=CONTACT_SHEET if report_file(folder, CONTACT_SHEET).exists() else "",
        near_duplicates=NEAR_DUPLICATES if report_file(folder, NEAR_DUPLICATES).exists() else "",
    )
    write_report(folder, REPORT, mirror_markdown(mirrored, pictures=pictures))


def _or_warning(what: str, make: Callable[[], T]) -> T | None:
    """Return what `make` returns, or None with a warning: no picture is worth a failed run."""
    try:
        return make()
    except Exception as error:  # noqa: BLE001 - whatever a chart library, a server or a disk raises
        get_run_logger().warning(
            "there is no new %s: %s; the images and their manifest are stored as reported",
            what,
            f"{type(error).__name__}: {error}".rstrip("."),
        )
        return None


def publish_summary(results: Sequence[AlbumResult]) -> None:
    """Publish the outcome of several albums: a table with a row for each."""
    _publish_summary(quoted(results))


@task(name="publish-summary", task_run_name="publish summary", cache_policy=NO_CACHE)
def _publish_summary(results: Sequence[AlbumResult]) -> None:
    create_table(summary_rows(results), "albums", summary_headline(results))
