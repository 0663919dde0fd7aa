"""Which φ: ranges as text, and the φ whose network is nearest a budget."""

from __future__ import annotations

import math
from collections.abc import Callable

from scalegrid.coefficients import Coefficients, Scaling
from scalegrid.cost.counting import Cost
from scalegrid.family.start import Place, Start
from scalegrid.util.errors import UserError

MOST = 200
"""The most sizes of a family."""

_PRECISION = 1e-6
_DIGITS = 6


def parse(text: str) -> tuple[float, ...]:
    """The φ of ``0:7``, of ``0:7:0.5`` (first, last, step), or of a list such as ``0.5,1.5,2``.

    Raises:
        UserError: it is none of these, or has more than `MOST` numbers.
    """
    try:
        numbers = [float(part) for part in text.replace(":", ",").split(",")]
    except ValueError:
        numbers = []
    if not numbers or not all(map(math.isfinite, numbers)) or text.count(":") > 2:
        raise UserError(f"--phi {text} must be as 0:7, as 0:7:0.5, or as 0.5,1.5,2.")
    if ":" not in text:
        found = numbers
    elif "," in text:
        raise UserError(f"--phi {text} must be a range as 0:7 or a list as 0.5,1.5,2, not both.")
    else:
        first, last, step = [*numbers, 1.0][:3]
        if step <= 0 or last < first:
            raise UserError(
                f"--phi {text} has no φ; the first must not be above the last, and the step must "
                "be above 0, as in -2:7:0.5."
            )
        count = (last - first) / step + 1e-9
        found = [first + i * step for i in range(int(min(count, MOST)) + 1)]
    if len(found) > MOST:
        raise UserError(f"--phi {text} has more than {MOST} sizes; choose fewer.")
    return tuple(sorted({round(phi, 9) + 0.0 for phi in found}))  # -0 becomes 0


def solve(
    start: Start,
    coefficients: Coefficients,
    budget: float,
    cost_of: Callable[[Scaling], float],
    precision: float = _PRECISION,
    shown: Callable[[float], str] = "{:g}".format,
) -> float:
    """The φ whose network costs nearest ``budget``, in the ratio; as few digits as build it.

    Cost grows with φ in steps, so the step that crosses the budget is located by bisection.

    Args:
        start: the network at φ = 0.
        coefficients: whose product α·β²·γ² is above 1.
        budget: in the unit of ``cost_of``.
        cost_of: what the network of some multipliers costs, of any kind.
        precision: to which φ the step is located.
        shown: how a message gives a cost.

    Raises:
        UserError: no φ reaches the budget.
    """
    if not (math.isfinite(budget) and budget > 0):
        raise UserError(f"a budget of {shown(budget)} must be a finite number above 0.")
    at = math.log(coefficients.flops_factor)
    own = cost_of(Scaling(1.0, 1.0, 1.0))

    def below(phi: float) -> bool:
        return (cost_of(start.scaling(coefficients, phi)) < budget) == (at > 0)

    low, high = _bracket(below, math.log(budget / own) / at, *start.limits(coefficients))
    if not below(low) or below(high):
        end = cost_of(start.scaling(coefficients, high if below(high) else low))
        raise UserError(
            f"no φ brings {start.baseline.name} to a budget of {shown(budget)}: these coefficients "
            f"end at {shown(end)}; choose another budget, or others."
        )
    while high - low > precision:
        middle = (low + high) / 2
        low, high = (middle, high) if below(middle) else (low, middle)

    def miss(phi: float) -> float:
        return abs(math.log(cost_of(start.scaling(coefficients, phi)) / budget))

    return _short(start, coefficients, min((low, high), key=miss))


def _bracket(
    below: Callable[[float], bool], first: float, least: float, most: float
) -> tuple[float, float]:
    """Two φ near the first, between which the budget is crossed, or that end where φ ends."""
    low = high = min(most, max(least, first))
    stride = 0.25
    while low > least and not below(low):
        low, high, stride = max(least, low - stride), low, 2 * stride
    while high < most and below(high):
        low, high, stride = high, min(most, high + stride), 2 * stride
    return low, high


def _short(start: Start, coefficients: Coefficients, phi: float) -> float:
    """The number of fewest digits near φ that builds the same network."""

    def place(value: float) -> Place:
        return start.place(start.scaling(coefficients, value))

    for digits in range(1, _DIGITS):
        short = round(phi, digits)
        if place(short) == place(phi):
            return short
    return phi


def counted(start: Start, kind: str) -> Callable[[Scaling], float]:
    """The cost of one kind, a field of `cost.Cost`."""
    column = Cost._fields.index(kind)
    return lambda scaling: float(start.cost(scaling)[column])
