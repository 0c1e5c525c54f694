"""Publishes a comparison: as Prefect artifacts, and as files beside the mirror.

It stands apart from `tasks.publish`, so that no mirror loads what comparisons are made with.
"""

from prefect.artifacts import create_markdown_artifact
from prefect.cache_policies import NO_CACHE
from prefect.logging import get_run_logger
from prefect.tasks import task

from imgur_mirror.compare import (
    PAGE,
    Comparison,
    comparison_charts,
    comparison_markdown,
    comparison_page,
)
from imgur_mirror.report import data_uri
from imgur_mirror.report.report_folder import report_file, report_uri, write_report
from imgur_mirror.store import AlbumFolder, StoreError
from tasks.artifact_key import artifact_key
from tasks.publish import create_table
from tasks.quoted import quoted

__all__ = ["publish_comparison"]

COMPARISON = "comparison.md"
"""The name of the report file."""


def publish_comparison(found: Comparison, folder: AlbumFolder) -> None:
    """Publish a comparison: tables with a row for each strategy, and a report with charts.

    The report, its charts and the page become report files of that folder too.
    """
    _publish_comparison(quoted(found), folder)


@task(name="publish-comparison", task_run_name="publish comparison", cache_policy=NO_CACHE)
def _publish_comparison(found: Comparison, folder: AlbumFolder) -> None:
    key = artifact_key(folder.name)
    charts = comparison_charts(found)
    uris = {name: data_uri(svg) for name, svg in charts.items()}
    for name, rows in (("strategies", found.rows), ("workers", found.sweep)):
        if rows:
            create_table(rows, f"{name}-{key}", found.headline)
    page = _write_comparison(found, folder, charts)
    markdown = comparison_markdown(found, uris.__getitem__, page)
    create_markdown_artifact(markdown, key=f"comparison-{key}", description=found.headline)


def _write_comparison(found: Comparison, folder: AlbumFolder, charts: dict[str, str]) -> str:
    """Write the report files, and give the URI of the page; an empty one if they can't be."""
    texts = {
        COMPARISON: comparison_markdown(found, str, PAGE),
        PAGE: comparison_page(found),
    }
    try:
        for name, text in (charts | texts).items():
            write_report(folder, name, text)
    except StoreError as error:
        # The figures are in the artifacts, and stay there if the disk is full.
        get_run_logger().warning("the comparison has no files beside the mirror: %s", error)
        return ""
    get_run_logger().info("the comparison as one page: %s", report_file(folder, PAGE))
    return report_uri(folder, PAGE)
