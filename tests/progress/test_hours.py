"""What `--hours` chooses, and what it promises."""

from __future__ import annotations

import re
from functools import cache, partial
from typing import Any

import pytest
from light_sweep import light_plan, light_spec

from scalegrid.executors import Placement
from scalegrid.plan import Plan, make_plan, trial_works
from scalegrid.plan.rungs import raced_variants
from scalegrid.progress.hours import LONG, within_hours
from scalegrid.spec import SweepSpec
from scalegrid.training.held import rung_work
from scalegrid.util.errors import UserError

TWO = Placement(2, ("cpu",), 1)
RATE = 5e-9
MAKE = partial(make_plan, by_files=True)


@cache
def nano(hours: float, rate: float | None = RATE, **given: Any) -> Plan:
    spec = SweepSpec(baseline="nano", hours=hours, **given)
    return within_hours(spec, MAKE, lambda _: rate, TWO)


def promised(plan: Plan) -> float:
    """The probability of a good answer after long trainings."""
    found = re.search(r"a probability of (\d\.\d\d)", plan.notes[1])
    assert found
    return float(found[1])


def trials_said(plan: Plan) -> int:
    found = re.search(r"(?:about|more than) (\d+) trials", plan.notes[0])
    assert found
    return int(found[1])


def images(plan: Plan) -> int:
    return plan.spec.epochs * plan.source.num_train


def test_more_hours_never_promise_less() -> None:
    promises = [promised(nano(hours)) for hours in (0.008, 0.1, 0.5, 12)]
    assert promises == sorted(promises)
    assert promises[-1] >= promises[0] + 0.5


@pytest.mark.parametrize("hours", [0.02, 0.1, 0.5, 12])
def test_the_planned_trials_fit_in_the_hours(hours: float) -> None:
    plan = nano(hours)
    works, spec = trial_works(plan), plan.spec
    assert spec.max_hours is not None
    longest = (
        RATE
        * max(works.values())
        * max(rung_work(spec.rungs, rung, goes_on=True) for rung in spec.rungs)
    )
    assert 0 < spec.max_hours <= hours - longest / 3600 + 1e-3 * hours
    # At the least: all those trials, were each of the briefest at the first rung.
    assert trials_said(plan) * RATE * min(works.values()) / TWO.workers <= 3600 * hours


def test_much_time_goes_to_rungs_and_little_to_fewer_and_shorter_trials() -> None:
    little, some, much = nano(0.008), nano(0.1), nano(12)
    default = make_plan(SweepSpec(baseline="nano"))
    assert images(little) < images(some) == images(much) == images(default)
    assert int(little.spec.candidates) < int(much.spec.candidates) == 12
    assert (little.spec.rungs, much.spec.rungs) == ((1,), (1, 3, LONG))
    assert much.spec.schedule == "wsd"
    assert some.spec.racing
    assert some.spec.seeds == 1


@pytest.mark.parametrize(
    "given",
    [
        {"candidates": 16},
        {"rungs": (1, 2)},
        {"rungs": (1,)},
        {"epochs": 3},
        {"train_images": 4000},
        {"seeds": 2},
        {"max_hours": 0.03},
        {"schedule": "cosine"},
    ],
)
def test_what_is_given_stays_where_the_hours_ask_for_another(given: dict[str, Any]) -> None:
    replaced = False
    for hours in (0.05, 12):
        plan, free = nano(hours, **given), nano(hours)
        assert {key: getattr(plan.spec, key) for key in given} == given
        replaced |= any(getattr(free.spec, key) != value for key, value in given.items())
    assert replaced
    if "schedule" in given:
        assert plan.spec.rungs == (1,)  # no training could go on
    if "candidates" in given:
        assert len(raced_variants(plan.variants, plan.spec)) == 16


def test_a_plan_that_was_made_is_planned_again_as_it_is() -> None:
    once = nano(0.5)
    again = within_hours(once.spec, MAKE, lambda _: 1.7 * RATE, TWO)
    assert again.spec == once.spec


