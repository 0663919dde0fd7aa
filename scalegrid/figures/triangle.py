"""What is known of the candidates' accuracy on the triangle of budget shares."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib import colormaps
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from scalegrid.analysis import Tables
from scalegrid.analysis.matched_cost import another_cost
from scalegrid.analysis.region import Region, mesh
from scalegrid.coefficients import PAPER
from scalegrid.figures import style
from scalegrid.figures.captions import describe_left_out, describe_noise
from scalegrid.figures.means import coefficients_text
from scalegrid.figures.metric import Unit, unit_of
from scalegrid.figures.published import MARK, add_published
from scalegrid.figures.rows import other_cost
from scalegrid.figures.subject import Drawing, Subject
from scalegrid.figures.ternary import (
    COLOURS,
    add_colour_bar,
    at,
    beyond_sentences,
    draw_point,
    region_of,
    ternary,
    within,
)
from scalegrid.util.text import percent, plural

_SIDE, _LEFT, _BOTTOM = 2.1, 0.22, 0.84  # of the triangle, in inches
_DIVISIONS = 40
_LEVELS = 8

_BEST, _SECOND = "Recommended", "Runner-up"
_TRIPLE = "α {}, β {}, γ {}".format(*PAPER)
_REGION = "95 % region of the top"
# Marker, size and dashes of what is marked beside the candidates.
_MARKS = {
    _BEST: ("o", 8.5, "-"),
    _SECOND: ("o", 8.5, ":"),
    _TRIPLE: ("x", 5.0, "-"),
    _REGION: (".", 2.2, "-"),
    MARK: ("+", 5.0, "-"),
}


def draw(tables: Tables) -> Drawing:
    """Draw the candidates, coloured by estimate, over the surface and the region of its top.

    Networks whose cost is off are hollow and do not set the scale. The recommended one and the
    runner-up have rings; the paper's coefficients have a cross, at their nominal shares.

    Raises:
        UserError: no candidate has a finished trial.
    """
    subject = Subject.of(tables)
    found, unit = subject.found, unit_of(subject.found.metric)
    values = {one.variant: unit.factor * one.accuracy for one in found.ranking}
    colours = Normalize(min(values.values()), max(values.values()))
    figure = Figure(figsize=(style.COLUMN, 2.98))
    drawn = [subject.row(variant) for variant in [*other_cost(subject), *reversed(list(values))]]
    drawn = [row for row in drawn if row["share_depth"] == row["share_depth"]]
    region = region_of(pd.DataFrame(drawn))
    panel = ternary(figure, _LEFT, _BOTTOM, _SIDE, region)
    top = found.surface_optimum
    if top is not None:
        _draw_surface(panel, subject, unit, colours, region)
        inside = [point for point in top.points if np.allclose(within(region, point), point)]
        _mark(panel, inside or np.empty((0, 3)), _REGION, zorder=1)
    _mark(panel, [PAPER.shares()], _TRIPLE, zorder=2.5)
    for row in drawn:
        value = values.get(row["variant"])
        colour = "none" if value is None else colormaps[COLOURS](colours(value))
        draw_point(panel, row, colour, region)
    rings = list(zip((_BEST, _SECOND), values, strict=False))
    for name, variant in rings:
        _mark(panel, [at(subject.row(variant), region)], name, zorder=5)
    add_colour_bar(figure, colours, unit.label, _BOTTOM + 0.02, 1.3)
    published = add_published(panel)
    marks = [*(name for name, _ in rings), _TRIPLE, *([] if top is None else [_REGION])]
    _add_legend(figure, subject, [*marks, *([MARK] if published.marked else [])], drawn)
    return Drawing(figure, _caption(subject, drawn, published.sentences()))


def _draw_surface(
    panel: Any, subject: Subject, unit: Unit, colours: Normalize, region: Region
) -> None:
    """Draw the posterior mean of the surface as contours, in the colours of the candidates."""
    points = mesh(_DIVISIONS, region)
    heights = subject.estimates.surface(points)
    assert heights is not None
    heights = unit.factor * unit.sign * heights
    levels = np.linspace(heights.min(), heights.max() + 1e-9, _LEVELS)
    look = {"levels": levels, "zorder": 0.5}
    filled = panel.tricontourf(*points.T, heights, cmap=COLOURS, norm=colours, alpha=0.4, **look)
    line = {"colors": [style.neutral(0.6)], "linewidths": 0.4}
    for drawn in (filled, panel.tricontour(*points.T, heights, **line, **look)):
        drawn.set_clip_on(not region.beyond)


def _mark(panel: Any, shares: Any, name: str, zorder: float) -> None:
    """Draw a mark of `_MARKS` at shares, (k, 3)."""
    marker, size, dashes = _MARKS[name]
    panel.scatter(
        *np.asarray(shares, dtype=float).T,
        s=size**2,
        marker=marker,
        facecolor="none" if marker == "o" else style.ink(),
        edgecolor=style.ink() if marker == "o" else None,
        linewidth=0.0 if marker == "." else 0.9,
        linestyle=dashes,
        clip_on=False,
        zorder=zorder,
        gid=name,
    )


def _add_legend(
    figure: Figure, subject: Subject, marks: Sequence[str], drawn: Sequence[pd.Series[Any]]
) -> None:
    entries = []
    for name in marks:
        marker, size, dashes = _MARKS[name]
        shape = "$\u25cc$" if dashes == ":" else marker
        entries.append(_entry(name, shape, 0.8 * size, 0.8))
    for role in ("paper", "grid"):
        if any(row["role"] == role for row in drawn):
            look = style.look(role)
            entries.append(_entry(subject.label(role), look.marker, 4.2, 0.6))
    figure.legend(
        handles=entries,
        loc="lower left",
        ncols=2,
        bbox_to_anchor=(0.02, 0.0),
        borderpad=0.2,
        columnspacing=1.5,
        labelspacing=0.4,
        handletextpad=0.4,
    )


def _entry(label: str, marker: str, size: float, edge: float) -> Line2D:
    return Line2D(
        [],
        [],
        linestyle="none",
        marker=marker,
        markersize=size,
        markerfacecolor="none",
        markeredgecolor=style.ink(),
        markeredgewidth=edge,
        label=label,
    )


def _caption(subject: Subject, drawn: Sequence[pd.Series[Any]], others: Sequence[str]) -> list[str]:
    found = subject.found
    top = found.surface_optimum
    best = coefficients_text(subject.row(found.best.variant))
    unknown = subject.baseline.get("layout") == "[]"  # of networks that were trained elsewhere
    shares = "budget shares" if unknown else "measured budget shares"
    sentences = [
        f"The candidates on the triangle of {shares}, coloured by their estimates.",
        "Each side is a share of log₂ FLOPs; the corners are depth, width and resolution alone.",
        f"Rings: the recommended network ({best}), and dotted the second best by estimate.",
        "Cross: the paper's coefficients at their nominal shares. Networks are at "
        f"{'those too' if unknown else 'their measured ones'}.",
    ]
    sentences += beyond_sentences([pd.DataFrame(drawn)])
    if top is None:
        sentences.append("There are no contours: the response surface does not fit.")
    else:
        sentences.append(
            f"Contours: posterior mean of the response surface, in {_LEVELS - 1} equal steps. "
            f"Dots: the 95 % region of its top, {percent(top.region)} of the mesh."
        )
        if top.vague:
            sentences.append("It reaches every corner: the surface leaves the coefficients open.")
    hollow = len(drawn) - len(found.ranking)
    if hollow > 0:
        other = another_cost(subject.match)
        sentences.append(f"Hollow: {plural(hollow, 'network')} of {other}, without a colour.")
    return [*sentences, *others, *describe_noise(subject), *describe_left_out(subject)]
