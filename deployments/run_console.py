"""What a run prints of its log, which its worker reads and prints."""

import logging
from contextlib import suppress

from prefect.logging.handlers import PrefectConsoleHandler

__all__ = ["RunConsole"]


class RunConsole(PrefectConsoleHandler):
    """Prefect's, without the end of the run: rich exits where nobody reads what it prints.

    So the next line of the log would end a run whose worker was killed.
    """

    def emit(self, record: logging.LogRecord) -> None:
        with suppress(SystemExit):
            super().emit(record)
