"""A comparison as Markdown with its charts, and as plain text."""

from collections.abc import Callable, Sequence

from imgur_mirror.compare.bar_chart import bar_chart
from imgur_mirror.compare.comparison import Comparison
from imgur_mirror.compare.curve import curve_chart
from imgur_mirror.compare.points import points
from imgur_mirror.compare.wording import ARTICLE, CHOICE, SLOWER, WATERFALLS, WORKS, terms
from imgur_mirror.models import Work
from imgur_mirror.report.svg import WIDE
from imgur_mirror.report.tables import escape, markdown_table, text_table
from imgur_mirror.report.waterfall import waterfalls

__all__ = [
    "chart_name",
    "comparison_charts",
    "comparison_markdown",
    "comparison_text",
]

BARS, CURVE, LANES = "comparison", "sweep", "waterfalls"
"""What the charts are called, see `chart_name`."""


def chart_name(chart: str, work: Work = Work.NONE) -> str:
    """Return the file name of a chart; those of one work bear its name."""
    return f"{chart}.svg" if work is Work.NONE else f"{chart}-{work}.svg"


def comparison_charts(found: Comparison, width: int = WIDE) -> dict[str, str]:
    """Return the SVG text of every chart of the report, by its file name."""
    charts = {chart_name(BARS): bar_chart(found.rows, width)} if found.runs else {}
    for work in found.works:
        title = f"{work}: {WORKS[work]}" if len(found.works) > 1 and width >= WIDE else str(work)
        if drawn := waterfalls(found.typical(work), title, width):
            charts[chart_name(LANES, work)] = drawn
        if found.sweep:
            charts[chart_name(CURVE, work)] = _curve(found, work, width)
    return charts


def _curve(found: Comparison, work: Work, width: int) -> str:
    measured = [point for point in points(found.runs) if point.work is work]
    advised = {(each.work, each.strategy, each.workers) for each in found.advice}
    chosen = (point for point in measured if (point.work, point.strategy, point.workers) in advised)
    return curve_chart(measured, next(chosen, None), width)


def comparison_markdown(found: Comparison, uri_of: Callable[[str], str], page: str = "") -> str:
    """Return the report of a comparison: the result, the charts, the figures, what they mean.

    `uri_of` gives the URI of a chart by its file name, `page` is the one of the HTML page.
    """
    rows = found.rows
    if not rows:
        return f"{found.headline}\n"
    bars = uri_of(chart_name(BARS))
    blocks = [
        found.headline,
        f"All of it as one page: [{escape(page)}]({page})" if page else "",
        f"![seconds by strategy, start-up, download and work]({bars})",
        "\n".join(f"- {escape(note)}" for note in found.remarks),
        *_explanation(found),
        markdown_table(rows),
        terms(found),
        *_waterfalls(found, uri_of),
        *_sweep(found, uri_of),
        "" if found.sweep or not found.advice else CHOICE,
        *_history(found),
        f"*{ARTICLE}*",
    ]
    return "\n\n".join(block for block in blocks if block) + "\n"


def _explanation(found: Comparison) -> list[str]:
    return [f"**{work}**: {' '.join(said)}" for work, said in found.explanation.items()]


def _waterfalls(found: Comparison, uri_of: Callable[[str], str]) -> list[str]:
    there = comparison_charts(found)
    names = [chart_name(LANES, work) for work in found.works]
    pictures = [f"![what each worker did when]({uri_of(name)})" for name in names if name in there]
    return ["## What happened when", *pictures, WATERFALLS] if pictures else []


def _sweep(found: Comparison, uri_of: Callable[[str], str]) -> list[str]:
    if not found.sweep:
        return []
    curves = [
        f"![images a second by number of workers, {work}]({uri_of(chart_name(CURVE, work))})"
        for work in found.works
    ]
    return ["## More workers", *curves, markdown_table(found.sweep), CHOICE]


def _history(found: Comparison) -> list[str]:
    history = found.history
    return ["## Earlier comparisons", markdown_table(history), SLOWER] if history else []


def comparison_text(found: Comparison) -> str:
    """Return the tables as plain text, and the headline, remarks and explanation below them."""
    lines = "\n".join([found.headline, *found.remarks])
    tables = map(text_table, filter(None, (found.sweep, found.rows, found.history)))
    return "\n\n".join([*tables, lines, *_plain_explanation(found)])


def _plain_explanation(found: Comparison) -> Sequence[str]:
    return ["\n".join([f"{work}:", *said]) for work, said in found.explanation.items()]
