"""Whether it matters where layers are added: early and late against evenly."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from analysis_tables import noisy_trials, spread_shares, trials_table, variants_table

from scalegrid.analysis import Recommendation, recommend, sentences

SHARES = spread_shares(8)
TRUTH = 0.7 - 0.03 * ((SHARES - 1 / 3) ** 2).sum(1)
EVEN = "v05"


def placed(cost: float = 2.0) -> pd.DataFrame:
    """A plan in which layers of v05 are placed early and late too."""
    table = variants_table(SHARES).assign(placement=0.0)
    table["channels"] = [f"{number}" for number in range(len(table))]
    even = table[table["variant"] == EVEN]
    rows = [
        even.assign(
            variant=name, role="stages", placement=where, flops_ratio=cost, matched=cost == 2
        )
        for name, where in (("early", -1.0), ("late", 0.8))
    ]
    plan: pd.DataFrame = pd.concat([table, *rows], ignore_index=True)
    return plan


def found(early: float, late: float, seeds: int = 6, cost: float = 2.0) -> Recommendation:
    """The recommendation where early and late layers are so much better than even ones."""
    values = noisy_trials(TRUTH, seeds, 0.002)
    draw = np.random.default_rng(1)
    for name, gain in (("early", early), ("late", late)):
        values[name] = (TRUTH[5] + gain + 0.002 * draw.standard_normal(seeds)).tolist()
    return recommend(placed(cost), trials_table(values))


def said(one: Recommendation) -> str:
    (line,) = (line for line in sentences(one) if line.startswith("Whether layers are"))
    return line


def test_differences_are_those_of_the_means_and_hold_the_truth() -> None:
    early, late = found(-0.02, 0.02).placements
    assert (early.placement, late.placement) == (-1, 0.8)
    assert early.even == late.even == EVEN
    for one, truth in ((early, -0.02), (late, 0.02)):
        assert one.low < truth < one.high
        assert one.low < one.gain < one.high
    assert early.probability < 0.01
    assert late.probability > 0.99


def test_the_luck_of_the_network_that_was_chosen_is_no_difference() -> None:
    """As measured early and late layers are two points worse, for none is better than the rest."""
    values = noisy_trials(np.full(8, 0.7), 2, 0.01)
    values |= {EVEN: [0.715, 0.725], "early": [0.695, 0.705], "late": [0.695, 0.705]}
    one = recommend(placed(), trials_table(values))
    assert one.best.variant == EVEN
    for placement in one.placements:
        assert -0.015 < placement.gain < 0
        assert placement.low < 0 < placement.high


def test_they_are_no_candidates_even_if_better_than_all() -> None:
    one = found(0.2, 0.2)
    plain = recommend(variants_table(SHARES), trials_table(noisy_trials(TRUTH, 6, 0.002)))
    assert [c.variant for c in one.ranking] == [c.variant for c in plain.ranking]
    assert (one.best, one.notes) == (plain.best, plain.notes)


def test_beside_longer_trainings_they_are_compared_at_1x_and_that_is_said() -> None:
    values = noisy_trials(TRUTH, 6, 0.002)
    brief = trials_table(values | {"early": [0.5, 0.5], "late": [0.8, 0.8]}).assign(rung=1)
    long = trials_table(noisy_trials(TRUTH + 0.1, 6, 0.002, 1)).assign(rung=3)
    one = recommend(placed(), pd.concat([brief, long], ignore_index=True))
    assert one.rung == 3
    assert [placement.gain < 0 for placement in one.placements] == [True, False]
    assert said(one).startswith("Whether layers are added early, evenly or late at 1× matters: ")


@pytest.mark.parametrize(
    ("gains", "verdict"),
    [
        ((0.0, 0.02), "evenly or late matters: over evenly"),
        ((0.0, 0.0), "evenly or late is open: over evenly"),
    ],
)
def test_a_sentence_after_the_coefficients_says_whether_it_matters(
    gains: tuple[float, float], verdict: str
) -> None:
    one = found(*gains, seeds=3)
    assert verdict in said(one)
    assert sentences(one).index(said(one)) == 2
    late = one.placements[1]
    shown = f"late {100 * late.gain:+.2f} ({100 * late.low:+.2f} to {100 * late.high:+.2f}, "
    assert f"{shown}better with probability " in said(one)
    assert said(one).endswith("in points.")


def test_what_one_seed_says_is_open() -> None:
    assert "is open, as few seeds say little: " in said(found(0.0, 0.1, seeds=1))


def test_what_is_smaller_than_the_zone_does_not_matter() -> None:
    one = found(0.0, 0.0, seeds=40)
    assert "does not matter (less than 0.3 points)" in said(one)


def test_another_cost_is_said() -> None:
    assert "2.30× against 2.00×" in said(found(0.0, 0.0, cost=2.3))
    assert "against" not in said(found(0.0, 0.0))


def test_without_trials_of_the_even_one_nothing_is_compared() -> None:
    values = noisy_trials(TRUTH, 3, 0.002) | {"late": [0.7, 0.7]}
    assert len(recommend(placed(), trials_table(values)).placements) == 1
    values[EVEN] = [float("nan")]
    assert recommend(placed(), trials_table(values)).placements == ()
    assert recommend(variants_table(SHARES), trials_table(values)).placements == ()
