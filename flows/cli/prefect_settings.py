"""The settings of `prefect.toml` for what is run from another folder than the project's.

Prefect reads that file from the working directory only. Elsewhere its settings go into the
environment, which the processes of a run inherit.
"""

import os
import sys
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from dotenv import dotenv_values

__all__ = ["set_prefect_settings"]

PREFECT_TOML = Path(__file__).with_name("prefect.toml")
"""A link to the file at the top of the project, which is a file of its own in a wheel."""


def set_prefect_settings() -> None:
    """Set what the environment and `.env` leave open, unless the folder has a `prefect.toml`.

    As that file would, this comes before what a Prefect profile says.
    """
    # Else the first command in a terminal prints Prefect's notice on its usage statistics.
    os.environ.setdefault("DO_NOT_TRACK", "1")
    if Path("prefect.toml").exists():
        return
    settings = tomllib.loads(PREFECT_TOML.read_text(encoding="utf-8"))
    known = os.environ.keys() | dotenv_values(".env").keys()
    missing = {name: text for name, text in _variables(settings) if name not in known}
    os.environ.update(missing)
    if missing and "prefect.context" in sys.modules:
        # Prefect has read its settings already. This takes a tenth of a second.
        from prefect.context import refresh_global_settings_context

        refresh_global_settings_context()


def _variables(table: Mapping[str, Any], name: str = "PREFECT") -> Iterator[tuple[str, str]]:
    """Yield the name of the environment variable and the value of each setting in a table."""
    for key, value in table.items():
        if isinstance(value, dict):
            yield from _variables(value, f"{name}_{key.upper()}")
        else:
            yield f"{name}_{key.upper()}", str(value)
