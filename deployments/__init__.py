"""How the flows are run: as a demo here, by schedule and from the UI elsewhere."""
