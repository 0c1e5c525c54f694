"""Homes of Prefect, with a database that is migrated: a server's first start takes the longest."""

import fcntl
import shutil
import subprocess
import sys
from pathlib import Path

from tests.support.waiting import LONG

__all__ = ["new_home"]

DATABASE = "prefect.db"


def new_home(home: Path, shared: Path) -> Path:
    """Make a home with a database of its own, a copy of one below the folder `shared`.

    That one is made by whichever process of the tests needs it first.
    """
    with (shared / "migrated.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        migrated = shared / "migrated"
        if not migrated.exists():
            _migrate(shared / "migrating")
            (shared / "migrating").rename(migrated)
    home.mkdir(parents=True, exist_ok=True)
    shutil.copy(migrated / DATABASE, home)
    return home


def _migrate(home: Path) -> None:
    home.mkdir()
    subprocess.run(
        [sys.executable, "-m", "prefect", "server", "database", "upgrade", "-y"],
        env={"PREFECT_HOME": str(home)},
        stdout=subprocess.DEVNULL,
        timeout=LONG,
        check=True,
    )
