"""The log beside a partial file that several workers share: what is on the disk, and who does what.

It is `NAME.RUN.part.log`, only ever appended to. Its first line says of which version of the image
the bytes are; each further one is a range that is on the disk, who puts the whole together, or that
the bytes make no whole. A line is one write, which the operating system keeps apart from others',
whichever process they come from.
"""

import errno
import json
import os
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from imgur_mirror.store.errors import os_errors_as_store_errors

__all__ = ["Range", "RangeLog", "missing"]

Range = tuple[int, int]
"""From the first byte to before the last: `start <= byte < stop`."""


def missing(done: Iterable[Range], start: int, stop: int) -> list[Range]:
    """Return the ranges between `start` and `stop` that are not done, in order."""
    gaps, at = [], start
    for first, last in sorted(done):
        if at < min(first, stop):
            gaps.append((at, min(first, stop)))
        at = max(at, last)
    return [*gaps, (at, stop)] if at < stop else gaps


@dataclass(frozen=True, slots=True)
class RangeLog:
    """The log of one shared partial file, by the path of that file."""

    part: Path

    @property
    def path(self) -> Path:
        """Where the log is."""
        return self.part.with_name(f"{self.part.name}.log")

    @property
    def etag(self) -> str | None:
        """The ETag of the version that the bytes are of, if one was sent and any has come."""
        version = self.version
        return None if version is None else version["etag"]

    @property
    def version(self) -> dict[str, Any] | None:
        """The version that the bytes are of: its `etag`, and its bytes in `total`."""
        return next((line for line in self.lines() if "total" in line), None)

    @property
    def done(self) -> list[Range]:
        """The ranges that are on the disk."""
        return [(line["start"], line["stop"]) for line in self.lines() if "start" in line]

    @property
    def is_invalid(self) -> bool:
        """Whether a worker found that the bytes make no whole."""
        return any("spoilt" in line for line in self.lines())

    def same_version(self, etag: str | None, total: int) -> bool:
        """Note which version this worker gets; return whether it is the one of all others."""
        mine = {"etag": etag, "total": total}
        if self.version is None:
            self.append(mine)
        return self.version == mine

    def elect_finisher(self, start: int) -> bool:
        """Return whether it is for the worker of this range to put the whole together.

        Where the log is gone, another worker has: a new one would elect this one as well, which
        would look for a partial file that has its name by now.
        """
        return self._add({"claim": start}, create=False) and self._is_first("claim", start)

    def invalidate(self, start: int) -> bool:
        """Note that the bytes make no whole, so that no run goes on with them.

        Returns whether it is for the worker of this range to fetch the image whole.
        """
        self.append({"spoilt": start})
        return self._is_first("spoilt", start)

    def _is_first(self, word: str, start: int) -> bool:
        """Return whether this range was the first to note a word: also if asked after a crash."""
        return next((line[word] for line in self.lines() if word in line), None) == start

    def append(self, line: dict[str, Any]) -> None:
        """Add a line.

        Raises:
            StoreError: where it does not fit on the disk.
        """
        self._add(line, create=True)

    def _add(self, line: dict[str, Any], *, create: bool) -> bool:
        """Add a line; return False where there is no log, and none is to be made."""
        # The newline before it ends a line that a full disk cut short.
        text = b"\n" + json.dumps(line).encode() + b"\n"
        with os_errors_as_store_errors(self.part):
            flags = os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC | (os.O_CREAT if create else 0)
            try:
                descriptor = os.open(self.path, flags, 0o644)
            except FileNotFoundError:
                if create:
                    raise
                return False
            with os.fdopen(descriptor, "ab", buffering=0) as log:
                if log.write(text) < len(text):
                    raise OSError(errno.ENOSPC, "a line of the log did not fit")
        return True

    def replace(self, etag: str, total: int, done: Iterable[Range]) -> None:
        """Begin the log anew, with what is known of a file that was taken over."""
        ranges = [{"start": start, "stop": stop} for start, stop in done]
        lines = [{"etag": etag, "total": total}, *ranges]
        self.path.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="ascii")

    def lines(self) -> list[dict[str, Any]]:
        """Read the log; a line that a crash cut short is left out."""
        lines = []
        with os_errors_as_store_errors(self.part), suppress(FileNotFoundError):
            for line in self.path.read_bytes().splitlines():
                with suppress(ValueError, RecursionError):
                    read = json.loads(line)
                    if isinstance(read, dict):
                        lines.append(read)
        return lines
