"""Accuracy against FLOPs for each way of scaling one baseline (paper, figure 8)."""

from __future__ import annotations

from typing import Any, NamedTuple

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.axes._secondary_axes import SecondaryAxis
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.text import Annotation
from matplotlib.ticker import FixedFormatter, FixedLocator, NullLocator
from matplotlib.transforms import Transform, offset_copy

from scalegrid.coefficients import PAPER
from scalegrid.figures import style
from scalegrid.figures.labels import fix_layout, labelled_log_ticks, separate
from scalegrid.figures.means import (
    MeanAccuracies,
    Tables,
    choose_compound,
    coefficients_text,
    describe_trials,
    mean_accuracies,
)
from scalegrid.figures.text import add_note, flops_unit

NAME = "accuracy-flops"

_PLOT_WIDTH = 138.0
"""About the width in points of the frame, beside labels of the usual lengths."""


class _Entry(NamedTuple):
    """A role with a label in the right margin, at the height of (x, y) in data coordinates."""

    role: str
    x: float
    y: float
    is_line: bool = True


def draw(tables: Tables) -> Figure:
    """Draw a line for each axis, for the compound and for the paper's coefficients; and the grid.

    All lines start at the baseline. FLOPs are multiply-adds, on a logarithmic axis.

    Raises:
        UserError: nothing but the baseline, or not even that, has a finished trial.
    """
    means = mean_accuracies(tables, NAME)
    figure = Figure(figsize=(style.COLUMN, 2.75), layout="constrained")
    axes = figure.add_subplot()
    entries = _draw_data(axes, means)
    _label_axes(axes, means)
    labels = [_write_label(axes, entry.role) for entry in entries]
    add_note(figure, _note(means))
    fix_layout(figure)
    _align_labels(axes, entries, labels)
    return figure


def _draw_data(axes: Axes, means: MeanAccuracies) -> list[_Entry]:
    unit, _ = _unit(means)
    entries = []
    grid = means.of("grid")
    lines = {role: means.line(role) for role in ("depth", "width", "resolution", "paper")}
    lines["compound"] = means.from_baseline(choose_compound(means).rows)
    if not grid.empty:
        style.draw_means(axes, grid["flops"] / unit, grid, "grid")
        x, y = grid["flops"].max() / unit, grid["accuracy"].mean()
        entries.append(_Entry("grid", x, y, is_line=False))
    for role, rows in lines.items():
        if not rows.empty:
            _draw_line(axes, rows, role, unit)
            end = rows.iloc[-1]
            entries.append(_Entry(role, end["flops"] / unit, end["accuracy"]))
    x = means.baseline["flops"] / unit
    style.draw_means(axes, [x], means.of("baseline"), "baseline")
    return [*entries, _Entry("baseline", x, means.baseline["accuracy"], is_line=False)]


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
    # Every line starts at the baseline, which has a marker of its own.
    scaled = rows[rows["role"] != "baseline"]
    style.draw_means(axes, scaled["flops"] / unit, scaled, role)


def _unit(means: MeanAccuracies) -> tuple[float, str]:
    return flops_unit(means.baseline["flops"], means.table["flops"].max())


def _label_axes(axes: Axes, means: MeanAccuracies) -> None:
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


def _write_label(axes: Axes, role: str) -> Annotation:
    """Write a label in the margin, at any height; the layout leaves room for its width."""
    return axes.annotate(
        style.ROLES[role].label,
        (1, 0.5),
        (22, 0),
        xycoords="axes fraction",
        textcoords="offset points",
        fontsize=style.SMALL,
        va="center",
        annotation_clip=False,
    )


def _align_labels(axes: Axes, entries: list[_Entry], labels: list[Annotation]) -> None:
    """Move each label to the height of its line's end, as far as the others leave room."""
    figure: Any = axes.figure
    frame = axes.get_window_extent()
    x_point, y_point = (figure.dpi / 72 / size for size in (frame.width, frame.height))
    to_fraction = axes.transData + axes.transAxes.inverted()
    ends = [to_fraction.transform((entry.x, entry.y)) for entry in entries]
    heights = separate([y for _, y in ends], 1.3 * style.SMALL * y_point, 0.03, 0.97)
    margin = offset_copy(axes.transAxes, figure, x=13, units="points")
    for entry, label, (x, y), height in zip(entries, labels, ends, heights, strict=True):
        label.xy = (1, height)
        _add_sample(axes, style.ROLES[entry.role], 6 * x_point, height, margin)
        # Only lines that end near the margin get a leader; others would cross the data.
        if entry.is_line and x > 0.88:
            leader = Line2D([x + 4 * x_point, 1 + 5 * x_point], [y, height], color=style.FAINT)
            leader.set(linewidth=0.4, transform=axes.transAxes, clip_on=False, zorder=1)
            axes.add_line(leader)


def _add_sample(
    axes: Axes, look: style.RoleStyle, half: float, height: float, transform: Transform
) -> None:
    """Draw a short piece of a role's line, with its marker, before the label."""
    sample = Line2D(
        [1 - half, 1, 1 + half],
        [height] * 3,
        color=look.colour,
        linestyle=look.dashes,
        linewidth=look.weight,
        marker=look.marker,
        markersize=look.size,
        markevery=[1],
        markeredgewidth=0,
        transform=transform,
        clip_on=False,
    )
    axes.add_line(sample)


def _note(means: MeanAccuracies) -> list[str]:
    compound = choose_compound(means)
    paper = {coefficients_text(row) for _, row in means.of("paper").iterrows()}
    sentences = [compound.note] if compound.note else []
    if paper:
        triple = coefficients_text(PAPER._asdict())
        # A plan at equal cost realises the paper's coefficients only approximately.
        nearest = "" if paper == {triple} else "networks nearest "
        sentences.append(f"Paper:\u00a0{nearest}{triple}.")
    return sentences + describe_trials(means)
