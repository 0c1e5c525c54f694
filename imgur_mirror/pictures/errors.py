"""Why nothing can be computed from a file."""

__all__ = ["Undecodable"]


class Undecodable(Exception):
    """A file's pixels cannot be had within the limits; the message says why."""
