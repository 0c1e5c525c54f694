"""Where the project lies, and where Prefect keeps its records of it, wherever it is called from."""

from flows.cli.server import PROJECT

__all__ = ["HOME", "PREFECT_YAML", "PROJECT"]

HOME = PROJECT / ".prefect"
"""The home of the servers that `make up`, `make serve`, `make demo` and `make ui` start."""

PREFECT_YAML = PROJECT / "prefect.yaml"
