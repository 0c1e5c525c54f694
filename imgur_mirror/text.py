"""Words for people: text that is safe to show."""

__all__ = ["printable"]


def printable(text: str, limit: int = 200) -> str:
    """Return the text on one line of at most `limit` characters, without control characters."""
    # Cut before the rest is looked at: a server may send megabytes.
    visible = "".join(c if c.isprintable() else " " for c in text[: 4 * limit])
    line = " ".join(visible.split())
    return line if len(line) <= limit else line[: limit - 1] + "…"
