"""Accuracy against FLOPs as width grows, at several depths and resolutions (paper, figure 4)."""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from scalegrid.analysis import Tables
from scalegrid.figures import style
from scalegrid.figures.labels import fix_layout
from scalegrid.figures.means import MeanAccuracies, describe_trials, mean_accuracies
from scalegrid.figures.scaling import label_axes
from scalegrid.figures.subject import Drawing, Subject
from scalegrid.figures.text import flops_unit
from scalegrid.util.errors import UserError
from scalegrid.util.text import plural

_FEWEST = 3  # widths that make a line
_SPAN = 1.25  # of FLOPs, the least from its first to its last network


class _Line(NamedTuple):
    """Networks of one depth and resolution, multiples of the baseline's, in order of FLOPs."""

    depth: float
    resolution: float
    rows: pd.DataFrame

    @property
    def role(self) -> str:
        """The role whose colour and marker it has."""
        deep, large = self.depth > 1, self.resolution > 1
        return (
            "curve" if deep and large else "depth" if deep else "resolution" if large else "width"
        )

    @property
    def label(self) -> str:
        """Both multiples, and the pixels."""
        pixels = self.rows["resolution"].iloc[0]
        return f"d = {self.depth:.3g}, r = {self.resolution:.3g} ({pixels} px)"


def draw(tables: Tables) -> Drawing:
    """Draw a line for each depth and resolution at which three widths or more are trained.

    Of the networks that are deeper, or of larger images, or both, the line over the widest range of
    FLOPs is drawn. Multipliers are relative to the baseline; FLOPs are multiply-adds.

    Raises:
        UserError: there are not two such lines.
    """
    subject = Subject.of(tables)
    means = mean_accuracies(subject.planned, subject.trials, subject.mean_metric)
    lines = _lines(subject, means.table)
    if len(lines) < 2:
        raise UserError(
            "no two depths and resolutions have three widths each; "
            + subject.adding("--width-curves 1,1.5,2")
        )
    shown = pd.concat([line.rows for line in lines])
    unit = flops_unit(subject.baseline["flops"], shown["flops"].max())
    figure = Figure(figsize=(style.COLUMN, 2.75), layout="constrained")
    axes = figure.subplots()
    for line in lines:
        _draw_line(axes, line, unit[0])
    label_axes(axes, subject, unit)
    low, high = axes.get_ylim()
    least, most = means.unit.bounds
    axes.set_ylim(max(low, least), min(high, most))
    style.legend_outside(
        figure,
        [
            style.legend_entry(line.role, label=line.label, linestyle="-", linewidth=1.2)
            for line in lines
        ],
        ncols=2,
    )
    fix_layout(figure)
    return Drawing(figure, _caption(subject, means, lines))


def _lines(subject: Subject, table: pd.DataFrame) -> list[_Line]:
    """At most one line of each look, the least deep first; those of `--width-curves` come before.

    All widths of a line have the same layers and pixels.
    """
    base, found = subject.baseline, dict[str, _Line]()
    depths = table["layers"].where(table["layers"] != "", table["depth"])  # layers, where known
    for (layers, pixels), rows in table.groupby([depths, "resolution"]):
        rows = rows.sort_values("flops", kind="stable")
        if len(rows) < _FEWEST or _span(rows) < _SPAN:
            continue
        planned = rows[rows["role"] == "curve"] if _asked(rows) else rows
        depth = 1.0 if layers in (base["layers"], 1.0) else float(planned["depth"].min())
        line = _Line(depth, float(pixels / base["resolution"]), rows)
        other = found.get(line.role)
        if other is None or (_asked(rows), _span(rows)) > (_asked(other.rows), _span(other.rows)):
            found[line.role] = line
    return sorted(found.values(), key=lambda line: (line.depth, line.resolution))


def _asked(rows: pd.DataFrame) -> bool:
    """Whether `--width-curves` asked for any of these networks."""
    return "curve" in set(rows["role"])


def _span(rows: pd.DataFrame) -> float:
    """The largest FLOPs over the smallest."""
    return float(rows["flops"].max() / rows["flops"].min())


def _draw_line(axes: Axes, line: _Line, unit: float) -> None:
    rows, colour = line.rows, style.look(line.role).colour
    flops = rows["flops"] / unit
    axes.plot(flops, rows["accuracy"], color=colour, linewidth=1.2, gid=f"line-{line.role}")
    for x, (_, row) in zip(flops, rows.iterrows(), strict=True):
        axes.plot([x, x], [row["low"], row["high"]], color=colour, linewidth=0.8, gid="interval")
        style.mark(axes, x, row["accuracy"], line.role, variant=row["variant"])


def _caption(subject: Subject, means: MeanAccuracies, lines: list[_Line]) -> list[str]:
    widths = "; ".join(
        f"{', '.join(f'{w:.3g}' for w in line.rows['width'])} at d = {line.depth:.3g}, r = "
        f"{line.resolution:.3g}"
        for line in lines
    )
    sentences = [
        f"{means.word} against FLOPs as width grows, at several depths and resolutions.",
        "d and r are depth and resolution over the baseline's. The points of a line are networks "
        f"of growing width: {widths}.",
    ]
    shown = {variant for line in lines for variant in line.rows["variant"]}
    curves = subject.planned[subject.planned["role"] == "curve"]["variant"]
    if left_out := len(set(curves) - shown):
        sentences.append(
            f"Left out: {plural(left_out, 'network')} of a depth and resolution with fewer than "
            "three finished widths."
        )
    only = pd.concat([line.rows for line in lines])
    return [*sentences, *describe_trials(replace(means, table=only))]
