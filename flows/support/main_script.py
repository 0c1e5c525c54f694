"""A script that calls a flow, as each process of a local Dask cluster imports it again."""

import sys
from pathlib import Path

from imgur_mirror.settings import BadSettings

__all__ = ["check_main_script"]


def check_main_script() -> None:
    """Refuse a script whose flow would run again in each process of a cluster.

    Raises:
        BadSettings: where it does not ask for its own `__name__`.
    """
    script = getattr(sys.modules["__main__"], "__file__", None)
    try:
        text = Path(script).read_text(encoding="utf-8", errors="replace") if script else None
    except OSError:
        # Nobody could import it again either: it was read from standard input, or is in an archive.
        return
    if text is not None and "__name__" not in text:
        raise BadSettings(
            f'{script} calls a flow with strategy "dask", whose processes import that script: put '
            'the call under `if __name__ == "__main__":`, or choose another strategy'
        )
