"""Which learning rate to try next: a bracket around the best, in a handful of trainings."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

FACTOR = 3.0
"""Between neighbouring rates. Near its top, accuracy hardly changes within a factor of two."""

MOST = 7
"""Rates tried at most: three at first, and four steps to one side."""


class RateSearch:
    """Minimises a loss over rates ``centre`` · ``FACTOR``ⁿ, then between them.

    Three rates around the centre come first. While the best is the highest or the lowest of those
    tried, the next one beyond it follows; after at most `MOST` it ends. ``LENGTHS`` are the least
    and the most trainings that it takes.
    """

    LENGTHS = (3, MOST)

    def __init__(self, centre: float) -> None:
        self._centre = centre
        self._asked: set[int] = set()
        self._losses: dict[int, float] = {}

    def ask(self) -> float | None:
        """The next rate to try; None if there is none, or none before more is told."""
        for step in (0, -1, 1, self._beyond()):
            if step is not None and step not in self._asked:
                self._asked.add(step)
                return self._rate(step)
        return None

    def tell(self, rate: float, loss: float | None) -> None:
        """Take in the loss at ``rate``, None if training failed; the first one stands.

        Other rates are ignored.
        """
        step = round(math.log(rate / self._centre, FACTOR))
        if math.isclose(rate, self._rate(step), rel_tol=1e-6):
            self._asked.add(step)
            told = math.inf if loss is None or math.isnan(loss) else loss
            self._losses.setdefault(step, told)

    @property
    def done(self) -> bool:
        """Whether no rate will be asked for any more, once those asked for are told."""
        started = self._losses.keys() >= {-1, 0, 1}
        return started and self._asked <= self._losses.keys() and self._beyond() is None

    @property
    def losses(self) -> Mapping[float, float]:
        """The loss at each rate told, lowest rate first; infinite where training failed."""
        return {self._rate(step): self._losses[step] for step in sorted(self._losses)}

    @property
    def top(self) -> float:
        """The rate of the lowest loss told."""
        return min(self.losses, key=self.losses.__getitem__)

    @property
    def best(self) -> float:
        """The rate where the parabola through the best and its neighbours is lowest.

        The parabola is over the logarithm of the rate. At an end, or beside a failure, it is the
        best rate itself. To two digits, since more are not known.

        Raises:
            ValueError: every training failed.
        """
        top = min(self._losses, key=self._losses.__getitem__)
        if math.isinf(self._losses[top]):
            raise ValueError("every training failed")
        around = [self._losses.get(top + side, math.inf) for side in (-1, 0, 1)]
        shift = 0.0
        if np.isfinite(around).all():
            below, at, above = around
            curvature = below - 2 * at + above
            shift = 0.5 * (below - above) / curvature if curvature > 0 else 0.0
        return float(f"{self._centre * FACTOR ** (top + shift):.2g}")

    def _rate(self, step: int) -> float:
        return float(f"{self._centre * FACTOR**step:.6g}")

    def _beyond(self) -> int | None:
        """The next rate on the side where the best is the last; None where it is bracketed."""
        tried = self._losses
        if not tried.keys() >= {-1, 0, 1} or len(tried) >= MOST:
            return None
        top = min(tried, key=tried.__getitem__)
        if math.isinf(tried[top]):
            return min(tried) - 1  # every training failed: the rates are too high
        if top == max(tried):
            return top + 1
        return top - 1 if top == min(tried) else None
