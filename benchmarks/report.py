"""The figures as people read them: in a terminal, and as the tables of the guides."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import TypeAdapter

from benchmarks.measuring import Row, Section, Target

__all__ = ["KEPT", "SCALE", "Results", "markdown", "read", "text", "write"]

KEPT = Path(__file__).with_name("results.json")
"""Where the last results are kept, and read from for the guides."""

SCALE = Path(__file__).with_name("scale.json")
"""Where those of `benchmarks.scale` are."""


@dataclass(frozen=True, slots=True)
class Results:
    """The sections by name, all of one machine with the same versions."""

    machine: Mapping[str, str] = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=dict)
    sections: Mapping[str, Section] = field(default_factory=dict)

    def over(self, old: "Results") -> "Results":
        """These, and what an older run has besides on the same machine and versions."""
        if (old.machine, old.versions) != (self.machine, self.versions):
            return self
        return Results(self.machine, self.versions, {**old.sections, **self.sections})


_RESULTS = TypeAdapter(Results)


def read(path: Path = KEPT) -> Results:
    """The results that were kept; none where there is no such file."""
    return _RESULTS.validate_json(path.read_bytes()) if path.exists() else Results()


def write(results: Results, path: Path = KEPT) -> None:
    """Keep the results."""
    path.write_bytes(_RESULTS.dump_json(results, indent=1) + b"\n")


def text(results: Results) -> str:
    """All of it, for a terminal."""
    targets = [target for section in results.sections.values() for target in section.targets]
    blocks = [_about(results), *map(_section, results.sections.values()), _targets(targets)]
    return "\n\n".join(blocks)


def _about(results: Results) -> str:
    machine = results.machine
    used = ", ".join(f"{name} {version}" for name, version in results.versions.items())
    return f"{machine['cores']} cores, {machine['cpu']}, {machine['kernel']}; {used}."


def _section(section: Section) -> str:
    head = f"{section.title}\n{'':<44}{'median':>10}{'low':>10}{'high':>10}"
    if section.baseline:
        head += f"   × {section.baseline_name} ({_seconds(section.baseline)})"
    rows = [_row(row, section) for row in section.rows]
    return "\n".join([head, *rows, *(f"  ({note})" for note in section.notes)])


def _row(row: Row, section: Section) -> str:
    spread = row.spread
    figures = "".join(f"{_seconds(x):>10}" for x in (spread.median, spread.low, spread.high))
    ratio = f"{row.each / section.baseline:10.2f}" if section.baseline else ""
    if row.images:
        ratio += f"{1 / row.each:10.0f} {section.unit}/s"
    more = "".join(f"  {name} {_more(name, row.figure(name))}" for name in row.runs[0].more)
    return f"  {row.name:<42}{figures}{ratio}{more}"


def _seconds(seconds: float) -> str:
    return f"{seconds * 1000:.2f} ms" if seconds < 0.1 else f"{seconds:.2f} s"


COUNTED = ("fetched", "fetched twice", "task runs", "lost", "database is locked")
"""The figures that are numbers of something; others are bytes of memory, or seconds."""


def _more(name: str, value: float) -> str:
    if name in COUNTED:
        return f"{value:,.0f}"
    if name == "cores":
        return f"{value:.2f}"
    return f"{value / (1 << 20):.0f} MiB" if name.endswith("memory") else _seconds(value)


def _targets(targets: Iterable[Target]) -> str:
    lines = [
        f"  {target.what:<76}{target.measured:8.2f} {target.unit:<4}"
        f"{'≥' if target.at_least else '≤'}{target.bound:7.2f}  "
        f"{'reached' if target.reached else 'not reached'}"
        for target in targets
    ]
    return "\n".join(["targets", *lines])


# The guides


def markdown(results: Results) -> str:
    """A table for each section that compares contenders, and what it was measured on."""
    sections = [one for one in results.sections.values() if one.baseline or one.shown]
    return "\n\n".join([*map(_table, sections), f"Measured on {_about(results)}"])


def _table(section: Section) -> str:
    title = section.title[0].upper() + section.title[1:]
    columns = [_cells(row, section) for row in section.rows]
    names = list(columns[0])
    lines = [
        f"| {title} | {' | '.join(names)} |",
        f"|---|{'--:|' * len(names)}",
        *(
            f"| {row.name} | {' | '.join(cells.values())} |"
            for row, cells in zip(section.rows, columns, strict=True)
        ),
    ]
    return "\n".join(lines)


def _cells(row: Row, section: Section) -> dict[str, str]:
    """The cells of a row by the names of their columns, alike for all rows of a section."""
    median, low, high = (_seconds(x) for x in (row.spread.median, row.spread.low, row.spread.high))
    cells = {"median": median, "lowest – highest": f"{low} – {high}"}
    if all(len(other.runs) == 1 for other in section.rows):
        cells = {"time": median}
    if any(other.images for other in section.rows):
        cells[f"{section.unit}/s"] = f"{1 / row.each:,.0f}" if row.images else ""
    if section.baseline:
        cells[f"× {section.baseline_name}"] = f"{row.each / section.baseline:.2f}"
    has = row.runs[0].more
    return cells | {
        name: _more(name, row.figure(name)) if name in has else "" for name in section.shown
    }
