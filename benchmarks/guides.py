"""Put the last results into the guides: `python -m benchmarks.guides`."""

import re
import sys
from pathlib import Path

from benchmarks.report import KEPT, SCALE, markdown, read

__all__ = ["filled"]

DOCS = Path(__file__).parent.parent / "docs"

GUIDES = {
    "bench": (KEPT, DOCS / "benchmarks.md"),
    "scale": (SCALE, DOCS / "past-one-machine.md"),
}
"""The results of each pair of marks, and the guide that has them."""


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


def main() -> int:
    """Fill each guide whose results there are; 0 where that was done, 1 where it cannot be."""
    there = [(name, read(kept), guide) for name, (kept, guide) in GUIDES.items()]
    wanted = [(name, results, guide) for name, results, guide in there if results.sections]
    if not wanted:
        print("there are no results yet: make bench", file=sys.stderr)
        return 1
    for name, results, guide in wanted:
        try:
            text = guide.read_text(encoding="utf-8")
            guide.write_text(filled(text, name, markdown(results)), "utf-8")
        except (OSError, ValueError) as error:
            print(f"{guide}: {error}", file=sys.stderr)
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
