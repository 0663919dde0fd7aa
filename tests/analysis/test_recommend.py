from __future__ import annotations

import json
import math

import numpy as np
import pandas as pd
import pytest
from analysis_tables import noisy_trials, spread_shares, trials_table, variants_table

from scalegrid.analysis import raced, recommend, rows, to_text
from scalegrid.analysis.candidates import NAS_EXPONENT
from scalegrid.analysis.selection import MIN_REPEATS
from scalegrid.util.errors import UserError

SHARES = spread_shares(12)
TOP = np.array([0.3, 0.4, 0.3])
TRUTH = 0.7 - 0.03 * ((SHARES - TOP) ** 2).sum(1)
BEST = f"v{int(TRUTH.argmax()):02d}"
VARIANTS = variants_table(SHARES)


def swept(seeds: int = 4, noise: float = 0.002) -> pd.DataFrame:
    return trials_table({**noisy_trials(TRUTH, seeds, noise), "base": [0.5]})


def test_a_clear_answer_is_given_as_one() -> None:
    said = recommend(VARIANTS, swept())
    assert said.best.variant == BEST
    assert said.best.probability_within_indifference > 0.95
    assert said.trials_needed == 0
    assert said.best.low < TRUTH.max() < said.best.high
    assert said.sigma == pytest.approx(0.002, rel=0.5)
    assert [one.accuracy for one in said.ranking] == sorted(
        (one.accuracy for one in said.ranking), reverse=True
    )


def test_json_has_the_documented_keys_and_no_others() -> None:
    said = recommend(VARIANTS, swept()).to_dict()
    assert list(said) == [
        *("variant", "alpha", "beta", "gamma", "alpha_range", "beta_range"),
        *("depth_rounding", "resolution", "flops_ratio", "match", "cost_ratio"),
        *("accuracy", "accuracy_measured"),
        *("probability_best", "probability_within_indifference", "probability_compound"),
        *("tie_set", "gains"),
        *("rung", "verdict", "placements", "surface_optimum"),
        *("trials_needed", "trials_most", "seconds_a_trial"),
        *("metric", "indifference", "confidence"),
        *("noise", "repeats", "spread", "reliability", "reliability_interval"),
        *("reliability_by_all_metrics", "luck_with_images", "images_needed", "images_beyond"),
        *("cross_validated_error", "advantage", "notes", "failing"),
    ]
    assert list(said["gains"]) == ["depth", "width", "resolution", "paper", "baseline"]
    assert said["gains"]["paper"] is None
    json.dumps(said, allow_nan=False)


def test_gains_are_over_the_corners_with_intervals_that_hold_the_truth() -> None:
    held = []
    for seed in range(5):
        said = recommend(VARIANTS, trials_table(noisy_trials(TRUTH, 3, 0.004, seed)))
        chosen = TRUTH[int(said.best.variant[1:])]
        for number, role in enumerate(("depth", "width", "resolution")):
            gain = said.gains[role]
            assert gain is not None
            assert gain.variant == f"v{number:02d}"
            assert gain.low < gain.gain < gain.high
            held.append(gain.low < chosen - TRUTH[number] < gain.high)
    assert np.mean(held) > 0.8


def test_the_gain_over_the_baseline_is_that_of_the_means_whether_scaling_helps_or_not() -> None:
    for level in (0.5, 0.9):
        trials = trials_table(
            {**noisy_trials(TRUTH, 4, 0.002), "base": [level + 0.001, level - 0.001]}
        )
        gain = recommend(VARIANTS, trials).gains["baseline"]
        assert gain is not None
        assert (gain.flops_ratio, gain.measured) == (1, True)
        assert gain.gain == pytest.approx(TRUTH.max() - level, abs=0.003)
        assert gain.low < TRUTH.max() - level < gain.high


