"""The flows, each of which runs as a module too: `python -m flows.mirror_album ALBUM`."""
