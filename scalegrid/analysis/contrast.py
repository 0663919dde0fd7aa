"""How much better each candidate is in one sweep than in another."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from scalegrid.analysis.model import Model
from scalegrid.analysis.observations import Floats, Ints, Observations
from scalegrid.analysis.recommend import Estimates
from scalegrid.analysis.selection import MIN_REPEATS
from scalegrid.analysis.surface import fit
from scalegrid.coefficients import Shares


@dataclass(frozen=True)
class Contrast:
    """Value in B less value in A of n candidates: means (n,), joint draws (count, n).

    ``pairs`` counts the pairs of trials that they come from, 0 for independent posteriors.
    """

    mean: Floats
    draws: Floats
    pairs: int


def contrast(a: Estimates, b: Estimates, variants: Sequence[str], same_data: bool) -> Contrast:
    """The contrast of the two posteriors, or that of pairs of trials where they tell more.

    Trials of both sweeps make a pair if they are of one variant, with one seed, on the same data.
    Their differences enter the model of one sweep. Pairs count if each of the ``variants`` has one,
    their noise has been seen, and the differences are known better than by independent posteriors.
    """
    of_a, of_b = numbers(a, variants), numbers(b, variants)
    # In another order, since the draws of all sweeps come from one generator.
    draws = np.random.default_rng(8).permutation(b.fitted.samples.values)
    apart = Contrast(
        b.fitted.posterior.expected[of_b] - a.fitted.posterior.expected[of_a],
        draws[:, of_b] - a.fitted.samples.values[:, of_a],
        pairs=0,
    )
    paired = _paired(a, b, variants) if same_data else None
    if paired is None or paired.draws.std(0).mean() >= apart.draws.std(0).mean():
        return apart
    return paired


def numbers(estimates: Estimates, variants: Sequence[str]) -> Ints:
    """The numbers of ``variants`` among the candidates of a sweep."""
    number = {variant: i for i, variant in enumerate(estimates.rows["variant"])}
    return np.array([number[variant] for variant in variants], dtype=np.int64)


def _paired(a: Estimates, b: Estimates, variants: Sequence[str]) -> Contrast | None:
    number = {variant: i for i, variant in enumerate(variants)}
    both = a.trials.merge(b.trials, on=["variant", "seed"], suffixes=("_a", "_b"))
    both = both[both["variant"].isin(number)]
    rows = zip(both["variant"], both["seed"], both["value_b"] - both["value_a"], strict=True)
    seen = Observations.collect(len(variants), ((number[v], s, value) for v, s, value in rows))
    if not (seen.counts > 0).all() or not len(variants):
        return None
    if not seen.value.any():  # the same trials; a model of zeros would be one of rounding
        none = np.zeros((1, len(variants)))
        return Contrast(none[0], none, len(seen.value))
    if seen.repeats < MIN_REPEATS:
        return None
    rows = a.rows.iloc[numbers(a, variants)]
    shares = rows[[f"share_{axis}" for axis in Shares._fields]].to_numpy(dtype=np.float64)
    fitted = fit(Model(len(variants), shares), seen)
    return Contrast(fitted.posterior.expected, fitted.samples.values, len(seen.value))
