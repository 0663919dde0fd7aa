"""The candidates at equal cost, ordered by estimate: the picture that answers "which"."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes

from scalegrid.analysis import Tables, amount
from scalegrid.analysis.matched_cost import COSTS, COUNTED, another_cost, cost_ratios
from scalegrid.analysis.student import t_point
from scalegrid.figures import style
from scalegrid.figures.captions import (
    describe_left_out,
    describe_noise,
    describe_rows,
    seeds_text,
)
from scalegrid.figures.metric import Unit, unit_of
from scalegrid.figures.rows import Row, candidate_rows, draw_interval, fit_values, strip
from scalegrid.figures.subject import Drawing, Subject
from scalegrid.figures.text import ratio_text

Floats = npt.NDArray[np.float64]

_APART = 1.6  # points between the middle of a row and its estimate


def draw(tables: Tables) -> Drawing:
    """Draw a row for each candidate: its trials, their mean, its estimate and 95 % interval.

    Networks whose cost is off have rows below, hollow, and so have those whose layers are placed
    otherwise. The metric is the sweep's.

    Raises:
        UserError: no candidate has a finished trial.
    """
    subject = Subject.of(tables)
    rows = candidate_rows(subject, placed=True)
    unit = unit_of(subject.found.metric)
    ratios = cost_ratios(subject.variants, subject.match)
    texts = dict(zip(subject.variants["variant"], map(ratio_text, ratios), strict=True))
    cost = {row.variant: texts[row.variant] for row in rows}
    figure, axes = strip(rows, [(COUNTED[subject.match], cost)])
    drawn = [value for row in rows for value in _draw_row(axes, subject, row, unit)]
    best, zone = subject.found.best.accuracy, subject.found.indifference
    band = sorted(unit.factor * end for end in (best, best - unit.sign * zone))
    axes.axvspan(*band, color=style.neutral(0.12), linewidth=0, zorder=1, gid="band")
    fit_values(axes, drawn, unit.bounds)
    axes.set_xlabel(unit.label)
    return Drawing(figure, _caption(subject, rows))


def _draw_row(axes: Axes, subject: Subject, row: Row, unit: Unit) -> list[float]:
    """Draw a row; returns the values that must be inside the axes."""
    trials = subject.estimates.trials
    own = trials.loc[trials["variant"] == row.variant, "value"].to_numpy(dtype=float)
    own = unit.factor * unit.sign * own
    middle, low, high = _estimate(subject, row, own, unit)
    above = row.y - _APART if row.cells else row.y
    if high > low:
        draw_interval(axes, (low, high), above, row, unit.bounds)
    style.mark(
        axes, middle, above, row.role, hollow=row.hollow, variant=row.variant, scale=row.scale
    )
    if row.leader:
        style.ring(axes, middle, above)
    if not row.cells:
        return [low, middle, high]
    below = row.y + 1.4 * _APART
    axes.plot(
        own,
        np.full(len(own), below),
        "o",
        markersize=1.9,
        markeredgewidth=0,
        color=style.neutral(0.6),
        gid="trials",
    )
    if len(own) > 1:
        axes.plot(own.mean(), below, "|", markersize=3.6, color=style.ink(), zorder=3, gid="mean")
    return [low, middle, high, *own]


def _estimate(subject: Subject, row: Row, own: Floats, unit: Unit) -> tuple[float, float, float]:
    """Middle and ends of a row's interval, which are the middle where nothing is known of it.

    They are those of the posterior; for a network that is no candidate, of its trials' mean, by the
    pooled noise.
    """
    found = subject.found
    if row.apart:
        middle, half = float(own.mean()), unit.factor * found.sigma / np.sqrt(len(own))
        half = np.nan_to_num(half * t_point(found.repeats))
        return middle, middle - half, middle + half
    one = next(one for one in found.ranking if one.variant == row.variant)
    low, high = (one.low, one.high) if found.repeats else (one.accuracy, one.accuracy)
    return unit.factor * one.accuracy, unit.factor * low, unit.factor * high


def _caption(subject: Subject, rows: list[Row]) -> list[str]:
    found = subject.found
    factor = subject.spec.get("flops_factor", 2.0)
    bars = "posterior means and 95 % intervals of the true values"
    if not found.repeats:
        bars = "posterior means; one seed each says nothing of intervals"
    sentences = [
        f"The candidates at {factor:g} times the baseline's {COSTS[subject.match]}, best first.",
        *describe_rows(subject, rows),
        f"Large markers are {bars}; the ring is around the recommended network.",
        f"Small dots are single trials ({seeds_text(subject)}); a tick is their plain mean.",
        f"The grey band reaches {amount(found, found.indifference)} from the recommended network, "
        "a difference that does not matter.",
    ]
    if any(row.role == "stages" for row in rows):
        sentences.append(_describe_placed(subject, rows))
    if any(row.hollow and row.role != "stages" for row in rows):
        sentences.append(
            f"Hollow markers below are networks of {another_cost(subject.match)}, which are no "
            "candidates: plain means, with 95 % intervals by the pooled noise where there are "
            "several seeds."
        )
    return [*sentences, *describe_noise(subject), *describe_left_out(subject)]


def _describe_placed(subject: Subject, rows: list[Row]) -> str:
    """What the rows of other placements are."""
    change = "added" if subject.spec.get("flops_factor", 2.0) > 1 else "removed"
    hollow = any(row.hollow and row.role == "stages" for row in rows)
    return (
        f"Stars: layers {change} early or late instead of evenly, at the β, γ and cost of the row "
        f"named Even; no candidates, so plain means with intervals as measured"
        f"{'; hollow where the cost is off' if hollow else ''}."
    )