def test_the_interval_of_a_gain_over_the_baseline_allows_for_the_luck_of_the_best() -> None:
    """Where all candidates are equal, the mean of the best of them is too high."""
    held, gains = [], []
    for seed in range(25):
        values = noisy_trials(np.full(len(SHARES), 0.7), 3, 0.01, seed)
        base = (0.68 + 0.01 * np.random.default_rng(1000 + seed).standard_normal(3)).tolist()
        gain = recommend(VARIANTS, trials_table({**values, "base": base})).gains["baseline"]
        assert gain is not None
        held.append(gain.low < 0.02 < gain.high)
        gains.append(gain.gain)
    assert np.mean(held) >= 0.9
    assert np.mean(gains) == pytest.approx(0.02, abs=0.006)


def test_the_tie_set_holds_95_percent_and_shrinks_with_seeds() -> None:
    few, many = (recommend(VARIANTS, swept(seeds, noise=0.01)) for seeds in (2, 30))
    for said in (few, many):
        assert sum(one.probability_best for one in said.tie_set) >= 0.95 - 1e-9
        assert sum(one.probability_best for one in said.ranking) == pytest.approx(1)
    assert len(many.tie_set) < len(few.tie_set)


def test_the_chance_of_compound_scaling_is_that_the_highest_draw_scales_several_axes() -> None:
    said = recommend(VARIANTS, swept(30, noise=0.01))
    truth = {f"v{number:02d}": value for number, value in enumerate(TRUTH)}
    axes = {one.variant for one in said.ranking if one.role in ("depth", "width", "resolution")}
    assert len(axes) == 3
    assert max(truth, key=lambda one: truth[one]) not in axes
    assert said.probability_compound is not None
    assert said.probability_compound > 0.9
    several = f"several axes, as {len(SHARES) - 3} of them do"
    assert several in to_text(said)
    bad = np.where([row.max() == 1 for row in SHARES], 0.7, 0.6)
    worse = recommend(VARIANTS, trials_table(noisy_trials(bad, 30, 0.01, 3)))
    assert worse.probability_compound is not None
    assert worse.probability_compound < 0.1


def test_a_coefficient_that_builds_what_one_builds_scales_no_axis() -> None:
    usual = {one.variant: one.axes for one in recommend(VARIANTS, swept()).ranking}
    said = recommend(VARIANTS.assign(alpha_low=1.0, alpha_high=1.2), swept())
    same = [one for one in said.ranking if 1 < one.alpha <= 1.2]
    assert same
    assert all(one.axes == usual[one.variant] - 1 for one in same)


def test_a_resolution_that_builds_no_other_pixels_scales_no_axis() -> None:
    usual = {one.variant: one for one in recommend(VARIANTS, swept()).ranking}
    same = {one.variant: one for one in recommend(VARIANTS.assign(resolution=64), swept()).ranking}
    larger = [name for name, one in usual.items() if one.resolution > 64]
    assert larger
    assert all(same[name].axes == usual[name].axes - 1 for name in larger)


def test_of_candidates_of_one_kind_there_is_no_chance_of_compound_scaling() -> None:
    corners = VARIANTS[VARIANTS["role"].isin(["depth", "width", "resolution"])]
    trials = swept(4)
    said = recommend(corners, trials[trials["variant"].isin(corners["variant"])])
    assert said.probability_compound is None
    assert "scales several axes" not in to_text(said)


def test_an_unclear_answer_says_how_many_more_trials() -> None:
    said = recommend(VARIANTS, swept(3, noise=0.01))
    assert said.trials_needed is None or said.trials_needed > 0
    assert to_text(said).startswith("Not decided: ")


def test_one_seed_each_is_said_to_be_too_few() -> None:
    said = recommend(VARIANTS, swept(1))
    assert any("noise cannot be separated from difference" in note for note in said.notes)
    assert said.trials_needed is not None
    assert said.trials_needed >= len(SHARES)
    assert "One seed" not in to_text(recommend(VARIANTS, swept(2)))


