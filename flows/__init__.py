"""The flows; each runs from the shell as well: `python -m flows.mirror_album ALBUM`."""

from flows.cli.prefect_settings import set_prefect_settings

# Here, since Prefect reads its settings as it is imported, and every flow imports it.
set_prefect_settings()
