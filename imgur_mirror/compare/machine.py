"""What a comparison was measured on: its figures are true for that machine alone."""

import os
import platform
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version

from imgur_mirror.text import counted

__all__ = ["Machine", "busy_note", "this_machine"]

MUCH = 0.4
"""Of the cores: what others may use before it is worth a note. A demo's own server needs some."""

PACKAGES = ("imgur-mirror", "prefect", "distributed", "requests", "aiohttp", "pillow", "blurhash")


@dataclass(frozen=True, slots=True)
class Machine:
    """`cores` are those that this process may use; `versions` those of what does the work."""

    cores: int
    system: str = ""
    versions: tuple[tuple[str, str], ...] = ()


def this_machine() -> Machine:
    """Look at the machine and the installed packages."""
    return Machine(
        cores=_cores(),
        system=f"{platform.system()} {platform.release()}, {platform.machine()}",
        versions=(("Python", platform.python_version()), *_versions(PACKAGES)),
    )


def busy_note(others: float, machine: Machine) -> str | None:
    """Say that other programs used so many cores meanwhile, where that spoils the figures."""
    if others < MUCH * machine.cores:
        return None
    return (
        f"Other programs had {others:.1f} of {counted(machine.cores, 'core')} in use meanwhile, so"
        " these are the figures of a busy machine: compare again when it has nothing else to do"
    )


def _cores() -> int:
    """Count the cores that this process may use, where the system tells."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _versions(names: Sequence[str]) -> list[tuple[str, str]]:
    found = []
    for name in names:
        try:
            found.append((name, version(name)))
        except PackageNotFoundError:
            continue
    return found
