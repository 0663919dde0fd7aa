"""Accuracy against what a network costs, by each measure: who wins depends on what one pays for."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from scalegrid.analysis import Tables
from scalegrid.analysis.matched_cost import is_cost
from scalegrid.figures import style
from scalegrid.figures.captions import describe_paper
from scalegrid.figures.labels import fix_layout, label_log_axis
from scalegrid.figures.means import accuracy_limits, coefficients_text, describe_trials
from scalegrid.figures.subject import Drawing, Subject
from scalegrid.figures.text import bytes_unit, flops_unit, seconds_unit
from scalegrid.util.errors import UserError
from scalegrid.util.text import enumerated

_WIDTH = 88.0  # of a panel, in points
_MARGIN = 0.08  # of a panel's width, beyond the cheapest and the most expensive
_MANY = 24  # networks beyond which the markers of other candidates are small, and have no bars


class Price(NamedTuple):
    """A measure of cost: name, column, unit for a range of values, and a sentence on it."""

    name: str
    column: str
    unit: Callable[[float, float], tuple[float, str]]
    meaning: str = ""


PRICES = (
    Price("FLOPs", "flops", flops_unit, "FLOPs are the multiply-adds of one image."),
    Price("parameters", "params", flops_unit),
    Price(
        *("activations", "activations", flops_unit),
        "Activations are the outputs of convolutions and matrix products, of one image.",
    ),
    Price(
        *("memory", "memory", bytes_unit),
        "Memory is what the activations of a training step need, estimated.",
    ),
    Price(
        *("training time", "seconds", seconds_unit),
        "Training time is the median wall time of a trial of this sweep, evaluation included.",
    ),
)


def draw(tables: Tables) -> Drawing:
    """Draw a panel for each measure of cost, on one scale of accuracy, with its Pareto front.

    A network is on the front if none that costs no more is as accurate. Accuracies are plain means
    over seeds, training times medians. A measure that the tables lack has no panel.

    Raises:
        UserError: fewer than two networks have a finished trial.
    """
    subject = Subject.of(tables)
    rows = _networks(subject)
    shown = [price for price in PRICES if price.column in rows and rows[price.column].notna().any()]
    lines = -(-len(shown) // 2)
    figure = Figure(figsize=(style.COLUMN, 1.25 * lines + 0.2), layout="constrained")
    panels = figure.subplots(lines, 2, sharey=True, squeeze=False).flatten().tolist()
    for axes, price in zip(panels, shown, strict=False):
        _draw_panel(axes, subject, rows, price)
    panels[0].set_ylim(accuracy_limits(rows, subject.means.unit.bounds))
    figure.supylabel(subject.means.unit.label, fontsize=style.TEXT)
    _add_legend(figure, panels[len(shown) :], subject, rows)
    fix_layout(figure)
    return Drawing(figure, _caption(subject, rows, shown))


def pareto_front(costs: Sequence[float], accuracies: Sequence[float]) -> list[int]:
    """The numbers of the networks on the front, the cheapest first.

    None that costs no more than one of them is as accurate; of equal ones it is the first.
    """
    order = np.lexsort((-np.asarray(accuracies, float), np.asarray(costs, float)))
    front: list[int] = []
    for at in order.tolist():
        if not front or accuracies[at] > accuracies[front[-1]]:
            front.append(at)
    return front


def _networks(subject: Subject) -> pd.DataFrame:
    """The means of the networks, with ``seconds`` a trial and the role that each is drawn in."""
    rows: pd.DataFrame = subject.means.table.copy()
    uncounted = [price.column for price in PRICES if price.column in rows]
    rows[uncounted] = rows[uncounted].mask(rows[uncounted] == 0)  # of networks that are not known
    if len(rows) < 2:
        raise UserError(
            "only one network has a finished trial; run `scalegrid sweep` again to train what is "
            "missing."
        )
    if "seconds" in subject.brief:
        finished = subject.brief[subject.brief["status"] == "finished"]
        rows["seconds"] = rows["variant"].map(finished.groupby("variant")["seconds"].median())
    rows["role"] = rows["variant"].map(subject.role)
    return rows


def _on_front(rows: pd.DataFrame, price: Price, sign: float) -> pd.DataFrame:
    """The networks on the front of a measure, the cheapest first."""
    known = rows[rows[price.column].notna()]
    front = pareto_front(known[price.column].tolist(), (sign * known["accuracy"]).tolist())
    chosen: pd.DataFrame = known.iloc[front]
    return chosen


def _draw_panel(axes: Axes, subject: Subject, rows: pd.DataFrame, price: Price) -> None:
    costs = rows[price.column].dropna().astype(float)
    unit, word = price.unit(costs.min(), costs.max())
    _, high = _set_scale(axes, costs.min() / unit, costs.max() / unit)
    axes.set_xlabel(f"{price.name[0].upper()}{price.name[1:]} ({word})")
    front = _on_front(rows, price, subject.means.unit.sign)
    x, y = [*(front[price.column] / unit), high], [*front["accuracy"], front["accuracy"].iloc[-1]]
    axes.plot(x, y, drawstyle="steps-post", zorder=1.5, gid="front", **_front_look())
    many = len(rows) > _MANY
    for _, row in rows[rows[price.column].notna()].iterrows():
        at, small = row[price.column] / unit, many and row["role"] == "grid"
        if not small:
            colour = style.look(row["role"]).colour
            ends = [row["low"], row["high"]]
            axes.plot([at, at], ends, color=colour, linewidth=0.7, gid="interval")
        style.mark(
            axes,
            at,
            row["accuracy"],
            row["role"],
            hollow=row["variant"] in subject.off_cost,
            variant=row["variant"],
            scale=0.6 if small else 1.0,
        )
        if row["variant"] == subject.best:
            style.ring(axes, at, row["accuracy"])


def _front_look() -> dict[str, Any]:
    return {"color": style.neutral(0.7), "linewidth": 1.0}


def _set_scale(axes: Axes, cheapest: float, costliest: float) -> tuple[float, float]:
    """Make the axis of costs logarithmic, with ticks that have room; returns its limits."""
    part = (costliest / cheapest) ** _MARGIN if costliest > cheapest else 1.05
    low, high = cheapest / part, costliest * part
    axes.set_xscale("log")
    axes.set_xlim(low, high)
    label_log_axis(axes.xaxis, low, high, _WIDTH)
    return low, high


def _add_legend(figure: Figure, free: Sequence[Axes], subject: Subject, rows: pd.DataFrame) -> None:
    """Add the legend where there is no panel, else below."""
    ringed = (rows["variant"] == subject.best) & (rows["role"] == "compound")
    roles = set(rows.loc[~ringed, "role"])
    entries: dict[str, Any] = {"Pareto front": Line2D([], [], **_front_look())}
    if subject.best:
        entries["Recommended"] = Line2D([], [], **style.ring_look(7.0))
    for role in ("compound", "baseline", "depth", "width", "resolution", "paper", "stages", "grid"):
        if role in roles:
            label = "Compound" if role == "compound" else subject.label(role)
            entries[label] = style.legend_entry(role)
    look: dict[str, Any] = {"borderpad": 0, "labelspacing": 0.45}
    for axes in free:
        axes.set_axis_off()
        axes.legend(list(entries.values()), list(entries), loc="center left", **look)
    if not len(free):
        look |= {"loc": "outside lower center", "ncols": 3, "columnspacing": 1.2}
        figure.legend(list(entries.values()), list(entries), **look)


def _caption(subject: Subject, rows: pd.DataFrame, shown: Sequence[Price]) -> list[str]:
    names = [price.name for price in shown]
    small = "a step that is smaller than the bars" if subject.means.intervals else "any step"
    sentences = [
        f"{subject.means.word} against {enumerated(names)}: who wins depends on what one pays for.",
        "On the Pareto front (line), no network that costs no more is as accurate. It is one of "
        f"means: {small} may be luck.",
    ]
    if subject.best:
        sentences.append(_where_recommended(subject, rows, shown))
    if (rows["role"] == "paper").any():
        sentences.append(describe_paper(subject))
    if set(rows["variant"]) & subject.off_cost:
        sentences.append(f"Hollow: the {is_cost(subject.match)} not as planned.")
    sentences += [price.meaning for price in shown if price.meaning]
    trials = subject.brief
    if {"seconds", "device"} <= set(trials) and trials["device"].nunique() > 1:
        sentences.append("Trials ran on several kinds of device: their times do not compare.")
    if missing := [price.name for price in PRICES if price not in shown]:
        sentences.append(f"Left out: {enumerated(missing)}, which the tables lack.")
    if len(rows) > _MANY:
        sentences.append("Other candidates are drawn small, without bars.")
    return [*sentences, *describe_trials(subject.means)]


def _where_recommended(subject: Subject, rows: pd.DataFrame, shown: Sequence[Price]) -> str:
    sign = subject.means.unit.sign
    on = [p for p in shown if subject.best in set(_on_front(rows, p, sign)["variant"])]
    off = [price.name for price in shown if price not in on]
    by = f"on the front by {enumerated([price.name for price in on])}" if on else "on no front"
    but = f", not by {enumerated(off)}" if on and off else ""
    triple = coefficients_text(subject.row(subject.best))
    return f"Ring: the recommended network ({triple}), {by}{but}."
