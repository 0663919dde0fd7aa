"""Accuracy against FLOPs for each way of scaling one baseline (paper, figure 8)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.transforms import offset_copy

from scalegrid.analysis import Tables
from scalegrid.analysis.matched_cost import is_cost
from scalegrid.coefficients import Coefficients
from scalegrid.figures import style
from scalegrid.figures.captions import describe_paper
from scalegrid.figures.labels import fix_layout, label_log_axis
from scalegrid.figures.means import (
    MeanAccuracies,
    accuracy_limits,
    coefficients_text,
    describe_trials,
)
from scalegrid.figures.subject import Drawing, Subject
from scalegrid.figures.text import flops_unit, ratio_text
from scalegrid.util.errors import UserError
from scalegrid.util.text import enumerated, plural

AXES = ("depth", "width", "resolution", "paper")

_FULL = 3  # points that make a full line
_WITH_BARS = 24  # networks in the strip whose intervals can be told apart
_NEAR = 0.03  # of the axis: the largest distance at which bars are set beside each other
_BESIDE = 2.2  # points between them


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
    best = subject.best
    lines = lines_of(subject)
    on_lines = set(pd.concat([*lines.values(), means.of("baseline")])["variant"])
    others = means.table[~means.table["variant"].isin(on_lines)]
    figure = Figure(figsize=(style.COLUMN, 2.75), layout="constrained")
    grid = figure.add_gridspec(1, 2, width_ratios=(3, 1), wspace=0.06)
    axes = figure.add_subplot(grid[0, : 1 if len(others) else 2])
    shifts = _apart(pd.concat([*lines.values(), means.of("baseline")]))
    for role, rows in lines.items():
        _draw_line(axes, subject, rows, role, best)
        _draw_points(axes, subject, rows, role, shifts)
    _draw_points(axes, subject, means.of("baseline"), "baseline", shifts)
    label_axes(axes, subject, _unit(subject), narrow=len(others) > 0)
    if len(others):
        _draw_strip(figure.add_subplot(grid[0, 1], sharey=axes), subject, others)
    axes.set_ylim(accuracy_limits(means.table, means.unit.bounds))
    _add_legend(figure, subject, lines, best, len(others) > 0)
    fix_layout(figure)
    return Drawing(figure, _caption(subject, means, best, others))


def lines_of(subject: Subject) -> dict[str, pd.DataFrame]:
    """The variants on the line of each role; the recommended one is on that of its own role.

    Compound scaling at other φ is on the line of the recommended network, if that is in its
    direction or on no line of its own; else it has one in the look of other candidates.
    """
    table = subject.means.table
    lines = {role: table[table["role"] == role] for role in AXES}
    trained = table[table["variant"].isin(subject.compound["variant"])]
    row = table[(table["variant"] == subject.best) & ~table["role"].isin(AXES)]
    if row.empty or subject.best in set(trained["variant"]) or trained.empty:
        lines["compound"] = pd.concat([trained, row]).drop_duplicates("variant")
    else:
        lines |= {"compound": row, "grid": trained}
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
    for _, row in rows[rows["variant"] == best].iterrows():
        style.ring(axes, row["flops"] / _unit(subject)[0], row["accuracy"])


def _line_style(points: int, thick: bool) -> dict[str, Any]:
    full = points >= _FULL
    return {
        "linestyle": "-" if full else "--" if points > 1 else "none",
        "linewidth": 1.8 if thick else 1.1 if full else 0.7,
    }


def _apart(rows: pd.DataFrame) -> dict[str, float]:
    """How far the bar of each variant is moved, in points, to be beside those of equal cost."""
    ordered = rows.sort_values("flops", kind="stable")
    cost = np.log(ordered["flops"].astype(float))
    group = (cost.diff().fillna(0) > _NEAR * (cost.max() - cost.min())).cumsum()
    place = group.groupby(group).cumcount()
    middle = (group.map(group.value_counts()) - 1) / 2
    return dict(zip(ordered["variant"], _BESIDE * (place - middle), strict=True))


def _draw_points(
    axes: Axes, subject: Subject, rows: pd.DataFrame, role: str, shifts: Mapping[str, float] | None
) -> None:
    """Draw markers, and bars moved by ``shifts`` in points; without, markers alone."""
    unit, _ = _unit(subject)
    figure: Any = axes.figure
    for _, row in rows.iterrows():
        x = row["flops"] / unit
        if shifts is not None:
            shift = shifts.get(row["variant"], 0.0)
            axes.plot(
                [x, x],
                [row["low"], row["high"]],
                color=style.look(role).colour,
                linewidth=0.8,
                transform=offset_copy(axes.transData, figure, x=shift, units="points"),
                gid="interval",
            )
        hollow = row["variant"] in subject.off_cost
        style.mark(axes, x, row["accuracy"], role, hollow=hollow, variant=row["variant"])


def _unit(subject: Subject) -> tuple[float, str]:
    return flops_unit(subject.baseline["flops"], subject.means.table["flops"].max())


def label_axes(
    axes: Axes, subject: Subject, flops: tuple[float, str], *, narrow: bool = False
) -> None:
    """Label axes of accuracy against FLOPs in a unit (`flops_unit`), and times the baseline's."""
    unit, word = flops
    axes.set_xscale("log")
    axes.margins(x=0.07, y=0.06)
    axes.set_xlabel(f"FLOPs ({word} multiply-adds)")
    axes.set_ylabel(subject.means.unit.label)
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
        label_log_axis(axis.xaxis, low / scale, high / scale, width, form)
    axes.set_xlim(low, high)


