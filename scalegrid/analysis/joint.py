"""Several metrics of the same trials: the losses help to tell what top-1 is.

Any two metrics can be turned into two combinations of them that are independent, both between
candidates and in their noise. Each then is a matter for the model of one metric, and the metric
asked about is a sum of the two. Which combinations they are is not known; all pairs of a fan of
directions are averaged over, each weighted by how well it explains the trials.
"""

from __future__ import annotations

import numpy as np

from scalegrid.analysis.model import SPREAD, Grid, Model, Points, Posterior
from scalegrid.analysis.observations import Floats, Ints, Observations
from scalegrid.analysis.selection import MIN_REPEATS

DIRECTIONS = 36
_POINTS = 400  # pairs of grid points that stand for all


def posterior(
    model: Model, observations: Observations, *, surface: bool = True, seed_effects: bool = True
) -> Posterior:
    """What the trials say of the candidates' value, by all of their metrics.

    It is `Model.posterior` of the value alone where there are no other metrics, where they are
    proportional to the value, or where too few replicates say how the metrics' noise goes together.
    """
    root = _noise_root(observations)
    if root is None:
        return model.posterior(observations, surface=surface, seed_effects=seed_effects)
    metrics = np.stack([observations.value, _combined(observations)])
    angle = np.pi * np.arange(DIRECTIONS) / DIRECTIONS
    axes = np.stack([np.cos(angle), np.sin(angle)], axis=1) @ np.linalg.inv(root)
    grid = Grid(model, observations, axes @ metrics, surface, seed_effects)
    pairs = _pairs(grid)
    first, second = pairs
    apart = np.sin(angle[second.metric] - angle[first.metric])
    shares = root[0, 0] * np.stack([np.sin(angle[second.metric]), -np.sin(angle[first.metric])])
    return _sum(grid, pairs, shares / apart)


def _noise_root(observations: Observations) -> Floats | None:
    """Cholesky factor of the covariance of the two metrics' noise; None if there is no telling."""
    if not observations.others.shape[1] or observations.repeats < MIN_REPEATS:
        return None
    metrics = np.stack([observations.value, _combined(observations)], axis=1)
    apart = observations.deviations(metrics)
    covariance = apart.T @ apart / observations.repeats
    scale = np.sqrt(np.diag(covariance))
    if not (scale > 1e-9 * np.abs(metrics).max(0)).all():
        return None
    if abs(covariance[0, 1]) > (1 - 1e-6) * scale[0] * scale[1]:
        return None
    root: Floats = np.linalg.cholesky(covariance)
    return root


def _combined(observations: Observations) -> Floats:
    """One metric of all the others: their mean, each over the standard deviation of its noise."""
    others = observations.others
    scale = np.sqrt((observations.deviations(others) ** 2).sum(0))
    usable = scale > 1e-9 * np.abs(others).max(0, initial=0.0)
    combined: Floats = (others[:, usable] / scale[usable]).sum(1)
    return combined


def _pairs(grid: Grid) -> tuple[Points, Points]:
    """Pairs of grid points of two directions each, drawn by their weight (always the same ones).

    The prior is the one that no linear change of the metrics alters (Haar's); with it and the
    trials' Jacobian a pair of directions has the weight |sin|^(N−3) times that of either.
    """
    metrics = len(grid.log_weight)
    log_weight = grid.log_weight.reshape(metrics, -1)
    top = log_weight.max(1, keepdims=True)
    within = np.exp(log_weight - top).cumsum(1)
    log_total = top[:, 0] + np.log(within[:, -1])
    one, two = np.triu_indices(metrics, 1)
    sine = np.sin(np.pi * (two - one) / metrics)
    log_pair = log_total[one] + log_total[two] + (grid.degrees - 2) * np.log(sine)
    pair = np.exp(log_pair - log_pair.max()).cumsum()
    even = (np.arange(_POINTS) + 0.5) / _POINTS
    chosen = np.searchsorted(pair / pair[-1], even)
    generator = np.random.default_rng(4)

    def points(metric: Ints) -> Points:
        level = generator.permutation(even) * within[metric, -1]
        flat = (within[metric] < level[:, None]).sum(1)
        return Points(metric, *np.unravel_index(flat, grid.log_weight.shape[1:]))

    return points(one[chosen].astype(np.int64)), points(two[chosen].astype(np.int64))


def _sum(grid: Grid, pairs: tuple[Points, Points], shares: Floats) -> Posterior:
    """The posterior of a sum of two independent parts, ``shares`` (2, P) of them."""
    moments = [grid.moments(points) for points in pairs]
    squares = np.stack([share**2 * grid.squares[p] for p, share in zip(pairs, shares, strict=True)])
    total = squares.sum(0)
    part = squares / total  # of the noise variance
    ratio = np.stack([SPREAD[points.spread] ** 2 for points in pairs])
    known = np.stack([(factor**2).sum(2).mean(1) for _, factor in moments])
    smooth, seeds = (
        np.stack([axis[getattr(points, name)] for points in pairs])
        for axis, name in ((grid.smooth, "smooth"), (grid.seeds, "seeds"))
    )
    spread = (part * ratio).sum(0)
    return Posterior(
        weight=np.full(len(total), 1 / len(total)),
        smooth=(part * ratio * smooth).sum(0) / spread,
        spread=spread,
        seeds=(part * seeds).sum(0),
        mean=sum(share[:, None] * mean for share, (mean, _) in zip(shares, moments, strict=True)),
        factor=np.concatenate(
            [
                np.sign(share)[:, None, None] * np.sqrt(p)[:, None, None] * factor
                for share, p, (_, factor) in zip(shares, part, moments, strict=True)
            ],
            axis=2,
        ),
        degrees=grid.degrees,
        squares=total,
        told=_told(part, known),
        first=_told(part, ratio),
    )


def _told(part: Floats, known: Floats) -> Floats:
    """Noise of a lone metric that takes as much off the variance as a trial does, over σ².

    Of two parts (2, P) with ``part`` of the noise each, ``known`` is the variance of a candidate's
    value over the part's noise.
    """
    now = (part * known).sum(0)
    told: Floats = now**2 / (part * known**2 / (known + 1)).sum(0) - now
    return told
