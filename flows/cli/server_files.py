"""Who runs the Prefect server of a home, and who uses it: two locked files.

The kernel releases the locks of a process as it ends, however it ends, so nothing here goes stale.
"""

import fcntl
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

__all__ = ["ServerFiles", "try_lock"]


class ServerFiles:
    """The files of the server that has its database under `home`.

    The server locks the file with its address for as long as it lives. Whoever uses it shares the
    lock of the other file; the server ends when it gets that lock for itself.
    """

    def __init__(self, home: Path) -> None:
        self.home = home
        self.log = home / "server.log"
        self._address = home / "imgur-mirror-server.address"
        self._users = home / "imgur-mirror-server.users"

    def address(self) -> str | None:
        """Return the address of the living server's API; None where none lives.

        It is empty for a moment, as a server starts.
        """
        try:
            with self._address.open(encoding="utf-8") as file:
                # Shared, so that two who look at the same time do not take each other for a server.
                return None if try_lock(file, fcntl.LOCK_SH) else file.read()
        except OSError:
            return None

    @contextmanager
    def serving(self, address: str) -> Iterator[bool]:
        """Be the server of this home; yields whether it has no other."""
        with self._address.open("a", encoding="utf-8") as file:
            tries = 20
            while not (first := try_lock(file, fcntl.LOCK_EX)) and tries:
                # Again, since who only looks has the lock for an instant.
                time.sleep(0.05)
                tries -= 1
            if first:
                file.truncate(0)
                file.write(address)
                file.flush()
            yield first

    def open_users(self) -> IO[str]:
        """Open the file of the users, without being one."""
        return self._users.open("a", encoding="utf-8")

    def use(self) -> IO[str]:
        """Keep the server until this file is closed; waits for one that is about to end."""
        users = self.open_users()
        fcntl.flock(users, fcntl.LOCK_SH)
        return users


def try_lock(file: IO[str], kind: int) -> bool:
    """Lock a file, unless another has it locked; tells which."""
    try:
        fcntl.flock(file, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
