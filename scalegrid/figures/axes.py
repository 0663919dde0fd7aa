"""Accuracy against one coefficient at a time: depth, width, resolution (paper, figure 3)."""

from __future__ import annotations

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from scalegrid.analysis import Tables
from scalegrid.analysis.matched_cost import is_cost
from scalegrid.figures import style
from scalegrid.figures.captions import more_points
from scalegrid.figures.labels import fix_layout, label_points
from scalegrid.figures.means import describe_trials
from scalegrid.figures.subject import Drawing, Subject
from scalegrid.figures.text import flops_text, ratio_text
from scalegrid.util.errors import UserError

AXES = {
    "depth": "Depth multiplier, d",
    "width": "Width multiplier, w",
    "resolution": "Resolution multiplier, r",
}

_FEWEST = 3


def draw(tables: Tables) -> Drawing:
    """Draw a panel for each axis with three points or more, on one scale of accuracy.

    The baseline is one of the points. Each is labelled with its FLOPs ratio. Multipliers are
    relative to the baseline; the resolution multiplier is a ratio of pixels.

    Raises:
        UserError: no axis has three points.
    """
    subject = Subject.of(tables)
    means = subject.means
    lines = {role: means.line(means.of(role)) for role in AXES}
    shown = {role: rows for role, rows in lines.items() if len(rows) >= _FEWEST}
    if not shown:
        raise UserError(
            "depth, width and resolution alone have fewer than three points each, the baseline "
            f"included; {more_points(subject)}"
        )
    figure = Figure(figsize=(style.COLUMN, 0.25 + 1.35 * len(shown)), layout="constrained")
    panels = figure.subplots(len(shown), 1, sharey=True, squeeze=False)[:, 0]
    for (role, rows), panel in zip(shown.items(), panels, strict=True):
        _draw_line(panel, subject, role, rows)
    low, high = panels[0].get_ylim()
    least, most = means.unit.bounds
    panels[0].set_ylim(max(low, least), min(high, most))
    figure.supylabel(means.unit.label, fontsize=style.TEXT)
    fix_layout(figure)
    for (role, rows), panel in zip(shown.items(), panels, strict=True):
        points = list(zip(_multipliers(rows, subject, role), rows["accuracy"], strict=True))
        ratios = [ratio_text(ratio) for ratio in rows["flops_ratio"]]
        label_points(panel, points, ratios, list(zip(rows["low"], rows["high"], strict=True)))
    return Drawing(figure, _caption(subject, list(shown)))


def _multipliers(rows: pd.DataFrame, subject: Subject, role: str) -> list[float]:
    """The depth, width or resolution (``role``) of each variant over the baseline's."""
    unit = subject.baseline["resolution"] if role == "resolution" else 1
    return [float(value) for value in rows[role] / unit]


def _draw_line(panel: Axes, subject: Subject, role: str, rows: pd.DataFrame) -> None:
    panel.set_xlabel(AXES[role])
    x = _multipliers(rows, subject, role)
    panel.plot(x, rows["accuracy"], color=style.look(role).colour, linewidth=1.2, gid="line")
    for at, (_, row) in zip(x, rows.iterrows(), strict=True):
        colour = style.look(row["role"]).colour
        panel.plot([at, at], [row["low"], row["high"]], color=colour, linewidth=0.8)
        hollow = row["variant"] in subject.off_cost
        style.mark(panel, at, row["accuracy"], row["role"], hollow=hollow, variant=row["variant"])
    panel.xaxis.set_major_locator(MaxNLocator(5, steps=[1, 2, 2.5, 5, 10]))
    panel.margins(x=0.1, y=0.18)


def _caption(subject: Subject, shown: list[str]) -> list[str]:
    base = subject.baseline
    missing = [role for role in AXES if role not in shown]
    sentences = [
        f"{subject.means.word} against {', '.join(shown)} alone, on one scale.",
        f"At the points: FLOPs over the baseline's (1× = {flops_text(base['flops'])} multiply-adds "
        f"at {base['resolution']} px).",
    ]
    if missing:
        sentences.append(
            f"Left out: {' and '.join(missing)}, with fewer than three points, the baseline "
            "included."
        )
    if subject.off_cost & set(subject.means.table["variant"]):
        sentences.append(f"Hollow: the {is_cost(subject.match)} not as planned.")
    return [*sentences, *describe_trials(subject.means)]
