"""A comparison as one HTML page: it needs nothing but itself, and fits a telephone, too."""

from collections.abc import Iterable, Iterator, Sequence
from html import escape

from imgur_mirror.compare.comparison import Comparison
from imgur_mirror.compare.report import BARS, CURVE, LANES, chart_name, comparison_charts
from imgur_mirror.compare.wording import ARTICLE, CHOICE, SLOWER, WATERFALLS, WORKS, terms
from imgur_mirror.models import Work
from imgur_mirror.report.svg import FAINT, INK, NARROW, PAPER, WIDE
from imgur_mirror.report.tables import Row, table_columns
from imgur_mirror.text import counted, counted_images, plain

__all__ = ["PAGE", "comparison_page"]

PAGE = "comparison.html"
"""The name of the file."""

PAGE_WIDTH = 1100
"""Pixels: the most that the charts take."""

# The charts have the colours of white paper; on a dark page these take their place.
STYLE = f"""
:root {{ color-scheme: light dark; --paper: {PAPER}; --ink: {INK}; --faint: {FAINT};
  --card: #F4F5F7; --quiet: #5B6067; --startup: #F5EE9A }}
@media (prefers-color-scheme: dark) {{ :root {{ --paper: #15181C; --ink: #E8EAED; --faint: #3A4048;
  --card: #1F242A; --quiet: #A3ABB5; --startup: #4F4B22 }} }}
* {{ box-sizing: border-box }}
body {{ margin: 0; background: var(--paper); color: var(--ink);
  font: 16px/1.55 system-ui, "DejaVu Sans", Verdana, sans-serif }}
main {{ max-width: {PAGE_WIDTH + 40}px; margin: 0 auto; padding: 28px 20px 60px }}
h1 {{ font-size: 1.7rem; line-height: 1.25; margin: 0 0 4px; overflow-wrap: anywhere }}
h2 {{ font-size: 1.25rem; margin: 44px 0 10px }}
h3 {{ font-size: 1.02rem; margin: 0 0 6px }}
p {{ margin: 0 0 10px; max-width: 78ch }}
.quiet, .card .quiet {{ color: var(--quiet); font-size: .88rem }}
.cards {{ display: grid; gap: 16px; margin: 22px 0;
  grid-template-columns: repeat(auto-fit, minmax(min(300px, 100%), 1fr)) }}
.card {{ background: var(--card); border-radius: 12px; padding: 16px 18px }}
.card p {{ font-size: .95rem; margin-bottom: 8px }}
.card .use {{ font-size: 1.45rem; font-weight: 700; line-height: 1.2; margin: 12px 0 8px }}
.card .verdict {{ font-weight: 600 }}
figure {{ margin: 0 0 18px }}
svg {{ display: block; max-width: 100%; height: auto }}
.narrow {{ display: none }}
@media (max-width: {WIDE}px) {{ .wide {{ display: none }} .narrow {{ display: block }} }}
.scroll {{ overflow-x: auto; margin-bottom: 12px; border: 1px solid var(--faint);
  border-radius: 10px }}
table {{ border-collapse: collapse; font-size: .86rem; width: 100% }}
th, td {{ padding: 6px 9px; text-align: left; white-space: nowrap;
  border-top: 1px solid var(--faint) }}
thead th {{ border-top: 0; color: var(--quiet); font-weight: 600 }}
td.figure, th.figure {{ text-align: right; font-variant-numeric: tabular-nums }}
svg[fill="{INK}"], svg [fill="{INK}"] {{ fill: var(--ink) }}
svg [fill="{PAPER}"]:not(text) {{ fill: var(--paper) }}
svg [stroke="{PAPER}"] {{ stroke: var(--paper) }}
svg [stroke="{INK}"] {{ stroke: var(--ink) }}
svg [stroke="{FAINT}"] {{ stroke: var(--faint) }}
svg rect[fill="#F5EE9A"] {{ fill: var(--startup) }}
svg [stroke="#F5EE9A"] {{ stroke: var(--startup) }}
@media (prefers-color-scheme: dark) {{
  svg [fill="#B84A00"] {{ fill: #F08A4B }} svg [stroke="#B84A00"] {{ stroke: #F08A4B }}
  svg text[fill="#0072B2"] {{ fill: #4BA3DA }} svg text[fill="#00785A"] {{ fill: #2DB88D }} }}
"""

