"""Accuracy over doublings of the FLOPs: a power law of the error, and what a doubling still gives.

    accuracy = A − B · 2^(−c·x) + lack of fit + noise,        A ≤ 100 %, c > 0

with x the doublings of the smallest size's FLOPs. Given c and the lack of fit over the noise, all
is a linear regression, whose noise variance integrates out in closed form; both are averaged over a
grid. docs/statistics.md has the formulas.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from scalegrid.analysis.model import SPREAD, log_prior_of_spread
from scalegrid.analysis.observations import Floats
from scalegrid.util.errors import UserError

BENDS = (0.05, 3.0)
"""The range of c: what a doubling takes off the reducible error is 3 % to 88 %."""

KNOWN = 10**6
"""Degrees of freedom of a noise that is known, as that of counted images."""

FEWEST = 3
"""Sizes that a curve needs."""

_STEPS = 80  # of the grid over c
_DRAWS = 4000
_ROUNDS = 25  # of draws, until so many are below 100 %
_NEGLIGIBLE = 1e-5


@dataclass(frozen=True)
class Saturating:
    """Joint draws of the curve, (draws,) each.

    Attributes:
        first: accuracy of the curve at x = 0, in per cent.
        gain: what it gains from there to ``reach``.
        bend: c.
        reach: doublings of the largest size.
        off: standard deviation of the lack of fit in points; NaN where the noise is not known.
    """

    first: Floats
    gain: Floats
    bend: Floats
    reach: float
    off: Floats

    def accuracy(self, x: Floats) -> Floats:
        """The curve in per cent at the doublings ``x`` (n,), (draws, n)."""
        rise = _risen(self.bend[:, None], x) / _risen(self.bend, self.reach)[:, None]
        return self.first[:, None] + self.gain[:, None] * rise

    def marginal(self, x: Floats) -> Floats:
        """Its slope, in points per doubling, (draws, n)."""
        bend = self.bend[:, None]
        return self._steepness[:, None] * np.exp2(-bend * x)

    def falls_below(self, points: float) -> Floats:
        """Where the slope passes so many points per doubling, in doublings; −∞ for nowhere."""
        with np.errstate(divide="ignore", invalid="ignore"):
            found = np.log2(self._steepness / points) / self.bend
        return np.where(self._steepness > 0, found, -np.inf)

    @property
    def top(self) -> Floats:
        """What it levels off at, in per cent: A."""
        return self.first + self.gain / _risen(self.bend, self.reach)

    @property
    def _steepness(self) -> Floats:
        """The slope at x = 0."""
        steepness: Floats = self.gain * self.bend * np.log(2) / _risen(self.bend, self.reach)
        return steepness


def saturating(doublings: Floats, accuracy: Floats, errors: Floats, degrees: int) -> Saturating:
    """Draw curves that may be behind the accuracies of some sizes.

    Args:
        doublings: of the smallest size's FLOPs, from 0 up, (n,); `FEWEST` distinct ones or more.
        accuracy: in per cent.
        errors: standard errors of the accuracies, in points; none above zero if not known.
        degrees: degrees of freedom behind the errors, `KNOWN` if they are not estimates.

    Raises:
        UserError: no such curve stays below 100 %.
    """
    known = bool((errors > 0).all())
    fit = _Fit(doublings, accuracy, errors if known else np.ones_like(accuracy), degrees * known)
    bends = np.geomspace(*BENDS, _STEPS)
    for _ in range(3):  # closer and closer around what is likely
        likely = np.flatnonzero(fit.weights(bends).sum(1) > _NEGLIGIBLE)
        low, high = max(likely[0] - 1, 0), min(likely[-1] + 1, _STEPS - 1)
        bends = np.geomspace(bends[low], bends[high], _STEPS)
    generator, kept = np.random.default_rng(0), np.empty((4, 0))
    weights = fit.weights(bends)
    for _ in range(_ROUNDS):
        drawn = fit.draw(bends, weights, generator)
        first, gain, bend = drawn[:3]
        kept = np.hstack([kept, drawn[:, first + gain / _risen(bend, fit.reach) <= 100]])
        if kept.shape[1] >= _DRAWS:
            first, gain, bend, off = kept[:, :_DRAWS]
            return Saturating(first, gain, bend, fit.reach, off)
    raise UserError(
        "no curve that levels off below 100 % is near these accuracies; with more sizes, or more "
        "seeds of each, there may be one."
    )


def _risen(bend: Floats, x: Floats | float) -> Floats:
    """What part of all that is ever gained has been gained at ``x``: 1 − 2^(−c·x)."""
    risen: Floats = -np.expm1(-bend * x * np.log(2))
    return risen


class _Fit:
    """Regression of the accuracies at a grid of bends (C,) and of lacks of fit (P,)."""

    def __init__(self, x: Floats, y: Floats, errors: Floats, degrees: int) -> None:
        self.x, self.y, self.reach, self.known = x, y, float(x.max()), degrees > 0
        self.scale = float(np.mean(errors**2)) * self.known
        self.degrees = degrees
        spread = SPREAD if self.known else np.zeros(1)
        self.ratio = spread**2
        self.prior = log_prior_of_spread(SPREAD) if self.known else np.zeros(1)
        self.variance = errors**2 / np.mean(errors**2) + self.ratio[:, None]  # (P, n), over σ²

    def moments(self, bends: Floats) -> tuple[Floats, Floats, Floats]:
        """Of accuracy at both ends: mean (C, P, 2), covariance over σ² (.., 2, 2), squares (.)."""
        rise = _risen(bends[:, None], self.x) / _risen(bends[:, None], self.reach)
        design = np.stack([1 - rise, rise], axis=-1)[:, None]  # (C, 1, n, 2)
        weighted = design / self.variance[..., None]
        centre = self.y.mean()  # against cancellation
        covariance = np.linalg.inv(weighted.swapaxes(2, 3) @ design)
        mean = (covariance @ (weighted.swapaxes(2, 3) @ (self.y - centre)[:, None]))[..., 0]
        left = self.y - centre - (design @ mean[..., None])[..., 0]
        squares = (left**2 / self.variance).sum(-1) + self.degrees * self.scale
        floor = len(self.y) * (1e-12 * np.abs(self.y).max()) ** 2 + 1e-300
        return mean + centre, covariance, np.maximum(squares, floor)

    @property
    def freedom(self) -> int:
        """Degrees of freedom of σ² given the rest."""
        return len(self.y) - 2 + self.degrees

    def weights(self, bends: Floats) -> Floats:
        """Posterior weight of each grid point, (C, P); bends are equally likely before."""
        _, covariance, squares = self.moments(bends)
        log = (
            self.prior
            - 0.5 * np.log(self.variance).sum(-1)
            + 0.5 * np.log(np.linalg.det(covariance))
            - self.freedom / 2 * np.log(squares)
        )
        weights: Floats = np.exp(log - log.max())
        weights /= weights.sum()
        return weights

    def draw(self, bends: Floats, weights: Floats, generator: np.random.Generator) -> Floats:
        """Of `Saturating` all but the reach, (4, draws); some curves may go beyond 100 %."""
        mean, covariance, squares = self.moments(bends)
        chosen = generator.choice(weights.size, _DRAWS, p=weights.ravel())
        c, p = np.unravel_index(chosen, weights.shape)
        noise = squares[c, p] / 2 / generator.standard_gamma(self.freedom / 2, _DRAWS)
        roots = np.linalg.cholesky(covariance)[c, p]
        steps = (roots @ generator.standard_normal((_DRAWS, 2, 1)))[..., 0]
        first, last = (mean[c, p] + np.sqrt(noise)[:, None] * steps).T
        off = np.sqrt(noise * self.ratio[p]) if self.known else np.full(_DRAWS, np.nan)
        return np.stack([first, last - first, bends[c], off])
