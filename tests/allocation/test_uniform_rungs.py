from __future__ import annotations

import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scalegrid.allocation import Ask, Result, UniformRungs

CORNERS = {"a": [1.0, 0.0, 0.0], "b": [0.0, 1.0, 0.0], "c": [0.0, 0.0, 1.0]}
SHARES = {**CORNERS, "d": [0.4, 0.3, 0.3], "e": [0.3, 0.4, 0.3]}
IDS = ["base", *SHARES, "curve"]
WORTH = {"base": 0.2, "a": 0.70, "b": 0.69, "c": 0.30, "d": 0.40, "e": 0.35, "curve": 0.9}
SEEDS = 3


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


def test_all_are_trained_briefly_and_those_that_can_be_best_and_the_baseline_longer(
    undisturbed: list[Ask],
) -> None:
    first = len(IDS) * SEEDS
    assert undisturbed[:first] == [Ask(v, seed, 1) for seed in range(SEEDS) for v in IDS]
    for rung in (3, 9):
        assert of_rung(undisturbed, rung) == {"base", "a", "b"}
        at_rung = [ask for ask in undisturbed if ask.rung == rung]
        assert sorted({ask.seed for ask in at_rung}) == list(range(SEEDS))
        assert len(at_rung) == 3 * SEEDS
    assert [ask.rung for ask in undisturbed] == sorted(ask.rung for ask in undisturbed)


def test_where_all_are_alike_all_candidates_go_on() -> None:
    allocator = make(rungs=(1, 3), seeds=2)
    for _ in range(2 * len(IDS)):
        ask = allocator.ask()
        assert ask is not None
        allocator.tell(ask, Result(0.5 + random.Random(str(ask)).gauss(0, 0.05)))
    assert of_rung(run(allocator), 3) >= {"base", "a", "b", "c"}


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
    assert {ask.seed for ask in asks if ask.variant == "a" and ask.rung == 3} == {0, 2}
    every = tuple(Ask(v, s, 1) for v in ("a", "b") for s in range(SEEDS))
    assert of_rung(run(make(), failing=every), 3) >= {"base", "d"}
    assert not of_rung(run(make(), failing=tuple(Ask(v, s) for v in IDS for s in range(9))), 3)


@given(st.data())
@settings(max_examples=12)
def test_after_a_restart_exactly_what_is_missing_is_asked_for(
    undisturbed: list[Ask], data: st.DataObject
) -> None:
    made = undisturbed[: data.draw(st.integers(0, len(undisturbed)))]
    again = make()
    for ask in data.draw(st.permutations(made)):
        again.tell(ask, outcome(ask))
    assert run(again) == undisturbed[len(made) :]
    assert again.done
    assert not again.remaining()
    assert not again.wanted


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


def test_a_line_is_wanted_from_its_first_trial_to_the_start_of_what_it_cannot_reach() -> None:
    allocator = make()
    seeds = range(SEEDS)
    assert allocator.wanted == {(v, s) for v in ("base", *SHARES) for s in seeds}
    allocator.tell(Ask("c", 0), None)
    assert ("c", 0) not in allocator.wanted
    for ask in [Ask(v, s) for v in IDS for s in seeds]:
        allocator.tell(ask, outcome(ask))
    chosen = {(v, s) for v in ("base", "a", "b") for s in seeds}
    assert allocator.wanted == chosen
    for variant, seed in chosen:
        allocator.tell(Ask(variant, seed, 3), outcome(Ask(variant, seed, 3)))
    assert allocator.wanted == chosen, "at the last rung until its trial has ended"
    allocator.tell(Ask("a", 0, 9), outcome(Ask("a", 0, 9)))
    assert allocator.wanted == chosen - {("a", 0)}


def test_values_of_another_device_are_levelled() -> None:
    def run_on_two(levelled: bool) -> set[str]:
        """Those that go on where seed 1 ran on a device that adds to every value."""
        allocator = make(rungs=(1, 3), seeds=4)
        asks = []
        while (ask := allocator.ask()) is not None:
            worth, other = outcome(ask).value, ask.seed == 1 or ask.variant in "de"
            device = "other" if other and levelled else "cpu"
            allocator.tell(ask, Result(worth + (0.5 if other else 0.0), device=device))
            asks.append(ask)
        return of_rung(asks, 3)

    assert run_on_two(levelled=True) != run_on_two(levelled=False)


def test_unknown_trials_are_ignored() -> None:
    allocator = make(seeds=1)
    before = allocator.remaining()
    allocator.tell(Ask("z", 0), Result(0.9))
    allocator.tell(Ask("a", 7), Result(0.9))
    allocator.tell(Ask("a", 0, 2), Result(0.9))
    assert allocator.remaining() == before
