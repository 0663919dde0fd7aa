"""Diminishing returns: what each doubling of the FLOPs gives, and where it becomes too little."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import isfinite, log2, nan
from typing import NamedTuple

import numpy as np

from scalegrid.analysis.observations import Floats
from scalegrid.analysis.saturating import FEWEST, Saturating, saturating
from scalegrid.analysis.student import t_point
from scalegrid.util.errors import UserError
from scalegrid.util.text import plural

THRESHOLD = 1.0
"""Points of top-1 below which a doubling gives too little, where nothing else is said."""

BASELINE = "baseline"
"""The name of a sweep's baseline among the sizes of a line."""


class Measured(NamedTuple):
    """The accuracy of a size.

    Attributes:
        name: of the size.
        flops: multiply-adds of one image.
        accuracy: top-1 in per cent.
        error: its standard error in points; NaN if not known.
        variant: its id, if it is of a sweep.
    """

    name: str
    flops: float
    accuracy: float
    error: float
    variant: str = ""


class Interval(NamedTuple):
    """The median of something and its 95 % interval, or an estimate and its."""

    mid: float
    low: float
    high: float


class ReturnsSize(NamedTuple):
    """A size, and what doublings give there. Intervals by errors that are not known are NaN.

    Attributes:
        name: of the size.
        phi: doublings of the smallest size's FLOPs.
        flops: multiply-adds of one image.
        top1: accuracy in per cent.
        step: points per doubling from here to the next size; NaN for the last.
        slope: points per doubling by the curve at this size.
        variant: the id of a size of a sweep.
    """

    name: str
    phi: float
    flops: float
    top1: Interval
    step: Interval
    slope: Interval
    variant: str


@dataclass(frozen=True)
class Returns:
    """Diminishing returns of a family.

    Attributes:
        family: its name; of a sweep, the role of its networks.
        errors: what the standard errors are, as a sentence.
        threshold: in points of top-1 per doubling.
        beyond: φ from which on a doubling gives less than the threshold, by the curve: −inf or
            below 0 where it does so at every size, above ``reach`` where it is extrapolated.
        top: the accuracy that the curve levels off at.
        off: standard deviation of sizes off the curve, beyond their errors; NaN if errors are not
            known.
        sizes: by FLOPs, the smallest first.
        curve: joint draws of the curve.
    """

    family: str
    errors: str
    threshold: float
    beyond: Interval
    top: Interval
    off: float
    sizes: tuple[ReturnsSize, ...]
    curve: Saturating

    @property
    def reach(self) -> float:
        """φ of the largest size."""
        return self.sizes[-1].phi

    def flops_at(self, phi: float) -> float:
        """The FLOPs of so many doublings of the smallest size."""
        return self.sizes[0].flops * float(np.exp2(phi))


def returns(
    family: str,
    sizes: Sequence[Measured],
    degrees: int,
    errors: str,
    threshold: float = THRESHOLD,
) -> Returns:
    """What doublings give in a family.

    Args:
        family: its name.
        sizes: three or more, of different FLOPs, in any order.
        degrees: degrees of freedom behind their errors; `scalegrid.analysis.saturating.KNOWN` if
            the errors are no estimates.
        errors: what the errors are, as a sentence.
        threshold: in points of top-1 per doubling.

    Raises:
        UserError: threshold, sizes or FLOPs are not so, or no curve can be fitted.
    """
    if not (isfinite(threshold) and threshold > 0):
        raise UserError(f"--threshold {threshold:g} must be a number of points above 0.")
    ordered = sorted(sizes, key=lambda size: size.flops)
    _check(family, ordered)
    phis = np.array([log2(size.flops / ordered[0].flops) for size in ordered])
    accuracy, error = np.array([(size.accuracy, size.error) for size in ordered]).T
    curve = saturating(phis, accuracy, np.nan_to_num(error), degrees)
    t = t_point(degrees)
    shown = (
        *([size.name for size in ordered], phis.tolist(), [size.flops for size in ordered]),
        _around(accuracy, t * error),
        [*_steps(phis, accuracy, t * error), Interval(nan, nan, nan)],
        [_interval(slope) for slope in curve.marginal(phis).T],
        [size.variant for size in ordered],
    )
    rows = [ReturnsSize(*row) for row in zip(*shown, strict=True)]
    return Returns(
        family,
        errors,
        threshold,
        _interval(curve.falls_below(threshold)),
        _interval(curve.top),
        float(np.median(curve.off)),
        tuple(rows),
        curve,
    )


def _check(family: str, ordered: Sequence[Measured]) -> None:
    if len(ordered) < FEWEST:
        raise UserError(
            f"{family} has {plural(len(ordered), 'size')} with an accuracy; diminishing returns "
            f"need {FEWEST} or more."
        )
    for one, other in pairwise(ordered):
        if not other.flops > one.flops:
            raise UserError(
                f"{one.name} and {other.name} have the same FLOPs ({one.flops:.4g}), so nothing is "
                "doubled between them; leave out one of them."
            )


def _interval(draws: Floats) -> Interval:
    """Quantiles that are draws themselves, so that infinite ones stay what they are."""
    low, mid, high = np.quantile(draws, [0.025, 0.5, 0.975], method="inverted_cdf")
    return Interval(float(mid), float(low), float(high))


def _around(middle: Floats, half: Floats) -> list[Interval]:
    columns = np.stack([middle, middle - half, middle + half])
    return [Interval(*row) for row in columns.T.tolist()]


def _steps(phis: Floats, accuracy: Floats, half: Floats) -> list[Interval]:
    """Points per doubling from each size but the last to the next."""
    gaps = np.diff(phis)
    return _around(np.diff(accuracy) / gaps, np.hypot(half[1:], half[:-1]) / gaps)