# The policy refuses scripts and anything from elsewhere, should a text ever get past the escaping.
HTML = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; \
style-src 'unsafe-inline'">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>{style}</style>
</head>
<body>
<main>
{body}
</main>
</body>
</html>
"""


def comparison_page(found: Comparison) -> str:
    """Return the comparison as HTML, with each chart for wide windows and for narrow ones."""
    body = [
        *_top(found),
        _cards(found),
        *_charts(found),
        *_figures(found),
        *_sweep(found),
        *_history(found),
        *_bottom(found),
    ]
    title = f"{_album(found)}: which concurrency?"
    return HTML.format(title=escape(title), style=STYLE, body="\n".join(body))


def _album(found: Comparison) -> str:
    return plain(found.runs[0].album.id) if found.runs else "nothing"


def _top(found: Comparison) -> Iterator[str]:
    yield f"<h1>Which concurrency for {escape(_album(found))}?</h1>"
    if not found.runs:
        yield _paragraph(found.headline)
        return
    album, images = found.runs[0].album, len(found.runs[0].downloads)
    title = f"“{plain(album.title)}”, " if album.title else ""
    works = counted(len(found.works), "kind") + " of work"
    workers = counted(max(run.workers for run in found.runs), "worker")
    said = f"{title}{counted_images(images)} under each strategy, with {works} and {workers}."
    yield _paragraph(said, "quiet")
    yield from (_paragraph(note) for note in found.notes)


def _cards(found: Comparison) -> str:
    """Return a card for each work: what to use, the verdict, and why."""
    cards = [_card(found, work) for work in found.works]
    return f'<div class="cards">{"".join(cards)}</div>'


def _card(found: Comparison, work: Work) -> str:
    advice = next((each for each in found.advice if each.work is work), None)
    use = f"{advice.strategy}, {counted(advice.workers, 'worker')}" if advice else ""
    return "".join(
        [
            f'<section class="card"><h3>{work}</h3>',
            _paragraph(WORKS[work], "quiet"),
            _paragraph(f"Use {use}", "use") if use else "",
            _paragraph(f"{found.verdict(work)}.", "verdict"),
            *map(_paragraph, found.explanation.get(work, [])),
            _paragraph(f"Why {use}: {advice.why}.", "quiet") if advice else "",
            "</section>",
        ]
    )


def _charts(found: Comparison) -> Iterator[str]:
    if not found.runs:
        return
    yield "<h2>How long it took</h2>"
    yield _figure(found, [chart_name(BARS)])
    lanes = _figure(found, [chart_name(LANES, work) for work in found.works])
    if lanes:
        yield f"<h2>What happened when</h2>{_paragraph(WATERFALLS, 'quiet')}{lanes}"


def _figure(found: Comparison, names: Sequence[str]) -> str:
    """Return charts by their names, where they are there, in both widths."""
    both = {
        "wide": comparison_charts(found, PAGE_WIDTH),
        "narrow": comparison_charts(found, NARROW),
    }
    figures = [
        f'<figure class="{kind}">{charts[name]}</figure>'
        for name in names
        for kind, charts in both.items()
        if name in charts
    ]
    return "".join(figures)


def _figures(found: Comparison) -> Iterator[str]:
    if found.rows:
        yield f"<h2>The figures</h2>{_table(found.rows)}{_paragraph(terms(found), 'quiet')}"


def _sweep(found: Comparison) -> Iterator[str]:
    if found.sweep:
        curves = _figure(found, [chart_name(CURVE, work) for work in found.works])
        yield f"<h2>More workers</h2>{curves}{_table(found.sweep)}"


def _history(found: Comparison) -> Iterator[str]:
    if found.history:
        yield f"<h2>Earlier comparisons</h2>{_table(found.history)}{_paragraph(SLOWER, 'quiet')}"


def _bottom(found: Comparison) -> Iterator[str]:
    yield "<h2>About these figures</h2>"
    if found.machine is not None:
        versions = ", ".join(f"{name} {number}" for name, number in found.machine.versions)
        cores = counted(found.machine.cores, "core")
        yield _paragraph(f"Measured on {cores}, {found.machine.system}, with {versions}.", "quiet")
    if found.advice:
        yield _paragraph(CHOICE, "quiet")
    yield _paragraph(ARTICLE, "quiet")


def _paragraph(text: str, kind: str = "") -> str:
    attribute = f' class="{kind}"' if kind else ""
    return f"<p{attribute}>{escape(text)}</p>"


def _table(rows: Sequence[Row]) -> str:
    """Return a table that scrolls by itself where the window is too narrow for it."""
    columns = list(table_columns(rows))
    head = "".join(_cell("th", name, figure) for name, _, figure in columns)
    lines = zip(*([(text, figure) for text in cells] for _, cells, figure in columns), strict=True)
    body = "".join(f"<tr>{_line(cells)}</tr>" for cells in lines)
    table = f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
    return f'<div class="scroll">{table}</div>'


def _line(cells: Iterable[tuple[str, bool]]) -> str:
    return "".join(_cell("td", text, figure) for text, figure in cells)


def _cell(tag: str, text: str, figure: bool) -> str:
    attribute = ' class="figure"' if figure else ""
    return f"<{tag}{attribute}>{escape(text)}</{tag}>"
