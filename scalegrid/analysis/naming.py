"""What metrics, networks and amounts are called in sentences."""

from __future__ import annotations

import math

from scalegrid.coefficients import PAPER, Coefficients
from scalegrid.spec import Metric
from scalegrid.util.text import coefficient

METRIC_NAMES: dict[Metric, str] = {
    "top1": "top-1",
    "top5": "top-5",
    "val_loss": "validation loss",
    "nas": "ACC·(FLOPs/T)^w",
}

_TINY = 1e-5
"""Smaller differences are nothing to anybody, or rounding errors."""


def network_name(role: str, alpha: float, beta: float, gamma: float) -> str:
    """``width alone``, or the coefficients; the paper's by that name, if they are exactly these.

    In tables of before, the role ``paper`` was that of the nearest network of equal cost.
    """
    if role in ("depth", "width", "resolution"):
        return f"{role} alone"
    if role == "paper" and along_paper(alpha, beta, gamma):
        return "the paper's coefficients"
    axes = {"α": alpha, "β": beta, "γ": gamma}
    triple = ", ".join(f"{k} {coefficient(v, 2)}" for k, v in axes.items() if not math.isnan(v))
    return f"{triple} (nearest the paper's)" if role == "paper" else triple


def along_paper(alpha: float, beta: float, gamma: float) -> bool:
    """Whether coefficients are the paper's, at whatever φ."""
    if math.isnan(alpha) or math.isnan(beta):
        return False
    shares = Coefficients(alpha, beta, gamma).shares()
    return math.dist(shares, PAPER.shares()) < 1e-6


def with_unit(difference: float, metric: Metric) -> str:
    """A difference of the metric with its unit."""
    if 0 < abs(difference) < _TINY:
        return "< 0.00001 nats" if metric == "val_loss" else "< 0.001 points"
    return f"{difference:.4g} nats" if metric == "val_loss" else f"{100 * difference:.3g} points"


def signed(difference: float, metric: Metric) -> str:
    """The same with its sign and without its unit: ``+1.17``."""
    return f"{difference:+.4f}" if metric == "val_loss" else f"{100 * difference:+.2f}"


def value_text(value: float, metric: Metric, digits: int = 2) -> str:
    """A value of the metric: ``63.77 %``, or ``1.1730`` nats; with as many digits of per cent."""
    return f"{value:.{digits + 2}f}" if metric == "val_loss" else f"{100 * value:.{digits}f} %"


def range_text(low: float, high: float, metric: Metric) -> str:
    """An interval of values without its unit, to a tenth of a per cent: ``63.1–64.4``."""
    if metric == "val_loss":
        return f"{low:.3f}–{high:.3f}"
    return f"{100 * low:.1f}–{100 * high:.1f}"
