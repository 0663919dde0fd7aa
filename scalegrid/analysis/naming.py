"""What metrics, networks and amounts are called in sentences."""

from __future__ import annotations

import math

from scalegrid.coefficients import PAPER
from scalegrid.metric import measure
from scalegrid.spec import Metric
from scalegrid.util.text import coefficient

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
    if role == "baseline":
        return "the baseline"
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


def metric_name(metric: Metric) -> str:
    """What a metric is called in sentences: ``top-1``; a trainer's figure by its own name."""
    return measure(metric).title


def points(metric: Metric) -> str:
    """What follows a difference of the metric: ``points``, ``nats``, or ``in miou``."""
    return measure(metric).points


def with_unit(difference: float, metric: Metric) -> str:
    """A difference of the metric with its unit; that of a trainer's figure has none."""
    one = measure(metric)
    if one.unit == "own":
        return f"{difference:.4g}"
    if 0 < abs(difference) < _TINY:
        return "< 0.00001 nats" if one.unit == "nats" else "< 0.001 points"
    return f"{difference:.4g} nats" if one.unit == "nats" else f"{100 * difference:.3g} points"


def signed(difference: float, metric: Metric) -> str:
    """The same with its sign and without its unit: ``+1.17``."""
    one = measure(metric)
    digits = {"share": ".2f", "nats": ".4f", "own": ".4g"}[one.unit]
    return format(one.scale * difference, f"+{digits}")


def value_text(value: float, metric: Metric, digits: int = 2) -> str:
    """A value of the metric: ``63.77 %``, or ``1.1730`` nats; with as many digits of per cent."""
    one = measure(metric)
    if one.unit == "own":
        return f"{value:.{digits + 3}g}"
    return f"{value:.{digits + 2}f}" if one.unit == "nats" else f"{100 * value:.{digits}f} %"


def value_with_unit(value: float, metric: Metric, digits: int = 2) -> str:
    """The same with its unit: ``1.1730 nats``."""
    unit = " nats" if measure(metric).unit == "nats" else ""
    return f"{value_text(value, metric, digits)}{unit}"


def with_name(value: float, metric: Metric) -> str:
    """A value with its metric's name and unit: ``top-1 63.8 %``, ``validation loss 1.173 nats``."""
    return f"{metric_name(metric)} {value_with_unit(value, metric, 1)}"


def range_text(low: float, high: float, metric: Metric) -> str:
    """An interval of values without its unit, to a tenth of a per cent: ``63.1–64.4``."""
    one = measure(metric)
    digits = {"share": ".1f", "nats": ".3f", "own": ".4g"}[one.unit]
    return f"{format(one.scale * low, digits)}–{format(one.scale * high, digits)}"
