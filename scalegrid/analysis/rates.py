"""The best learning rate as a power law of depth, width and resolution, from brief trainings."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from scalegrid.analysis.observations import Floats
from scalegrid.coefficients import Scaling

USUAL = 0.5
"""Prior standard deviation of an exponent. With standard initial weights, the best rate falls with
about the root of the depth (arXiv 2309.16620)."""

Losses = Mapping[float, float]
"""The loss in nats at each learning rate; not finite where training failed."""


class Exponent(NamedTuple):
    """How the best rate changes along one axis: it is proportional to multiplier^``value``.

    ``error`` is its standard error, and ``gain`` how much lower the loss of the network that was
    trained is at its own rate than at the baseline's, in nats.
    """

    value: float
    error: float
    gain: float


def rate_exponents(baseline: Losses, corners: Mapping[Scaling, Losses]) -> list[Exponent | None]:
    """The exponents of depth, width and resolution; None along an axis that has no corner.

    Near its lowest point the loss of network v, at log rate x, is a parabola whose curvature all
    networks share: L = A_v + B_v·x + k·x², lowest at -B_v / 2k. A, B and k are found by least
    squares. An exponent is the difference between a corner's lowest point and the baseline's over
    the logarithm of its multiplier, shrunk towards zero by its standard error, against a prior of
    `USUAL`. Where the losses have no curvature they say nothing, and the exponent is zero.

    Args:
        baseline: losses of the baseline. Of each network those count that belong to the best rate
            and to its neighbours.
        corners: losses of networks scaled along one axis, by their scaling.
    """
    found: list[Exponent | None] = [None, None, None]
    for scaling in corners:
        found[_axis(scaling)] = Exponent(0.0, USUAL, 0.0)
    told = [scaling for scaling in corners if len(_around_the_best(corners[scaling])) > 1]
    lowest, variances, curvature = _lowest_points([baseline, *map(corners.__getitem__, told)])
    for number, scaling in enumerate(told, start=1):
        size = math.log(scaling[_axis(scaling)])
        noise = (variances[number] + variances[0]) / size**2
        kept = USUAL**2 / (USUAL**2 + noise) if math.isfinite(noise) else 0.0
        value = kept * (lowest[number] - lowest[0]) / size if kept else 0.0
        gain = curvature * (value * size) ** 2
        found[_axis(scaling)] = Exponent(float(value), USUAL * math.sqrt(1 - kept), float(gain))
    return found


def _axis(scaling: Scaling) -> int:
    """The axis along which a network is scaled."""
    return int(np.abs(np.log(scaling)).argmax())


def _lowest_points(networks: Sequence[Losses]) -> tuple[Floats, Floats, float]:
    """Log rates where the losses are lowest, the variances of these, and the curvature k.

    Variances are infinite where k is not positive.
    """
    rows = [
        (number, math.log(rate), loss)
        for number, losses in enumerate(networks)
        for rate, loss in _around_the_best(losses)
    ]
    count = len(networks)
    which = np.eye(count)[[number for number, _, _ in rows]]
    x, loss = (np.array([row[i] for row in rows]) for i in (1, 2))
    middle = x.mean()  # for the condition of the system
    x = x - middle
    system = np.hstack([which, which * x[:, None], x[:, None] ** 2])
    solution, _, rank, _ = np.linalg.lstsq(system, loss, rcond=None)
    slopes, curvature = solution[count:-1], float(solution[-1])
    free = len(rows) - system.shape[1]
    if curvature <= 0 or rank < system.shape[1] or free < 1:
        return np.zeros(count), np.full(count, np.inf), 0.0
    residual = float(((loss - system @ solution) ** 2).sum()) / free
    covariance = residual * np.linalg.inv(system.T @ system)
    variances = np.diag(covariance)[count:-1] / (2 * curvature) ** 2
    return middle - slopes / (2 * curvature), variances, curvature


def _around_the_best(losses: Losses) -> list[tuple[float, float]]:
    """The best rate and its neighbours that did not fail, with their losses."""
    ordered = sorted((rate, loss) for rate, loss in losses.items() if math.isfinite(loss))
    best = min(range(len(ordered)), key=lambda i: ordered[i][1], default=0)
    return ordered[max(0, best - 1) : best + 2]
