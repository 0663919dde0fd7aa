"""Accuracy against one coefficient at a time: depth, width, resolution (paper, figure 3)."""

from __future__ import annotations

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from scalegrid.figures import style
from scalegrid.figures.labels import add_note, annotate_points, freeze
from scalegrid.figures.marks import mark
from scalegrid.figures.means import Means, Row, Tables, describe_trials, summarise
from scalegrid.figures.ticks import flops_text, ratio_text
from scalegrid.util.errors import UserError

NAME = "single-axis"
AXES = {
    "depth": "Depth multiplier, $d$",
    "width": "Width multiplier, $w$",
    "resolution": "Resolution multiplier, $r$",
}


def draw(tables: Tables) -> Figure:
    """Three panels sharing the accuracy axis; each point carries its FLOPs ratio.

    Multipliers are relative to the baseline; that of the resolution is the realised one, in px
    over px.

    Raises:
        UserError: the baseline, or every single-axis variant, lacks a finished trial.
    """
    means = summarise(tables, NAME)
    lines = {role: means.line(role) for role in AXES}
    if all(rows.empty for rows in lines.values()):
        raise UserError(
            f"cannot draw {NAME}: no variant scaled in depth, width or resolution alone has a "
            "finished trial; run `scalegrid sweep` again to train what is missing."
        )
    figure = Figure(figsize=(style.PAGE, 2.35), layout="constrained")
    panels = figure.subplots(1, 3, sharey=True)
    for role, panel in zip(AXES, panels, strict=True):
        _draw_line(panel, means, role, lines[role])
    panels[0].set_ylabel("Top-1 accuracy (%)")
    add_note(figure, _note(means))
    freeze(figure)
    for role, panel in zip(AXES, panels, strict=True):
        _annotate(panel, means, role, lines[role])
    return figure


def multipliers(rows: pd.DataFrame, baseline: Row, role: str) -> list[float]:
    """How much of ``role`` each variant has, in terms of the baseline's."""
    unit = baseline["resolution"] if role == "resolution" else 1
    return [float(value) for value in rows[role] / unit]


def _draw_line(panel: Axes, means: Means, role: str, rows: pd.DataFrame) -> None:
    panel.spines["top"].set_visible(False)
    panel.set_xlabel(AXES[role])
    if rows.empty:
        panel.text(
            0.5,
            0.5,
            "no finished trial",
            transform=panel.transAxes,
            ha="center",
            fontsize=style.SMALL,
        )
    else:
        own = rows[rows["role"] == role]
        x = multipliers(rows, means.baseline, role)
        panel.plot(x, rows["accuracy"], color=style.ROLES[role].colour, linewidth=1.4)
        mark(panel, multipliers(own, means.baseline, role), own, role, grow=0.6)
    mark(panel, [1.0], means.of("baseline"), "baseline", grow=0.6)
    panel.xaxis.set_major_locator(MaxNLocator(5, steps=[1, 2, 2.5, 5, 10]))
    panel.margins(x=0.12, y=0.16)


def _annotate(panel: Axes, means: Means, role: str, rows: pd.DataFrame) -> None:
    if rows.empty:
        return
    x = multipliers(rows, means.baseline, role)
    annotate_points(
        panel,
        list(zip(x, rows["accuracy"], strict=True)),
        [ratio_text(ratio) for ratio in rows["flops_ratio"]],
        rows["half_width"].tolist(),
    )


def _note(means: Means) -> list[str]:
    count, side = flops_text(means.baseline["flops"]), means.baseline["resolution"]
    flops = f"At the points: FLOPs over the baseline's (1× = {count} multiply-adds at {side} px)."
    return [flops, *describe_trials(means)]
