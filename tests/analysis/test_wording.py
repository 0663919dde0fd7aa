"""What `recommend` says: the verdict first, and nothing that says nothing."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from analysis_tables import noisy_trials, spread_shares, trials_table, variants_table

from scalegrid.analysis import network_name, next_step, recommend, rows, sentences, to_text
from scalegrid.analysis.luck import Images, Luck
from scalegrid.analysis.wording import outlook
from scalegrid.coefficients import PAPER, paper
from scalegrid.util.text import percent

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


def test_where_every_difference_matters_only_the_best_is_good_enough() -> None:
    found = recommend(VARIANTS, swept(), indifference=0.0)
    chance = percent(found.best.probability_best)
    assert f"It is the best with probability {chance} (95 % asked)." in to_text(found)
    assert "within 0" not in to_text(found)


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


def test_a_range_without_an_end_has_one_number() -> None:
    up = VARIANTS.assign(alpha_low=1.0, alpha_high=64.0, beta_low=1.0, beta_high=1.5)
    assert f"α = {recommend(up, swept()).best.alpha:.3f} (≥ 1.000), β" in to_text(
        recommend(up, swept())
    )
    halved = shrinking()
    ends = {"alpha_low": 1 / 64, "alpha_high": 0.9, "beta_low": 0.5, "beta_high": 1.0}
    found = recommend(halved.assign(**ends), swept(), flops_factor=0.5)
    assert f"α = {found.best.alpha:.3f} (≤ 0.900), β" in to_text(found)
    assert f"β = {found.best.beta:.3f} (0.500–1.000: no fewer channels)" in to_text(found)
    assert found.to_dict()["alpha_range"] == [1 / 64, 0.9]


def shrinking() -> pd.DataFrame:
    """The same networks turned round: half the baseline's cost."""
    inverted = {name: 1 / VARIANTS[name] for name in ("alpha", "beta", "gamma", "flops_ratio")}
    table: pd.DataFrame = VARIANTS.assign(**inverted)
    return table


def test_smaller_networks_are_recommended_as_larger_ones_are() -> None:
    larger = recommend(VARIANTS, swept())
    smaller = recommend(shrinking(), swept(), flops_factor=0.5)
    assert smaller.best.variant == larger.best.variant
    assert smaller.best.alpha == pytest.approx(1 / larger.best.alpha)
    top, other = smaller.surface_optimum, larger.surface_optimum
    assert top is not None
    assert other is not None
    assert top.coefficients == pytest.approx([1 / c for c in other.coefficients])
    assert top.intervals["beta"] == pytest.approx([1 / c for c in other.intervals["beta"][::-1]])
    assert "0.50×" in to_text(smaller)


def test_shares_that_say_little_have_no_surface_and_that_is_said() -> None:
    shares = np.concatenate([SHARES[:11], [[4.0, -1.0, -2.0]]])
    truth = 0.7 - 0.03 * ((shares - np.array([0.3, 0.4, 0.3])) ** 2).sum(1)
    equal = variants_table(shares)
    assert recommend(equal, swept(truth)).surface_optimum is not None
    cheap = equal.assign(flops_ratio=[*equal["flops_ratio"][:-1], 1.1])
    found = recommend(cheap, swept(truth))
    assert found.surface_optimum is None
    assert "no response surface is fitted" in to_text(found)


def test_what_was_measured_stands_beside_what_is_estimated() -> None:
    found = recommend(VARIANTS, swept(noise=0.02))
    assert found.best.mean is not None
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
        ("paper", tuple(c**2 for c in PAPER), "the paper's coefficients to the power 2"),
        ("paper", tuple(paper(3.0)), "the paper's coefficients to the power 1.58"),
        ("paper", (float("nan"), *PAPER[1:]), "the paper's coefficients"),
        ("paper", (1.25, 1.12, 1.12), "α 1.25, β 1.12, γ 1.12 (nearest the paper's)"),
        ("grid", (float("nan"), 1.1, 1.2), "β 1.10, γ 1.20"),
    ],
)
def test_networks_are_named(role: str, triple: tuple[float, float, float], name: str) -> None:
    assert network_name(role, *triple) == name


@pytest.mark.parametrize(
    ("triple", "name"),
    [(PAPER, "paper"), (paper(4.0), "paper^2"), ((1.25, 1.12, 1.12), "≈ paper")],
)
def test_the_role_of_the_papers_coefficients_says_how_near_they_are(
    triple: tuple[float, float, float], name: str
) -> None:
    ours = dict(zip(("alpha", "beta", "gamma"), triple, strict=True))
    variants = VARIANTS.copy()
    variants.loc[variants["variant"] == "v05", ["role", *ours]] = ["paper", *ours.values()]
    (found,) = (row for row in rows(recommend(variants, swept())) if row["variant"] == "v05")
    assert found["role"] == name


def test_the_cost_that_a_plan_matches_is_compared_and_named() -> None:
    spread = np.linspace(1.0, 3.0, len(VARIANTS))
    params = np.where(VARIANTS["role"] == "baseline", 10, 20)
    variants = VARIANTS.assign(flops_ratio=spread, params=params)
    variants.loc[variants["variant"] == "v00", ["params", "matched"]] = [15, False]
    found = recommend(variants, swept(), match="params")
    text = to_text(found)
    assert "leads 11 candidates of equal parameters." in text
    assert "Only compared, since their parameters are off: depth alone (1.50× parameters)." in text
    assert "Gain over depth alone (1.50× parameters, as measured)" in text
    assert "2.00× parameters" in sentences(found)[1]
    assert rows(found)[0]["parameters ratio"] == "2.000×"
    assert (found.to_dict()["match"], found.to_dict()["cost_ratio"]) == ("params", 2.0)
    unequal = to_text(recommend(variants.assign(params=spread), swept(), match="params"))
    assert "of equal" not in unequal
    assert "The candidates' parameters run from" in unequal
    by_latency = to_text(recommend(variants, swept(), match="latency"))
    assert "leads 11 candidates of equal latency." in by_latency
    assert "their latency is off: depth alone (1.17× FLOPs)" in by_latency


@pytest.mark.parametrize(
    ("confidence", "asked"),
    [(0.95, "95 %"), (0.9999999, "99.99999 %"), (1 - 1e-15, "99.9999999999999 %")],
)
def test_a_confidence_that_is_not_complete_is_not_called_so(confidence: float, asked: str) -> None:
    assert f"({asked} asked)" in sentences(recommend(VARIANTS, swept(), confidence=confidence))[0]


def test_when_even_a_thousand_times_the_images_are_too_few_no_number_is_claimed() -> None:
    found = replace(
        recommend(VARIANTS, swept()),
        luck=Luck(1e-4, 100),
        trials_needed=None,
        images_needed=Images(102400, beyond=True),
    )
    assert "clear, more than 102,400 images would." in to_text(found)
    assert "more than 102,400 validation images would." in outlook(found)
    assert next_step(found, {"data": "leaves"}, Path("results/x")) == [outlook(found)]
