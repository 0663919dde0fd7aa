"""The candidates' luck with the validation images, which seeds do not remove."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from scalegrid.analysis.model import Model, Posterior, log_prior_of_spread
from scalegrid.analysis.observations import Flags, Floats, Ints
from scalegrid.analysis.selection import chances
from scalegrid.util.errors import UserError

MOST = 1024
"""Times as many images beyond which the future is not imagined."""

_TRUTHS, _DRAWS = 200, 500
_LEAST = 0.01  # of the variance that is left at least when the luck is taken off


@dataclass(frozen=True)
class Luck:
    """The variance of a candidate's mean accuracy on ``images`` images around all there could be.

    What is easy or hard for all candidates alike is no part of it.
    """

    variance: float
    images: int


class Images(NamedTuple):
    """How many images would make an answer clear; ``beyond``: more than so many."""

    number: int
    beyond: bool


def luck(answers: Mapping[tuple[int, int], Flags | Floats]) -> Luck | None:
    """Estimate it without bias from which images trials got right.

    With p_ij the probability that candidate i gets image j right, it is the variance over images of
    p_i − p_k, in the mean over pairs of candidates, over twice the images. Each product of answers
    is one of two trials with different seeds, so that no noise of seeds enters.

    Args:
        answers: of each candidate and seed, (images,), or what each adds to a value that they are
            the mean of; the images are the same for all.

    Returns:
        None unless there are two candidates with two seeds each; 0 where the estimate is below.

    Raises:
        UserError: trials answered different numbers of images.
    """
    if len({len(row) for row in answers.values()}) > 1:
        raise UserError(
            "the trials were judged on different numbers of validation images; recommend from "
            "those of one data set."
        )
    numbers = np.array(list(answers), dtype=np.int64).reshape(-1, 2)
    names, counts = np.unique(numbers[:, 0], return_counts=True)
    repeated = np.isin(numbers[:, 0], names[counts > 1])
    candidate, seed = numbers[repeated].T
    if len(np.unique(candidate)) < 2:
        return None
    right = np.array(list(answers.values()), dtype=np.float64)[repeated]
    right -= right.mean(1, keepdims=True)
    images = right.shape[1]
    interaction = ((_pairs(candidate, seed) @ right) * right).sum() / max(images - 1, 1)
    return Luck(max(float(interaction), 0.0) / images, images)


def _pairs(candidate: Ints, seed: Ints) -> Floats:
    """Weights of pairs of trials: means over pairs of one candidate, less those of two."""
    other_seed = (seed[:, None] != seed).astype(np.float64)
    belongs = (candidate[:, None] == np.unique(candidate)).astype(np.float64)
    number = belongs.T @ other_seed @ belongs  # of pairs of trials, (candidates, candidates)
    size = len(number)
    sign = np.where(np.eye(size, dtype=np.bool_), 1 / size, -1 / (size * (size - 1)))
    weights: Floats = other_seed * (belongs @ (sign / np.maximum(number, 1)) @ belongs.T)
    return weights


def beyond(posterior: Posterior, model: Model, luck: Luck) -> Posterior:
    """The posterior of the values on all images there could be, from that on those there are.

    A candidate's own deviation holds its luck: as much of it as the luck's part of the variance is
    taken off, and what remains unknown of the luck is added to the covariance. The prior of the
    spread is that of what is left without the luck.
    """
    size, basis = model.size, model.at_candidates
    rank = basis.shape[1]
    smooth = basis @ basis.T * rank / size  # projections: smooth, and neither that nor constant
    rough = np.eye(size) - 1 / size - smooth
    ratio = luck.variance * max(posterior.degrees - 2, 1) / posterior.squares  # over σ²
    own = (1 - posterior.smooth) * posterior.spread
    common = own + posterior.smooth * posterior.spread * size / max(rank, 1)
    part_own, part_common = (np.minimum(ratio / variance, 1.0) for variance in (own, common))
    taken = part_own[:, None, None] * rough + part_common[:, None, None] * smooth
    left = (
        np.sqrt(ratio * (1 - part_own))[:, None, None] * rough
        + np.sqrt(ratio * (1 - part_common))[:, None, None] * smooth
    )
    own_left = np.maximum(own - ratio, _LEAST * own)
    spread = posterior.spread - own + own_left
    weight = posterior.weight * _prior(spread) / _prior(posterior.spread)
    weight *= posterior.spread / spread * (own > ratio)
    if weight.sum() == 0:  # by no grid point there is more than luck
        weight = posterior.weight
    return replace(
        posterior,
        weight=weight / weight.sum(),
        mean=posterior.mean - (taken @ posterior.mean[..., None])[..., 0],
        factor=np.concatenate([posterior.factor - taken @ posterior.factor, left], axis=2),
        smooth=(posterior.spread - own) / spread,
        spread=spread,
    )


def _prior(spread: Floats) -> Floats:
    """Density of the logarithm of the spread, up to a factor, by the variance over the noise's."""
    density: Floats = np.exp(log_prior_of_spread(np.sqrt(spread)))
    return density


def judged(values: Floats, spread: float, luck: Luck, generator: np.random.Generator) -> Floats:
    """Draws of the values on all images, from those on these (count, n), exchangeable candidates.

    Args:
        values: draws, or one and the same (n,) for all of ``_DRAWS`` draws.
        spread: variance between candidates on these images.
        luck: with these images.
        generator: of the draws.
    """
    part = min(luck.variance / max(spread, 1e-300), 1.0)
    values = np.broadcast_to(values, (_DRAWS, values.shape[-1])) if values.ndim == 1 else values
    left = np.sqrt(luck.variance * (1 - part)) * generator.standard_normal(values.shape)
    drawn: Floats = (1 - part) * values + left
    return drawn


def images_needed(
    posterior: Posterior, luck: Luck, indifference: float, confidence: float
) -> Images | None:
    """How many images would make the answer clear if there were any number of seeds.

    The truth on these images is drawn from their posterior; with any number of seeds it would be
    known. So many images are needed that for half of the draws the best candidate would be within
    the zone with probability ``confidence``.

    Returns:
        The number if it exceeds that of the images there are, else None: seeds limit the answer.
        If `MOST` times as many images are not enough, it is that and ``beyond``.
    """
    generator = np.random.default_rng(6)
    truths = posterior.sample(_TRUTHS, generator).values
    spread = float(truths.var(1, ddof=1).mean())
    steps = round(2 * np.log2(MOST))
    for times in 2 ** (np.arange(steps + 1) / 2):
        fewer = Luck(luck.variance / times, round(luck.images * times))
        clear = [
            chances(judged(truth, spread, fewer, generator), indifference).within[truth.argmax()]
            >= confidence
            for truth in truths
        ]
        if np.mean(clear) >= 0.5:
            return None if times == 1 else Images(fewer.images, beyond=False)
    return Images(luck.images * MOST, beyond=True)
