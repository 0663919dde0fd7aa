"""The triangle of budget shares: its axes, points on it, and a scale of colours beside it.

Each side is a share of log₂ FLOPs; the corners are pure depth, pure width and pure resolution
scaling. The baseline has no shares and is not on the triangle.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import mpltern  # noqa: F401  (registers the ternary projection)
import numpy as np
import pandas as pd
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Colormap, Normalize
from matplotlib.figure import Figure
from matplotlib.transforms import offset_copy

from scalegrid.analysis.observations import Floats
from scalegrid.analysis.region import TRIANGLE, Region, mesh, widened
from scalegrid.coefficients import Shares
from scalegrid.figures import style
from scalegrid.util.text import plural

SHARES = ("share_depth", "share_width", "share_resolution")
_RISE = math.sqrt(0.75)
_CORNERS = 40
_FARTHEST = 1.5
COLOURS = "cividis"
"""Even steps of lightness: legible to colour-blind readers and in grey."""


def at_phi_one(variants: pd.DataFrame) -> pd.DataFrame:
    """The variants at φ = 1 that have shares; those at other φ have the same."""
    rows: pd.DataFrame = variants[np.isclose(variants["phi"], 1) & variants["share_depth"].notna()]
    return rows


def region_of(rows: pd.DataFrame) -> Region:
    """The triangle, and beyond it as far as variants go, but not more than `_FARTHEST`."""
    low, high = widened(rows[list(SHARES)].to_numpy(dtype=float))
    return Region(
        Shares(*(max(share, -_FARTHEST) for share in low)),
        Shares(*(min(share, 1 + _FARTHEST) for share in high)),
    )


def ternary(
    figure: Figure, left: float, bottom: float, side: float, region: Region = TRIANGLE
) -> Any:
    """Add a triangle with this ``side`` and lower left corner; lengths in inches.

    With a wider ``region`` it is smaller, so that the region takes its place, and the lines of its
    sides go on to where the region ends.
    """
    width, height = figure.get_size_inches()
    x, y, part = _place(region)
    corner = (left + x * side) / width, (bottom + y * side) / height
    box = (*corner, part * side / width, part * side * _RISE / height)
    panel: Any = figure.add_axes(box, projection="ternary")
    panel.set_title("", y=1.0)  # else its place is sought three times, at the cost of a drawing
    for axis in (panel.taxis, panel.laxis, panel.raxis):
        labels = [""] * 4 if region.beyond else ["0.2", "0.4", "0.6", "0.8"]
        axis.set_ticks([0.2, 0.4, 0.6, 0.8], labels=labels)
        axis.set_tick_params(labelsize=style.FINE, length=2)
    if region.beyond:
        _extend_sides(panel, region)
    for role, (x, y), rise, align in (
        ("depth", (0.5, 1), 6, "bottom"),
        ("width", (0, 0), -7, "top"),
        ("resolution", (1, 0), -7, "top"),
    ):
        write(panel, x, y, rise, style.look(role).label, style.TEXT, va=align)
    return panel


def at(row: pd.Series[Any], region: Region = TRIANGLE) -> Floats:
    """Where a variant is drawn: its shares (3,), or the edge of a wider region on the way there."""
    shares = row[list(SHARES)].to_numpy(dtype=float)
    return within(region, shares) if region.beyond else shares


def within(region: Region, shares: Floats) -> Floats:
    """Shares (3,), moved towards the middle of the triangle to the edge of a region."""
    middle = np.full(3, 1 / 3)
    away = shares - middle
    with np.errstate(divide="ignore"):
        ends = np.where(away > 0, region.high - middle, region.low - middle) / away
    moved: Floats = middle + min(1.0, ends.min()) * away
    return shares if np.allclose(moved, shares) else moved


def beyond_sentences(panels: Iterable[pd.DataFrame]) -> list[str]:
    """What lies outside the triangles of the variants of some panels, for a caption."""
    wide = [(rows, region) for rows in panels if (region := region_of(rows)).beyond]
    if not wide:
        return []
    moved = sum(
        not np.allclose(at(row, region), row[list(SHARES)].to_numpy(dtype=float))
        for rows, region in wide
        for _, row in rows.iterrows()
    )
    said = [
        "Ticks are 0.2 apart. Outside the triangle an axis goes against the others: its share is "
        "below 0 beyond the side opposite its corner (dotted lines)."
    ]
    if moved:
        said.append(f"{plural(moved, 'network')} farther out: drawn where their direction ends.")
    return said


def top(region: Region) -> tuple[float, float]:
    """The middle of the upper edge of what a region takes, in fractions of the panel."""
    x, y, part = _place(region)
    return (0.5 - x) / part, (_RISE - y) / (_RISE * part)


def _place(region: Region) -> tuple[float, float, float]:
    """Left and bottom of the triangle in the middle of a region of width 1, and its side."""
    if not region.beyond:
        return 0.0, 0.0, 1.0
    points = mesh(_CORNERS, region)
    right, up = points[:, 2] + points[:, 0] / 2, _RISE * points[:, 0]
    part = min(1 / np.ptp(right), _RISE / np.ptp(up))
    x, y = (1 - part * (right.min() + right.max())) / 2, (_RISE - part * (up.min() + up.max())) / 2
    return x, y, part


def _extend_sides(panel: Any, region: Region) -> None:
    """Draw the lines on which one share is 0, to the ends of a region."""
    for axis in range(3):
        line = mesh(_CORNERS, region, [axis])
        ends = line[[0, -1]]
        panel.plot(*ends.T, color=style.neutral(0.6), lw=0.6, ls=":", clip_on=False, zorder=1)


def write(
    panel: Any, x: float, y: float, rise: float, text: str, size: float, **settings: str
) -> None:
    """Centre ``text`` ``rise`` points above a point of the panel, which is in fractions."""
    figure = panel.figure
    above = offset_copy(panel.transAxes, figure, y=rise, units="points")
    figure.text(x, y, text, transform=above, ha="center", fontsize=size, **settings)


def draw_point(panel: Any, row: pd.Series[Any], colour: Any, region: Region = TRIANGLE) -> None:
    """Draw a variant at its shares, with the marker of its role; hollow where ``colour`` is."""
    look = style.look(row["role"])
    behind = row["role"] == "grid"
    panel.scatter(
        *at(row, region)[:, None],
        s=14 if behind else 24,
        marker=look.marker,
        facecolor=colour,
        edgecolor=style.ink(),
        linewidth=0.4 if behind else 0.8,
        clip_on=False,
        zorder=3 if behind else 4,
        gid=f"variant-{row['variant']}",
    )


def add_colour_bar(
    figure: Figure,
    colours: Normalize,
    label: str,
    bottom: float,
    height: float,
    colour_map: str | Colormap = COLOURS,
) -> None:
    """Add a scale of colours at the right, its label above it; lengths in inches."""
    width, high = figure.get_size_inches()
    axes = figure.add_axes(((width - 0.45) / width, bottom / high, 0.09 / width, height / high))
    figure.colorbar(ScalarMappable(colours, colour_map), cax=axes)
    axes.grid(visible=False)
    axes.tick_params(labelsize=style.FINE)
    x, y = (width - 0.04) / width, (bottom + height + 0.08) / high
    figure.text(x, y, label, ha="right", fontsize=style.SMALL)
