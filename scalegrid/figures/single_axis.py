"""Accuracy against one coefficient at a time: depth, width, resolution (paper, figure 3)."""

from __future__ import annotations

from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from scalegrid.figures import style
from scalegrid.figures.labels import fix_layout, label_points
from scalegrid.figures.means import MeanAccuracies, Tables, describe_trials, mean_accuracies
from scalegrid.figures.text import add_note, flops_text, ratio_text
from scalegrid.util.errors import UserError

NAME = "single-axis"
AXES = {
    "depth": "Depth multiplier, $d$",
    "width": "Width multiplier, $w$",
    "resolution": "Resolution multiplier, $r$",
}


def draw(tables: Tables) -> Figure:
    """Draw three panels with a common accuracy axis; each point is labelled with its FLOPs ratio.

    Multipliers are relative to the baseline; the resolution multiplier is a ratio of pixels.

    Raises:
        UserError: the baseline, or every single-axis variant, lacks a finished trial.
    """
    means = mean_accuracies(tables, NAME)
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
    fix_layout(figure)
    for role, panel in zip(AXES, panels, strict=True):
        _label_ratios(panel, means, role, lines[role])
    return figure


def _multipliers(rows: pd.DataFrame, baseline: pd.Series[Any], role: str) -> list[float]:
    """The depth, width or resolution (``role``) of each variant over the baseline's."""
    unit = baseline["resolution"] if role == "resolution" else 1
    return [float(value) for value in rows[role] / unit]


def _draw_line(panel: Axes, means: MeanAccuracies, role: str, rows: pd.DataFrame) -> None:
    panel.spines["top"].set_visible(False)
    panel.set_xlabel(AXES[role])
    if rows.empty:
        inside = panel.transAxes
        panel.text(
            0.5, 0.5, "no finished trial", transform=inside, ha="center", fontsize=style.SMALL
        )
    else:
        x = _multipliers(rows, means.baseline, role)
        panel.plot(x, rows["accuracy"], color=style.ROLES[role].colour, linewidth=1.4)
        scaled = rows[rows["role"] == role]
        x = _multipliers(scaled, means.baseline, role)
        style.draw_means(panel, x, scaled, role, extra_size=0.6)
    style.draw_means(panel, [1.0], means.of("baseline"), "baseline", extra_size=0.6)
    panel.xaxis.set_major_locator(MaxNLocator(5, steps=[1, 2, 2.5, 5, 10]))
    panel.margins(x=0.12, y=0.16)


def _label_ratios(panel: Axes, means: MeanAccuracies, role: str, rows: pd.DataFrame) -> None:
    if rows.empty:
        return
    x = _multipliers(rows, means.baseline, role)
    points = list(zip(x, rows["accuracy"], strict=True))
    ratios = [ratio_text(ratio) for ratio in rows["flops_ratio"]]
    label_points(panel, points, ratios, rows["half_width"].tolist())


def _note(means: MeanAccuracies) -> list[str]:
    count, side = flops_text(means.baseline["flops"]), means.baseline["resolution"]
    flops = f"At the points: FLOPs over the baseline's (1× = {count} multiply-adds at {side} px)."
    return [flops, *describe_trials(means)]