def test_the_surface_is_used_where_it_fits_and_its_optimum_lies_on_the_constraint() -> None:
    said = recommend(VARIANTS, swept(6))
    top = said.surface_optimum
    assert top is not None
    assert said.validation.fits
    assert top.coefficients.flops_factor == pytest.approx(2)
    assert np.abs(np.array(top.shares) - TOP).max() < 0.15
    for value, (low, high) in zip(top.coefficients, top.intervals.values(), strict=True):
        assert low - 1e-9 <= value <= high + 1e-9


def test_without_shares_the_plain_model_is_used_and_says_so() -> None:
    blind = VARIANTS.assign(share_depth=math.nan)
    said = recommend(blind, swept())
    assert said.surface_optimum is None
    assert said.best.variant == BEST
    assert "response surface" not in to_text(said)


def test_a_surface_that_does_not_fit_is_called_so() -> None:
    rough = np.random.default_rng(4).permutation(TRUTH)
    for seed in range(20):
        rough = np.random.default_rng(seed).permutation(TRUTH)
        said = recommend(VARIANTS, trials_table(noisy_trials(rough, 4, 0.001)))
        if not said.validation.fits:
            break
    assert said.surface_optimum is None
    assert "response surface" not in to_text(said)


def test_rows_in_any_order_give_the_same_answer_to_the_last_digit() -> None:
    trials = swept(3)
    shuffled = trials.sample(frac=1, random_state=1).reset_index(drop=True)
    variants = VARIANTS.sample(frac=1, random_state=2)
    assert recommend(variants, shuffled).to_dict() == recommend(VARIANTS, trials).to_dict()


@pytest.mark.parametrize("shift", [-0.5, 0.2])
def test_shifting_all_accuracies_shifts_the_accuracy_alone(shift: float) -> None:
    trials = swept(3)
    before = recommend(VARIANTS, trials)
    after = recommend(VARIANTS, trials.assign(top1=trials["top1"] + shift))
    assert after.best.accuracy == pytest.approx(before.best.accuracy + shift, abs=1e-6)
    for one, other in zip(before.ranking, after.ranking, strict=True):
        assert one.variant == other.variant
        assert other.probability_best == pytest.approx(one.probability_best, abs=0.01)


def test_failed_trials_count_as_not_run() -> None:
    clean = {v: list(a) for v, a in noisy_trials(TRUTH, 3, 0.002).items()}
    broken = {v: [*a, math.nan] for v, a in clean.items()}
    one = recommend(VARIANTS, trials_table(clean))
    assert recommend(VARIANTS, trials_table(broken)).to_dict() == one.to_dict()


def test_a_candidate_without_a_finished_trial_is_left_out_and_mentioned() -> None:
    values = noisy_trials(TRUTH, 3, 0.002)
    values[BEST] = [math.nan]
    said = recommend(VARIANTS, trials_table(values))
    assert BEST not in {one.variant for one in said.ranking}
    assert any("lack of a finished trial" in note for note in said.notes)


def test_what_costs_more_cannot_be_recommended_but_is_compared() -> None:
    expensive = VARIANTS.copy()
    expensive.loc[expensive["variant"] == "v00", ["matched", "flops_ratio"]] = [False, 3.0]
    values = noisy_trials(TRUTH, 4, 0.002)
    values["v00"] = [0.9, 0.91, 0.9, 0.91]
    said = recommend(expensive, trials_table(values))
    assert said.best.variant == BEST
    assert len(said.ranking) == len(SHARES) - 1
    gain = said.gains["depth"]
    assert gain is not None
    assert gain.flops_ratio == 3
    assert gain.accuracy == pytest.approx(0.905)
    assert gain.measured
    assert gain.gain == pytest.approx(said.best.accuracy - 0.905)
    assert gain.high - gain.low == pytest.approx(2 * 1.96 * said.sigma * (2 / 4) ** 0.5, rel=0.2)
    assert gain.high < 0
    assert any("cost is off: depth alone (3.00×)" in note for note in said.notes)


