"""The process that Dask's workers are forked from, which has imported Prefect for all of them.

It imports while this process starts the cluster.
"""

import sys
from multiprocessing import forkserver, get_context

__all__ = ["start_forkserver"]

# Besides what is named here, it imports what the flow's own process has imported of these packages
# by then: that is what the workers will run. Flows too, since each worker runs the module that
# `python -m` was given, with all that it imports.
PRELOAD = (
    # First, since a signal may come while it imports the rest.
    "runners.process_group",
    "distributed.nanny",
    "prefect.task_engine",
    "prefect_dask",
    "runners.dask",
    # What a task imports as it first runs.
    "imgur_mirror.download.requests_client",
)
PROJECT = ("flows", "imgur_mirror", "runners", "tasks")


def start_forkserver() -> None:
    """Start it, unless it runs; does not wait for it."""
    loaded = (name for name in tuple(sys.modules) if name.partition(".")[0] in PROJECT)
    # distributed sets a list of its own as it first asks for a process; the server runs by then.
    get_context("forkserver").set_forkserver_preload([*PRELOAD, *loaded])
    forkserver.ensure_running()
