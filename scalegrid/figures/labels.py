"""Keeping text apart: spreading labels along a line, and finding room beside points."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.text import Text
from matplotlib.textpath import text_to_path
from matplotlib.transforms import Bbox

from scalegrid.figures import style

Array: TypeAlias = npt.NDArray[np.float64]


def spread(centres: Sequence[float], gap: float, low: float, high: float) -> list[float]:
    """Move ``centres`` as little as possible (least squares) until ``gap`` apart, order kept.

    The result lies in [low, high]; when that is too short for all, the gap shrinks to fit. Ties
    keep the order given. Same units throughout.
    """
    from scipy.optimize import isotonic_regression

    count = len(centres)
    if count > 1:
        gap = min(gap, (high - low) / (count - 1))
    order = np.argsort(centres, kind="stable")
    # Take the gaps out, and what is left to ask for is that positions do not decrease.
    gaps = gap * np.arange(count)
    positions = isotonic_regression(np.asarray(centres, dtype=float)[order] - gaps).x
    placed = np.empty(count)
    placed[order] = np.clip(positions, low, high - gaps[-1]) + gaps
    return [float(place) for place in placed]


def text_width(text: str, size: float) -> float:
    """The printed width of ``text`` in points."""
    font = FontProperties(size=size)
    width, _, _ = text_to_path.get_text_width_height_descent(text, font, ismath=False)
    return float(width)


def wrap(sentences: Sequence[str], width: float, size: float) -> str:
    """Break ``sentences``, joined, into lines of at most ``width`` points; words stay whole."""
    lines: list[str] = []
    for word in " ".join(sentences).split(" "):
        longer = f"{lines[-1]} {word}" if lines else word
        if lines and text_width(longer, size) <= width:
            lines[-1] = longer
        else:
            lines.append(word)
    return "\n".join(lines)


def add_note(figure: Figure, sentences: Sequence[str]) -> Text:
    """Write what a reader must know under the figure, wrapped to its width."""
    margin = 0.04
    width = (figure.get_figwidth() - 2 * margin) * 72
    text = wrap([s.replace(" = ", "\u00a0=\u00a0") for s in sentences], width, style.FINE)
    x = margin / figure.get_figwidth()
    return figure.supxlabel(text, x=x, ha="left", fontsize=style.FINE, linespacing=1.25)


def freeze(figure: Figure) -> None:
    """Lay ``figure`` out once and for all; from then on text can be measured."""
    FigureCanvasAgg(figure)
    figure.draw_without_rendering()
    figure.set_layout_engine("none")


def annotate_points(
    axes: Axes,
    points: Sequence[tuple[float, float]],
    texts: Sequence[str],
    bars: Sequence[float],
) -> None:
    """Write each text by its point of a line, over or under its error bar where there is room.

    ``points`` (data coordinates) are joined by straight segments in the order given and carry error
    bars of half-width ``bars`` (NaN for none). The figure must be laid out already.
    """
    pixel = axes.figure.dpi / 72
    to_screen = axes.transData.transform
    on_screen = to_screen(points)
    reach = to_screen([(x, y + b) for (x, y), b in zip(points, np.nan_to_num(bars), strict=True)])
    half_bars = reach[:, 1] - on_screen[:, 1]
    up = np.array([0.0, 1.0])
    strokes = [_along(a, b) for a, b in pairwise(on_screen)]
    strokes += [_along(p - h * up, p + h * up) for p, h in zip(on_screen, half_bars, strict=True)]
    scene = _Scene(axes.get_window_extent(), np.concatenate(strokes), pixel)

    for point, text, half_bar in zip(points, texts, half_bars, strict=True):
        note = axes.annotate(
            text,
            point,
            (0, 0),
            textcoords="offset points",
            fontsize=style.SMALL,
            ha="center",
            va="center",
        )
        box = note.get_window_extent()
        options = _offsets(box.width, box.height, half_bar, pixel)
        costs = [
            scene.cost(Bbox(box.get_points() + offset)) + 0.5 * rank
            for rank, offset in enumerate(options)
        ]
        best = options[int(np.argmin(costs))]
        scene.placed.append(Bbox(box.get_points() + best))
        note.set_position(tuple(best / pixel))


def _along(a: Array, b: Array) -> Array:
    return a + np.linspace(0, 1, 80)[:, None] * (b - a)


def _offsets(width: float, height: float, half_bar: float, pixel: float) -> list[Array]:
    """Where a text may sit around its point, as shifts of its centre in px, best places first."""
    side = width / 2 + 4 * pixel
    found = []
    for distance in (3.5, 10.0, 17.0):
        end = half_bar + height / 2 + distance * pixel
        for shift in (0.0, -0.3, 0.3):
            found += [(shift * width, end), (shift * width, -end)]
        if distance == 3.5:
            lift = height / 2 + 1.5 * pixel
            found += [(x, y) for y in (0, lift, -lift) for x in (side, -side)]
    return [np.array(offset) for offset in found]


@dataclass
class _Scene:
    """What a text must not hide, in px: lines, earlier texts, and all beyond the frame."""

    frame: Bbox
    ink: Array
    pixel: float
    placed: list[Bbox] = field(default_factory=list)

    def cost(self, box: Bbox) -> float:
        """How bad it is to put a text into ``box``."""
        near = box.padded(1.0 * self.pixel)
        hidden = np.count_nonzero(np.all((self.ink > near.p0) & (self.ink < near.p1), axis=1))
        clashes = sum(near.overlaps(other) for other in self.placed)
        outside = (
            box.x0 < self.frame.x0
            or box.x1 > self.frame.x1 + 4 * self.pixel
            or box.y0 < self.frame.y0 + 2 * self.pixel
            or box.y1 > self.frame.y1
        )
        return float(hidden + 200 * clashes + 400 * outside)
