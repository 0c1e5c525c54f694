"""Put the last results into the README: `python -m benchmarks.readme [FILE]`."""

import re
import sys
from pathlib import Path

from benchmarks.report import markdown, read

__all__ = ["filled"]

BEGIN, END = "<!-- bench:begin -->", "<!-- bench:end -->"
README = Path(__file__).parent.parent / "README.md"


def filled(text: str, table: str) -> str:
    """The text with the table between its two marks.

    Raises:
        ValueError: where it has no such marks.
    """
    pattern = re.compile(f"{re.escape(BEGIN)}.*?{re.escape(END)}", re.DOTALL)
    if not pattern.search(text):
        raise ValueError(f"there is no {BEGIN} followed by {END}")
    return pattern.sub(lambda _: f"{BEGIN}\n{table}\n{END}", text, count=1)


def main(arguments: list[str]) -> int:
    """Fill one file; 0 where that was done, 1 where it cannot be."""
    path = Path(arguments[0]) if arguments else README
    results = read()
    if not results.sections:
        print("there are no results yet: make bench", file=sys.stderr)
        return 1
    try:
        path.write_text(filled(path.read_text(encoding="utf-8"), markdown(results)), "utf-8")
    except (OSError, ValueError) as error:
        print(f"{path}: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
