"""The candidates in order, with their intervals and probabilities of being the best.

The numbers are those of `scalegrid recommend`; see docs/statistics.md.
"""

from __future__ import annotations

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.transforms import offset_copy

from scalegrid.analysis import Candidate, Recommendation, amount, recommend_as_planned
from scalegrid.figures import style
from scalegrid.figures.means import Tables
from scalegrid.figures.text import add_note
from scalegrid.spec import Metric
from scalegrid.util.text import coefficient, percent

MOST = 30
"""The most candidates that are drawn."""

_ROW = 0.155  # height of a row in inches

_UNITS: dict[Metric, tuple[float, str]] = {
    "top1": (100, "Top-1 accuracy (%)"),
    "top5": (100, "Top-5 accuracy (%)"),
    "val_loss": (1, "Validation loss (nats)"),
    "nas": (100, "Top-1 accuracy · (FLOPs / T)$^w$ (%)"),
}


def draw(tables: Tables) -> Figure:
    """Draw one row a candidate, the recommended one on top: posterior mean and 95 % interval.

    The candidates that together hold 95 % of the probability of being the best have the colour of
    their role, the others are faint. The band is the indifference zone of the leader. The metric is
    the sweep's.

    Raises:
        UserError: no candidate has a finished trial.
    """
    found = recommend_as_planned(
        tables.planned, tables.trials, tables.spec, answers=tables.answered
    )
    shown = found.ranking[:MOST]
    figure = Figure(figsize=(style.PAGE, 0.95 + _ROW * len(shown)), layout="constrained")
    axes = figure.add_subplot()
    unit, title = _UNITS[found.metric]
    ties = {candidate.variant for candidate in found.tie_set}
    worse = found.indifference if found.metric == "val_loss" else -found.indifference
    band = sorted(unit * end for end in (found.best.accuracy, found.best.accuracy + worse))
    axes.axvspan(*band, color=style.ROLES["grid"].colour, alpha=0.35, linewidth=0, zorder=1)
    for row, candidate in enumerate(shown):
        _draw_row(axes, row, candidate, unit, tied=candidate.variant in ties)
    axes.set_ylim(len(shown) - 0.5, -0.5)
    axes.set_yticks(range(len(shown)), [_label(candidate) for candidate in shown])
    axes.tick_params(axis="y", length=0, labelsize=style.FINE)
    axes.grid(visible=False, axis="y")
    axes.spines[["left", "top"]].set_visible(False)
    axes.set_xlabel(title)
    _draw_probabilities(figure, axes, shown)
    add_note(figure, _note(found))
    return figure


def _draw_row(axes: Axes, row: int, candidate: Candidate, unit: float, *, tied: bool) -> None:
    look = style.ROLES["compound" if candidate.role == "grid" else candidate.role]
    low, middle, high = (unit * v for v in (candidate.low, candidate.accuracy, candidate.high))
    axes.errorbar(
        middle,
        row,
        xerr=[[max(0.0, middle - low)], [max(0.0, high - middle)]],
        color=look.colour if tied else style.ROLES["grid"].colour,
        marker=look.marker,
        markersize=look.size,
        markeredgewidth=0,
        elinewidth=1.0,
        zorder=3,
        label=candidate.variant,
    )


def _draw_probabilities(figure: Figure, axes: Axes, shown: tuple[Candidate, ...]) -> None:
    """Write the probabilities of being the best in a column at the right."""
    column = axes.secondary_yaxis("right")
    column.set_yticks(range(len(shown)), [percent(c.probability_best) for c in shown])
    column.tick_params(length=0, labelsize=style.FINE)
    column.spines["right"].set_visible(False)
    heading = offset_copy(axes.transAxes, figure, x=20, y=3, units="points")
    axes.text(
        1, 1, "probability of being the best", transform=heading, ha="right", fontsize=style.FINE
    )


def _label(candidate: Candidate) -> str:
    name = "" if candidate.role == "grid" else f"{style.ROLES[candidate.role].label}: "
    return (
        f"{name}{coefficient(candidate.alpha, 2)}, {coefficient(candidate.beta, 2)}, "
        f"{candidate.gamma:.2f}; "
        f"{candidate.resolution} px"
    )


def _note(found: Recommendation) -> list[str]:
    sentences = [
        "Rows: α, β, γ and pixels. Posterior means and 95 % intervals of the true values; in "
        "colour: those that hold 95 % of the probability of being the best.",
        f"Band: {amount(found, found.indifference)} from the first.",
    ]
    if len(found.ranking) > MOST:
        sentences.append(f"The first {MOST} of {len(found.ranking)}.")
    if found.repeats == 0:
        sentences.append("One seed each: the intervals rest on a prior guess of the noise.")
    else:
        sentences.append(
            f"One trial has a standard deviation of {amount(found, found.sigma)} "
            f"({found.repeats} degrees of freedom)."
        )
    return sentences
