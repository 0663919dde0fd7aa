"""The triangle of budget shares: its axes, points on it, and a scale of colours beside it.

Each side is a share of log₂ FLOPs; the corners are pure depth, pure width and pure resolution
scaling. The baseline has no shares and is not on the triangle.
"""

from __future__ import annotations

import math
from typing import Any

import mpltern  # noqa: F401  (registers the ternary projection)
import numpy as np
import pandas as pd
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Colormap, Normalize
from matplotlib.figure import Figure
from matplotlib.transforms import offset_copy

from scalegrid.figures import style

SHARES = ("share_depth", "share_width", "share_resolution")
COLOURS = "cividis"
"""Even steps of lightness: legible to colour-blind readers and in grey."""


def at_phi_one(variants: pd.DataFrame) -> pd.DataFrame:
    """The variants at φ = 1 that have shares; those at other φ have the same."""
    rows: pd.DataFrame = variants[np.isclose(variants["phi"], 1) & variants["share_depth"].notna()]
    return rows


def ternary(figure: Figure, left: float, bottom: float, side: float) -> Any:
    """Add a triangle with this ``side`` and lower left corner; lengths in inches."""
    width, height = figure.get_size_inches()
    box = (left / width, bottom / height, side / width, side * math.sqrt(0.75) / height)
    panel: Any = figure.add_axes(box, projection="ternary")
    panel.set_title("", y=1.0)  # else its place is sought three times, at the cost of a drawing
    for axis in (panel.taxis, panel.laxis, panel.raxis):
        axis.set_ticks([0.2, 0.4, 0.6, 0.8], labels=["0.2", "0.4", "0.6", "0.8"])
        axis.set_tick_params(labelsize=style.FINE, length=2)
    for role, (x, y), rise, align in (
        ("depth", (0.5, 1), 6, "bottom"),
        ("width", (0, 0), -7, "top"),
        ("resolution", (1, 0), -7, "top"),
    ):
        write(panel, x, y, rise, style.look(role).label, style.TEXT, va=align)
    return panel


def write(
    panel: Any, x: float, y: float, rise: float, text: str, size: float, **settings: str
) -> None:
    """Centre ``text`` ``rise`` points above a point of the panel, which is in fractions."""
    figure = panel.figure
    above = offset_copy(panel.transAxes, figure, y=rise, units="points")
    figure.text(x, y, text, transform=above, ha="center", fontsize=size, **settings)


def draw_point(panel: Any, row: pd.Series[Any], colour: Any) -> None:
    """Draw a variant at its shares, with the marker of its role; hollow where ``colour`` is."""
    look = style.look(row["role"])
    behind = row["role"] == "grid"
    panel.scatter(
        *([row[share]] for share in SHARES),
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
