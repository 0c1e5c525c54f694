"""How the flows are run: as a demo here, by schedule and from the UI elsewhere."""

from flows.cli.early_stop import say_stopped_early

say_stopped_early()
