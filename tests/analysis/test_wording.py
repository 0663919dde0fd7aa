"""What `recommend` says: the verdict first, and nothing that says nothing."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from analysis_tables import noisy_trials, spread_shares, trials_table, variants_table

from scalegrid.analysis import network_name, recommend, rows, sentences, to_text
from scalegrid.coefficients import PAPER

SHARES = spread_shares(12)
VARIANTS = variants_table(SHARES)
TRUTH = 0.7 - 0.03 * ((SHARES - np.array([0.3, 0.4, 0.3])) ** 2).sum(1)
FLAT = np.full(12, 0.7)


def swept(truth: np.ndarray = TRUTH, seeds: int = 4, noise: float = 0.002) -> pd.DataFrame:
    return trials_table(noisy_trials(truth, seeds, noise))


def test_the_verdict_comes_first() -> None:
    decided = sentences(recommend(VARIANTS, swept()))[0]
    assert decided.startswith("Decided: α ")
    assert "leads 12 candidates of equal cost" in decided
    assert "(95 % asked)" in decided
    assert sentences(recommend(VARIANTS, swept(FLAT, noise=0.02)))[0].startswith("Not decided: ")


def test_candidates_of_other_costs_are_not_called_equal() -> None:
    costly = VARIANTS.assign(flops_ratio=np.linspace(1.5, 2.5, len(VARIANTS)))
    assert "equal cost" not in to_text(recommend(costly, swept()))


def test_all_coefficients_that_build_the_network_are_given() -> None:
    ends = {"alpha_low": 1.0, "alpha_high": 1.25, "beta_low": 1.1, "beta_high": 1.2}
    found = recommend(VARIANTS.assign(**ends), swept())
    said = sentences(found)[1]
    assert f"α = {found.best.alpha:.3f} (1.000–1.250: no more layers)" in said
    assert f"β = {found.best.beta:.3f} (1.100–1.200)" in said
    assert "at φ = 1 alone" in said
    as_data = found.to_dict()
    assert (as_data["alpha_range"], as_data["beta_range"]) == ([1.0, 1.25], [1.1, 1.2])
    assert "brackets" not in to_text(recommend(VARIANTS, swept()))  # ranges unknown


def test_what_was_measured_stands_beside_what_is_estimated() -> None:
    found = recommend(VARIANTS, swept(noise=0.02))
    assert found.best.mean > found.best.accuracy + 0.001
    measured, estimated = (f"{100 * v:.2f} %" for v in (found.best.mean, found.best.accuracy))
    said = sentences(found)[2]
    assert f"{measured} measured (4 seeds), {estimated} estimated" in said
    assert "lucky" in said
    assert "lucky" not in to_text(recommend(VARIANTS, swept(noise=1e-6)))


def test_of_one_seed_no_interval_of_an_accuracy_is_shown() -> None:
    found = recommend(VARIANTS, swept(seeds=1))
    assert sentences(found)[2].endswith("measured (1 seed).")
    assert {row["95 %"] for row in rows(found)} == {"–"}
    assert "–" not in {row["95 %"] for row in rows(recommend(VARIANTS, swept(seeds=2)))}


def test_no_noise_is_no_tiny_number() -> None:
    text = to_text(recommend(VARIANTS, trials_table(noisy_trials(TRUTH, 3, 0.0))))
    assert "a noise of < 0.001 points" in text
    assert "e-" not in text


def test_many_candidates_are_not_listed_one_by_one() -> None:
    variants = variants_table(spread_shares(60))
    found = recommend(variants, trials_table(noisy_trials(np.full(60, 0.7), 2, 0.02)))
    said = next(line for line in sentences(found) if line.startswith("Not ruled out"))
    assert said.endswith(f"and {len(found.tie_set) - 5} more.")
    assert said.count("%)") == 4
    assert found.best.variant in {one.variant for one in found.tie_set}


def test_a_surface_that_says_nothing_is_not_mentioned() -> None:
    assert "response surface" in to_text(recommend(VARIANTS, swept()))
    flat = recommend(VARIANTS, swept(FLAT, noise=0.01))
    if flat.surface_optimum is None or flat.surface_optimum.region > 0.5:
        assert "response surface" not in to_text(flat)


@pytest.mark.parametrize(
    ("role", "triple", "name"),
    [
        ("width", (1.0, 1.4, 1.0), "width alone"),
        ("grid", (1.2, 1.1, 1.15), "α 1.20, β 1.10, γ 1.15"),
        ("paper", tuple(PAPER), "the paper's coefficients"),
        ("paper", tuple(c**2 for c in PAPER), "the paper's coefficients"),
        ("paper", (1.25, 1.12, 1.12), "α 1.25, β 1.12, γ 1.12 (nearest the paper's)"),
        ("grid", (float("nan"), 1.1, 1.2), "β 1.10, γ 1.20"),
    ],
)
def test_networks_are_named(role: str, triple: tuple[float, float, float], name: str) -> None:
    assert network_name(role, *triple) == name
