"""SVG pictures: their elements, in pixels, the colours that all of them share, and round axes."""

import base64
import math
from collections.abc import Iterator
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

__all__ = [
    "FAINT",
    "INK",
    "NARROW",
    "PAPER",
    "WIDE",
    "data_uri",
    "document",
    "line",
    "rect",
    "text",
    "ticks",
]

INK, FAINT, PAPER = "#1B1B1B", "#D8D8D8", "#FFFFFF"
FONTS = ("DejaVu Sans", "Verdana", "Arial")

WIDE, NARROW = 700, 360
"""Widths of pictures: in a report, and on a telephone, which would scale the wide one down."""


def text(x: float, y: float, content: str, size: float, **attributes: str | float) -> Element:
    """Return one line of text that is vertically centred on `y`."""
    # From the middle to the baseline; not every viewer knows `dominant-baseline`.
    baseline = y + 0.36 * size
    element = _element("text", x=x, y=baseline, font_size=size, **attributes)
    element.text = content
    return element


def rect(
    x: float, y: float, width: float, height: float, colour: str, **attributes: str | float
) -> Element:
    """Return a filled rectangle."""
    return _element("rect", x=x, y=y, width=width, height=height, fill=colour, **attributes)


def line(path: str, colour: str, thickness: float, **attributes: str | float) -> Element:
    """Return a line along a path in SVG's notation: `M10 20H30` is from (10, 20) to (30, 20)."""
    return _element("path", d=path, stroke=colour, stroke_width=thickness, **attributes)


def document(width: float, height: float, *children: Element) -> str:
    """Return the text of a picture, on white paper since it is shown on dark pages too."""
    root = _element(
        "svg",
        rect(0, 0, width, height, PAPER),
        *children,
        xmlns="http://www.w3.org/2000/svg",
        width=width,
        height=height,
        viewBox=f"0 0 {width:g} {height:g}",
        font_family=", ".join([*FONTS, "sans-serif"]),
        fill=INK,
    )
    return ElementTree.tostring(root, encoding="unicode")


def data_uri(svg: str) -> str:
    """Return the text of a picture as a URI that holds all of it."""
    content = svg.encode(errors="replace")
    return f"data:image/svg+xml;base64,{base64.b64encode(content).decode()}"


def ticks(extent: float, most: int = 10) -> Iterator[tuple[float, str]]:
    """Yield the marks of an axis from 0 to `extent`, and what is written at each.

    They are 1, 2 or 5 times a power of ten apart, `most` steps at most.
    """
    power = 10.0 ** math.floor(math.log10(extent / most))
    step = power * next((factor for factor in (1, 2, 5) if extent <= most * power * factor), 10)
    decimals = max(-math.floor(math.log10(step)), 0)
    for number in range(math.floor(extent / step) + 1):
        yield number * step, f"{number * step:.{decimals}f}"


def _element(tag: str, *children: Element, **attributes: str | float) -> Element:
    """Return an element; `_` in the name of an attribute stands for `-`."""
    texts = {
        name.replace("_", "-"): value if isinstance(value, str) else f"{value:g}"
        for name, value in attributes.items()
    }
    element = Element(tag, texts)
    element.extend(children)
    return element
