from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from scalegrid.spec import Recipe
from scalegrid.training.held import held_updates
from scalegrid.training.recipe import (
    SCHEDULES,
    check_recipe,
    make_optimizer,
    make_schedule,
)
from scalegrid.util.errors import UserError


def recipe_of(**values: object) -> Recipe:
    return Recipe.model_validate(values)


def rates(steps: int, **recipe: object) -> list[float]:
    """The learning rate of each update."""
    given_recipe = recipe_of(**recipe)
    optimizer = make_optimizer(nn.Linear(4, 4), given_recipe)
    schedule = make_schedule(optimizer, given_recipe, steps)
    found = []
    for step in range(steps):
        found.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        if step < steps - 1:
            schedule.step()
    return found


@pytest.mark.parametrize("name", ["adamw", "sgd", "nesterov", "lamb", "lion", "nadamw", "AdamW"])
@pytest.mark.parametrize("schedule", SCHEDULES)
def test_optimisers_and_schedules_by_timm_name(name: str, schedule: str) -> None:
    recipe = recipe_of(optimizer=name, schedule=schedule)
    check_recipe(recipe)
    parameter = nn.Parameter(torch.ones(3))
    optimizer = make_optimizer(nn.ParameterList([parameter]), recipe)
    make_schedule(optimizer, recipe, 10)
    parameter.grad = torch.ones(3)
    optimizer.step()
    assert not torch.equal(parameter, torch.ones(3))


def test_norms_and_biases_do_not_decay() -> None:
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Linear(4, 2))
    optimizer = make_optimizer(model, recipe_of(weight_decay=0.3))
    decay = {id(p): g["weight_decay"] for g in optimizer.param_groups for p in g["params"]}
    for name, parameter in model.named_parameters():
        assert decay[id(parameter)] == (0.3 if name in ("0.weight", "2.weight") else 0.0)


@pytest.mark.parametrize(
    ("recipe", "reason"),
    [
        ({"optimizer": "adamww"}, "did you mean 'adamw'"),
        ({"optimizer": "no such thing"}, "'no such thing'"),
        ({"optimizer": "adahessian"}, "second derivatives"),
        ({"schedule": "cosin"}, "did you mean 'cosine'"),
        ({"schedule": "plateau"}, "'plateau'"),
    ],
)
def test_unusable_names_are_the_users_error(recipe: dict[str, str], reason: str) -> None:
    with pytest.raises(UserError, match=reason) as caught:
        check_recipe(Recipe.model_validate(recipe))
    assert "\n" not in str(caught.value)


@pytest.mark.skipif(torch.cuda.is_available(), reason="it would be usable")
def test_an_optimiser_that_needs_another_device_is_refused() -> None:
    with pytest.raises(UserError, match="cannot be used here"):
        check_recipe(recipe_of(optimizer="fusedlamb"))


def test_one_cycle_follows_its_closed_form() -> None:
    steps, warmup, peak = 50, 0.2, 0.7
    start, end = peak / 25, peak / 25 / 1e4
    turn = warmup * steps - 1
    expected = []
    for step in range(steps):
        if step <= turn:
            low, high, part = start, peak, step / turn
        else:
            low, high, part = peak, end, (step - turn) / (steps - 1 - turn)
        expected.append(high + (low - high) * (1 + math.cos(math.pi * part)) / 2)
    assert rates(steps, learning_rate=peak, warmup=warmup) == pytest.approx(expected)


@pytest.mark.parametrize("optimizer", ["adamw", "sgd", "lion"])
def test_one_cycle_leaves_the_momentum_alone(optimizer: str) -> None:
    recipe = recipe_of(optimizer=optimizer)
    made = make_optimizer(nn.Linear(4, 4), recipe)
    before = {k: made.param_groups[0].get(k) for k in ("momentum", "betas")}
    make_schedule(made, recipe, 10)
    assert {k: made.param_groups[0].get(k) for k in ("momentum", "betas")} == before


def test_cosine_warms_up_then_falls_to_zero_at_the_end() -> None:
    found = rates(40, schedule="cosine", warmup=0.25, learning_rate=1.0)
    assert found[:10] == pytest.approx([step / 10 for step in range(10)], abs=1e-4)
    expected = [(1 + math.cos(math.pi * step / 40)) / 2 for step in range(10, 40)]
    assert found[10:] == pytest.approx(expected)


def test_steps_are_shares_of_the_training() -> None:
    found = rates(30, schedule="step", warmup=0.0, learning_rate=1.0)
    assert found == pytest.approx([1.0] * 10 + [0.1] * 10 + [0.01] * 10)
    found = rates(200, schedule="multistep", warmup=0.0, learning_rate=1.0)
    assert found.count(1.0) == pytest.approx(100, abs=1)
    assert found.count(0.1) == pytest.approx(50, abs=1)


def test_wsd_warms_up_holds_and_decays_as_one_less_a_root() -> None:
    found = rates(100, schedule="wsd", warmup=0.2, learning_rate=1.0)
    assert found[:20] == pytest.approx([(step + 1) / 21 for step in range(20)])
    assert found[20:70] == [1.0] * 50
    expected = [1 - math.sqrt(step / 31) for step in range(1, 31)]
    assert found[70:] == pytest.approx(expected)


def test_trainings_by_wsd_are_the_same_until_the_shorter_one_decays() -> None:
    def at(rung: int) -> list[float]:
        recipe = recipe_of(schedule="wsd", warmup=0.3)
        made = make_optimizer(nn.Linear(4, 4), recipe)
        schedule = make_schedule(made, recipe, 40 * rung, rung=rung)
        found = []
        for _ in range(40 * rung):
            found.append(made.param_groups[0]["lr"])
            schedule.step()
        return found

    short, long = at(1), at(3)
    branch = held_updates(40)
    assert short[:branch] == long[:branch]
    assert short[branch] < long[branch] == long[held_updates(120) - 1]


def test_a_long_warmup_leaves_no_room_to_hold() -> None:
    with pytest.raises(UserError, match=r"--warmup 0.8 leaves wsd no room .* at most 0.7"):
        check_recipe(recipe_of(schedule="wsd", warmup=0.8))


def test_the_schedule_none_is_constant() -> None:
    assert set(rates(7, schedule="none", learning_rate=0.5)) == {0.5}


@given(
    steps=st.integers(1, 60),
    warmup=st.floats(0, 0.99),
    schedule=st.sampled_from(SCHEDULES),
)
@settings(deadline=None, max_examples=150)
def test_any_length_and_warmup_gives_rates_up_to_the_peak(
    steps: int, warmup: float, schedule: str
) -> None:
    found = rates(steps, schedule=schedule, warmup=warmup, learning_rate=0.25)
    assert len(found) == steps
    assert all(0 <= rate <= 0.25 * (1 + 1e-9) for rate in found)


@pytest.mark.parametrize(("steps", "warmup"), [(10, 0.1), (20, 0.05), (1, 0.5), (2, 0.5)])
def test_a_warmup_of_one_update(steps: int, warmup: float) -> None:
    assert len(rates(steps, warmup=warmup)) == steps
