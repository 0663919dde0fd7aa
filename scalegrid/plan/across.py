"""What ranges of α, β and γ across 1 add to a plan: one axis shrinks so that others grow more.

Without such ranges all axes grow, or all shrink (`plan.realisable`).
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import NamedTuple

from scalegrid.baselines import Baseline
from scalegrid.coefficients import LIMIT, Bounds
from scalegrid.plan.steps import Step, all_steps

Ranges = tuple[Bounds | None, Bounds | None, Bounds | None]
"""Bounds of the multipliers of depth, width and resolution."""

_STRIDE = 1.02


class Axes(NamedTuple):
    """What each axis may be: steps of depth and of width, and px. The baseline's come first."""

    depths: list[Step]
    widths: list[Step]
    sides: list[int]


def crosses(ranges: Ranges, budget: float) -> bool:
    """Whether a range reaches across 1, to the side that ``budget`` does not lie on."""
    return any(_behind(bounds, budget > 1) != 1 for bounds in ranges)


def extended(
    axes: Axes,
    baseline: Baseline,
    ratio: Callable[[float, float, int], float],
    budget: float,
    step: int,
    ranges: Ranges,
) -> Axes:
    """The axes with what lies within ranges behind 1, last, and farther ahead where that pays.

    An axis that has a range goes ahead to its end, or to where it costs the budget even with the
    others at their last behind 1.

    Args:
        axes: what there is on the side of the budget.
        baseline: the network.
        ratio: of the cost at multipliers of depth and width, and px, to the baseline's.
        budget: the largest ratio, or the smallest if it is below 1.
        step: px between sides.
        ranges: of the multipliers.
    """
    larger, px = budget > 1, axes.sides[0]
    alone: tuple[Callable[[float], float], ...] = (
        lambda depth: ratio(depth, 1.0, px),
        lambda width: ratio(1.0, width, px),
        lambda scale: ratio(1.0, 1.0, round(scale * px)),
    )
    ends = [_behind(bounds, larger) for bounds in ranges]
    depths = all_steps(baseline.depths, ends[0])[1:]
    widths = all_steps(baseline.channels, ends[1])[1:]
    sides = _sides(px, ends[2] * px, -step if larger else step, baseline.total_stride)
    last = [*(some[-1].high if some else 1.0 for some in (depths, widths)), [px, *sides][-1] / px]
    freed = [cost(multiplier) for cost, multiplier in zip(alone, last, strict=True)]

    def ahead(axis: int, near: float) -> float:
        """How far an axis goes, ``near`` at least."""
        rest = freed[axis - 1] * freed[axis - 2]
        return _farther(alone[axis], near, _ahead(ranges[axis], larger), budget / rest, larger)

    def steps(realise: Callable[[float], Hashable], some: list[Step], axis: int) -> list[Step]:
        near = some[-1].high if larger else some[-1].low
        far = ahead(axis, near)
        return some if far == near else all_steps(realise, far)

    far = ahead(2, axes.sides[-1] / px)
    more = _sides(axes.sides[-1], far * px, step if larger else -step, baseline.total_stride)
    return Axes(
        steps(baseline.depths, axes.depths, 0) + depths,
        steps(baseline.channels, axes.widths, 1) + widths,
        axes.sides + more + sides,
    )


def _behind(bounds: Bounds | None, larger: bool) -> float:
    """The end of a range on the other side of 1; 1 without one."""
    if bounds is None:
        return 1.0
    return max(1 / LIMIT, min(1.0, bounds[0])) if larger else min(LIMIT, max(1.0, bounds[1]))


def _ahead(bounds: Bounds | None, larger: bool) -> float:
    """The end of a range on the side of the budget; 1 without one."""
    return 1.0 if bounds is None else 1 / _behind((1 / bounds[1], 1 / bounds[0]), larger)


def _farther(
    cost: Callable[[float], float], near: float, end: float, most: float, larger: bool
) -> float:
    """From ``near`` on to where a cost passes ``most``, or to the end; near, if that is first."""
    sign = 1 if larger else -1
    far, stride = near, _STRIDE**sign
    while sign * (end - far) > 0 and sign * (cost(far) - most) <= 0:
        far *= stride
        stride *= stride
    nearest = min if larger else max
    return far if far == near else nearest(far, end)


def _sides(start: int, end: float, step: int, least: int) -> list[int]:
    """The px after ``start`` in steps up or down, not beyond ``end`` and not under ``least``."""
    count = int((end - start) / step + 1e-9)
    return [side for i in range(count) if (side := start + (i + 1) * step) >= least]
