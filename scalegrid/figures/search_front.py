"""All sampled networks by accuracy and cost: the front, and where the objective is the same."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from numpy.typing import NDArray

from scalegrid.figures import style
from scalegrid.figures.subject import Drawing
from scalegrid.search.objective import Objective, Target
from scalegrid.search.tables import SearchTables
from scalegrid.util.text import percent, plural

_CONTOURS = 5
_UNITS = {"flops": (1e6, "M FLOPs"), "params": (1e6, "M parameters"), "latency": (1e-3, "ms")}


def draw(tables: SearchTables) -> Drawing:
    """Accuracy against cost."""
    sampled, objective = tables.sampled, tables.spec.objective
    unit, name = _UNITS[objective.target.kind]
    figure = Figure(figsize=(style.COLUMN, 0.82 * style.COLUMN), layout="constrained")
    axes = figure.add_subplot()
    cost, accuracy = sampled["cost"] / unit, 100 * sampled["top1"]
    winner, raced = tables.finalists[0], [one for one in tables.finalists if one.best is not None]
    every = np.append(accuracy, [100 * one.brief for one in raced])
    margin = 0.06 * max(np.ptp(every), 1.0)
    axes.set_xscale("log")
    axes.set_xlim(cost.min() * 0.94, cost.max() * 1.06)
    axes.set_ylim(every.min() - margin, every.max() + margin)
    shown = raced or [winner]
    best = objective.value(100 * winner.brief, winner.network.cost)
    _contours(axes, objective, unit, np.linspace(100 * sampled["value"].min(), best, _CONTOURS))
    axes.plot(
        cost,
        accuracy,
        "o",
        color=style.look("grid").colour,
        markersize=2.8,
        alpha=0.8,
        markeredgewidth=0,
        zorder=3,
    )
    order = np.lexsort((-accuracy, cost))
    front = np.maximum.accumulate(accuracy.to_numpy()[order])
    steps = cost.to_numpy()[order]
    axes.step(
        [*steps, axes.get_xlim()[1]],
        [*front, front[-1]],
        where="post",
        zorder=2,
        color=style.ink(),
        linewidth=0.9,
    )
    for one in shown:
        role = "compound" if one is winner else "baseline"
        x, y = one.network.cost / unit, 100 * one.brief
        style.mark(axes, x, y, role, variant=one.network.variant, scale=0.9)
    _ticks(axes, objective.target, unit)
    axes.set_xlabel(f"{name} (log scale)")
    axes.set_ylabel("Top-1 accuracy (%)")
    style.legend_outside(figure, _legend(len(shown), bool(raced)), ncols=2)
    return Drawing(figure, _caption(tables, winner.best, winner.rung))


def _contours(axes: Axes, objective: Objective, unit: float, values: NDArray[np.float64]) -> None:
    """Lines of equal objective, with the values at their ends; or where a hard limit is."""
    (left, right), (_, high) = axes.get_xlim(), axes.get_ylim()
    faint = style.neutral(0.6)
    if objective.limit == "hard":
        axes.axvline(objective.target.amount / unit, color=faint, linewidth=0.8, linestyle=":")
        return
    costs = np.geomspace(left, right, 60)
    for value in values:
        line = [value / objective.value(1.0, cost * unit) for cost in costs]
        axes.plot(costs, line, color=faint, linewidth=0.5, linestyle=(0, (4, 3)), zorder=1)
        above = line[-1] > high  # it leaves at the top
        axes.annotate(
            f"{value:.1f}",
            (np.interp(high, line, costs), high) if above else (right, line[-1]),
            xytext=(0, 2) if above else (2, 0),
            textcoords="offset points",
            fontsize=style.FINE,
            ha="center" if above else "left",
            va="bottom" if above else "center",
            annotation_clip=False,
        )


def _ticks(axes: Axes, target: Target, unit: float) -> None:
    """Few round costs, T among them where it is shown."""
    from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

    left, right = axes.get_xlim()
    amount = target.amount / unit
    wanted = [amount * factor for factor in (0.125, 0.25, 0.5, 0.75, 1, 1.5, 2, 4, 8)]
    shown = [one for one in wanted if left <= one <= right]
    if len(shown) < 3:  # of costs that are close together
        shown = [float(f"{one:.2g}") for one in np.geomspace(left, right, 6)[1:-1]]
    axes.xaxis.set_major_locator(FixedLocator(sorted(set(shown))))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda x, _: f"{x:.3g}"))


def _legend(finalists: int, raced: bool) -> Sequence[Line2D]:
    entries = [
        style.legend_entry("grid", label="Sampled, one training"),
        Line2D([], [], color=style.ink(), linewidth=0.9, label="Front"),
        style.legend_entry("compound", label="Found" + (", mean of the race" if raced else "")),
    ]
    if finalists > 1:
        entries.append(style.legend_entry("baseline", label="Other finalists, likewise"))
    return entries


def _caption(tables: SearchTables, best: float | None, rung: int) -> list[str]:
    spec = tables.spec
    lines = (
        f"Dashed: equal {spec.objective.formula}, T = {spec.objective.target}, in per cent; the "
        "highest line is that of the network found."
    )
    if spec.limit == "hard":
        lines = f"Dotted: T = {spec.objective.target}."
    px = tables.networks["resolution"].iloc[0]
    caption = [
        f"Accuracy against cost of {plural(len(tables.sampled), 'network')} of {spec.space}, each "
        f"trained once; costs are of images of {px} px.",
        "The front joins the networks that no other beats in both.",
        lines,
    ]
    if best is not None:
        caption.append(
            "Finalists are at the mean of further trainings as long, which lacks the luck by which "
            f"they were chosen; the one found is the best of them with probability {percent(best)}"
            + (f", by trainings {rung}× as long." if rung > 1 else ".")
        )
    return caption