def test_it_says_what_it_does_and_by_which_measurement() -> None:
    plan, expected = nano(0.5, rungs=(1, 3), rate=None).notes[:2]
    assert plan.startswith("within 30 min: 12 candidates, 12,800 images a trial")
    assert "rungs 1× and 3×, one seed each at first" in plan
    assert "at the speed of a typical CPU" in plan
    assert "within 0.3 points of the best with a probability of 0." in expected
    assert "at 3× the brief budget" in expected
    assert "noise (0.88 points) and spread (0.67) are as for nano on leaves" in expected
    loss = nano(0.5, metric="val_loss", indifference=0.02).notes[1]
    assert "within 0.02 nats" in loss
    assert "noise (0.027 nats)" in loss


def test_images_are_fewer_where_an_epoch_is_too_long_and_noise_is_then_larger() -> None:
    spec = SweepSpec(baseline="b0", hours=0.08)
    plan = within_hours(spec, MAKE, lambda _: RATE, TWO)
    assert (plan.spec.epochs, plan.spec.train_images) == (1, 3200)
    assert plan.source.num_train == 3200
    assert "3,200 images a trial" in plan.notes[0]
    assert "noise (1.74 points, times 2 for few images)" in plan.notes[1]
    assert "at 0.5× the brief budget" in plan.notes[1]


def test_a_limit_of_trials_counts() -> None:
    plan = nano(12, max_trials=20)
    assert trials_said(plan) <= 20
    assert trials_said(nano(12, max_trials=4)) == 4
    assert promised(plan) <= promised(nano(12))
    with pytest.raises(UserError, match=r"^--max-trials 3 is too few .* give --max-trials 4"):
        nano(12, max_trials=3)


def test_too_few_hours_are_refused_with_the_least_that_do() -> None:
    with pytest.raises(UserError, match=r"^--hours 0.001 is too few .* give --hours") as error:
        nano(0.001)
    least = float(str(error.value).rsplit("--hours ", 1)[1].split()[0])
    assert nano(least).spec.max_hours
    with pytest.raises(UserError, match="too few"):
        nano(least / 3)
    with pytest.raises(UserError, match="too few"):
        nano(least, candidates=30, epochs=40)


def test_as_many_seeds_as_are_asked_for_must_fit_in_the_hours() -> None:
    with pytest.raises(UserError, match=r"candidates 5000 trials each.*fewer --seeds") as error:
        nano(1, seeds=5000)
    least = float(str(error.value).rsplit("--hours ", 1)[1].split()[0])
    assert nano(least, seeds=5000).spec.seeds == 5000


def test_a_limit_of_hours_is_within_the_hours_and_long_enough_itself() -> None:
    with pytest.raises(UserError, match=r"^--max-hours 5 is more than --hours 0.2, .* leave out"):
        nano(0.2, max_hours=5.0)
    with pytest.raises(UserError, match=r"^--max-hours 1e-09 is too few .* give --max-h") as error:
        nano(0.2, max_hours=1e-9)
    least = float(str(error.value).rsplit("--max-hours ", 1)[1].split()[0])
    assert nano(0.2, max_hours=least).spec.max_hours == least


def test_the_search_of_a_rate_takes_its_time() -> None:
    given: dict[str, Any] = {"epochs": 2, "rungs": (1,)}
    assert trials_said(nano(0.1, rates="tune", **given)) < trials_said(nano(0.1, **given))


def test_the_future_is_imagined_so_far_and_no_farther() -> None:
    assert "more than 2" in nano(10_000).notes[0]
    assert nano(10_000).spec.max_hours == pytest.approx(10_000, rel=1e-3)


def test_more_workers_do_more() -> None:
    spec = SweepSpec(baseline="nano", hours=0.3, rungs=(1,))
    few, many = (
        within_hours(spec, MAKE, lambda _: RATE, Placement(workers, ("cpu",), 1))
        for workers in (1, 4)
    )
    assert trials_said(few) < trials_said(many)
    assert promised(few) < promised(many)


def test_a_trainer_is_of_unknown_speed() -> None:
    spec = SweepSpec(trainer="mine:train", hours=2, epochs=1)
    with pytest.raises(UserError, match="with --trainer give --max-hours 2 instead"):
        within_hours(spec, light_plan, lambda _: RATE, TWO)


def test_a_grid_that_decides_the_candidates_keeps_them(tmp_path: object) -> None:
    spec = light_spec(tmp_path, hours=3, grid="simplex")
    plan = within_hours(spec, light_plan, lambda _: 1e-5, TWO)
    assert (plan.spec.candidates, plan.spec.epochs) == (5, 2)
