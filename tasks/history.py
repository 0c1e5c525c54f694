"""What earlier comparisons left in Prefect."""

from httpx import HTTPError
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import ArtifactFilter, ArtifactFilterKey, ArtifactFilterType
from prefect.client.schemas.sorting import ArtifactSort
from prefect.logging import get_run_logger

from imgur_mirror.compare import Earlier, earlier_in
from tasks.artifact_key import artifact_key

__all__ = ["earlier_comparisons"]

MAX_COMPARISONS = 20
"""The latest comparisons that are read: enough for a spread; older ones tell little of today."""


def earlier_comparisons(album: str) -> tuple[Earlier, ...]:
    """Read the tables that the latest comparisons of an album left; what else is there is skipped.

    A server that cannot tell is a warning: without its history a comparison is what it was.
    """
    wanted = ArtifactFilter(
        key=ArtifactFilterKey(any_=[f"strategies-{artifact_key(album)}"]),
        type=ArtifactFilterType(any_=["table"]),
    )
    try:
        with get_client(sync_client=True) as client:
            found = client.read_artifacts(
                artifact_filter=wanted, sort=ArtifactSort.CREATED_DESC, limit=MAX_COMPARISONS
            )
    except HTTPError as error:
        get_run_logger().warning("the earlier comparisons could not be read: %s", error)
        return ()
    return tuple(filter(None, (earlier_in(artifact.data) for artifact in found)))