def test_the_nas_objective_pays_for_flops() -> None:
    """Two variants: top-1 0.70 at 2×, 0.71 at 4×; the objective prefers the cheap one."""
    variants = variants_table(SHARES[:2])
    variants.loc[variants["variant"] == "v01", ["matched", "flops_ratio"]] = [False, 4.0]
    trials = trials_table({"v00": [0.70] * 4, "v01": [0.71] * 4})
    said = recommend(variants, trials, metric="nas")
    assert said.best.variant == "v00"
    assert said.ranking[1].mean == pytest.approx(0.71 * (4 / 2) ** NAS_EXPONENT)
    assert said.best.mean == pytest.approx(0.70)


def test_the_validation_loss_is_better_when_lower() -> None:
    trials = swept(4)
    said = recommend(VARIANTS, trials, metric="val_loss")
    assert said.best.variant == BEST
    assert said.best.accuracy == pytest.approx(2 - TRUTH.max(), abs=0.003)
    assert said.best.low < said.best.accuracy < said.best.high
    gain = said.gains["depth"]
    assert gain is not None
    assert gain.gain > 0
    assert gain.accuracy > said.best.accuracy
    assert "nats" in to_text(said)


def test_top5_is_read_from_its_own_column() -> None:
    assert recommend(VARIANTS, swept(), metric="top5").best.accuracy == pytest.approx(
        (1 + TRUTH.max()) / 2, abs=0.002
    )


def test_balanced_accuracy_is_read_from_its_own_column() -> None:
    trials = swept()
    said = recommend(VARIANTS, trials.assign(balanced=trials["top1"] / 2), metric="balanced")
    assert said.best.variant == BEST
    assert said.best.accuracy == pytest.approx(TRUTH.max() / 2, abs=0.002)
    assert "Its balanced accuracy: " in to_text(said)


@pytest.mark.parametrize("some", [False, True])
def test_what_trials_of_before_did_not_measure_is_refused(some: bool) -> None:
    trials = swept()
    if some:
        trials = trials.assign(balanced=trials["top1"].where(trials["seed"] > 0))
    with pytest.raises(UserError, match="did not measure balanced accuracy; use another --metric"):
        recommend(VARIANTS, trials, metric="balanced")


def test_top5_that_is_always_all_is_refused() -> None:
    trials = swept().assign(top5=1.0)
    with pytest.raises(UserError, match=r"top5 is 100 % in all trials, .* five classes or fewer"):
        recommend(VARIANTS, trials, metric="top5")
    assert recommend(VARIANTS, trials).best.variant == BEST


def test_a_single_candidate_is_the_best() -> None:
    said = recommend(VARIANTS[:2], trials_table({"v00": [0.5, 0.6]}))
    assert said.best.probability_best == 1
    assert said.surface_optimum is None


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"metric": "top2"}, "top2"),
        ({"indifference": -0.1}, "-0.1"),
        ({"indifference": math.nan}, "nan"),
        ({"confidence": 1.0}, "between 0 and 1"),
    ],
)
def test_mistakes_are_named(settings: dict[str, float | str], message: str) -> None:
    with pytest.raises(UserError, match=message):
        recommend(VARIANTS, swept(), **settings)  # type: ignore[arg-type]


def test_nothing_to_recommend_is_said_in_a_sentence() -> None:
    with pytest.raises(UserError, match="no candidate has a finished trial"):
        recommend(VARIANTS, trials_table({"base": [0.5], "v01": [math.nan]}))


def test_where_all_trials_of_candidates_failed_it_says_why() -> None:
    failed = trials_table({"base": [0.5], "v01": [0.6]})
    failed = failed.assign(status=["finished", "failed"], error=["", "out of memory."])
    with pytest.raises(UserError, match=r"1 trial failed, .* by out of memory; wait if"):
        recommend(VARIANTS, failed)


