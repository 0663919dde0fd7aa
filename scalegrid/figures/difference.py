"""Each candidate minus the recommended one, paired: which it beats, and by how much."""

from __future__ import annotations

from matplotlib.axes import Axes

from scalegrid.analysis import Tables, amount
from scalegrid.analysis.matched_cost import another_cost
from scalegrid.analysis.selection import interval
from scalegrid.figures import style
from scalegrid.figures.captions import describe_left_out, describe_noise, describe_rows
from scalegrid.figures.metric import Unit, unit_of
from scalegrid.figures.rows import Row, candidate_rows, draw_interval, fit_values, strip
from scalegrid.figures.subject import Drawing, Subject
from scalegrid.util.errors import UserError
from scalegrid.util.text import percent


def draw(tables: Tables) -> Drawing:
    """Draw a row for each candidate: the mean of the difference and its 95 % interval.

    Both are of the joint posterior draws, so what the candidates share (seeds, level) cancels.
    Better is to the right, whatever the metric.

    Raises:
        UserError: there is no second candidate with a finished trial.
    """
    subject = Subject.of(tables)
    found = subject.found
    if len(found.ranking) < 2:
        raise UserError("only one candidate has a finished trial, so there is no difference.")
    rows = candidate_rows(subject)
    unit = unit_of(found.metric)
    ahead = {one.variant: percent(_chance(subject, one.variant)) for one in found.ranking[1:]}
    figure, axes = strip(rows, [("ahead", ahead)])
    drawn = [value for row in rows for value in _draw_row(axes, subject, row, unit)]
    zone = unit.factor * found.indifference
    axes.axvspan(-zone, zone, color=style.neutral(0.12), linewidth=0, zorder=1, gid="band")
    axes.axvline(0, color=style.ink(), linewidth=0.8, zorder=1.5, gid="zero")
    fit_values(axes, [*drawn, -zone, zone])
    axes.set_xlabel(f"Difference ({unit.points})")
    return Drawing(figure, _caption(subject, rows))


def _chance(subject: Subject, variant: str) -> float:
    """The probability that a candidate is better than the recommended one."""
    draws = subject.estimates
    return float((draws.of(variant) > draws.of(subject.found.best.variant)).mean())


def _draw_row(axes: Axes, subject: Subject, row: Row, unit: Unit) -> list[float]:
    """Draw a row; returns the values that must be inside the axes."""
    if row.leader:
        style.mark(axes, 0.0, row.y, row.role, variant=row.variant)
        style.ring(axes, 0.0, row.y)
        return [0.0]
    found = subject.found
    if row.apart:
        gain = next((g for g in found.gains.values() if g and g.variant == row.variant), None)
        if gain is None:
            return []
        middle, low, high = -gain.gain, -gain.high, -gain.low
    else:
        draws = subject.estimates.of(row.variant) - subject.estimates.of(found.best.variant)
        low, high = interval(draws)
        middle = float(draws.mean())
    middle, low, high = (unit.factor * value for value in (middle, low, high))
    draw_interval(axes, (low, high), row.y, row)
    style.mark(
        axes, middle, row.y, row.role, hollow=row.hollow, variant=row.variant, scale=row.scale
    )
    return [low, middle, high]


def _caption(subject: Subject, rows: list[Row]) -> list[str]:
    found = subject.found
    sentences = [
        "Each candidate minus the recommended one (ring), in the order of the estimates; better is "
        "to the right.",
        *describe_rows(subject, rows),
        "Markers and bars are means and 95 % intervals of the differences of joint posterior "
        "draws, so what the networks share, such as a seed, cancels; beside them is the "
        "probability of being ahead.",
        f"The grey band is a difference of {amount(found, found.indifference)} or less, which does "
        "not matter.",
    ]
    if any(row.hollow for row in rows):
        sentences.append(
            f"Hollow, with dashed bars: networks of {another_cost(subject.match)}, by their own "
            "trials and the pooled noise."
        )
    return [*sentences, *describe_noise(subject), *describe_left_out(subject)]