def _draw_strip(axes: Axes, subject: Subject, rows: pd.DataFrame) -> None:
    """Draw networks that are on no line, at their FLOPs on a scale of their own."""
    shifts = _apart(rows) if len(rows) <= _WITH_BARS else None
    _draw_points(axes, subject, rows, "grid", shifts)
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
    subject: Subject,
    lines: dict[str, pd.DataFrame],
    best: str,
    others: bool,
) -> None:
    entries: list[Line2D] = []
    means = subject.means
    for role, rows in lines.items():
        thick = best in set(rows["variant"])
        name = subject.label(role) if thick or role != "compound" else "Compound"
        label = f"{name}, recommended" if thick and role != "compound" else name
        label = "Compound" if role == "grid" else label
        entries.append(
            style.legend_entry(role, label=label, **_line_style(len(means.line(rows)), thick))
        )
    entries += [style.legend_entry("grid")] if others else []
    entries += [] if means.of("baseline").empty else [style.legend_entry("baseline")]
    style.legend_outside(figure, entries, handlelength=2.2)


def _caption(subject: Subject, means: MeanAccuracies, best: str, others: pd.DataFrame) -> list[str]:
    sentences = [f"{means.word} against FLOPs for each way of scaling the baseline."]
    if best:
        triple = coefficients_text(subject.row(best))
        sentences.append(f"Thick, with a ring: the recommended network, {triple}.")
    trained = subject.compound[subject.compound["variant"].isin(means.table["variant"])]
    if (direction := subject.spec.get("compound")) and len(trained):
        named = coefficients_text(dict(zip(Coefficients._fields, direction, strict=True)))
        phis = enumerated([f"{phi:.3g}" for phi in trained["phi"]])
        sentences.append(f"Compound scaling at φ = {phis}: in the direction of {named}.")
    if not means.of("paper").empty:
        sentences.append(describe_paper(subject))
    bars = " Bars of nearly equal cost are drawn beside each other." if means.intervals else ""
    sentences.append(f"Lines of two points are dashed, and say nothing of what lies between.{bars}")
    if len(others):
        bars = "" if len(others) <= _WITH_BARS else ", without bars"
        sentences.append(
            f"Beside them, on a wider scale of FLOPs: {plural(len(others), 'other network')}{bars}."
        )
    if set(means.table["variant"]) & subject.off_cost:
        sentences.append(f"Hollow: the {is_cost(subject.match)} not as planned.")
    if means.of("baseline").empty:
        sentences.append("The baseline has no finished trial.")
    return [*sentences, *describe_trials(means)]
