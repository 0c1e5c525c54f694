"""The pull step of every deployment: a run works in the project's own folder."""

from prefect.deployments.steps.pull import set_working_directory

from flows.cli.server import IS_CHECKOUT, PROJECT

__all__ = ["PULL_STEPS", "enter_project"]

PULL_STEPS: list[dict[str, dict[str, str]]] = [{"deployments.steps.enter_project": {}}]
"""What prefect.yaml has as `pull`, too."""


def enter_project() -> dict[str, str]:
    """Go to the folder in which a run works: where `.env` is, and the downloads go.

    It is that of the project which the worker imports. No path is written into a deployment: one of
    the shell that deployed it (`{{ $PWD }}`) would be wrong where `make -C` called it, on another
    machine, and after the project was moved.
    """
    # Without the project's files, it is where the worker was started.
    return set_working_directory(str(PROJECT) if IS_CHECKOUT else ".")
