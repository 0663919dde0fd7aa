from __future__ import annotations

import pytest
from light_sweep import light_plan, light_spec

from scalegrid.plan import planned_trials, trial_work, trial_works
from scalegrid.spec import Recipe


def test_a_training_image_costs_three_forward_passes_and_a_validation_image_one() -> None:
    recipe = Recipe(epochs=4)
    assert trial_work(10, recipe, num_train=100, num_val=7) == 4 * (3 * 100 + 7) * 10


def test_the_work_of_each_variant_is_by_its_activations() -> None:
    plan = light_plan(light_spec("results", epochs=3))
    works = trial_works(plan)
    for variant in plan.variants:
        wanted = trial_work(variant.activations, plan.spec.recipe, num_train=64, num_val=32)
        assert works[variant.variant] == wanted


@pytest.mark.parametrize(
    ("settings", "count"), [({}, 5), ({"seeds": 3}, 15), ({"max_trials": 12}, 12)]
)
def test_a_plan_counts_its_trials(settings: dict[str, int], count: int) -> None:
    assert planned_trials(light_plan(light_spec("results", **settings))) == count
