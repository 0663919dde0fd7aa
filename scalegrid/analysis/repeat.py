"""Which candidate is most worth another trial."""

from __future__ import annotations

import math

import numpy as np

from scalegrid.analysis.observations import Flags, Floats, Ints


def most_worth_repeating(
    mean: Floats, covariance: Floats, noise: float, indifference: float, allowed: Flags
) -> Ints:
    """The candidate whose next trial says most about whether the leader is good enough.

    A top-two rule. The leader has the highest posterior mean; the challenger is who is expected to
    exceed it by most beyond the indifference zone (top-two expected improvement, Qin, Klabjan &
    Russo 2017, with their threshold moved by the zone). Repeated is whoever, of all candidates,
    takes most of the variance off the challenger's lead: with a surface a trial of a third one may.

    Args:
        mean: posterior means, (..., n).
        covariance: posterior covariances, (..., n, n).
        noise: variance of one trial.
        indifference: width of the zone.
        allowed: which candidates may be repeated, (n,).

    Returns:
        Numbers of candidates, (...).
    """
    leader, challenger = rivals(mean, covariance, indifference)
    variance = np.diagonal(covariance, axis1=-2, axis2=-1)
    with_leader, with_challenger = (
        np.take_along_axis(covariance, one[..., None], -1)[..., 0] for one in (leader, challenger)
    )
    gain = (with_leader - with_challenger) ** 2 / (variance + noise)
    chosen: Ints = np.where(allowed, gain, -1.0).argmax(-1)
    return chosen


def rivals(mean: Floats, covariance: Floats, indifference: float) -> tuple[Ints, Ints]:
    """The leader and its challenger, (..., 1) each; arguments as in `most_worth_repeating`."""
    leader: Ints = mean.argmax(-1)[..., None]
    variance = np.diagonal(covariance, axis1=-2, axis2=-1)
    with_leader = np.take_along_axis(covariance, leader[..., None], -1)[..., 0]
    return leader, challenger_of(leader, mean, variance, with_leader, indifference)


def challenger_of(
    leader: Ints, mean: Floats, variance: Floats, with_leader: Floats | float, indifference: float
) -> Ints:
    """The challenger, (..., 1), of a leader with which each has the covariance ``with_leader``."""
    behind = np.take_along_axis(mean, leader, -1) - mean + indifference
    apart = np.take_along_axis(variance, leader, -1) + variance - 2 * with_leader
    excess = _log_expected_excess(-behind, np.sqrt(np.maximum(apart, 0.0)))
    np.put_along_axis(excess, leader, -np.inf, -1)
    challenger: Ints = excess.argmax(-1)[..., None]
    return challenger


def _log_expected_excess(mean: Floats, sd: Floats) -> Floats:
    """log E[max(x, 0)] of a normal x; a logarithm, since hopeless candidates underflow."""
    from scipy.special import ndtr

    sd = np.maximum(sd, 1e-300)
    z = np.clip(mean / sd, -1e100, 1e100)
    near = np.maximum(z, -8.0)
    exact = np.log(np.exp(-0.5 * near**2) / math.sqrt(2 * math.pi) + near * ndtr(near))
    far = np.minimum(z, -8.0)
    tail = -0.5 * far**2 - 0.5 * math.log(2 * math.pi) - 2 * np.log(-far)
    log_excess: Floats = np.log(sd) + np.where(z > -8, exact, tail)
    return log_excess
