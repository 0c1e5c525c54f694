"""Where the project lies, and where Prefect keeps its records of it, wherever it is called from."""

from pathlib import Path

from flows.cli.server import IS_CHECKOUT, PROJECT, PROJECT_HOME

__all__ = ["FOLDER", "HOME", "PREFECT_YAML"]

PREFECT_YAML = Path(__file__).with_name("prefect.yaml")
"""A link to the file at the top of the project, which is a file of its own in a wheel."""

FOLDER = PROJECT if IS_CHECKOUT else Path.cwd()
"""Where `.env` is and the downloads go; installed without its files, where it is called from."""

HOME = PROJECT_HOME
"""The home of the servers that `make up`, `make serve`, `make demo` and `make ui` start."""
