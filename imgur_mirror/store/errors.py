"""What the store raises, in sentences that say what to mend."""

import errno
from pathlib import Path
from types import TracebackType

__all__ = ["StoreAway", "StoreError", "os_errors_as_store_errors"]


class StoreError(Exception):
    """The store cannot be written or read; the sentence says what to mend. Never tried again."""

    retryable = False


class StoreAway(StoreError):
    """A store elsewhere did not answer, though it was asked several times; later it may."""

    retryable = True


REMEDIES = {
    errno.ENOSPC: "free some space on its disk",
    errno.EDQUOT: "free some space in your quota",
    errno.EACCES: "make it writable for the user that runs this",
    errno.EPERM: "make it writable for the user that runs this",
    errno.EROFS: "mount it writable, or choose another folder",
    errno.EFBIG: "raise the limit on a file's size (ulimit -f), or choose another disk",
    errno.EMFILE: "raise the limit on open files (ulimit -n), or lower the workers",
    errno.EEXIST: "a file is where the folder belongs: move it, or choose another folder",
    errno.ENOTDIR: "a file is where the folder belongs: move it, or choose another folder",
    errno.ENAMETOOLONG: "choose a folder with a shorter name",
}


class os_errors_as_store_errors:  # noqa: N801 - a context manager, used as a function
    """Raises what the operating system refuses as a `StoreError` that names the path."""

    # Not a generator: each image enters several of these.
    __slots__ = ("_path",)

    def __init__(self, path: Path | str) -> None:
        self._path = path

    def __enter__(self) -> None:
        return

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if isinstance(error, OSError):
            remedy = REMEDIES.get(error.errno or 0, "look at the disk and at the folder")
            raise StoreError(
                f"cannot write to {self._path}: {error.strerror or error}; {remedy}, "
                "then run this again: what was stored is kept"
            ) from error
