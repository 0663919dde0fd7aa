from __future__ import annotations

import math

import pandas as pd
import pytest
from figure_tables import FakeTables, plan, train
from scipy import stats

from scalegrid.coefficients import Coefficients
from scalegrid.figures.means import (
    choose_compound,
    coefficients_text,
    describe_trials,
    mean_accuracies,
)
from scalegrid.util.errors import UserError


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


def without_trials(tables: FakeTables, trials: pd.Series) -> FakeTables:
    return FakeTables(tables.variants, tables.trials[~trials].reset_index(drop=True))


def test_means_and_intervals_agree_with_the_formula() -> None:
    tables = train(plan(), seeds=4, failed=2)
    single = tables.trials["variant"].eq(tables.variants["variant"].iloc[3]) & (
        tables.trials["seed"] > 0
    )
    tables = without_trials(tables, single)
    means = mean_accuracies(tables, "x")
    slow = slow_half_widths(tables)
    for _, row in means.table.iterrows():
        own = tables.trials[tables.trials["variant"] == row["variant"]]
        assert row["accuracy"] == pytest.approx(100 * own["top1"].dropna().mean())
        assert row["seeds"] == own["top1"].notna().sum()
        assert row["half_width"] == pytest.approx(slow[row["variant"]], nan_ok=True)
    assert means.table["half_width"].isna().sum() == 1
    assert means.failed == 2


def test_variants_with_one_seed_have_no_interval() -> None:
    means = mean_accuracies(train(plan(), seeds=1), "x")
    assert means.degrees == 0
    assert means.table["half_width"].isna().all()


def test_variants_are_in_plan_order_and_on_a_line_in_order_of_flops() -> None:
    tables = train(plan(factors=(1.5, 2.0, 3.0)))
    tables.variants["order"] = tables.variants["order"].to_numpy()[::-1]
    means = mean_accuracies(tables, "x")
    assert means.table["order"].is_monotonic_increasing
    assert not means.of("width")["flops"].is_monotonic_increasing
    line = means.line("width")
    assert line["role"].tolist() == ["baseline", "width", "width", "width"]
    assert line["flops"].is_monotonic_increasing


@pytest.mark.parametrize(
    ("keep", "complaint"),
    [
        ([], "no trial has finished"),
        (["grid", "depth"], "the baseline has no finished trial"),
        (["baseline"], "only the baseline has a finished trial"),
    ],
)
def test_too_few_trials_are_an_error(keep: list[str], complaint: str) -> None:
    tables = train(plan())
    roles = tables.variants.set_index("variant")["role"]
    tables.trials.loc[~tables.trials["variant"].map(roles).isin(keep), "status"] = "failed"
    with pytest.raises(UserError, match=f"^cannot draw accuracy-flops: {complaint}.*\\.$"):
        mean_accuracies(tables, "accuracy-flops")


def test_compound_is_the_best_of_the_grid() -> None:
    means = mean_accuracies(train(plan(grid=9), seeds=2), "x")
    compound = choose_compound(means)
    grid = means.of("grid")
    assert compound.rows["accuracy"].tolist() == [grid["accuracy"].max()]
    assert "the best of 9 in the grid" in compound.note


def test_a_grid_variant_scaled_in_one_axis_is_not_compound() -> None:
    tables = train(plan(grid=4), noise=0)
    best = choose_compound(mean_accuracies(tables, "x")).rows["variant"].iloc[0]
    baseline = tables.variants.iloc[0]
    chosen = tables.variants["variant"] == best
    tables.variants.loc[chosen, ["layers", "channels"]] = baseline[["layers", "channels"]].tolist()
    compound = choose_compound(mean_accuracies(tables, "x"))
    assert compound.rows["variant"].tolist() != [best]
    assert "the best of 3 in the grid" in compound.note


def test_recommended_coefficients_come_before_the_best_of_the_grid() -> None:
    means = mean_accuracies(train(plan(compound=(1.0, 2.0, 3.0))), "x")
    compound = choose_compound(means)
    assert set(compound.rows["phi"]) >= {1.0, 2.0, 3.0}
    assert set(compound.rows["alpha"]) == {1.15}
    assert "recommended" in compound.note


def test_without_a_grid_there_is_no_compound() -> None:
    assert choose_compound(mean_accuracies(train(plan(grid=0)), "x")).rows.empty


def test_coefficients_are_written_without_breakable_spaces() -> None:
    row = pd.Series(Coefficients(1.2, 1.1, 1.15)._asdict())
    assert coefficients_text(row) == "α = 1.2, β = 1.1, γ = 1.15".replace(" ", "\u00a0")


@pytest.mark.parametrize(
    ("seeds", "failed", "expected"),
    [
        (1, 0, ["One seed each: differences may be noise."]),
        (1, 2, ["One seed each: differences may be noise.", "2 failed trials left out."]),
        (
            3,
            1,
            [
                "Means of 2 to 3 seeds; bars: 95 % t interval, seed noise pooled over variants "
                "(23 degrees of freedom).",
                "1 failed trial left out.",
            ],
        ),
        (
            2,
            1,
            [
                "Means of 1 to 2 seeds; bars: 95 % t interval, seed noise pooled over variants "
                "(11 degrees of freedom).",
                "No bar: one seed.",
                "1 failed trial left out.",
            ],
        ),
    ],
)
def test_the_note_describes_the_trials(seeds: int, failed: int, expected: list[str]) -> None:
    means = mean_accuracies(train(plan(), seeds=seeds, failed=failed), "x")
    assert describe_trials(means) == expected
