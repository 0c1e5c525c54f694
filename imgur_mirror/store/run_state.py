"""Scratch on this machine: what the runs of a store elsewhere keep here while they work.

Partial files, journals and the run's pace, in `<temporary folder>/imgur-mirror-<user>/`, which only
that user can enter. `TMPDIR` says where the temporary folder is.
"""

import hashlib
import os
import shutil
import stat
import tempfile
import time
from contextlib import suppress
from pathlib import Path

from imgur_mirror.store.fs import StoreError, is_free, said

__all__ = ["STALE", "scratch"]

STALE = 24 * 3600.0
"""Seconds after which a run that has noted nothing more is taken for dead."""

UNUSED = 600.0
"""Seconds after which an empty folder is nobody's who has just made it."""


def scratch(address: str) -> Path:
    """Give the folder for an address, made if need be.

    Raises:
        StoreError: where it cannot be made, or is another user's.
    """
    root = Path(tempfile.gettempdir()) / f"imgur-mirror-{os.getuid()}"
    folder = root / hashlib.blake2b(address.encode(), digest_size=8).hexdigest()
    with said(folder):
        root.mkdir(mode=0o700, parents=True, exist_ok=True)
        _check(root)
        if not folder.exists():
            _sweep(root)
            folder.mkdir(exist_ok=True)
    return folder


def _check(root: Path) -> None:
    """Refuse a folder that somebody else could write to."""
    about = root.lstat()
    mine = stat.S_ISDIR(about.st_mode) and about.st_uid == os.getuid()
    if not mine or about.st_mode & 0o022:
        raise StoreError(
            f"{root} is not this user's alone: remove it, or set TMPDIR to another folder"
        )


def _sweep(root: Path) -> None:
    """Remove what was left by who was killed, and by workers on machines that no run ends on."""
    before = time.time() - STALE
    for folder in root.iterdir():
        # Another process may sweep as well, or begin to use it again.
        with suppress(OSError):
            used = folder.stat().st_mtime
            for left in folder.iterdir():
                if left.stat().st_mtime < before and is_free(left):
                    shutil.rmtree(left) if left.is_dir() else left.unlink()
            if used < time.time() - UNUSED:
                folder.rmdir()
