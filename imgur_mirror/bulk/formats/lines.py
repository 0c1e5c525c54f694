"""Text with one link a line; blank lines, comments and a header are passed over."""

from collections.abc import Iterator

from imgur_mirror.bulk.formats.opening import MAX_LINE, Lines, OpenFile
from imgur_mirror.bulk.formats.record import MAX_LENGTH, Record, known_column

__all__ = ["line_records"]


def line_records(file: OpenFile) -> Iterator[Record]:
    """Read the lines; what is around a link is cut off where the link is read."""
    lines, is_first = Lines(file.text()), True
    for line in lines:
        if (text := line.strip()) and not text.startswith("#"):
            is_header, is_first = is_first and known_column([text]) is not None, False
            if is_header:
                continue
            fault = f"it has more than {MAX_LINE} characters" if len(line) >= MAX_LINE else ""
            yield Record(line[:MAX_LENGTH], lines.number, fault)
