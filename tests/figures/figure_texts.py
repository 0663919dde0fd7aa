"""A figure as drawn: which strings and where, and how it contrasts with a page."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import combinations
from typing import Any

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_rgb, to_rgba
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.text import Text
from matplotlib.transforms import Bbox

from scalegrid.figures import style

PAGES = {"light": "#ffffff", "dark": "#111111"}


def drawn(figure: Figure) -> list[Text]:
    """The texts that are drawn; tick labels out of view are not."""
    figure.set_dpi(100)  # places and sizes in points do not depend on it
    canvas: Any = FigureCanvasAgg(figure)
    found: list[Text] = []
    original = Text.draw

    def record(text: Text, *args: object, **kwargs: object) -> None:
        found.append(text)
        original(text, *args, **kwargs)  # type: ignore[arg-type]

    Text.draw = record  # type: ignore[method-assign,assignment]
    try:
        with style.context():
            canvas.draw()
    finally:
        Text.draw = original  # type: ignore[method-assign]
    return [text for text in found if text.get_visible() and text.get_text().strip()]


def drawn_texts(figure: Figure) -> dict[str, list[Bbox]]:
    """The strings that are drawn, with their boxes in px."""
    found: dict[str, list[Bbox]] = {}
    for text in drawn(figure):
        found.setdefault(text.get_text(), []).append(text.get_window_extent())
    return found


def assert_legible(figure: Figure, *, turned: bool = False) -> None:
    """Assert that no text is small, cut off, or overlaps another.

    The box of a slanted text is larger than the text; with ``turned``, only the centres of tick
    labels (numbers) must not overlap.
    """
    texts = drawn(figure)
    page, point = figure.bbox.padded(0.5), figure.dpi / 72
    boxes = [(text.get_text(), text.get_window_extent()) for text in texts]
    for text, (_, box) in zip(texts, boxes, strict=True):
        said = repr(text.get_text())
        assert float(text.get_fontsize()) >= 6, f"{said} is {text.get_fontsize()} pt"
        inside = page.x0 <= box.x0 and page.y0 <= box.y0 and box.x1 <= page.x1 and box.y1 <= page.y1
        assert inside, f"{said} is cut off: {box} in {page}"
    for (text_a, a), (text_b, b) in combinations(boxes, 2):
        first = _core(a) if turned and _is_number(text_a) else a.padded(-0.25 * point)
        second = _core(b) if turned and _is_number(text_b) else b.padded(-0.25 * point)
        assert not first.overlaps(second), f"{text_a!r} lies on {text_b!r}"


def _is_number(text: str) -> bool:
    return text.replace(".", "").isdecimal()


def _core(box: Bbox) -> Bbox:
    return box.shrunk(0.3, 0.3).translated(0.35 * box.width, 0.35 * box.height)


def contrast(colour: Any, page: str) -> float:
    """The contrast ratio of a colour on a page (WCAG 2.2), the page shining through."""
    *rgb, opacity = to_rgba(colour)
    mixed = opacity * np.array(rgb) + (1 - opacity) * np.array(to_rgb(page))
    low, high = sorted((_luminance(mixed), _luminance(np.array(to_rgb(page)))))
    return (high + 0.05) / (low + 0.05)


def _luminance(rgb: Any) -> float:
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    return float(linear @ [0.2126, 0.7152, 0.0722])


def line_colours(figure: Figure) -> Iterable[Any]:
    """The colours of all lines, markers and outlines of a figure, but of its faint grid."""
    for axes in figure.axes:
        for line in axes.findobj(Line2D):
            assert isinstance(line, Line2D)
            if line.get_alpha() == style.GRID or not line.get_visible():
                continue
            if line.get_linestyle() not in ("None", "none"):
                yield to_rgba(line.get_color(), line.get_alpha())
            if line.get_marker() not in ("None", "none", None):
                hollow = to_rgba(line.get_markerfacecolor())[3] == 0
                yield to_rgba(line.get_markeredgecolor() if hollow else line.get_markerfacecolor())
        for collection in axes.collections:
            if not getattr(collection, "filled", False):
                yield from map(tuple, np.asarray(collection.get_edgecolor()).tolist())
