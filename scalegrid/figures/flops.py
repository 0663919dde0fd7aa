"""Accuracy against FLOPs for each way of scaling one baseline (paper, figure 8)."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.axes._secondary_axes import SecondaryAxis
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.text import Annotation
from matplotlib.ticker import FixedFormatter, FixedLocator, NullLocator
from matplotlib.transforms import offset_copy

from scalegrid.coefficients import PAPER
from scalegrid.figures import style
from scalegrid.figures.labels import add_note, freeze, spread
from scalegrid.figures.marks import mark
from scalegrid.figures.means import (
    Means,
    Tables,
    choose_compound,
    coefficients,
    describe_trials,
    summarise,
)
from scalegrid.figures.ticks import flops_unit, labelled_log_ticks

NAME = "accuracy-flops"

_PLOT_WIDTH = 138.0
"""About the width in points of the frame, beside labels of the usual lengths."""


@dataclass(frozen=True)
class _Key:
    """A label in the right margin: its role, and the point (data coordinates) it belongs to."""

    role: str
    x: float
    y: float
    is_line: bool


def draw(tables: Tables) -> Figure:
    """One line per axis, one for the compound and the paper's coefficients; the grid behind.

    All lines start at the baseline. FLOPs are multiply-adds, on a logarithmic axis.

    Raises:
        UserError: nothing but the baseline, or not even that, has a finished trial.
    """
    means = summarise(tables, NAME)
    figure = Figure(figsize=(style.COLUMN, 2.75), layout="constrained")
    axes = figure.add_subplot()
    keys = _draw_data(axes, means)
    _label_axes(axes, means)
    labels = _draw_keys(axes, keys)
    add_note(figure, _note(means))
    freeze(figure)
    _spread_keys(axes, keys, labels, figure)
    return figure


def _draw_data(axes: Axes, means: Means) -> list[_Key]:
    unit, _ = _unit(means)
    keys = []
    grid = means.of("grid")
    lines = {role: means.line(role) for role in ("depth", "width", "resolution", "paper")}
    lines["compound"] = means.from_baseline(choose_compound(means).rows)
    if not grid.empty:
        mark(axes, grid["flops"] / unit, grid, "grid")
        keys.append(_Key("grid", grid["flops"].max() / unit, grid["accuracy"].mean(), False))
    for role, rows in lines.items():
        if not rows.empty:
            _draw_line(axes, rows, role, unit)
            end = rows.iloc[-1]
            keys.append(_Key(role, end["flops"] / unit, end["accuracy"], True))
    x = means.baseline["flops"] / unit
    mark(axes, [x], means.of("baseline"), "baseline")
    keys.append(_Key("baseline", x, means.baseline["accuracy"], False))
    return keys


def _draw_line(axes: Axes, rows: pd.DataFrame, role: str, unit: float) -> None:
    look = style.ROLES[role]
    axes.plot(
        rows["flops"] / unit,
        rows["accuracy"],
        look.dashes,
        color=look.colour,
        linewidth=look.weight,
        zorder=3,
        gid=f"line-{role}",
    )
    # The baseline starts every line; it is marked once, as itself.
    own = rows[rows["role"] != "baseline"]
    mark(axes, own["flops"] / unit, own, role)


def _unit(means: Means) -> tuple[float, str]:
    return flops_unit(means.baseline["flops"], means.table["flops"].max())


def _label_axes(axes: Axes, means: Means) -> None:
    unit, word = _unit(means)
    axes.set_xscale("log")
    axes.margins(x=0.05, y=0.06)
    axes.set_xlabel(f"FLOPs ({word} multiply-adds)")
    axes.set_ylabel("Top-1 accuracy (%)")
    low, high = axes.get_xlim()
    axes.set_xlim(low, high)
    _set_ticks(axes, low, high, "{:g}")

    base = means.baseline["flops"] / unit
    top = axes.secondary_xaxis("top", functions=(lambda x: x / base, lambda ratio: ratio * base))
    top.set_xlabel("Times the baseline")
    _set_ticks(top, low / base, high / base, "{:g}×")


def _set_ticks(axes: SecondaryAxis | Axes, low: float, high: float, form: str) -> None:
    ticks, labels = labelled_log_ticks(low, high, form, _PLOT_WIDTH)
    axes.xaxis.set_major_locator(FixedLocator(ticks))
    axes.xaxis.set_major_formatter(FixedFormatter(labels))
    axes.xaxis.set_minor_locator(NullLocator())


def _draw_keys(axes: Axes, keys: list[_Key]) -> list[Annotation]:
    """Write the labels at provisional heights, so that the layout leaves room for their widths."""
    return [
        axes.annotate(
            style.ROLES[key.role].label,
            (1, 0.5),
            (22, 0),
            xycoords="axes fraction",
            textcoords="offset points",
            fontsize=style.SMALL,
            va="center",
            annotation_clip=False,
        )
        for key in keys
    ]


def _spread_keys(axes: Axes, keys: list[_Key], labels: list[Annotation], figure: Figure) -> None:
    """Move each label to the height of what it names, as far as its neighbours allow."""
    pixel = figure.dpi / 72
    frame = axes.get_window_extent()
    gap = 1.3 * style.SMALL * pixel / frame.height
    to_fraction = axes.transData + axes.transAxes.inverted()
    ends = [to_fraction.transform((key.x, key.y)) for key in keys]
    heights = spread([y for _, y in ends], gap, 0.03, 0.97)
    sample = offset_copy(axes.transAxes, figure, x=13, units="points")
    for key, label, end, height in zip(keys, labels, ends, heights, strict=True):
        label.xy = (1, height)
        look = style.ROLES[key.role]
        dash = 6 * pixel / frame.width
        axes.add_line(
            Line2D(
                [1 - dash, 1, 1 + dash],
                [height] * 3,
                color=look.colour,
                linestyle=look.dashes,
                linewidth=look.weight,
                marker=look.marker,
                markersize=look.size,
                markevery=[1],
                markeredgewidth=0,
                transform=sample,
                clip_on=False,
            )
        )
        # Only a line that reaches the margin is led to its label; others would be crossed.
        if key.is_line and end[0] > 0.88:
            start = end[0] + 4 * pixel / frame.width
            stop = 1 + 5 * pixel / frame.width
            axes.add_line(
                Line2D(
                    [start, stop],
                    [end[1], height],
                    color=style.FAINT,
                    linewidth=0.4,
                    transform=axes.transAxes,
                    clip_on=False,
                    zorder=1,
                )
            )


def _note(means: Means) -> list[str]:
    compound = choose_compound(means)
    paper = {coefficients(row) for _, row in means.of("paper").iterrows()}
    said = [compound.note] if compound.note else []
    if paper:
        triple = coefficients(PAPER._asdict())
        # A plan at equal cost realises the paper's coefficients only approximately.
        said.append(f"Paper:\u00a0{'' if paper == {triple} else 'networks nearest '}{triple}.")
    return said + describe_trials(means)
