"""The journal of one batch: a line for each outcome, as it is known."""

import json
import logging
import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import fields
from pathlib import Path
from threading import Lock
from typing import Any

from pydantic import TypeAdapter

from imgur_mirror.models import NAMES_ON_DISK, Download
from imgur_mirror.store.errors import StoreError, os_errors_as_store_errors
from imgur_mirror.store.manifest import is_image
from imgur_mirror.store.storage import StoredFile

__all__ = ["Journal", "Outcomes", "download_of", "latest", "outcomes_in", "row_of"]

Outcomes = dict[tuple[str, int | None], Download]
"""The latest outcome of each range of a batch, by image id and offset."""

_ALWAYS = ("id", "name", "outcome")
_DEFAULTS = {field.name: field.default for field in fields(Download) if field.name not in _ALWAYS}
_DOWNLOAD = TypeAdapter(Download)
_FIELDS = {on_disk: field for field, on_disk in NAMES_ON_DISK.items()}

_logger = logging.getLogger(__name__)


def row_of(download: Download) -> dict[str, Any]:
    """Return an outcome as it is kept on the disk: what is not as by default, by its name there."""
    row = {name: getattr(download, name) for name in _ALWAYS}
    for name, default in _DEFAULTS.items():
        if (value := getattr(download, name)) != default:
            row[NAMES_ON_DISK.get(name, name)] = value
    return row


def download_of(row: object) -> Download:
    """Read an outcome as it is kept on the disk.

    Raises:
        ValueError: where it is none.
    """
    if not isinstance(row, dict):
        raise ValueError(f"{row!r:.80} is no outcome")  # noqa: TRY004 - read from a file
    return _DOWNLOAD.validate_python({_FIELDS.get(name, name): row[name] for name in row})


class Journal:
    """Outcomes appended to a file, which is made by the first; only one task run writes there.

    Several of its threads may: each line is appended by one call. As the batch ends, the file is
    sent to `copy`, if given, for who goes on with the batch on another machine.
    """

    def __init__(self, path: Path, copy: StoredFile | None = None) -> None:
        self.path = path
        self._copy = copy
        self._descriptor: int | None = None
        self._opening = Lock()

    def append(self, download: Download) -> None:
        """Add an outcome.

        Raises:
            StoreError: where the disk is full or the file cannot be written.
        """
        row = row_of(download)
        # The newline before it ends a line that a full disk or a killed worker cut short.
        line = f"\n{json.dumps(row)}\n".encode()
        with os_errors_as_store_errors(self.path.parent.parent):
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
        """End the batch; what was appended is there for who goes on with it."""
        if self._descriptor is None:
            return
        os.close(self._descriptor)
        self._descriptor = None
        if self._copy is not None:
            try:
                self._copy.write(self.path.read_bytes())
            except (StoreError, OSError) as error:
                # Who goes on with the batch then finds the files themselves.
                _logger.warning("the outcomes of a batch are not stored: %s", error)


def outcomes_in(journal: bytes) -> Iterator[Download]:
    """Read the lines of a journal; one that a crash cut short is left out."""
    for line in journal.splitlines():
        with suppress(ValueError, RecursionError):
            download = download_of(json.loads(line))
            if is_image(download.name):
                yield download


def latest(journal: bytes) -> Outcomes:
    """Return the last outcome of each range in a journal."""
    return {(row.id, row.range_start): row for row in outcomes_in(journal)}
