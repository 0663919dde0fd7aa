"""How much better each candidate is in one sweep than in another."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from scalegrid.analysis.estimates import Estimates
from scalegrid.analysis.model import Model
from scalegrid.analysis.observations import Floats, Ints, Observations
from scalegrid.analysis.selection import MIN_REPEATS
from scalegrid.analysis.surface import fit
from scalegrid.coefficients import Shares

_CLEAR = 1.96  # standard errors


@dataclass(frozen=True)
class Contrast:
    """Value in B less value in A of n candidates: means (n,), joint draws (count, n).

    ``pairs`` counts the pairs of trials that they come from, 0 for independent posteriors, and
    ``in_common`` is the correlation of the noise within these pairs. ``noise`` are draws (count,)
    of the variance of one pair's difference, None without pairs.
    """

    mean: Floats
    draws: Floats
    pairs: int
    in_common: float
    noise: Floats | None


def contrast(a: Estimates, b: Estimates, variants: Sequence[str], same_data: bool) -> Contrast:
    """The contrast of the two posteriors, or that of pairs of trials where they tell more.

    Trials of both sweeps make a pair if they are of one variant, with one seed, on the same data.
    Their differences enter the model of one sweep. Pairs count if each of the ``variants`` has one,
    if their noise clearly goes together, and if that makes the differences known better.
    """
    of_a, of_b = numbers(a, variants), numbers(b, variants)
    # In another order, since the draws of all sweeps come from one generator.
    draws = np.random.default_rng(8).permutation(b.fitted.samples.values)
    apart = Contrast(
        mean=b.fitted.posterior.expected[of_b] - a.fitted.posterior.expected[of_a],
        draws=draws[:, of_b] - a.fitted.samples.values[:, of_a],
        pairs=0,
        in_common=0.0,
        noise=None,
    )
    paired = _paired(a, b, variants) if same_data else None
    if paired is None or paired.draws.std(0).mean() >= apart.draws.std(0).mean():
        return apart
    return paired


def contrast_of_means(
    a: Estimates, b: Estimates, variant: str, candidates: Contrast
) -> tuple[float, Floats] | None:
    """The contrast of a network that is no candidate: its mean, and draws (count,).

    It is a difference of means over trials, as noisy as those of the candidates; over the seeds of
    both sweeps, if the contrast of the candidates is one of pairs. None where a sweep has no
    finished trial of the network.
    """
    of_a, of_b = (
        one.trials[one.trials["variant"] == variant].set_index("seed")["value"] for one in (a, b)
    )
    if of_a.empty or of_b.empty:
        return None
    both = of_a.index.intersection(of_b.index)
    if candidates.noise is not None and len(both):
        mean, variance = float((of_b[both] - of_a[both]).mean()), candidates.noise / len(both)
    else:
        mean = float(of_b.mean() - of_a.mean())
        generator = np.random.default_rng(8)  # as in `contrast`
        noise_b = generator.permutation(b.fitted.samples.of_a_trial)
        variance = a.fitted.samples.of_a_trial / len(of_a) + noise_b / len(of_b)
    normal = np.random.default_rng(9).standard_normal(len(variance))
    return mean, mean + np.sqrt(variance) * normal


def numbers(estimates: Estimates, variants: Sequence[str]) -> Ints:
    """The numbers of ``variants`` among the candidates of a sweep."""
    number = {variant: i for i, variant in enumerate(estimates.rows["variant"])}
    return np.array([number[variant] for variant in variants], dtype=np.int64)


def _paired(a: Estimates, b: Estimates, variants: Sequence[str]) -> Contrast | None:
    number = {variant: i for i, variant in enumerate(variants)}
    both = a.trials.merge(b.trials, on=["variant", "seed"], suffixes=("_a", "_b"))
    both = both[both["variant"].isin(number)]
    both = both.assign(number=both["variant"].map(number), value=both["value_b"] - both["value_a"])
    columns = both[["number", "seed", "value", "value_a", "value_b"]]
    seen = Observations.collect(len(variants), columns.itertuples(index=False, name=None))
    if not (seen.counts > 0).all() or not len(variants):
        return None
    if not seen.value.any():  # the same trials; a model of zeros would be one of rounding
        none = np.zeros((1, len(variants)))
        return Contrast(none[0], none, len(seen.value), in_common=1.0, noise=none[:, 0])
    in_common = _in_common(seen)
    if in_common is None:
        return None
    rows = a.rows.iloc[numbers(a, variants)]
    shares = rows[[f"share_{axis}" for axis in Shares._fields]].to_numpy(dtype=np.float64)
    fitted = fit(Model(len(variants), shares), replace(seen, others=seen.others[:, :0]))
    mean, draws, noise = fitted.posterior.expected, fitted.samples.values, fitted.samples.of_a_trial
    return Contrast(mean, draws, len(seen.value), in_common, noise)


def _in_common(seen: Observations) -> float | None:
    """The correlation of the noise of both values of pairs; None if it is not clearly positive."""
    if seen.repeats < MIN_REPEATS:
        return None
    apart = seen.deviations(seen.others)
    lengths = math.sqrt(float((apart[:, 0] ** 2).sum() * (apart[:, 1] ** 2).sum()))
    correlation = float(apart[:, 0] @ apart[:, 1]) / lengths if lengths else 0.0
    error = 1 / math.sqrt(seen.repeats - 2)  # of Fisher's z
    clear = math.atanh(min(correlation, 1 - 1e-12)) > _CLEAR * error
    return correlation if clear else None
