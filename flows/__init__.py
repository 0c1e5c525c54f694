"""The flows; each runs from the shell as well: `python -m flows.mirror_album ALBUM`."""

import gc

from flows.cli.early_stop import say_stopped_early
from flows.cli.prefect_settings import set_prefect_settings

say_stopped_early()

# Here, since Prefect reads its settings as it is imported, and every flow imports it.
set_prefect_settings()

# What is imported from here on makes some hundred thousand objects that stay. Looking at them again
# after every 700 takes a tenth of the time that the imports do.
gc.set_threshold(10_000)
