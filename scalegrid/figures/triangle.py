"""Variants on the triangle of budget shares: FLOPs ratios of a plan, accuracies of a sweep.

Each side is a share of log₂ FLOPs; the corners are pure depth, pure width and pure resolution
scaling. The baseline has no shares and is not on the triangle.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import mpltern  # noqa: F401  (registers the ternary projection)
import numpy as np
import pandas as pd
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.transforms import offset_copy

from scalegrid.figures import style
from scalegrid.figures.means import Tables, describe_trials, mean_accuracies
from scalegrid.figures.text import add_note, ratio_text
from scalegrid.util.errors import UserError

NAME = "triangle"
SHARES = ("share_depth", "share_width", "share_resolution")

_COLOURS = "cividis"  # even steps of lightness: legible to colour-blind readers and in grey


def draw(tables: Tables) -> Figure:
    """Draw the variants at φ = 1, coloured by mean accuracy, with a ring around the best.

    Raises:
        UserError: nothing at φ = 1 but the baseline has a finished trial.
    """
    means = mean_accuracies(tables, NAME)
    rows = _at_phi_one(means.table)
    if rows.empty:
        raise UserError(
            f"cannot draw {NAME}: no variant at φ = 1 has a finished trial; run `scalegrid sweep` "
            "again to train what is missing."
        )
    figure = Figure(figsize=(style.COLUMN, 2.72))
    panel = _ternary(figure, 0.24, 0.72, 2.0)
    colours = Normalize(rows["accuracy"].min(), rows["accuracy"].max())
    _draw_points(panel, rows, rows["accuracy"], colours)
    best = rows.loc[[rows["accuracy"].idxmax()]]
    panel.scatter(
        *(best[share] for share in SHARES),
        s=75,
        facecolor="none",
        edgecolor=style.INK,
        linewidth=0.9,
        clip_on=False,
        zorder=4,
        gid="best",
    )
    _add_legend(panel, rows)
    _add_colour_bar(figure, colours, "Top-1 accuracy (%)", 0.72)
    low, high = ratio_text(rows["flops_ratio"].min()), ratio_text(rows["flops_ratio"].max())
    shares = f"Shares of log₂ FLOPs at φ = 1; FLOPs {low} to {high} the baseline's. Ring: the best."
    add_note(figure, [shares, *describe_trials(means, bars=False)])
    return figure


def draw_plans(plans: Mapping[str, pd.DataFrame], flops_factor: float = 2.0) -> Figure:
    """Draw one or two tables of variants side by side, coloured by FLOPs ratio.

    Args:
        plans: the table of variants of each panel, by its title (classic, matched).
        flops_factor: F, the target FLOPs ratio.

    Raises:
        UserError: a plan has no variant but the baseline.
    """
    tables = {title: _at_phi_one(variants) for title, variants in plans.items()}
    for title, rows in tables.items():
        if rows.empty:
            raise UserError(
                f"cannot draw the {title} plan: it has no variant at φ = 1 but the baseline."
            )
    many = len(tables) > 1
    side = 2.2 if many else 2.0
    size = (style.PAGE if many else style.COLUMN, 1.15 + side * math.sqrt(0.75))
    figure = Figure(figsize=size)
    ratios = pd.concat([rows["flops_ratio"] for rows in tables.values()])
    colours = Normalize(min(ratios.min(), flops_factor), max(ratios.max(), flops_factor))
    for column, (title, rows) in enumerate(tables.items()):
        panel = _ternary(figure, 0.3 + column * (side + 0.8), 0.35, side)
        _write_title(panel, title, rows["flops_ratio"], flops_factor)
        _draw_points(panel, rows, rows["flops_ratio"], colours)
        if column == 0:
            _add_legend(panel, pd.concat(tables.values()))
    _add_colour_bar(figure, colours, "FLOPs, times the baseline", 0.35)
    return figure


def _at_phi_one(variants: pd.DataFrame) -> pd.DataFrame:
    """The variants at φ = 1; those at other φ have the same shares."""
    rows: pd.DataFrame = variants[np.isclose(variants["phi"], 1) & variants["share_depth"].notna()]
    return rows


def _ternary(figure: Figure, left: float, bottom: float, side: float) -> Any:
    """Add a triangle with this ``side`` and lower left corner; lengths in inches."""
    width, height = figure.get_size_inches()
    box = (left / width, bottom / height, side / width, side * math.sqrt(0.75) / height)
    panel: Any = figure.add_axes(box, projection="ternary")
    for axis in (panel.taxis, panel.laxis, panel.raxis):
        axis.set_ticks([0.2, 0.4, 0.6, 0.8], labels=["0.2", "0.4", "0.6", "0.8"])
        axis.set_tick_params(labelsize=style.FINE, length=2)
    for role, (x, y), rise, align in (
        ("depth", (0.5, 1), 6, "bottom"),
        ("width", (0, 0), -7, "top"),
        ("resolution", (1, 0), -7, "top"),
    ):
        _write(panel, x, y, rise, style.ROLES[role].label, style.TEXT, va=align)
    return panel


def _write_title(panel: Any, title: str, ratios: pd.Series[float], flops_factor: float) -> None:
    low, middle, high = (ratio_text(r) for r in (ratios.min(), ratios.median(), ratios.max()))
    near = 100 * np.mean(np.abs(ratios / flops_factor - 1) <= 0.05)
    for rise, size, text in (
        (45, style.TEXT, title),
        (36, style.SMALL, f"{len(ratios)} networks, {low} to {high}, median {middle}"),
        (27, style.SMALL, f"{near:.0f} % within 5 % of {flops_factor:g}×"),
    ):
        _write(panel, 0.5, 1, rise, text, size)


def _write(
    panel: Any, x: float, y: float, rise: float, text: str, size: float, **settings: str
) -> None:
    """Centre ``text`` ``rise`` points above a point of the panel, which is in fractions."""
    figure = panel.figure
    above = offset_copy(panel.transAxes, figure, y=rise, units="points")
    figure.text(x, y, text, transform=above, ha="center", fontsize=size, **settings)


def _draw_points(
    panel: Any, rows: pd.DataFrame, values: pd.Series[float], colours: Normalize
) -> None:
    # The grid first, so that the other roles lie on top.
    for role in sorted(rows["role"].unique(), key=lambda role: role != "grid"):
        points = rows[rows["role"] == role]
        behind = role == "grid"
        panel.scatter(
            *(points[share] for share in SHARES),
            c=values[points.index],
            norm=colours,
            cmap=_COLOURS,
            marker=style.ROLES[role].marker,
            s=20 if behind else 30,
            edgecolor=style.INK,
            linewidth=0.3 if behind else 0.8,
            clip_on=False,
            zorder=3,
            gid=f"points-{role}",
        )


def _add_legend(panel: Any, rows: pd.DataFrame) -> None:
    """Name the markers of the roles that have no corner of their own."""
    samples = [
        panel.scatter(
            [],
            [],
            [],
            marker=style.ROLES[role].marker,
            s=26,
            facecolor="white",
            edgecolor=style.INK,
            linewidth=0.8,
            label=style.ROLES[role].label,
        )
        for role in ("paper", "compound", "grid")
        if role in set(rows["role"])
    ]
    panel.legend(
        handles=samples,
        loc="upper left",
        bbox_to_anchor=(-0.1, 1.0),
        fontsize=style.SMALL,
        frameon=False,
        handletextpad=0.1,
        borderpad=0,
        borderaxespad=0,
    )


def _add_colour_bar(figure: Figure, colours: Normalize, label: str, bottom: float) -> None:
    width, height = figure.get_size_inches()
    axes = figure.add_axes(((width - 0.7) / width, bottom / height, 0.09 / width, 1.6 / height))
    figure.colorbar(ScalarMappable(colours, _COLOURS), cax=axes)
    axes.grid(visible=False)
    x, y = (width - 0.06) / width, (bottom + 1.7) / height
    figure.text(x, y, label, ha="right", fontsize=style.SMALL)
