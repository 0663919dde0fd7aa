"""Labels that do not overlap: of logarithmic ticks, of lines along a margin, of points."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import FixedFormatter, FixedLocator, MaxNLocator, NullLocator
from matplotlib.transforms import Bbox

from scalegrid.figures import style
from scalegrid.figures.text import text_width

Array: TypeAlias = npt.NDArray[np.float64]

_DECADE_PARTS = ((1, 2, 3, 4, 5, 6, 7, 8, 9), (1, 2, 3, 5, 7), (1, 2, 5), (1, 3), (1,))


def log_ticks(low: float, high: float, most: int = 6) -> list[float]:
    """Up to ``most`` round numbers in [low, high], both positive, for a logarithmic axis.

    Within a factor of four the steps are equal; beyond, the digits repeat in every decade.
    """
    if high < 4 * low:
        steps = MaxNLocator(most - 1, steps=[1, 2, 2.5, 5, 10]).tick_values(low, high)
        ticks = [float(step) for step in steps if low <= step <= high]
    else:
        decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
        for parts in _DECADE_PARTS:
            ticks = [part * 10.0**decade for decade in decades for part in parts]
            ticks = [tick for tick in ticks if low <= tick <= high]
            if len(ticks) <= most:
                break
    return ticks[:: max(1, math.ceil(len(ticks) / most))]


def labelled_log_ticks(
    low: float, high: float, form: str, width: float
) -> tuple[list[float], list[str]]:
    """As many `log_ticks` as an axis of ``width`` points has room for, and their labels.

    ``form`` formats a label, such as ``{:g}×``.
    """
    for most in range(6, 1, -1):
        ticks = log_ticks(low, high, most)
        labels = [form.format(tick) for tick in ticks]
        centres = [width * math.log(tick / low) / math.log(high / low) for tick in ticks]
        halves = [text_width(label, style.SMALL) / 2 for label in labels]
        gaps = np.diff(centres) - [a + b for a, b in pairwise(halves)]
        if np.all(gaps >= 4):
            break
    return ticks, labels


def label_log_axis(
    axis: Axis, low: float, high: float, width: float, form: str = "{:g}", *, whole: bool = False
) -> None:
    """Give a logarithmic axis its `labelled_log_ticks`; only ``whole`` numbers if asked."""
    ticks = zip(*labelled_log_ticks(low, high, form, width), strict=True)
    shown = [(place, label) for place, label in ticks if not whole or place == round(place)]
    axis.set_major_locator(FixedLocator([place for place, _ in shown]))
    axis.set_major_formatter(FixedFormatter([label for _, label in shown]))
    axis.set_minor_locator(NullLocator())


def _isotonic(values: Array) -> Array:
    """The nearest non-decreasing numbers by least squares, (n,): the max-min formula over means.

    Robertson, Wright & Dykstra, "Order restricted statistical inference" (1988), section 1.4.
    (`scipy.optimize` has it too, and takes a quarter of a second to import.)
    """
    sums, place = np.cumsum([0.0, *values]), np.arange(len(values))
    lengths = place - place[:, None] + 1  # of the run from the row's place to the column's
    means = (sums[1:] - sums[:-1, None]) / np.maximum(lengths, 1)
    ends = np.where(lengths > 0, means, np.inf)
    least = np.minimum.accumulate(ends[:, ::-1], axis=1)[:, ::-1]
    found: Array = np.where(lengths > 0, least, -np.inf).max(axis=0)
    return found


def separate(centres: Sequence[float], gap: float, low: float, high: float) -> list[float]:
    """Move ``centres`` as little as possible (least squares) until ``gap`` apart, order kept.

    The result lies in [low, high]; where that is too short for all, the gap shrinks to fit. Ties
    keep the order given. All arguments have the same unit.
    """
    count = len(centres)
    if count > 1:
        gap = min(gap, (high - low) / (count - 1))
    order = np.argsort(centres, kind="stable")
    # Less the gaps, the positions only have to be non-decreasing.
    gaps = gap * np.arange(count)
    positions = _isotonic(np.asarray(centres, dtype=float)[order] - gaps)
    moved = np.empty(count)
    moved[order] = np.clip(positions, low, high - gaps[-1]) + gaps
    return [float(position) for position in moved]


def fix_layout(figure: Figure) -> None:
    """Lay ``figure`` out for the last time; from then on positions in px are final."""
    FigureCanvasAgg(figure)
    if engine := figure.get_layout_engine():
        engine.execute(figure)
        _fix_ticks(figure)
        engine.execute(figure)
    figure.set_layout_engine("none")


def _fix_ticks(figure: Figure) -> None:
    """Fix the ticks: chosen by the axes' length, they and the room for their labels alternate."""
    for axis in (axis for axes in figure.axes for axis in (axes.xaxis, axes.yaxis)):
        locator = axis.get_major_locator()
        if isinstance(locator, MaxNLocator):
            axis.set_major_locator(FixedLocator(np.asarray(locator()).tolist()))


