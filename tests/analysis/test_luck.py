from __future__ import annotations

import numpy as np
import pytest
from analysis_tables import spread_shares, trials_table, variants_table

from benchmarks import luck as benchmark
from benchmarks.luck import IMAGES, SIZE, by_trial, probabilities
from scalegrid.analysis import recommend, to_text
from scalegrid.analysis.luck import Images, Luck, beyond, luck
from scalegrid.analysis.model import Model
from scalegrid.analysis.observations import Flags, Floats, Observations
from scalegrid.analysis.selection import chances
from scalegrid.util.errors import UserError


def answered(
    chance: Floats, seeds: int, generator: np.random.Generator
) -> dict[tuple[int, int], Flags]:
    return by_trial(benchmark.answered(chance, seeds, generator))


def test_it_is_the_variance_between_sets_of_images_of_differences_of_candidates() -> None:
    generator = np.random.default_rng(0)
    everything = probabilities(np.zeros(SIZE), 100_000, 0.1, generator)
    sets = everything.reshape(SIZE, -1, IMAGES).mean(2)
    centred = sets - sets.mean(0)
    variance = (centred**2).sum() / ((SIZE - 1) * sets.shape[1])
    found = [
        luck(answered(everything[:, k * IMAGES : (k + 1) * IMAGES], 3, generator))
        for k in range(40)
    ]
    estimates = [one.variance for one in found if one is not None]
    assert len(estimates) == 40
    assert np.mean(estimates) == pytest.approx(variance, rel=0.1)


def test_where_candidates_differ_by_seeds_alone_there_is_none() -> None:
    """A binomial variance of 6e-4 would show if noise of seeds entered."""
    found = []
    for number in range(20):
        generator = np.random.default_rng(number)
        one = luck(answered(probabilities(np.zeros(SIZE), IMAGES, 0.0, generator), 2, generator))
        assert one is not None
        found.append(one.variance)
    assert np.mean(found) < 1.5e-5


def test_one_candidate_with_replicates_says_nothing_and_lengths_must_agree() -> None:
    right = np.ones(5, dtype=np.bool_)
    assert luck({}) is None
    assert luck({(0, 0): right, (0, 1): right, (1, 0): right}) is None
    with pytest.raises(UserError, match="different numbers of validation images"):
        luck({(0, 0): right, (0, 1): right[:3]})


@pytest.mark.parametrize("surface", [False, True])
def test_it_is_conditioning_on_values_that_hold_the_luck(surface: bool) -> None:
    """Dense: true values with the prior less the luck, the luck apart, one grid point at a time."""
    model = Model(10, spread_shares(10) if surface else None)
    generator = np.random.default_rng(1)
    rows = [(i, s, float(generator.normal(i / 5, 1.0))) for i in range(10) for s in range(4)]
    before = model.posterior(Observations.collect(10, rows), seed_effects=False)
    variance = 0.02
    after = beyond(before, model, Luck(variance, 100))
    centre = np.eye(10) - 0.1
    checked = 0
    for h in range(len(before.weight)):
        ratio = variance * (before.degrees - 2) / before.squares[h]
        if ratio > (1 - before.smooth[h]) * before.spread[h]:
            continue
        basis, part = model.at_candidates, before.smooth[h]
        prior = before.spread[h] * (part * basis @ basis.T + (1 - part) * np.eye(10))
        keep = (prior - ratio * np.eye(10)) @ np.linalg.inv(prior)
        np.testing.assert_allclose(centre @ after.mean[h], centre @ keep @ before.mean[h])
        known = before.factor[h] @ before.factor[h].T
        expected = keep @ known @ keep.T + ratio * keep
        found = after.factor[h] @ after.factor[h].T
        np.testing.assert_allclose(centre @ found @ centre, centre @ expected @ centre, atol=1e-9)
        checked += 1
    assert checked > 5


def test_what_is_said_of_images_never_seen_is_true() -> None:
    """With the luck; without it, it is not."""
    said: list[float] = []
    alone: list[float] = []
    good = []
    for number in range(50):
        generator = np.random.default_rng([number, 9])
        gains = generator.normal(0, 0.01, SIZE)
        chance = probabilities(gains, IMAGES, 0.15, generator)
        answers = answered(chance, 30, generator)
        rows = [(i, s, float(right.mean())) for (i, s), right in answers.items()]
        model = Model(SIZE)
        posterior = model.posterior(Observations.collect(SIZE, rows))
        with_images = luck(answers)
        assert with_images is not None
        leader = int(posterior.expected.argmax())
        for into, given in (
            (alone, posterior),
            (said, beyond(posterior, model, with_images)),
        ):
            draws = given.sample(1000, np.random.default_rng(0)).values
            into.append(chances(draws, 0.003).within[leader])
        good.append(gains[leader] >= gains.max() - 0.003)
    assert abs(np.mean(said) - np.mean(good)) < 0.1
    assert np.mean(alone) > np.mean(good) + 0.1


def swept(interaction: float, seeds: int, images: int = IMAGES) -> tuple[Images | None, str]:
    generator = np.random.default_rng(4)
    gains = 0.01 * np.arange(SIZE, dtype=np.float64)
    answers = answered(probabilities(gains, images, interaction, generator), seeds, generator)
    values = {f"v{i:02d}": [float(answers[i, s].mean()) for s in range(seeds)] for i in range(SIZE)}
    trials = trials_table(values)
    trials["trial"] = trials["variant"] + trials["seed"].astype(str)
    by_id = {f"v{i:02d}{s}": right for (i, s), right in answers.items()}
    said = recommend(variants_table(spread_shares(SIZE)), trials, answers=by_id)
    return said.images_needed, to_text(said)


def test_recommend_says_when_the_images_limit_the_answer() -> None:
    needed, text = swept(0.25, 30)
    assert needed is not None
    assert not needed.beyond
    assert needed.number > IMAGES
    assert "The images limit the answer, not the seeds" in text
    assert f"about {needed.number:,} images would" in text
    needed, text = swept(0.0, 3)
    assert needed is None
    assert "limit the answer" not in text
    assert f"{IMAGES} validation images" in text
