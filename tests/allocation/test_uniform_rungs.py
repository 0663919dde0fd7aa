from __future__ import annotations

import random
from typing import Any

import allocator_contract
import pytest

from scalegrid.allocation import Ask, Result, UniformRungs

CORNERS = {"a": [1.0, 0.0, 0.0], "b": [0.0, 1.0, 0.0], "c": [0.0, 0.0, 1.0]}
SHARES = {**CORNERS, "d": [0.4, 0.3, 0.3], "e": [0.3, 0.4, 0.3]}
IDS = ["base", *SHARES, "curve"]
WORTH = {"base": 0.2, "a": 0.70, "b": 0.69, "c": 0.30, "d": 0.40, "e": 0.35, "curve": 0.9}
SEEDS = 3


class TestUniformRungs(allocator_contract.AllocatorContract):
    rungs = (1, 3)

    def make(self) -> UniformRungs:
        ids, shares = allocator_contract.IDS, allocator_contract.SHARES
        return UniformRungs(ids, shares, "base", seeds=2, rungs=self.rungs)


def make(**changes: Any) -> UniformRungs:
    return UniformRungs(IDS, SHARES, "base", **{"seeds": SEEDS, "rungs": (1, 3, 9), **changes})


def outcome(ask: Ask) -> Result:
    """Clear differences at all rungs, with little noise."""
    noise = random.Random(str(ask)).gauss(0, 0.01)
    return Result(WORTH[ask.variant] + 0.05 * ask.rung**0.5 + noise)


def run(allocator: UniformRungs, failing: tuple[Ask, ...] = ()) -> list[Ask]:
    """All asks, each told at once."""
    asks = []
    while (ask := allocator.ask()) is not None:
        allocator.tell(ask, None if ask in failing else outcome(ask))
        asks.append(ask)
    return asks


@pytest.fixture(scope="module")
def undisturbed() -> list[Ask]:
    return run(make())


def of_rung(asks: list[Ask], rung: int) -> set[str]:
    return {ask.variant for ask in asks if ask.rung == rung}


def test_all_candidates_show_whether_rungs_agree_and_then_those_go_on_that_can_be_best(
    undisturbed: list[Ask],
) -> None:
    first = len(IDS) * SEEDS
    assert undisturbed[:first] == [Ask(v, seed, 1) for seed in range(SEEDS) for v in IDS]
    assert of_rung(undisturbed, 3) == {"base", *SHARES}, "nothing says that rungs agree"
    assert of_rung(undisturbed, 9) == {"base", "a", "b"}
    assert sorted(ask for ask in undisturbed if ask.rung == 9) == [
        Ask(variant, seed, 9) for variant in ("a", "b", "base") for seed in range(SEEDS)
    ]
    assert [ask.rung for ask in undisturbed] == sorted(ask.rung for ask in undisturbed)


def test_all_candidates_go_on_to_all_rungs_where_that_is_asked_for() -> None:
    asks = run(make(all_go_on=True))
    assert of_rung(asks, 3) == of_rung(asks, 9) == {"base", *SHARES}


def test_nothing_of_the_next_rung_is_asked_for_while_a_trial_runs() -> None:
    allocator = make()
    asks = [allocator.ask() for _ in range(len(IDS) * SEEDS)]
    assert allocator.ask() is None
    assert not allocator.done
    for ask in asks:
        assert ask is not None
        assert allocator.ask() is None
        allocator.tell(ask, outcome(ask))
    ask = allocator.ask()
    assert ask is not None
    assert ask.rung == 3


def test_a_failed_line_does_not_go_on_and_its_candidate_does() -> None:
    failed = Ask("a", 1, 1)
    asks = run(make(), failing=(failed,))
    for rung in (3, 9):
        assert {ask.seed for ask in asks if ask.variant == "a" and ask.rung == rung} == {0, 2}
    every = tuple(Ask(v, s) for v in SHARES for s in range(SEEDS))
    assert of_rung(run(make(), failing=every), 1) == set(IDS)
    assert not of_rung(run(make(), failing=every), 3), "a baseline alone is compared with nothing"


def test_what_remains_is_the_most_that_may_be_asked_for(undisturbed: list[Ask]) -> None:
    allocator = make()
    rising = len(SHARES) + 1
    assert sum(allocator.remaining().values()) == SEEDS * (len(IDS) + 2 * rising)
    assert allocator.remaining()["a", 9] == SEEDS
    assert ("curve", 3) not in allocator.remaining()
    made = 0
    while (ask := allocator.ask()) is not None:
        allocator.tell(ask, outcome(ask))
        made += 1
        assert sum(allocator.remaining().values()) >= len(undisturbed) - made
    assert allocator.remaining() == {}


def test_what_was_trained_before_more_seeds_were_asked_for_does_not_remain() -> None:
    rising = {"base", *SHARES}
    more = make(all_go_on=True, seeds=SEEDS + 1)
    for ask in run(make(all_go_on=True)):
        more.tell(ask, outcome(ask))
    assert sum(more.remaining().values()) == len(IDS) + 2 * len(rising)
    assert more.wanted == {(v, SEEDS) for v in rising}


def test_nothing_remains_above_a_trial_that_failed_before_more_seeds_were_asked_for() -> None:
    more = make(all_go_on=True, seeds=SEEDS + 1)
    for ask in run(make(all_go_on=True), failing=(Ask("a", 1, 3),)):
        more.tell(ask, None if ask == Ask("a", 1, 3) else outcome(ask))
    assert more.remaining()["a", 9] == 1
    assert more.wanted == {(v, SEEDS) for v in ("base", *SHARES)}


def test_a_line_is_wanted_from_its_first_trial_to_the_start_of_what_it_cannot_reach() -> None:
    allocator = make()
    seeds = range(SEEDS)
    assert allocator.wanted == {(v, s) for v in ("base", *SHARES) for s in seeds}
    allocator.tell(Ask("c", 0), None)
    assert ("c", 0) not in allocator.wanted
    for ask in [Ask(v, s) for v in IDS for s in seeds]:
        allocator.tell(ask, outcome(ask))
    gone_on = {(v, s) for v in ("base", *SHARES) for s in seeds} - {("c", 0)}
    assert allocator.wanted == gone_on
    allocator.tell(Ask("e", 0, 3), None)
    assert allocator.wanted == gone_on - {("e", 0)}
    for variant, seed in gone_on:
        allocator.tell(Ask(variant, seed, 3), outcome(Ask(variant, seed, 3)))
    chosen = {(v, s) for v in ("base", "a", "b") for s in seeds}
    assert allocator.wanted == chosen, "at the last rung until its trial has ended"
    allocator.tell(Ask("a", 0, 9), outcome(Ask("a", 0, 9)))
    assert allocator.wanted == chosen - {("a", 0)}


def test_what_another_device_adds_to_every_value_changes_nothing(undisturbed: list[Ask]) -> None:
    allocator, asks = make(), []
    while (ask := allocator.ask()) is not None:
        other = ask.seed == 1 or (ask.variant == "d" and ask.seed == 2)
        value = outcome(ask).value + (0.5 if other else 0.0)
        allocator.tell(ask, Result(value, device="other" if other else "cpu"))
        asks.append(ask)
    assert asks == undisturbed
