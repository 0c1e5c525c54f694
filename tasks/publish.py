"""What a run leaves in Prefect: its figures as artifacts, under keys that stay the same."""

from collections.abc import Sequence

from prefect import task
from prefect.artifacts import create_markdown_artifact, create_table_artifact
from prefect.cache_policies import NO_CACHE

from imgur_mirror import report
from imgur_mirror.models import AlbumResult, Mirrored
from imgur_mirror.names import artifact_key
from imgur_mirror.summary import summary_headline, summary_rows

__all__ = ["publish_comparison", "publish_mirror", "publish_summary"]

MOST_ROWS = 2000
"""Rows of the table of images; more would make the artifact slow to open."""


@task(task_run_name="publish {mirrored.album.id}", cache_policy=NO_CACHE)
def publish_mirror(mirrored: Mirrored) -> None:
    """Publish a mirror: a table of its images, and a report that starts with its result."""
    key = artifact_key(mirrored.album.id)
    rows = report.image_rows(mirrored, MOST_ROWS)
    left_out = len(mirrored.downloads) - len(rows)
    notes = [f"{left_out} images are not in the table of images"] if left_out else []
    create_table_artifact(
        [dict(row) for row in rows], key=f"images-{key}", description=report.headline(mirrored)
    )
    create_markdown_artifact(report.mirror_markdown(mirrored, notes), key=f"mirror-{key}")


@task(task_run_name="publish comparison", cache_policy=NO_CACHE)
def publish_comparison(runs: Sequence[Mirrored], notes: Sequence[str] = ()) -> None:
    """Publish a comparison: a table with a row a strategy, and a report with a chart."""
    key = artifact_key(runs[0].album.id)
    create_table_artifact(
        [dict(row) for row in report.comparison_rows(runs)],
        key=f"strategies-{key}",
        description=report.comparison_headline(runs),
    )
    create_markdown_artifact(report.comparison_markdown(runs, notes), key=f"comparison-{key}")


@task(task_run_name="publish summary", cache_policy=NO_CACHE)
def publish_summary(results: Sequence[AlbumResult]) -> None:
    """Publish what became of several albums: a table with a row an album."""
    create_table_artifact(
        [dict(row) for row in summary_rows(results)],
        key="albums",
        description=summary_headline(results),
    )
