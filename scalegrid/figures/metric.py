"""The sweep's metric on an axis: unit, sign, bounds and label."""

from __future__ import annotations

import math
from typing import NamedTuple

from scalegrid.metric import measure
from scalegrid.spec import Metric


class Unit(NamedTuple):
    """How a metric is drawn: its own unit times ``factor``; ``points`` name a difference."""

    factor: float
    sign: float
    bounds: tuple[float, float]
    label: str
    points: str


_SHARES = (0.0, 100.0)
_UNITS: dict[Metric, Unit] = {
    "top1": Unit(100, 1, _SHARES, "Top-1 accuracy (%)", "points of top-1"),
    "top5": Unit(100, 1, _SHARES, "Top-5 accuracy (%)", "points of top-5"),
    "balanced": Unit(100, 1, _SHARES, "Balanced accuracy (%)", "points of balanced accuracy"),
    "val_loss": Unit(1, -1, (0.0, math.inf), "Validation loss (nats)", "nats"),
    "nas": Unit(100, 1, (0.0, math.inf), "Top-1 · (FLOPs / T)^−0.07 (%)", "points"),
}


def unit_of(metric: Metric) -> Unit:
    """The unit of a metric; values of the model, more being better, have ``sign`` of its own."""
    if metric in _UNITS:
        return _UNITS[metric]
    one = measure(metric)
    return Unit(1, one.sign, (-math.inf, math.inf), one.title, one.points)
