"""Accuracy against FLOPs for each way of scaling one baseline (paper, figure 8)."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedFormatter, FixedLocator, NullLocator

from scalegrid.coefficients import PAPER
from scalegrid.figures import style
from scalegrid.figures.labels import labelled_log_ticks
from scalegrid.figures.means import MeanAccuracies, coefficients_text, describe_trials, plural
from scalegrid.figures.subject import Drawing, Subject, Tables
from scalegrid.figures.text import flops_unit, ratio_text
from scalegrid.util.errors import UserError

AXES = ("depth", "width", "resolution", "paper")

_FULL = 3  # points that make a full line
_WITH_BARS = 24  # networks in the strip whose intervals can be told apart


def draw(tables: Tables) -> Drawing:
    """Draw a line for each axis, the paper's and the recommended coefficients, and other networks.

    Lines start at the baseline, if it has a finished trial. The networks that are on no line are in
    a strip of their own, on a wider scale of FLOPs. FLOPs are multiply-adds; accuracies are means.

    Raises:
        UserError: nothing but the baseline, or not even that, has a finished trial.
    """
    subject = Subject.of(tables)
    means = subject.means
    if set(means.table["role"]) == {"baseline"}:
        raise UserError(
            "only the baseline has a finished trial; run `scalegrid sweep` again to train what is "
            "missing."
        )
    best = _recommended(subject)
    lines = _lines(means, best)
    on_lines = set(pd.concat([*lines.values(), means.of("baseline")])["variant"])
    others = means.table[~means.table["variant"].isin(on_lines)]
    figure = Figure(figsize=(style.COLUMN, 2.75), layout="constrained")
    grid = figure.add_gridspec(1, 2, width_ratios=(3, 1), wspace=0.06)
    axes = figure.add_subplot(grid[0, : 1 if len(others) else 2])
    for role, rows in lines.items():
        _draw_line(axes, subject, rows, role, best)
    _draw_points(axes, subject, means.of("baseline"))
    _label_axes(axes, subject, narrow=len(others) > 0)
    if len(others):
        _draw_strip(figure.add_subplot(grid[0, 1], sharey=axes), subject, others)
    low, high = axes.get_ylim()
    axes.set_ylim(max(low, 0), min(high, 100))
    _add_legend(figure, means, lines, best, len(others) > 0)
    return Drawing(figure, _caption(subject, means, best, others))


def _recommended(subject: Subject) -> str:
    """The id of the recommended variant; none if it has no finished trial or nothing is."""
    try:
        return subject.found.best.variant
    except UserError:
        return ""


def _lines(means: MeanAccuracies, best: str) -> dict[str, pd.DataFrame]:
    """The variants on the line of each role; the recommended one is on that of its own role."""
    table = means.table
    lines = {role: table[table["role"] == role] for role in AXES}
    row = table[table["variant"] == best]
    if not row.empty and row["role"].iloc[0] not in AXES:
        # Its coefficients at other φ, where those were trained.
        triple = coefficients_text(row.iloc[0])
        same = np.array([coefficients_text(one) == triple for _, one in table.iterrows()])
        lines["compound"] = table[
            (table["variant"] == best) | (same & (table["role"] == "compound"))
        ]
    return {role: rows for role, rows in lines.items() if not rows.empty}


def _draw_line(axes: Axes, subject: Subject, rows: pd.DataFrame, role: str, best: str) -> None:
    line = subject.means.line(rows)
    thick = best in set(rows["variant"])
    axes.plot(
        line["flops"] / _unit(subject)[0],
        line["accuracy"],
        color=style.look(role).colour,
        zorder=3 if thick else 2.5,
        gid=f"line-{role}",
        **_line_style(len(line), thick),
    )
    _draw_points(axes, subject, rows, role)
    for _, row in rows[rows["variant"] == best].iterrows():
        style.ring(axes, row["flops"] / _unit(subject)[0], row["accuracy"])


def _line_style(points: int, thick: bool) -> dict[str, Any]:
    full = points >= _FULL
    return {
        "linestyle": "-" if full else "--" if points > 1 else "none",
        "linewidth": 1.8 if thick else 1.1 if full else 0.7,
    }


def _draw_points(
    axes: Axes, subject: Subject, rows: pd.DataFrame, role: str = "", *, bars: bool = True
) -> None:
    unit, _ = _unit(subject)
    for _, row in rows.iterrows():
        x, look = row["flops"] / unit, style.look(role or row["role"])
        if bars:
            axes.plot([x, x], [row["low"], row["high"]], color=look.colour, linewidth=0.8)
        style.mark(
            axes,
            x,
            row["accuracy"],
            role or row["role"],
            hollow=row["variant"] in subject.off_cost,
            variant=row["variant"],
        )


def _unit(subject: Subject) -> tuple[float, str]:
    return flops_unit(subject.baseline["flops"], subject.means.table["flops"].max())


def _label_axes(axes: Axes, subject: Subject, *, narrow: bool) -> None:
    unit, word = _unit(subject)
    axes.set_xscale("log")
    axes.margins(x=0.07, y=0.06)
    axes.set_xlabel(f"FLOPs ({word} multiply-adds)")
    axes.set_ylabel("Top-1 accuracy (%)")
    base = float(subject.baseline["flops"]) / unit

    def to_ratio(flops: Any) -> Any:
        return flops / base

    def from_ratio(ratio: Any) -> Any:
        return ratio * base

    low, high = axes.get_xlim()
    width = 125.0 if narrow else 180.0
    top = axes.secondary_xaxis("top", functions=(to_ratio, from_ratio))
    top.set_xlabel("Times the baseline")
    ticks: tuple[tuple[Any, float, str], ...] = ((axes, 1.0, "{:g}"), (top, base, "{:g}×"))
    for axis, scale, form in ticks:
        places, labels = labelled_log_ticks(low / scale, high / scale, form, width)
        axis.xaxis.set_major_locator(FixedLocator(places))
        axis.xaxis.set_major_formatter(FixedFormatter(labels))
        axis.xaxis.set_minor_locator(NullLocator())
    axes.set_xlim(low, high)


def _draw_strip(axes: Axes, subject: Subject, rows: pd.DataFrame) -> None:
    """Draw networks that are on no line, at their FLOPs on a scale of their own."""
    _draw_points(axes, subject, rows, "grid", bars=len(rows) <= _WITH_BARS)
    unit, base = _unit(subject)[0], float(subject.baseline["flops"])
    ends = np.array([rows["flops"].min(), rows["flops"].max()])
    low, high = ends / unit
    margin = 0.15 * (high - low) or 0.02 * high
    axes.set_xlim(low - margin, high + margin)
    places = sorted(set(ends / unit))
    axes.set_xticks(places, [ratio_text(flops / base) for flops in sorted(set(ends))])
    axes.tick_params(labelleft=False, left=False)
    axes.spines["left"].set_visible(False)
    axes.set_xlabel("Zoom")


def _add_legend(
    figure: Figure,
    means: MeanAccuracies,
    lines: dict[str, pd.DataFrame],
    best: str,
    others: bool,
) -> None:
    entries: list[Line2D] = []
    for role, rows in lines.items():
        thick = best in set(rows["variant"])
        name = style.look(role).label
        label = f"{name}, recommended" if thick and role != "compound" else name
        entries.append(
            style.legend_entry(role, label=label, **_line_style(len(means.line(rows)), thick))
        )
    entries += [style.legend_entry("grid")] if others else []
    entries += [] if means.of("baseline").empty else [style.legend_entry("baseline")]
    figure.legend(
        handles=entries,
        loc="outside lower center",
        ncols=3,
        handlelength=2.2,
        columnspacing=1.2,
        borderpad=0,
        labelspacing=0.35,
    )


def _caption(subject: Subject, means: MeanAccuracies, best: str, others: pd.DataFrame) -> list[str]:
    sentences = ["Accuracy against FLOPs for each way of scaling the baseline."]
    if best:
        triple = coefficients_text(subject.row(best))
        sentences.append(f"Thick, with a ring: the recommended network, {triple}.")
    paper = means.of("paper")
    if not paper.empty:
        drawn, exact = (coefficients_text(p) for p in (paper.iloc[0], PAPER._asdict()))
        nearest = "" if drawn == exact else "the network nearest "
        sentences.append(f"Paper: {nearest}{exact}.")
    sentences.append("Lines of two points are thin and dashed, and say nothing between them.")
    if len(others):
        bars = "" if len(others) <= _WITH_BARS else ", without bars"
        sentences.append(
            f"Beside them, on a wider scale of FLOPs: {plural(len(others), 'other network')}{bars}."
        )
    if set(means.table["variant"]) & subject.off_cost:
        sentences.append("Hollow: the cost is not as planned.")
    if means.of("baseline").empty:
        sentences.append("The baseline has no finished trial.")
    return [*sentences, *describe_trials(means)]
