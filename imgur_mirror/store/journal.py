"""The journal of one batch: a line for each outcome, as it is known."""

import json
import os
from dataclasses import fields
from pathlib import Path
from threading import Lock

from imgur_mirror.models import NAMES_ON_DISK, Download
from imgur_mirror.store.fs import said

__all__ = ["Journal"]

_ALWAYS = ("id", "name", "outcome")
_DEFAULTS = {field.name: field.default for field in fields(Download) if field.name not in _ALWAYS}


class Journal:
    """Outcomes appended to a file, which is made by the first; only one task run writes there.

    Several of its threads may: each line is appended by one call.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._descriptor: int | None = None
        self._opening = Lock()

    def append(self, download: Download) -> None:
        """Add an outcome.

        Raises:
            StoreError: where the disk is full or the file cannot be written.
        """
        row = {name: getattr(download, name) for name in _ALWAYS}
        for name, default in _DEFAULTS.items():
            if (value := getattr(download, name)) != default:
                row[NAMES_ON_DISK.get(name, name)] = value
        # The newline before it ends a line that a full disk or a killed worker cut short.
        line = f"\n{json.dumps(row)}\n".encode()
        with said(self.path.parent.parent):
            descriptor = self._open()
            while line:
                line = line[os.write(descriptor, line) :]

    def _open(self) -> int:
        with self._opening:
            if self._descriptor is None:
                flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC
                self._descriptor = os.open(self.path, flags, 0o644)
            return self._descriptor

    def close(self) -> None:
        """Close the file; what was appended is in it."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None
