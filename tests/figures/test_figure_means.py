from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
from figure_tables import FakeTables, plan, train
from scipy import stats

from scalegrid.coefficients import Coefficients
from scalegrid.figures.means import (
    MeanAccuracies,
    coefficients_text,
    describe_trials,
    mean_accuracies,
)
from scalegrid.util.errors import UserError

ONE = "Points are single trials, one seed each: differences may be noise."


def slow_half_widths(tables: FakeTables) -> dict[str, float]:
    """The half-width of each variant's interval, computed in loops: pooled, then over √seeds."""
    by_variant: dict[str, list[float]] = {}
    for _, trial in tables.trials.iterrows():
        if trial["status"] == "finished":
            by_variant.setdefault(trial["variant"], []).append(100 * trial["top1"])
    squares = degrees = 0.0
    for values in by_variant.values():
        centre = sum(values) / len(values)
        squares += sum((value - centre) ** 2 for value in values)
        degrees += len(values) - 1
    t = stats.t.ppf(0.975, degrees)
    return {
        variant: t * math.sqrt(squares / degrees / len(values)) if len(values) > 1 else math.nan
        for variant, values in by_variant.items()
    }


def means_of(tables: FakeTables) -> MeanAccuracies:
    return mean_accuracies(tables.variants, tables.trials)


def without_trials(tables: FakeTables, trials: pd.Series) -> FakeTables:
    return FakeTables(tables.variants, tables.trials[~trials].reset_index(drop=True))


def test_means_and_intervals_agree_with_the_formula() -> None:
    tables = train(plan(), seeds=4, failed=2)
    single = tables.trials["variant"].eq(tables.variants["variant"].iloc[3]) & (
        tables.trials["seed"] > 0
    )
    tables = without_trials(tables, single)
    means = means_of(tables)
    slow = slow_half_widths(tables)
    for _, row in means.table.iterrows():
        own = tables.trials[tables.trials["variant"] == row["variant"]]
        assert row["accuracy"] == pytest.approx(100 * own["top1"].dropna().mean())
        assert row["seeds"] == own["top1"].notna().sum()
        half = slow[row["variant"]]
        expected = (row["accuracy"] - half, row["accuracy"] + half)
        assert (row["low"], row["high"]) == pytest.approx(expected, nan_ok=True)
    assert means.table["low"].isna().sum() == 1
    assert means.failed == 2


def test_variants_with_one_seed_have_no_interval() -> None:
    means = means_of(train(plan(), seeds=1))
    assert means.degrees == 0
    assert means.table[["low", "high"]].isna().all(axis=None)


def test_one_pair_of_seeds_says_too_little_for_an_interval() -> None:
    tables = train(plan(), seeds=2)
    second = tables.trials["seed"] > 0
    baseline = tables.trials["variant"].eq(tables.variants["variant"].iloc[0])
    means = means_of(without_trials(tables, second & ~baseline))
    assert means.degrees == 1
    assert means.table[["low", "high"]].isna().all(axis=None)
    assert describe_trials(means) == [
        "Points are plain means of 1 to 2 seeds. There are no intervals: two seeds of one "
        "network say too little of the noise."
    ]


def test_variants_are_in_plan_order_and_on_a_line_in_order_of_flops() -> None:
    tables = train(plan(factors=(1.5, 2.0, 3.0)))
    tables.variants["order"] = tables.variants["order"].to_numpy()[::-1]
    means = means_of(tables)
    assert means.table["order"].is_monotonic_increasing
    assert not means.of("width")["flops"].is_monotonic_increasing
    line = means.line(means.of("width"))
    assert line["role"].tolist() == ["baseline", "width", "width", "width"]
    assert line["flops"].is_monotonic_increasing


def test_nothing_finished_is_an_error() -> None:
    tables = train(plan())
    tables.trials["status"] = "failed"
    with pytest.raises(UserError, match=r"^no trial has finished; run .*\.$"):
        means_of(tables)


def test_intervals_end_at_0_and_100_per_cent() -> None:
    tables = train(plan(), seeds=2, noise=0.1)
    tables.trials["top1"] = np.where(tables.trials["seed"] == 0, 0.995, 0.97)
    assert means_of(tables).table["high"].max() == 100
    tables.trials["top1"] = 1 - tables.trials["top1"]
    assert means_of(tables).table["low"].min() == 0


def test_coefficients_are_written_to_three_digits() -> None:
    row = Coefficients(1.2, 1.1, 1.15)._asdict()
    assert coefficients_text(row) == "α = 1.2, β = 1.1, γ = 1.15"
    assert coefficients_text({**row, "alpha": math.nan}) == "β = 1.1, γ = 1.15"


@pytest.mark.parametrize(
    ("seeds", "failed", "expected"),
    [
        (1, 0, [ONE]),
        (1, 2, [ONE, "2 failed trials left out."]),
        (
            3,
            1,
            [
                "Points are plain means of 2 to 3 seeds. Bars are 95 % t intervals, with the seed "
                "noise pooled over variants (23 degrees of freedom).",
                "1 failed trial left out.",
            ],
        ),
        (
            2,
            1,
            [
                "Points are plain means of 1 to 2 seeds. Bars are 95 % t intervals, with the seed "
                "noise pooled over variants (11 degrees of freedom).",
                "A point without a bar has one seed.",
                "1 failed trial left out.",
            ],
        ),
    ],
)
def test_sentences_describe_the_trials(seeds: int, failed: int, expected: list[str]) -> None:
    means = means_of(train(plan(), seeds=seeds, failed=failed))
    assert describe_trials(means) == expected
