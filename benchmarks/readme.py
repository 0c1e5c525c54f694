"""Put the last results into the README: `python -m benchmarks.readme [FILE]`."""

import re
import sys
from pathlib import Path

from benchmarks.report import KEPT, SCALE, markdown, read

__all__ = ["filled"]

TABLES = {"bench": KEPT, "scale": SCALE}
"""The results of each pair of marks in the README."""

README = Path(__file__).parent.parent / "README.md"


def filled(text: str, name: str, table: str) -> str:
    """The text with the table between the two marks of that name.

    Raises:
        ValueError: where it has no such marks.
    """
    begin, end = f"<!-- {name}:begin -->", f"<!-- {name}:end -->"
    pattern = re.compile(f"{re.escape(begin)}.*?{re.escape(end)}", re.DOTALL)
    if not pattern.search(text):
        raise ValueError(f"there is no {begin} followed by {end}")
    return pattern.sub(lambda _: f"{begin}\n{table}\n{end}", text, count=1)


def main(arguments: list[str]) -> int:
    """Fill one file with all that there is; 0 where that was done, 1 where it cannot be."""
    path = Path(arguments[0]) if arguments else README
    results = {name: found for name, kept in TABLES.items() if (found := read(kept)).sections}
    if not results:
        print("there are no results yet: make bench", file=sys.stderr)
        return 1
    try:
        text = path.read_text(encoding="utf-8")
        for name, found in results.items():
            text = filled(text, name, markdown(found))
        path.write_text(text, "utf-8")
    except (OSError, ValueError) as error:
        print(f"{path}: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
