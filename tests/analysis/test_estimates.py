"""The draws are those behind what `recommend` says."""

from __future__ import annotations

import numpy as np
import pytest
from analysis_tables import noisy_trials, spread_shares, trials_table, variants_table

from scalegrid.analysis import estimates_as_planned, recommend_as_planned

SHARES = spread_shares(12)
TRUTH = 0.7 - 0.03 * ((SHARES - [0.3, 0.4, 0.3]) ** 2).sum(1)
VARIANTS = variants_table(SHARES)
TRIALS = trials_table(noisy_trials(TRUTH, 4, 0.002))


@pytest.mark.parametrize("metric", ["top1", "val_loss"])
def test_probabilities_and_intervals_are_counts_of_draws(metric: str) -> None:
    spec = {"metric": metric, "indifference": 0.3}
    said = recommend_as_planned(VARIANTS, TRIALS, spec)
    draws = estimates_as_planned(VARIANTS, TRIALS, spec)
    top = draws.values.max(1)
    for one in said.ranking:
        own = draws.of(one.variant)
        assert (own == top).mean() == pytest.approx(one.probability_best)
        inside = (own >= top - said.indifference).mean()
        assert inside == pytest.approx(one.probability_within_indifference, abs=1e-3)
        ends = np.quantile(-own if metric == "val_loss" else own, [0.025, 0.975])
        assert tuple(ends) == pytest.approx((one.low, one.high))


def test_the_surface_is_highest_at_the_recommended_optimum() -> None:
    said = recommend_as_planned(VARIANTS, TRIALS, {}).surface_optimum
    assert said is not None
    draws = estimates_as_planned(VARIANTS, TRIALS, {})
    height = draws.surface(np.array([said.shares, *SHARES]))
    assert height is not None
    assert height[0] == pytest.approx(said.accuracy, abs=1e-4)
    assert (height[1:] < height[0] + 1e-4).all()


def test_the_likely_tops_of_the_surface_are_those_of_the_recommendation() -> None:
    said = recommend_as_planned(VARIANTS, TRIALS, {}).surface_optimum
    top = estimates_as_planned(VARIANTS, TRIALS, {}).top()
    assert said is not None
    assert top is not None
    mesh, chance = top
    assert chance.sum() == pytest.approx(1)
    inside = (mesh[:, None] == said.points).all(2).any(1)
    assert chance[inside].sum() >= 0.95 - 1e-12
    assert chance[inside].min() >= chance[~inside].max()


def test_there_is_no_surface_where_candidates_are_too_few() -> None:
    few = VARIANTS.head(4)
    trials = TRIALS[TRIALS["variant"].isin(few["variant"])]
    assert estimates_as_planned(few, trials, {}).surface(SHARES) is None
    assert estimates_as_planned(few, trials, {}).top() is None
