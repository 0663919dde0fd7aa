"""Whether two sweeps put the same candidates into the same order, as far as the noise shows it."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from scalegrid.analysis.observations import Floats
from scalegrid.analysis.selection import interval

LEAST = 3
"""Candidates that an order needs: any two are in the same order or in the reverse."""

_WORLDS, _ALIKE = 10_000, 500  # simulated, and those of them that resemble what was seen


@dataclass(frozen=True)
class Agreement:
    """Spearman's rank correlation of candidates in two sweeps.

    ``spearman`` is that of the posterior means, and ``low`` to ``high`` the 95 % interval of that
    of the true values. ``reliability_a`` and ``reliability_b`` are those of the posterior means:
    the part of the variance of joint draws that is one of the means. ``most`` is the correlation
    that means of such reliabilities would have if the true values agreed entirely.
    """

    spearman: float
    low: float
    high: float
    reliability_a: float
    reliability_b: float
    most: float


def agreement(means: tuple[Floats, Floats], draws: tuple[Floats, Floats]) -> Agreement | None:
    """Compare the orders of two sets of estimates of the same candidates, independent in noise.

    By the theory of attenuation (Spearman 1904) the means of equal true values correlate by the
    root of the product of their reliabilities.

    Args:
        means: posterior means of both, (n,) each.
        draws: joint draws of both, (count, n) each.

    Returns:
        None for fewer than three candidates, or where all means of a sweep are equal.
    """
    if len(means[0]) < LEAST or any(np.ptp(mean) == 0 for mean in means):
        return None
    spearman = float(correlations(*(mean[None] for mean in means))[0])
    of_a, of_b = (
        min(float(mean.var() / drawn.var(1).mean()), 1.0)
        for mean, drawn in zip(means, draws, strict=True)
    )
    low, high = interval(_true_correlations(spearman, len(means[0]), np.array([of_a, of_b])))
    return Agreement(spearman, low, high, of_a, of_b, math.sqrt(of_a * of_b))


def correlations(first: Floats, second: Floats) -> Floats:
    """Spearman's rank correlation of each row of ``first`` with that of ``second``, (rows,)."""
    from scipy.stats import rankdata

    middle = (first.shape[1] + 1) / 2
    one, two = (rankdata(values, axis=1) - middle for values in (first, second))
    found: Floats = (one * two).sum(1) / np.sqrt((one**2).sum(1) * (two**2).sum(1))
    return found


def _true_correlations(spearman: float, count: int, reliable: Floats) -> Floats:
    """Draws of the rank correlation of true values, given that of means of such reliabilities.

    Worlds are simulated in which the true values of ``count`` candidates are normal in both sweeps,
    with a correlation from -1 to 1 (in a tenth of them they are equal), and the means have their
    errors. Kept are the worlds whose means correlate most nearly as those seen do.
    """
    generator = np.random.default_rng(7)
    rho = generator.uniform(-1, 1, (_WORLDS, 1))
    rho[: _WORLDS // 10] = 1.0
    first, own = generator.standard_normal((2, _WORLDS, count))
    true = np.stack([first, rho * first + np.sqrt(1 - rho**2) * own])
    parts = reliable[:, None, None]
    noise = generator.standard_normal(true.shape)
    seen = np.sqrt(parts) * true + np.sqrt(1 - parts) * noise
    nearest = np.argsort(np.abs(correlations(*seen) - spearman), kind="stable")[:_ALIKE]
    return correlations(*true[:, nearest])
