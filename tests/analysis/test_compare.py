"""Two sweeps side by side: differences, order, recommendations and what differs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from analysis_tables import noisy_trials, spread_shares, trials_table, variants_table
from scipy import stats

from scalegrid import compare
from scalegrid.analysis import recommend
from scalegrid.analysis.agreement import agreement
from scalegrid.analysis.comparison_text import (
    differing_rows,
    order_sentences,
    shared_rows,
    shared_sentences,
    verdict,
)
from scalegrid.analysis.observations import Floats
from scalegrid.results import SweepTables
from scalegrid.util.errors import UserError

Values = Mapping[str, Sequence[float]]
TRUTH = 0.6 + 0.01 * np.array([0.0, 3.0, 1.0, 4.0, 1.5, 5.0, 2.0, 6.0])


def sweep(values: Values, *, name: str = "one", **changes: Any) -> SweepTables:
    """A sweep with these accuracies of the variants v00, v01, …"""
    variants = variants_table(spread_shares(len(values)))
    trials = trials_table(values)
    ids = [f"{v}-{s}" for v, s in zip(trials["variant"], trials["seed"], strict=True)]
    trials = trials.assign(trial=ids, device="cpu", threads=1, images=64, versions="x 1")
    none = pd.DataFrame({"trial": [], "images": [], "correct": []})
    made = SweepTables(Path(name), {}, "images", variants, trials, none, none, variants)
    return replace(made, **changes)


def noisy(truth: Floats, seeds: int = 4, noise: float = 0.005, seed: int = 0, **of: Any) -> Any:
    return sweep(noisy_trials(truth, seeds, noise, seed), **of)


def elsewhere(one: SweepTables, **columns: Any) -> SweepTables:
    """The same with other trial ids, as of another recipe."""
    trials = one.trials.assign(trial="other-" + one.trials["trial"], **columns)
    return replace(one, trials=trials, folder=Path("two"))


def with_baseline(one: SweepTables, values: Sequence[float]) -> SweepTables:
    """The same with these accuracies of the baseline."""
    trials = pd.concat([one.trials, sweep({"base": values}).trials], ignore_index=True)
    return replace(one, trials=trials)


def text(found: Any) -> str:
    said = [*verdict(found), *shared_sentences(found), *order_sentences(found), *found.notes]
    return "\n".join(said)


def test_trials_of_one_length_are_compared_and_longer_ones_counted() -> None:
    one = noisy(TRUTH)
    late = noisy(TRUTH[::-1], seed=1).trials
    late = late.assign(trial=late["trial"] + "-9", rung=9)
    longer = replace(one, trials=pd.concat([one.trials.assign(rung=1), late], ignore_index=True))
    found = compare(longer, one)
    assert {c.difference for c in found.shared} == {0.0}
    assert f"Trials of A above rung 1× that are left out: {len(late)}." in found.notes
    assert not any("Trials of B above" in note for note in found.notes)


def test_a_sweep_and_itself_are_the_same() -> None:
    one = noisy(TRUTH)
    found = compare(one, one)
    assert found.same_network
    assert found.differing == {}
    assert (found.only_a, found.only_b) == ((), ())
    assert {(c.difference, c.low, c.high) for c in found.shared} == {(0.0, 0.0, 0.0)}
    assert [c.rank_a for c in found.shared] == [c.rank_b for c in found.shared] == [*range(1, 9)]
    assert found.same_trials is not None
    assert found.same_trials.equal == found.same_trials.finished == len(one.trials)
    assert found.agreement is not None
    assert found.agreement.spearman == 1.0
    assert "the same trials are in both" in text(found)


def test_it_recommends_what_recommend_does() -> None:
    a, b = noisy(TRUTH, seed=1), noisy(TRUTH[::-1], seed=2, data="others")
    found = compare(a, b)
    for side, one in ((found.a, a), (found.b, b)):
        alone = recommend(one.planned, one.trials)
        assert (side.variant, side.good) == (
            alone.best.variant,
            alone.best.probability_within_indifference,
        )
    there = {c.variant: c.probability_within_indifference for c in alone.ranking}
    assert found.a.good_there == there[found.a.variant]


def test_the_same_numbers_on_other_data_are_no_knowledge_of_the_difference() -> None:
    """Of independent sweeps errors add, even where by chance all numbers are equal."""
    a = noisy(TRUTH)
    found = compare(a, replace(elsewhere(a), data="others"))
    alone = {c.variant: c.high - c.low for c in recommend(a.planned, a.trials).ranking}
    assert found.pairs == 0
    for one in found.shared:
        assert one.difference == 0
        assert one.high - one.low == pytest.approx(np.sqrt(2) * alone[one.variant], rel=0.1)


def test_intervals_of_differences_hold_the_truth() -> None:
    held = []
    for world in range(6):
        generator = np.random.default_rng(world)
        truth = 0.6 + 0.008 * generator.standard_normal((2, 8))
        a = noisy(truth[0], seed=100 + world)
        b = noisy(truth[1] - 0.2, seed=200 + world, data="others")
        wanted = dict(
            zip(sorted(noisy_trials(truth[0], 1, 0)), truth[1] - 0.2 - truth[0], strict=True)
        )
        found = compare(a, b)
        assert found.mean_difference is not None
        held += [c.low <= wanted[c.variant] <= c.high for c in found.shared]
        assert found.mean_difference.low <= np.mean(list(wanted.values()))
        assert np.mean(list(wanted.values())) <= found.mean_difference.high
    assert np.mean(held) >= 0.88


def common_noise(seed: int = 0) -> tuple[SweepTables, SweepTables, Floats]:
    """Two recipes on the same data whose trials of a seed have most of their noise in common."""
    generator = np.random.default_rng(seed)
    common, own_a, own_b = generator.standard_normal((3, 8, 4))
    better = 0.004 * generator.standard_normal(8)
    values = TRUTH[:, None] + 0.01 * common
    names = [f"v{number:02d}" for number in range(8)]
    a, b = values + 0.002 * own_a, values + better[:, None] + 0.002 * own_b
    one, two = (sweep(dict(zip(names, v.tolist(), strict=True))) for v in (a, b))
    return one, elsewhere(two), better


def test_noise_in_common_is_taken_out_in_pairs() -> None:
    held = []
    for world in range(3):
        a, b, better = common_noise(world)
        found, apart = compare(a, b), compare(a, replace(b, data="others"))
        assert (found.pairs, apart.pairs) == (32, 0)
        assert [c.variant for c in found.shared] == [c.variant for c in apart.shared]
        narrow, wide = (np.mean([c.high - c.low for c in one.shared]) for one in (found, apart))
        assert narrow < 0.6 * wide
        assert found.noise_in_common > 0.8
        held += [c.low <= better[int(c.variant[1:])] <= c.high for c in found.shared]
    assert np.mean(held) >= 0.85
    assert "within 32 pairs of trials of one variant and seed" in text(found)


def test_the_baseline_is_shown_beside_the_candidates_and_changes_nothing_of_them() -> None:
    a, b = noisy(TRUTH, seed=1), noisy(TRUTH, seed=2, data="others")
    alone, found = compare(a, b), compare(with_baseline(a, [0.5]), with_baseline(b, [0.4, 0.5]))
    assert alone.baseline is None
    base = found.baseline
    assert base is not None
    assert (base.variant, base.rank_a, base.rank_b) == ("base", None, None)
    assert (base.a, base.b, base.difference) == pytest.approx((0.5, 0.45, -0.05))
    for one in ("a", "b", "shared", "mean_difference", "agreement"):
        assert getattr(found, one) == getattr(alone, one)
    assert [row["α β γ"] for row in shared_rows(found)].index("baseline") == 8
    assert "The baseline is no candidate" in text(found)
    assert "baseline" not in text(alone)


def test_baselines_that_are_not_the_same_are_not_compared() -> None:
    a, b = (with_baseline(noisy(TRUTH, seed=seed), [0.5]) for seed in (1, 2))
    for frame in (b.variants, b.trials):
        frame["variant"] = frame["variant"].replace("base", "other")
    found = compare(a, b)
    assert found.baseline is None
    assert "The sweeps have other baselines" in text(found)


def test_the_interval_of_the_baseline_is_as_wide_as_the_noise_makes_it() -> None:
    """Normal noise of known size, twice four trials: with most of it in common, and of others."""
    generator = np.random.default_rng(0)
    common, own = 0.01 * generator.standard_normal(4), 0.002 * generator.standard_normal((2, 4))
    one, two, _ = common_noise()
    a = with_baseline(one, (0.5 + common + own[0]).tolist())
    b = with_baseline(two, (0.53 + common + own[1]).tolist())
    for other, noise in ((b, [0.002]), (replace(b, data="others"), [0.002, 0.01])):
        found = compare(a, other).baseline
        assert found is not None
        wide = 2 * 1.96 * np.sqrt(2 * np.square(noise).sum() / 4)
        assert found.high - found.low == pytest.approx(wide, rel=0.25)
        assert found.low <= 0.03 <= found.high


def test_without_noise_in_common_pairs_are_left_alone() -> None:
    a = noisy(TRUTH, seed=1)
    assert compare(a, elsewhere(noisy(TRUTH, seed=2))).pairs == 0


def test_more_seeds_of_the_same_sweep_are_no_difference() -> None:
    more = with_baseline(noisy(TRUTH), [0.5, 0.51, 0.52, 0.53])
    fewer = replace(more, trials=more.trials[more.trials["seed"] < 2])
    found = compare(fewer, more)
    shown = [*found.shared, *filter(None, [found.baseline])]
    assert [(c.difference, c.low, c.high) for c in shown] == 9 * [(0.0, 0.0, 0.0)]
    assert found.differing == {"seeds_trained": ([0, 1], [0, 1, 2, 3]), "trials_finished": (18, 36)}


def test_without_noise_differences_and_rank_correlation_are_those_of_the_tables() -> None:
    other = TRUTH[[3, 1, 0, 2, 5, 4, 7, 6]]
    a, b = noisy(TRUTH, noise=1e-7), noisy(other, noise=1e-7, seed=1, data="others")
    found = compare(a, b)
    for one in found.shared:
        number = int(one.variant[1:])
        assert one.difference == pytest.approx(other[number] - TRUTH[number], abs=1e-6)
        assert one.low <= one.difference <= one.high
        assert one.high - one.low < 1e-4
    assert found.agreement is not None
    assert found.agreement.spearman == pytest.approx(stats.spearmanr(TRUTH, other).statistic)
    assert found.agreement.most == pytest.approx(1, abs=1e-6)
    ranks = stats.rankdata(-TRUTH), stats.rankdata(-other)
    assert {(c.rank_a, c.rank_b) for c in found.shared} == set(zip(*ranks, strict=True))


def test_the_interval_of_the_rank_correlation_holds_that_of_the_true_values() -> None:
    generator, held, widths = np.random.default_rng(0), [], []
    for reliability in (0.4, 0.9):
        for rho in np.linspace(-0.95, 0.95, 12):
            true = generator.standard_normal((2, 12))
            true[1] = rho * true[0] + np.sqrt(1 - rho**2) * true[1]
            noise = 1 / reliability - 1
            means = reliability * (true + np.sqrt(noise) * generator.standard_normal(true.shape))
            error = np.sqrt(reliability * noise)
            draws = means[:, None] + error * generator.standard_normal((2, 500, 12))
            found = agreement((means[0], means[1]), (draws[0], draws[1]))
            assert found is not None
            held.append(found.low <= stats.spearmanr(*true).statistic <= found.high)
            widths.append((reliability, found.high - found.low))
    assert np.mean(held) >= 0.85
    assert np.mean([w for r, w in widths if r == 0.4]) > 1.3 * np.mean(
        [w for r, w in widths if r == 0.9]
    )


def test_a_leader_is_ruled_out_by_a_sweep_that_is_sure_only() -> None:
    a = noisy(TRUTH, noise=0.003)
    sure = noisy(TRUTH[::-1], noise=0.003, seed=1, data="others")
    found = compare(a, sure)
    assert found.a.ruled_out
    assert found.a.good_there is not None
    assert found.a.good_there < 0.05
    assert "which rules it out" in text(found)
    once = replace(sure, trials=sure.trials[sure.trials["seed"] == 0])
    found = compare(a, once)
    assert not found.a.ruled_out
    assert "Every candidate of B has one seed only" in text(found)


def test_settings_versions_devices_and_seeds_that_differ_are_named() -> None:
    a = noisy(TRUTH, spec={"batch_size": 16, "learning_rate": 0.1, "workers": 1, "name": "a"})
    b = noisy(TRUTH, spec={"batch_size": 32, "learning_rate": 0.1, "workers": 2, "name": "b"})
    b.trials["device"] = "cpu, Zen, avx2"
    a.trials["versions"], b.trials["versions"] = "torch 2.4, timm 1", "torch 2.5, timm 1"
    found = compare(a, replace(b, data="others", folder=Path("two")))
    assert found.differing == {
        "batch_size": (16, 32),
        "data_fingerprint": ("images", "others"),
        "devices": (["cpu, unnamed"], ["cpu, Zen, avx2"]),
        "versions": (["torch 2.4"], ["torch 2.5"]),
    }
    assert {row["differs"]: row["B"] for row in differing_rows(found)}["versions"] == "torch 2.5"


def test_equal_descriptions_with_other_numbers_are_compared_trial_by_trial() -> None:
    a = noisy(TRUTH)
    b = replace(a, trials=a.trials.copy())
    b.trials["top1"] += 0.001 + 0.002 * np.random.default_rng(3).standard_normal(len(b.trials))
    b.trials.loc[5, ["status", "top1"]] = ["failed", np.nan]
    both = b.trials["status"] == "finished"
    apart = (b.trials["top1"] - a.trials["top1"])[both]
    found = compare(a, b).same_trials
    assert found is not None
    assert (found.trials, found.finished, found.equal) == (32, 31, 0)
    wanted = stats.ttest_1samp(apart, 0).confidence_interval()
    assert (found.low, found.high) == pytest.approx((wanted.low, wanted.high))
    assert found.deviation == pytest.approx(apart.std())


def test_of_the_loss_less_is_better_and_the_difference_keeps_its_sign() -> None:
    a, b = noisy(TRUTH, seed=1), noisy(TRUTH - 0.1, seed=2, data="others")
    found = compare(a, b, metric="val_loss")  # of these tables 2 - top1
    assert found.a.variant == compare(a, b).a.variant
    assert found.mean_difference is not None
    assert found.mean_difference.low < 0.1 < found.mean_difference.high
    assert all(c.low < c.difference < c.high for c in found.shared)


def test_sweeps_without_a_common_candidate_are_compared_in_words() -> None:
    a, b = noisy(TRUTH), noisy(TRUTH, spec={"flops_factor": 3.0}, data="others")
    for frame in (b.variants, b.trials):
        frame["variant"] = "w" + frame["variant"]
    found = compare(a, replace(b, spec={"flops_factor": 3.0}))
    assert (found.shared, found.agreement, found.mean_difference) == ((), None, None)
    assert (len(found.only_a), len(found.only_b)) == (8, 8)
    assert "They share no candidate, as flops_factor differs" in text(found)
    assert "it is no candidate of B" in text(found)


def test_one_common_candidate_has_a_difference_and_no_order() -> None:
    a, b = noisy(TRUTH), noisy(TRUTH + 0.1, seed=1, data="others")
    for frame in (b.variants, b.trials):
        frame["variant"] = frame["variant"].where(frame["variant"] == "v03", "w" + frame["variant"])
    (one,) = compare(a, b).shared
    assert one.low < 0.1 < one.high
    assert (one.variant, one.rank_a, one.rank_b) == ("v03", 1, 1)
    assert compare(a, b).agreement is None


def test_a_candidate_without_a_finished_trial_is_left_out_and_said_so() -> None:
    a, b = noisy(TRUTH), noisy(TRUTH, seed=1, data="others")
    failed = b.trials["variant"] == "v02"
    b.trials.loc[failed, ["status", "top1"]] = ["failed", np.nan]
    found = compare(a, b)
    assert len(found.shared) == 7
    assert found.differing["trials_failed"] == (0, 4)
    assert "no trial has finished: 1." in text(found)


def test_a_sweep_without_trials_is_refused_by_name() -> None:
    a = noisy(TRUTH)
    with pytest.raises(UserError, match=r"^B \(empty\): nothing can be recommended yet"):
        compare(a, replace(a, trials=a.trials.head(0), folder=Path("empty")))


def test_rows_in_any_order_give_the_same_comparison() -> None:
    a, b, _ = common_noise()
    mixed = replace(b, trials=b.trials.sample(frac=1, random_state=0))
    assert compare(a, b) == compare(a, mixed)


def test_in_tables_of_before_the_papers_network_is_the_nearest() -> None:
    variants = variants_table(spread_shares(len(TRUTH)))
    variants.loc[variants["variant"] == "v07", "role"] = "paper"
    one = noisy(TRUTH, planned=variants)
    first = verdict(compare(one, elsewhere(one)))[0]
    assert "the same network, nearest the paper's (α " in first
    assert "the paper's coefficients" not in first
