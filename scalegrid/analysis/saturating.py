"""Accuracy over doublings of the FLOPs: curves that level off, and what a doubling still gives.

    accuracy = A − B · r(c·x) + lack of fit + noise,        0 ≤ A ≤ 100 %, c > 0

with x the doublings of the smallest size's FLOPs, and r(z) either 2^(−z), which is a power law of
the FLOPs, or 1 / (1 + z), whose gains fade more slowly. Given r, c and the lack of fit over the
noise, all is a linear regression, whose noise variance integrates out in closed form; these are
averaged over a grid. docs/statistics.md has the formulas.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from scalegrid.analysis.model import SPREAD, log_prior_of_spread
from scalegrid.analysis.observations import Flags, Floats
from scalegrid.util.errors import UserError

BENDS = (0.05, 3.0)
"""The range of c: after 1/c doublings half of B is gained."""

KNOWN = 10**6
"""Degrees of freedom of a noise that is known, as that of counted images."""

FEWEST = 3
"""Sizes that a curve needs."""

_STEPS = 80  # of the grid over c
_DRAWS = 4000
_ROUNDS = 25  # of draws, until so many level off within 0 and 100 %
_NEGLIGIBLE = 1e-5


@dataclass(frozen=True)
class Saturating:
    """Joint draws of the curve, (draws,) each.

    Attributes:
        first: accuracy of the curve at x = 0, in per cent.
        gain: what it gains from there to ``reach``.
        bend: c.
        slow: whether r is 1 / (1 + z).
        reach: doublings of the largest size.
        off: standard deviation of the lack of fit in points; NaN where the noise is not known.
    """

    first: Floats
    gain: Floats
    bend: Floats
    slow: Flags
    reach: float
    off: Floats

    def accuracy(self, x: Floats) -> Floats:
        """The curve in per cent at the doublings ``x`` (n,), (draws, n)."""
        risen = _risen(self.slow[:, None], self.bend[:, None], x)
        return self.first[:, None] + self._lack[:, None] * risen

    def marginal(self, x: Floats) -> Floats:
        """Its slope, in points per doubling, (draws, n)."""
        z = self.bend[:, None] * x
        left = np.where(self.slow[:, None], (1 + z) ** -2.0, np.exp2(-z))
        return self._steepness[:, None] * left

    def falls_below(self, points: float) -> Floats:
        """Where the slope passes so many points per doubling, in doublings; −∞ for nowhere."""
        with np.errstate(divide="ignore", invalid="ignore"):
            times = self._steepness / points
            found = np.where(self.slow, np.sqrt(times) - 1, np.log2(times)) / self.bend
        return np.where(self._steepness > 0, found, -np.inf)

    @property
    def top(self) -> Floats:
        """What it levels off at, in per cent: A."""
        return self.first + self._lack

    @property
    def _lack(self) -> Floats:
        """What it lacks at x = 0: B."""
        return self.gain / _risen(self.slow, self.bend, self.reach)

    @property
    def _steepness(self) -> Floats:
        """The slope at x = 0."""
        return self._lack * self.bend * np.where(self.slow, 1.0, np.log(2))


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
    bends = np.geomspace(*BENDS, _STEPS) * np.ones((2, 1))
    for _ in range(3):  # closer and closer around what is likely
        bends = np.stack([_closer(*row) for row in zip(bends, fit.weights(bends), strict=True)])
    weights, generator, kept = fit.weights(bends), np.random.default_rng(0), np.empty((5, 0))
    for _ in range(_ROUNDS):
        drawn = fit.draw(bends, weights, generator)
        top = _curves(drawn, fit.reach).top
        kept = np.hstack([kept, drawn[:, (top >= 0) & (top <= 100)]])
        if kept.shape[1] >= _DRAWS:
            return _curves(kept[:, :_DRAWS], fit.reach)
    raise UserError(
        "no curve that levels off below 100 % is near these accuracies; with more sizes, or more "
        "seeds of each, there may be one."
    )


def _closer(bends: Floats, weights: Floats) -> Floats:
    """The bends (C,) again, over the range of those that are likely by their weights (C, P)."""
    likely = np.flatnonzero(weights.sum(1) >= min(_NEGLIGIBLE, weights.sum(1).max()))
    low, high = max(likely[0] - 1, 0), min(likely[-1] + 1, len(bends) - 1)
    return np.geomspace(bends[low], bends[high], len(bends))


def _curves(columns: Floats, reach: float) -> Saturating:
    first, gain, bend, slow, off = columns
    return Saturating(first, gain, bend, slow > 0, reach, off)


def _risen(slow: Flags, bend: Floats, x: Floats | float) -> Floats:
    """What part of B has been gained at ``x``: 1 − r(c·x)."""
    z = bend * x
    return np.where(slow, z / (1 + z), -np.expm1(-z * np.log(2)))


_SLOW = np.array([False, True])[:, None, None]


class _Fit:
    """Regression of the accuracies at a grid of bends (2, C) and of lacks of fit (P,).

    The first row of bends is that of the power law, the second that of the slow curve.
    """

    def __init__(self, x: Floats, y: Floats, errors: Floats, degrees: int) -> None:
        self.x, self.y, self.reach, self.known = x, y, float(x.max()), degrees > 0
        self.scale = float(np.mean(errors**2)) * self.known
        self.degrees = degrees
        spread = SPREAD if self.known else np.zeros(1)
        self.ratio = spread**2
        self.prior = log_prior_of_spread(SPREAD) if self.known else np.zeros(1)
        self.variance = errors**2 / np.mean(errors**2) + self.ratio[:, None]  # (P, n), over σ²

    def moments(self, bends: Floats) -> tuple[Floats, Floats, Floats]:
        """Of accuracy at both ends: mean (.., P, 2), covariance over σ² (.., P, 2, 2), squares."""
        ends = _risen(_SLOW, bends[..., None], self.reach)
        rise = _risen(_SLOW, bends[..., None], self.x) / ends
        design = np.stack([1 - rise, rise], axis=-1)[:, :, None]  # (2, C, 1, n, 2)
        weighted = design / self.variance[..., None]
        centre = self.y.mean()  # against cancellation
        covariance = np.linalg.inv(weighted.swapaxes(-1, -2) @ design)
        mean = (covariance @ (weighted.swapaxes(-1, -2) @ (self.y - centre)[:, None]))[..., 0]
        left = self.y - centre - (design @ mean[..., None])[..., 0]
        squares = (left**2 / self.variance).sum(-1) + self.degrees * self.scale
        floor = len(self.y) * (1e-12 * np.abs(self.y).max()) ** 2 + 1e-300
        return mean + centre, covariance, np.maximum(squares, floor)

    @property
    def freedom(self) -> int:
        """Degrees of freedom of σ² given the rest."""
        return len(self.y) - 2 + self.degrees

    def weights(self, bends: Floats) -> Floats:
        """Posterior weight of each grid point, (2, C, P); log c is equally likely before."""
        _, covariance, squares = self.moments(bends)
        log = (
            self.prior
            + np.log(np.log(bends[:, -1:] / bends[:, :1]))[..., None]  # what a point stands for
            - 0.5 * np.log(self.variance).sum(-1)
            + 0.5 * np.log(np.linalg.det(covariance))
            - self.freedom / 2 * np.log(squares)
        )
        weights: Floats = np.exp(log - log.max())
        weights /= weights.sum()
        return weights

    def draw(self, bends: Floats, weights: Floats, generator: np.random.Generator) -> Floats:
        """Of `Saturating` all but the reach, (5, draws); some may level off beyond 0 or 100 %."""
        mean, covariance, squares = self.moments(bends)
        chosen = generator.choice(weights.size, _DRAWS, p=weights.ravel())
        slow, c, p = np.unravel_index(chosen, weights.shape)
        noise = squares[slow, c, p] / 2 / generator.standard_gamma(self.freedom / 2, _DRAWS)
        roots = np.linalg.cholesky(covariance)[slow, c, p]
        steps = (roots @ generator.standard_normal((_DRAWS, 2, 1)))[..., 0]
        first, last = (mean[slow, c, p] + np.sqrt(noise)[:, None] * steps).T
        off = np.sqrt(noise * self.ratio[p]) if self.known else np.full(_DRAWS, np.nan)
        return np.stack([first, last - first, bends[slow, c], slow, off])
