"""Few evaluations of an expensive function that climbs in steps."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Hashable
from math import frexp

FINEST = 2.0**-10
"""Multipliers nearer to each other than this are both evaluated, never interpolated."""


class Staircase:
    """A function of a positive multiplier that never returns to a value it has left.

    Layers and channels grow with their multiplier: where two multipliers give the same value,
    everything between them does too. Bisection between powers of two finds the steps, and scanning
    thousands of multipliers evaluates ``function`` some ten times a step.
    """

    def __init__(self, function: Callable[[float], Hashable]) -> None:
        self._function = function
        self._known: dict[float, Hashable] = {}
        self._points: list[float] = []

    def __call__(self, multiplier: float) -> Hashable:
        """The value at ``multiplier``."""
        mantissa, exponent = frexp(multiplier)
        if mantissa == 0.5:
            return self._at(multiplier)
        self._at(2.0**exponent)
        self._at(2.0 ** (exponent - 1))
        while multiplier not in self._known:
            after = bisect_left(self._points, multiplier)
            low, high = self._points[after - 1], self._points[after]
            if self._known[low] == self._known[high]:
                return self._known[low]
            self._at(multiplier if high - low <= FINEST else (low + high) / 2)
        return self._known[multiplier]

    def _at(self, multiplier: float) -> Hashable:
        if multiplier not in self._known:
            self._known[multiplier] = self._function(multiplier)
            self._points.insert(bisect_left(self._points, multiplier), multiplier)
        return self._known[multiplier]
