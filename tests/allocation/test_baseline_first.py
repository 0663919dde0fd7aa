from __future__ import annotations

import pytest
from allocator_contract import IDS, AllocatorContract

from scalegrid.allocation import Ask, BaselineFirst, Racing, Result, Uniform


class TestBaselineFirst(AllocatorContract):
    def make(self) -> BaselineFirst:
        return BaselineFirst(Uniform(IDS[::-1], seeds=2), "base")


def make(seeds: int = 1) -> BaselineFirst:
    return BaselineFirst(Uniform(["deep", "base", "wide"], seeds), "base")


def asks(allocator: BaselineFirst) -> list[Ask]:
    asked = []
    while (ask := allocator.ask()) is not None:
        asked.append(ask)
    return asked


@pytest.mark.parametrize("seeds", [1, 2, 3])
def test_the_others_wait_for_two_trials_of_the_baseline(seeds: int) -> None:
    allocator = make(seeds)
    assert asks(allocator) == [Ask("base", 0), Ask("base", 1)]
    allocator.tell(Ask("base", 0), Result(0.5))
    assert (allocator.ask(), allocator.done) == (None, False)
    allocator.tell(Ask("base", 1), None)
    rest = asks(allocator)
    assert sorted(rest) == sorted(
        Ask(name, seed)
        for name in ("deep", "base", "wide")
        for seed in range(seeds)
        if (name, seed) not in (("base", 0), ("base", 1))
    )
    assert allocator.done


@pytest.mark.parametrize("seeds", [1, 2, 3])
def test_what_is_left_never_changes_but_by_asking(seeds: int) -> None:
    allocator, total = make(seeds), max(seeds, 2) + 2 * seeds
    running: list[Ask] = []
    for made in range(total):
        if (ask := allocator.ask()) is None:
            told = running.pop(0)
            allocator.tell(told, Result(0.5))
            ask = allocator.ask()
            if ask is None:
                told = running.pop(0)
                allocator.tell(told, Result(0.5))
                ask = allocator.ask()
        assert ask is not None
        running.append(ask)
        assert sum(allocator.remaining().values()) == total - made - 1


def test_where_others_have_trials_there_is_nothing_to_wait_for() -> None:
    """As in the tables of a sweep that was made before there was such a check."""
    allocator = make()
    for name in ("deep", "base", "wide"):
        allocator.tell(Ask(name, 0), Result(0.5))
    assert allocator.done
    assert allocator.ask() is None


def test_the_clock_of_a_race_starts_with_the_first_trials_of_the_baseline() -> None:
    now = 0.0
    shares = {name: [1 / 3] * 3 for name in ("deep", "wide")}
    racing = Racing(["base", *shares], shares, max_hours=1.0, clock=lambda: now)
    allocator = BaselineFirst(racing, "base")
    allocator.start()
    for first in asks(allocator):
        now += 1800.0
        allocator.tell(first, Result(0.5))
    assert allocator.done
    assert allocator.ask() is None


def test_a_limit_of_trials_holds_for_the_first_ones() -> None:
    shares = {name: [1 / 3] * 3 for name in ("deep", "wide")}
    allocator = BaselineFirst(Racing(["base", *shares], shares, max_trials=1), "base", 1)
    assert asks(allocator) == [Ask("base", 0)]
    allocator.tell(Ask("base", 0), Result(0.5))
    assert asks(allocator) == []
    assert allocator.done
