"""What is recommended, and what is said of the order, where trials are of several lengths."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from analysis_tables import noisy_trials, spread_shares, trials_table, variants_table

from scalegrid.analysis import next_step, recommend, rows, to_text
from scalegrid.analysis.observations import Flags, Floats
from scalegrid.analysis.recommend import estimates_as_planned
from scalegrid.analysis.sensor import readings

SHARES = spread_shares(10)
VARIANTS = variants_table(SHARES)
BRIEF = 0.60 + 0.05 * np.random.default_rng(3).random(10)
AGREES = BRIEF + 0.1
REVERSED = 0.70 + (BRIEF.max() - BRIEF)
NOISE = 0.003


def swept(late: Floats, seeds: int = 4, *, reached: int = 10, noise: float = NOISE) -> pd.DataFrame:
    """Trials of all candidates at 1×, and of the first ``reached`` at 9×; the baseline at both."""
    brief = trials_table({**noisy_trials(BRIEF, seeds, noise), "base": [0.5]})
    long = trials_table({**noisy_trials(late[:reached], seeds, noise, 1), "base": [0.6]})
    table: pd.DataFrame = pd.concat([brief.assign(rung=1), long.assign(rung=9)], ignore_index=True)
    return table


def best_of(truth: Floats) -> str:
    return f"v{int(truth.argmax()):02d}"


def test_an_order_that_holds_is_said_to() -> None:
    found = recommend(VARIANTS, swept(AGREES))
    assert found.rung == 9
    assert found.best.variant == best_of(AGREES)
    assert found.best.accuracy == pytest.approx(AGREES.max(), abs=0.005)
    assert found.verdict is not None
    assert found.verdict.held is True
    text = to_text(found)
    assert "leads 10 candidates of equal cost at 9×." in text
    assert "The order held from 1× to 9×: Kendall's τ 0.9" in text
    assert "at 9×: " in text
    assert "mislead" not in text


def test_where_it_does_not_hold_the_long_trainings_decide() -> None:
    trials = swept(REVERSED)
    found = recommend(VARIANTS, trials)
    assert found.best.variant == best_of(REVERSED)
    assert recommend(VARIANTS, trials[trials["rung"] == 1]).best.variant == best_of(BRIEF)
    assert found.verdict is not None
    assert found.verdict.held is False
    assert found.verdict.variants[found.verdict.brief] == best_of(BRIEF)
    assert "The order of 1× did not hold at 9×: Kendall's τ -0.9" in to_text(found)
    assert "Brief trainings mislead here: choose by trainings of 9× or longer" in to_text(found)
    said = found.to_dict()
    assert said["verdict"]["brief_leader"] == best_of(BRIEF)
    assert said["verdict"]["leader"] == said["variant"]
    json.dumps(said, allow_nan=False)


def test_candidates_that_were_not_trained_long_are_judged_by_what_the_others_show() -> None:
    order = np.argsort(-BRIEF)
    brief, late = BRIEF[order], AGREES[order]
    variants = variants_table(SHARES[order])
    trials = pd.concat(
        [
            trials_table(noisy_trials(brief, 4, NOISE)).assign(rung=1),
            trials_table(noisy_trials(late[:5], 4, NOISE, 1)).assign(rung=9),
        ],
        ignore_index=True,
    )
    found = recommend(variants, trials)
    assert found.best.variant == "v00"
    by_id = {one.variant: one for one in found.ranking}
    assert len(by_id) == 10
    last = by_id["v09"]
    assert last.trials == 0
    assert last.low < late[9] < last.high
    assert last.high - last.low > by_id["v00"].high - by_id["v00"].low
    cells = {row["variant"]: row for row in rows(found)}
    assert cells["v09"]["top-1"] == "–"
    assert cells["v09"]["seeds"] == "0"
    assert cells["v00"]["seeds"] == "4"
    json.dumps(found.to_dict(), allow_nan=False)


def test_one_candidate_alone_at_a_rung_is_compared_with_nothing_there() -> None:
    found = recommend(VARIANTS, swept(AGREES, reached=1))
    assert found.rung == 1
    assert found.verdict is None
    brief = swept(AGREES)
    assert found.ranking == recommend(VARIANTS, brief[brief["rung"] == 1]).ranking


def test_variants_of_another_cost_are_compared_at_1x_and_that_is_said() -> None:
    off = VARIANTS["variant"] == "v00"
    variants = VARIANTS.assign(
        matched=~off, flops_ratio=np.where(off, 1.8, VARIANTS["flops_ratio"])
    )
    trials = swept(AGREES)
    trials = trials[(trials["variant"] != "v00") | (trials["rung"] == 1)]
    found = recommend(variants, trials)
    gain = found.gains["depth"]
    assert gain is not None
    assert gain.measured
    assert gain.rung == 1
    assert gain.gain == pytest.approx(BRIEF.max() - BRIEF[0], abs=0.005)
    other = found.gains["width"]
    assert other is not None
    assert other.rung == 9
    assert "as measured at 1×)" in to_text(found)


def test_variants_of_another_cost_are_compared_at_the_highest_rung_if_trained_so_long() -> None:
    variants = VARIANTS.assign(matched=VARIANTS["variant"] != "v00")
    trials = swept(AGREES)
    found = recommend(variants, trials)
    gain = found.gains["depth"]
    assert gain is not None
    assert (gain.measured, gain.rung) == (True, 9)
    long = trials[trials["rung"] == 9].groupby("variant")["top1"].mean()
    assert gain.accuracy == pytest.approx(long["v00"])
    assert gain.gain == pytest.approx(long.max() - long["v00"], abs=0.005)
    assert gain.low < gain.gain < gain.high
    assert f"({gain.flops_ratio:.2f}×, as measured): " in to_text(found)


def test_a_gain_over_one_that_was_not_trained_so_long_is_called_an_estimate() -> None:
    trials = swept(AGREES)
    trials = trials[(trials["variant"] != "v00") | (trials["rung"] == 1)]
    found = recommend(VARIANTS, trials)
    gain = found.gains["depth"]
    assert gain is not None
    assert (gain.rung, gain.measured) == (1, False)
    assert "×, estimated, since it was trained to 1× only): " in to_text(found)
    assert to_text(found).count("estimated, since") == 1


def test_the_brief_leader_is_judged_as_the_ranking_judges_it() -> None:
    trials = swept(AGREES, seeds=3, noise=0.01)
    trials["trial"] = [str(i) for i in range(len(trials))]
    generator = np.random.default_rng(0)
    hard = {variant: 0.25 * generator.standard_normal(400) for variant in VARIANTS["variant"]}
    answers: dict[str, Flags] = {
        row["trial"]: generator.random(400) < row["top1"] + hard[row["variant"]]
        for row in trials.to_dict("records")
    }
    found = recommend(VARIANTS, trials, answers=answers)
    assert found.luck is not None
    assert found.verdict is not None
    assert found.luck.variance > 0.005**2
    good = {one.variant: one.probability_within_indifference for one in found.ranking}
    assert found.verdict.good == good[found.verdict.variants[found.verdict.brief]]
    assert found.verdict.variants[found.verdict.late] == found.best.variant


def test_another_order_of_candidates_that_hardly_differ_misleads_nobody() -> None:
    alike = 0.7 + 0.01 * (BRIEF.max() - BRIEF)
    found = recommend(VARIANTS, swept(alike, seeds=8, noise=0.001))
    assert found.verdict is not None
    assert found.verdict.held is False
    assert found.verdict.good > 0.95
    assert "Even so the brief leader" in to_text(found)
    assert "mislead" not in to_text(found)


def test_noise_that_is_not_seen_at_the_highest_rung_is_not_read_there() -> None:
    trials = swept(AGREES, seeds=3, noise=0.01)
    once = trials[(trials["rung"] == 1) | (trials["seed"] == 0)]
    read = [set(readings(estimates_as_planned(VARIANTS, one, {}))) for one in (trials, once)]
    assert read == [{"top1", "top5", "val_loss"}, {"top1"}]


def test_more_trials_are_counted_at_every_rung() -> None:
    trials = swept(AGREES, seeds=2, noise=0.02)
    found = recommend(VARIANTS, trials)
    assert found.trials_needed
    sentence, command = next_step(found, {"rungs": [1, 9]}, Path("results/mine"))
    assert "up to 9×" in sentence
    most = found.trials_most or found.trials_needed
    assert f"--max-trials {len(trials) + 2 * most}" in command


def test_rows_in_any_order_give_the_same_answer() -> None:
    trials = swept(AGREES, 2, reached=4)
    shuffled = trials.sample(frac=1, random_state=1)
    assert recommend(VARIANTS, shuffled).to_dict() == recommend(VARIANTS, trials).to_dict()
