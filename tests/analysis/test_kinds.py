"""Sweeps whose trials ran on several kinds of device."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from analysis_tables import noisy_trials, spread_shares, trials_table, variants_table

from scalegrid.analysis import Metric, recommend, rows, to_text
from scalegrid.analysis.kinds import UNNAMED, difference

SHARES = spread_shares(8)
TRUTH = np.array([0.60, 0.61, 0.62, 0.63, 0.64, 0.65, 0.66, 0.70])
VARIANTS = variants_table(SHARES)
OLD, NEW = "cpu, AMD EPYC 7B13, avx2", "cpu, Intel(R) Xeon(R) Processor, avx512"


def swept(common: int, shift: float, noise: float = 0.004) -> pd.DataFrame:
    """Three seeds of each variant on one kind; two more of ``common`` on another, shifted.

    No two trials have one seed, since the model takes out what trials of one seed share.
    """
    trials = trials_table(noisy_trials(TRUTH, 5, noise))
    here = trials["seed"] < 3
    there = ~here & trials["variant"].isin([f"v{number:02d}" for number in range(common)])
    trials["device"] = np.where(here, OLD, NEW)
    for metric, sign in (("top1", 1), ("val_loss", -1)):
        trials.loc[~here, metric] += sign * shift
    trials["seed"] = np.arange(len(trials))
    kept: pd.DataFrame = trials[here | there].reset_index(drop=True)
    return kept


def test_a_clear_difference_is_taken_out_and_said() -> None:
    trials = swept(common=5, shift=0.15)
    found = recommend(VARIANTS, trials)
    assert recommend(VARIANTS, trials.drop(columns="device")).best.variant != "v07"
    alone = recommend(VARIANTS, swept(common=0, shift=0.0))
    assert found.best.variant == alone.best.variant == "v07"
    assert found.sigma == pytest.approx(0.004, rel=0.5)
    devices = [note for note in found.notes if "device" in note or "taken out" in note]
    assert len(devices) == 2
    assert f"24 on {OLD!r}, 10 on {NEW!r}" in devices[0]
    assert f"Those on {NEW!r} are better than those on {OLD!r} by 1" in devices[1]
    assert devices[1].endswith("5 variants have trials on both), which is taken out.")
    assert all(note in to_text(found) for note in devices)
    assert rows(found)[0]["seeds"] == "3"


@pytest.mark.parametrize("metric", ["top1", "val_loss"])
def test_where_the_other_kind_is_worse_it_is_no_penalty(metric: Metric) -> None:
    trials = swept(common=8, shift=-0.15)
    trials = trials[~((trials["variant"] == "v07") & (trials["device"] == OLD))]
    assert recommend(VARIANTS, trials, metric=metric).best.variant == "v07"
    unnamed = trials.drop(columns="device")
    assert recommend(VARIANTS, unnamed, metric=metric).best.variant != "v07"


def test_a_difference_within_the_noise_changes_nothing() -> None:
    trials = swept(common=8, shift=0.0)
    found, plain = recommend(VARIANTS, trials), recommend(VARIANTS, trials.drop(columns="device"))
    assert rows(found) == rows(plain)
    assert found.notes[-1].endswith("which is unclear and not taken out.")
    assert not plain.notes


@pytest.mark.parametrize("common", [0, 1])
def test_too_few_variants_in_common_are_noted(common: int) -> None:
    trials = swept(common, shift=0.15)
    trials.loc[trials["variant"] == "v02", "device"] = NEW  # else there is one kind
    found = recommend(VARIANTS, trials)
    assert rows(found) == rows(recommend(VARIANTS, trials.drop(columns="device")))
    assert f"Too few variants have trials on both {NEW!r} and {OLD!r}" in found.notes[-1]


def test_rows_of_before_are_a_kind_of_their_own() -> None:
    trials = swept(common=8, shift=0.0)
    assert not recommend(VARIANTS, trials.assign(device="cpu")).notes
    found = recommend(VARIANTS, trials.assign(device=trials["device"].replace(OLD, "cpu")))
    assert f"24 on {UNNAMED!r}, 16 on {NEW!r}" in found.notes[0]


def test_each_of_several_kinds_is_compared_with_the_commonest() -> None:
    trials = swept(common=8, shift=0.15)
    last = trials["seed"] % 5 == 4
    trials.loc[last, "device"] = "cuda, a GPU"
    trials.loc[last, "top1"] -= 0.05
    found = recommend(VARIANTS, trials)
    assert found.notes[0].startswith("Trials ran on 3 kinds of device")
    assert [note.endswith("which is taken out.") for note in found.notes] == [False, True, True]
    assert found.best.variant == "v07"
    assert found.sigma == pytest.approx(0.004, rel=0.5)


def test_rows_in_any_order_give_the_same_answer_to_the_last_digit() -> None:
    trials = swept(common=5, shift=0.15)
    shuffled = trials.sample(frac=1, random_state=1)
    assert recommend(VARIANTS, trials).to_dict() == recommend(VARIANTS, shuffled).to_dict()


def test_the_difference_is_that_of_least_squares_and_its_interval_holds_the_truth() -> None:
    held = []
    for seed in range(100):
        generator = np.random.default_rng(seed)
        frame = pd.DataFrame({"variant": generator.integers(0, 4, 40).astype(str)})
        kind = pd.Series(generator.random(40) < 0.4)
        frame["rung"], frame["seed"] = 1, range(40)
        frame["value"] = 0.3 * kind + frame["variant"].astype(float) + generator.normal(0, 1, 40)
        found = difference(frame, kind, ~kind)
        design = np.column_stack([kind, pd.get_dummies(frame["variant"])]).astype(float)
        fitted = np.linalg.lstsq(design, frame["value"].to_numpy(), rcond=None)[0]
        assert found is not None
        assert found.mean == pytest.approx(fitted[0])
        held.append(found.low < 0.3 < found.high)
    assert np.mean(held) == pytest.approx(0.95, abs=0.05)


def test_a_line_at_several_rungs_is_luck_of_one_seed() -> None:
    clear = []
    for number in range(100):
        generator = np.random.default_rng(number)
        lines = generator.normal(0, 1, (4, 2))  # a seed on each kind; what it has stays with it
        frame = pd.DataFrame(
            (str(i), seed, rung, line + 0.3 * generator.normal())
            for (i, seed), line in np.ndenumerate(lines)
            for rung in (1, 3, 9)
        ).set_axis(["variant", "seed", "rung", "value"], axis=1)
        kind = frame["seed"] == 1
        found = difference(frame, kind, ~kind)
        assert found is not None
        clear.append(found.clear)
        one = frame["variant"] == "0"
        assert difference(frame[one], kind[one], ~kind[one]) is None
    assert np.mean(clear) < 0.08
