"""What a run leaves in Prefect: its figures as artifacts, under keys that stay the same."""

from collections.abc import Sequence

from prefect import task
from prefect.artifacts import create_markdown_artifact, create_table_artifact
from prefect.cache_policies import NO_CACHE

from imgur_mirror import comparison, report
from imgur_mirror.models import AlbumResult, Mirrored, Sealed
from imgur_mirror.names import artifact_key
from imgur_mirror.summary import summary_headline, summary_rows

__all__ = ["publish_comparison", "publish_mirror", "publish_summary"]

MOST_ROWS = 2000
"""Rows of the table of images; more would make the artifact slow to open."""


def publish_mirror(mirrored: Mirrored) -> None:
    """Publish a mirror: a table of its images, and a report that starts with its result."""
    _publish_mirror(Sealed(mirrored), mirrored.album.id)


@task(name="publish-mirror", task_run_name="publish {album}", cache_policy=NO_CACHE)
def _publish_mirror(sealed: Sealed[Mirrored], album: str) -> None:
    mirrored = sealed.value
    key = artifact_key(album)
    rows = report.image_rows(mirrored, MOST_ROWS)
    left_out = len(mirrored.downloads) - len(rows)
    notes = [f"{left_out} images are not in the table of images"] if left_out else []
    create_table_artifact(
        [dict(row) for row in rows], key=f"images-{key}", description=report.headline(mirrored)
    )
    create_markdown_artifact(report.mirror_markdown(mirrored, notes), key=f"mirror-{key}")


def publish_comparison(runs: Sequence[Mirrored], notes: Sequence[str] = ()) -> None:
    """Publish a comparison: a table with a row a strategy, and a report with a chart."""
    _publish_comparison(Sealed(runs), notes)


@task(name="publish-comparison", task_run_name="publish comparison", cache_policy=NO_CACHE)
def _publish_comparison(sealed: Sealed[Sequence[Mirrored]], notes: Sequence[str]) -> None:
    runs = sealed.value
    key = artifact_key(runs[0].album.id)
    create_table_artifact(
        [dict(row) for row in comparison.comparison_rows(runs)],
        key=f"strategies-{key}",
        description=comparison.comparison_headline(runs),
    )
    create_markdown_artifact(comparison.comparison_markdown(runs, notes), key=f"comparison-{key}")


def publish_summary(results: Sequence[AlbumResult]) -> None:
    """Publish what became of several albums: a table with a row an album."""
    _publish_summary(Sealed(results))


@task(name="publish-summary", task_run_name="publish summary", cache_policy=NO_CACHE)
def _publish_summary(sealed: Sealed[Sequence[AlbumResult]]) -> None:
    results = sealed.value
    create_table_artifact(
        [dict(row) for row in summary_rows(results)],
        key="albums",
        description=summary_headline(results),
    )
