"""The best learning rate as a power law of depth, width and resolution, from brief trainings."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from scalegrid.analysis.observations import Floats
from scalegrid.coefficients import Scaling

USUAL = Scaling(0.5, 0.25, 0.25)
"""Prior standard deviations of the exponents. With standard initial weights, the best rate falls
with about the root of the depth (arXiv 2309.16620); no such law is known of the others."""

LARGEST = 2.0
"""No exponent is beyond this."""

NOISE, WEIGHT = 0.04, 4
"""Prior of the loss's noise between trainings, in nats, and its degrees of freedom."""

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
    networks share: L = A_v + B_v·x + k·x², lowest at -B_v / 2k, but no further than the rates next
    to the best one. A, B and k are found by least squares. An exponent is the difference between a
    corner's lowest point and the baseline's over the logarithm of its multiplier, shrunk towards
    zero by its standard error, against the prior `USUAL`. Where the losses have no curvature they
    say nothing, and the exponent is zero.

    Args:
        baseline: losses of the baseline. Of each network those count that belong to the best rate
            and to its neighbours.
        corners: losses of networks scaled along one axis, by their scaling.
    """
    found: list[Exponent | None] = [None, None, None]
    for scaling in corners:
        found[_axis(scaling)] = Exponent(0.0, USUAL[_axis(scaling)], 0.0)
    told = [scaling for scaling in corners if len(_around_the_best(corners[scaling])) > 1]
    parabolas = _parabolas([baseline, *map(corners.__getitem__, told)])
    if parabolas is None:
        return found
    for number, scaling in enumerate(told, start=1):
        axis = _axis(scaling)
        size, usual = math.log(scaling[axis]), USUAL[axis]
        shift, variance = parabolas.shift(number)
        noise = variance / size**2
        kept = usual**2 / (usual**2 + noise)
        value = min(LARGEST, max(-LARGEST, kept * shift / size))
        gain = parabolas.curvature * (value * size) ** 2
        found[axis] = Exponent(value, math.sqrt(kept * noise), gain)
    return found


class _Parabolas(NamedTuple):
    """Slopes at the mean log rate, the curvature, their covariance, and bounds of lowest points."""

    slopes: Floats  # (networks,)
    curvature: float
    covariance: Floats  # of slopes and curvature, (networks + 1,) squared
    bounds: Floats  # (networks, 2), log rates less their mean

    def shift(self, number: int) -> tuple[float, float]:
        """How far a network's lowest point is from the first's, and the variance of that."""
        k = self.curvature
        lowest = np.clip(-self.slopes / (2 * k), *self.bounds.T)
        gradient = np.zeros(len(self.slopes) + 1)
        gradient[[0, number, -1]] = 0.5 / k, -0.5 / k, (self.slopes[number] - self.slopes[0]) / 2
        gradient[-1] /= k**2
        return float(lowest[number] - lowest[0]), float(gradient @ self.covariance @ gradient)


def _parabolas(networks: Sequence[Losses]) -> _Parabolas | None:
    """The parabolas through the losses; None where they do not curve upwards."""
    points = [_around_the_best(losses) for losses in networks]
    rows = [(i, math.log(rate), loss) for i, some in enumerate(points) for rate, loss in some]
    if not all(points):
        return None
    count = len(networks)
    which = np.eye(count)[[number for number, _, _ in rows]]
    x, loss = (np.array([row[i] for row in rows]) for i in (1, 2))
    middle = x.mean()  # for the condition of the system
    x = x - middle
    system = np.hstack([which, which * x[:, None], x[:, None] ** 2])
    solution, _, rank, _ = np.linalg.lstsq(system, loss, rcond=None)
    if solution[-1] <= 0 or rank < system.shape[1]:
        return None
    free = len(rows) - system.shape[1]
    squares = float(((loss - system @ solution) ** 2).sum()) + WEIGHT * NOISE**2
    covariance = squares / (free + WEIGHT) * np.linalg.inv(system.T @ system)
    ends = [(math.log(some[0][0]), math.log(some[-1][0])) for some in points]
    return _Parabolas(
        solution[count:-1], float(solution[-1]), covariance[count:, count:], np.array(ends) - middle
    )


def _axis(scaling: Scaling) -> int:
    """The axis along which a network is scaled."""
    return int(np.abs(np.log(scaling)).argmax())


def _around_the_best(losses: Losses) -> list[tuple[float, float]]:
    """The best rate and its neighbours, with their losses; without those that failed."""
    ordered = sorted(losses.items())
    usable = [loss if math.isfinite(loss) else math.inf for _, loss in ordered]
    best = min(range(len(ordered)), key=usable.__getitem__, default=0)
    near = ordered[max(0, best - 1) : best + 2]
    return [(rate, loss) for rate, loss in near if math.isfinite(loss)]