def test_curves_and_the_baseline_are_no_candidates() -> None:
    roles = ["baseline", "depth", "depth", "grid", "paper"]
    phis = [0.0, 1.0, 0.5, 1.0, 1.0]
    assert raced(roles, phis, [True] * 5) == [False, True, False, True, True]
    assert raced(roles, phis, [True, False, True, True, True]) == [False, False, False, True, True]
    assert raced([*roles, "curve"], [*phis, 1.0], [True] * 6)[-1] is False
    mostly_off = [True, False, True, False, True]
    assert raced(roles, phis, mostly_off) == [False, True, False, True, True]


def test_a_width_curve_that_costs_as_much_changes_nothing() -> None:
    curve = VARIANTS.iloc[[1]].assign(variant="curve", role="curve", phi=1.0)
    trials = swept()
    lucky = trials.iloc[[0]].assign(trial="lucky", variant="curve", top1=0.99)
    more = recommend(pd.concat([VARIANTS, curve]), pd.concat([trials, lucky]))
    assert more.to_dict() == recommend(VARIANTS, trials).to_dict()


def test_the_rows_are_ready_to_print() -> None:
    table = rows(recommend(VARIANTS, swept()))
    assert len(table) == len(SHARES)
    assert all(isinstance(cell, str) for row in table for cell in row.values())
    assert table[0]["variant"] == BEST
    assert table[0]["not ruled out"] == "yes"


def test_one_finished_trial_is_too_few() -> None:
    with pytest.raises(UserError, match="one finished trial of a candidate says nothing"):
        recommend(VARIANTS, trials_table({"v00": [0.5]}))


def test_no_fewer_trials_are_promised_than_it_takes_to_see_the_noise() -> None:
    shares = spread_shares(2)
    trials = trials_table({"v00": [0.5], "v01": [0.9]})
    needed = recommend(variants_table(shares), trials, indifference=0.5).trials_needed
    assert needed is not None
    assert needed >= 2
    trials = trials_table({"v00": [0.5, 0.51], "v01": [0.9]})
    needed = recommend(variants_table(shares), trials, indifference=0.5).trials_needed
    assert needed is not None
    assert needed >= MIN_REPEATS - 1


def test_a_rival_is_one_network_even_where_two_have_its_role() -> None:
    table = variants_table(spread_shares(6))
    double = table[table["role"] == "depth"].assign(variant="other", matched=False)
    tables = pd.concat([table, double], ignore_index=True)
    values = {f"v{i:02d}": [0.5 + 0.01 * i, 0.5 + 0.01 * i] for i in range(6)}
    alone = recommend(table, trials_table(values)).gains["depth"]
    both = recommend(tables, trials_table({**values, "other": [0.1, 0.1]})).gains["depth"]
    assert both == alone


def test_the_learning_rates_are_said() -> None:
    trials = swept()
    one = recommend(VARIANTS, trials.assign(learning_rate=0.25))
    assert "One learning rate, 0.25, was used for all variants" in to_text(one)
    own = {name: round(0.1 + 0.01 * i, 2) for i, name in enumerate(VARIANTS["variant"])}
    several = recommend(VARIANTS, trials.assign(learning_rate=trials["variant"].map(own)))
    assert (
        "Variants were trained at learning rates of their own, 0.1 to 0.22; the recommended "
        f"one at {own[BEST]:g}."
    ) in to_text(several)
    checked = recommend(VARIANTS, trials.assign(learning_rate=0.25), rates_checked=True)
    assert "Each axis alone was tried at other learning rates, and 0.25 suits" in to_text(checked)
    without = trials.assign(learning_rate=trials["variant"].map({**own, BEST: np.nan}))
    assert "learning rates of their own, 0.1 to 0.22." in to_text(recommend(VARIANTS, without))
    unknown = recommend(VARIANTS, trials.assign(learning_rate=np.nan))
    assert "learning rate" not in to_text(unknown)