def label_ends(
    axes: Axes,
    heights: Sequence[float],
    texts: Sequence[str],
    colours: Sequence[str],
    gap: float,
) -> None:
    """Write each text at the end of its line, right of the axes, in the order of the ends.

    Args:
        axes: of a figure after `fix_layout`.
        heights: where the lines end, in data coordinates.
        texts: one for each line.
        colours: of short strokes from the axes' side to the texts.
        gap: points between the axes and the texts.
    """
    point = axes.figure.dpi / 72
    box = axes.get_window_extent()
    ends = [float(axes.transData.transform((0, height))[1]) for height in heights]
    room = 1.2 * style.SMALL * point
    places = separate(ends, room, box.y0 + room / 3, box.y1 - room / 3)
    for end, place, text, colour in zip(ends, places, texts, colours, strict=True):
        (_, low), (_, high) = axes.transAxes.inverted().transform([(0, end), (0, place)])
        start, stop = 1.0, 1.0 + (gap - 1.5) * point / box.width
        axes.plot(
            [start, stop],
            [low, high],
            color=colour,
            lw=0.8,
            transform=axes.transAxes,
            clip_on=False,
        )
        axes.annotate(
            text,
            (1, high),
            (gap, 0),
            xycoords="axes fraction",
            textcoords="offset points",
            fontsize=style.SMALL,
            va="center_baseline",
            annotation_clip=False,
        )


def label_points(
    axes: Axes,
    points: Sequence[tuple[float, float]],
    texts: Sequence[str],
    intervals: Sequence[tuple[float, float]],
) -> None:
    """Write each text near its point of a line, clear of the line, of error bars and other texts.

    Args:
        axes: of a figure after `fix_layout`.
        points: vertices of the line, in data coordinates.
        texts: one for each point.
        intervals: ends of the error bar at each point; NaN for none.
    """
    pixel = axes.figure.dpi / 72
    to_screen = axes.transData.transform
    on_screen = to_screen(points)
    ends = [
        [(x, y if math.isnan(end) else end) for end in interval]
        for (x, y), interval in zip(points, intervals, strict=True)
    ]
    bars = [to_screen(end) for end in ends]
    strokes = [_samples(a, b) for a, b in pairwise(on_screen)]
    strokes += [_samples(low, high) for low, high in bars]
    scene = _Scene(axes.get_window_extent(), np.concatenate(strokes), pixel)

    for point, text, (low, high) in zip(points, texts, bars, strict=True):
        label = axes.annotate(
            text,
            point,
            (0, 0),
            textcoords="offset points",
            fontsize=style.SMALL,
            ha="center",
            va="center",
        )
        box = label.get_window_extent()
        offsets = _offsets(box.width, box.height, (high - low)[1] / 2, pixel)
        moved = [Bbox(box.get_points() + offset) for offset in offsets]
        costs = [scene.cost(box) + 0.5 * rank for rank, box in enumerate(moved)]
        best = int(np.argmin(costs))
        scene.labels.append(moved[best])
        label.set_position(tuple(offsets[best] / pixel))


def _samples(start: Array, end: Array) -> Array:
    return start + np.linspace(0, 1, 80)[:, None] * (end - start)


def _offsets(width: float, height: float, half_bar: float, pixel: float) -> list[Array]:
    """Candidate shifts of a text's centre from its point in px, in order of preference."""
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
    """What a label must not cover, in px: points of lines, earlier labels, the frame's outside."""

    frame: Bbox
    ink: Array
    pixel: float
    labels: list[Bbox] = field(default_factory=list)

    def cost(self, box: Bbox) -> float:
        """How bad it is to put a label into ``box``."""
        near = box.padded(1.0 * self.pixel)
        hidden = np.count_nonzero(np.all((self.ink > near.p0) & (self.ink < near.p1), axis=1))
        clashes = sum(near.overlaps(other) for other in self.labels)
        outside = (
            box.x0 < self.frame.x0
            or box.x1 > self.frame.x1 + 4 * self.pixel
            or box.y0 < self.frame.y0 + 2 * self.pixel
            or box.y1 > self.frame.y1
        )
        return float(hidden + 200 * clashes + 400 * outside)
