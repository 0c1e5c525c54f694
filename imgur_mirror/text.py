"""Words for people: sizes, durations, counts and lists, the same wherever they are shown."""

from collections.abc import Sequence

__all__ = [
    "counted",
    "counted_images",
    "duration",
    "join_some",
    "join_words",
    "plain",
    "printable",
    "root_cause",
    "size",
]


def printable(text: str, limit: int = 200) -> str:
    """Return the text on one line of at most `limit` characters, without control characters."""
    # Cut before the rest is looked at: a server may send megabytes.
    visible = "".join(c if c.isprintable() else " " for c in text[: 4 * limit])
    line = " ".join(visible.split())
    return line if len(line) <= limit else line[: limit - 1] + "…"


def root_cause(error: BaseException) -> str:
    """Return the message at the bottom of a chain of wrapped exceptions."""
    for _ in range(10):
        inner = error.__cause__ or error.__context__
        if inner is None:
            break
        error = inner
    return str(error) or type(error).__name__


def plain(text: str) -> str:
    """Return the text on one line, without control characters or marks that reverse it."""
    visible = "".join(mark if mark.isprintable() else " " for mark in text)
    return " ".join(visible.split())


def counted(count: int, noun: str) -> str:
    """Return `1 worker` or `8 workers`."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def counted_images(count: int) -> str:
    """Return `1 image` or `40 images`."""
    return counted(count, "image")


def join_words(words: Sequence[str]) -> str:
    """Return `a`, `a and b` or `a, b and c`."""
    *others, last = words or [""]
    return f"{', '.join(others)} and {last}" if others else last


def join_some(parts: Sequence[str], limit: int, separator: str = ", ") -> str:
    """Join the first `limit` parts and count the rest: `a, b, and 3 more`."""
    rest = len(parts) - limit
    return separator.join([*parts[:limit], *([f"and {rest} more"] if rest > 0 else [])])


def size(count: int) -> str:
    """Return bytes as `512 bytes`, `98 kB`, `12.3 MB` or `1.2 GB`; a kB has 1000 bytes."""
    for unit, factor in (("GB", 1e9), ("MB", 1e6)):
        if count >= factor * 0.9995:
            return f"{count / factor:.1f} {unit}"
    return f"{count / 1e3:.0f} kB" if count >= 1000 else counted(count, "byte")


def duration(seconds: float, decimals: int = 1) -> str:
    """Return a time as `0.04 s`, `4.2 s`, `2 min 5 s` or `3 h 20 min`.

    Below a second it has at least two decimals, below 0.01 s three.
    """
    if seconds >= 7200:
        hours, minutes = divmod(round(seconds / 60), 60)
        return f"{hours} h {minutes} min"
    if seconds >= 120:
        minutes, rest = divmod(round(seconds), 60)
        return f"{minutes} min {rest} s"
    if seconds < 0.0005:
        return "0 s"
    least = 1 if seconds >= 0.95 else 2 if seconds >= 0.01 else 3
    return f"{seconds:.{max(decimals, least)}f} s"
