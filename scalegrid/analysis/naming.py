"""What metrics, networks and amounts are called in sentences."""

from __future__ import annotations

import math

from scalegrid.coefficients import PAPER
from scalegrid.spec import Metric
from scalegrid.util.text import coefficient

METRIC_NAMES: dict[Metric, str] = {
    "top1": "top-1",
    "top5": "top-5",
    "val_loss": "validation loss",
    "nas": "ACC·(FLOPs/T)^w",
}

NAMED = ("role", "alpha", "beta", "gamma", "placement")
"""What of a variant `role_name` and `network_name` take."""

_NEAREST = "nearest the paper's"

_SAME = 1e-6
"""Powers that are nearer differ by rounding errors."""

_TINY = 1e-5
"""Smaller differences are nothing to anybody, or rounding errors."""


def network_name(role: str, alpha: float, beta: float, gamma: float, placement: float = 0.0) -> str:
    """``width alone``, or the coefficients; the paper's by that name, if they are exactly these.

    Of the role ``stages`` the placement is said too.
    """
    name = role_phrase(role, alpha, beta, gamma)
    if name and name != _NEAREST:
        return name
    if role == "stages":
        name = role_name(role, alpha, beta, gamma, placement)
    axes = {"α": alpha, "β": beta, "γ": gamma}
    triple = ", ".join(f"{k} {coefficient(v, 2)}" for k, v in axes.items() if not math.isnan(v))
    return f"{triple} ({name})" if name else triple


def role_phrase(role: str, alpha: float, beta: float, gamma: float) -> str:
    """What a role says of a network beside its coefficients; nothing of a plain candidate.

    In tables of before, the role ``paper`` was that of the nearest network of equal cost.
    """
    if role != "paper":
        return f"{role} alone" if role in ("depth", "width", "resolution") else ""
    power = paper_power(alpha, beta, gamma)
    if power is None:
        return _NEAREST
    return f"the paper's coefficients{'' if power == 1 else f' to the power {power:.3g}'}"


def role_name(role: str, alpha: float, beta: float, gamma: float, placement: float = 0.0) -> str:
    """A role in a table: ``paper^2`` for a power of the paper's, ``≈ paper`` for what is near.

    Of the role ``stages`` it is ``layers early`` or ``layers late``.
    """
    if role == "stages":
        return f"layers {placed_word(placement)}"
    if role != "paper":
        return role
    power = paper_power(alpha, beta, gamma)
    return "≈ paper" if power is None else "paper" if power == 1 else f"paper^{power:.3g}"


def placed_word(placement: float) -> str:
    """``early``, ``even`` or ``late``."""
    return "early" if placement < 0 else "late" if placement > 0 else "even"


def paper_power(alpha: float, beta: float, gamma: float) -> float | None:
    """The power of the paper's coefficients that these are; None if they are none.

    It is log₂F where a plan aims at F times the cost, so 1 by default. A coefficient that is NaN,
    along which the network cannot be scaled, is passed over.
    """
    known = [pair for pair in zip((alpha, beta, gamma), PAPER, strict=True) if pair[0] == pair[0]]
    powers = [math.log(value) / math.log(papers) for value, papers in known]
    if max(powers) - min(powers) > _SAME:
        return None
    return 1.0 if abs(powers[0] - 1) < _SAME else powers[0]


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


def value_with_unit(value: float, metric: Metric, digits: int = 2) -> str:
    """The same with its unit: ``1.1730 nats``."""
    return f"{value_text(value, metric, digits)}{' nats' if metric == 'val_loss' else ''}"


def with_name(value: float, metric: Metric) -> str:
    """A value with its metric's name and unit: ``top-1 63.8 %``, ``validation loss 1.173 nats``."""
    return f"{METRIC_NAMES[metric]} {value_with_unit(value, metric, 1)}"


def range_text(low: float, high: float, metric: Metric) -> str:
    """An interval of values without its unit, to a tenth of a per cent: ``63.1–64.4``."""
    if metric == "val_loss":
        return f"{low:.3f}–{high:.3f}"
    return f"{100 * low:.1f}–{100 * high:.1f}"
