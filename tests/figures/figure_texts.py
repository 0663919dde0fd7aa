"""The text of a figure as drawn: which strings, and where."""

from __future__ import annotations

from itertools import combinations
from typing import Any

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Text
from matplotlib.transforms import Bbox

from scalegrid.figures import style


def drawn_texts(figure: Figure) -> dict[str, list[Bbox]]:
    """The strings that are drawn, with their boxes in px; tick labels out of view are not drawn."""
    canvas: Any = FigureCanvasAgg(figure)
    drawn: list[Text] = []
    original = Text.draw

    def record(text: Text, *args: object, **kwargs: object) -> None:
        drawn.append(text)
        original(text, *args, **kwargs)  # type: ignore[arg-type]

    Text.draw = record  # type: ignore[method-assign,assignment]
    try:
        with style.context():
            canvas.draw()
    finally:
        Text.draw = original  # type: ignore[method-assign]
    found: dict[str, list[Bbox]] = {}
    for text in drawn:
        if text.get_visible() and text.get_text().strip():
            found.setdefault(text.get_text(), []).append(text.get_window_extent())
    return found


def assert_legible(figure: Figure, *, turned: bool = False) -> None:
    """Assert that no text is cut off or overlaps another.

    The box of a slanted text is larger than the text; with ``turned``, only the centres of tick
    labels (numbers) must not overlap.
    """
    page = figure.bbox.padded(0.5)
    boxes = [(text, box) for text, many in drawn_texts(figure).items() for box in many]
    for text, box in boxes:
        inside = page.x0 <= box.x0 and page.y0 <= box.y0 and box.x1 <= page.x1 and box.y1 <= page.y1
        assert inside, f"{text!r} is cut off: {box} in {page}"
    for (text, a), (other, b) in combinations(boxes, 2):
        first = _core(a) if turned and _is_number(text) else a.padded(-0.5)
        second = _core(b) if turned and _is_number(other) else b.padded(-0.5)
        assert not first.overlaps(second), f"{text!r} lies on {other!r}"


def _is_number(text: str) -> bool:
    return text.replace(".", "").isdecimal()


def _core(box: Bbox) -> Bbox:
    return box.shrunk(0.3, 0.3).translated(0.35 * box.width, 0.35 * box.height)
