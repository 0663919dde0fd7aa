from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from scalegrid.allocation import Ask, Result, Uniform


def ask_all(allocator: Uniform) -> list[Ask]:
    return list(iter(allocator.ask, None))


def test_every_variant_with_one_seed_comes_before_the_next_seed() -> None:
    asks = ask_all(Uniform(["b", "a"], seeds=2))
    assert asks == [Ask("b", 0), Ask("a", 0), Ask("b", 1), Ask("a", 1)]


PLANS = st.lists(st.sampled_from("abcdef"), unique=True, min_size=1)


@given(PLANS, st.integers(1, 4), st.data())
def test_a_restart_asks_for_exactly_what_is_missing(
    variants: list[str], seeds: int, data: st.DataObject
) -> None:
    everything = ask_all(Uniform(variants, seeds))
    assert sorted(everything) == sorted(Ask(v, s) for v in variants for s in range(seeds))
    made = data.draw(st.lists(st.sampled_from(everything), unique=True))
    again = Uniform(variants, seeds)
    for ask in made:
        again.tell(ask, data.draw(st.sampled_from([Result(0.5), None])))
    assert again.done == (len(made) == len(everything))
    assert ask_all(again) == [ask for ask in everything if ask not in made]
    assert again.done
    assert again.remaining() == {}


@given(PLANS, st.integers(1, 4), st.data())
def test_what_remains_is_what_will_be_asked_for(
    variants: list[str], seeds: int, data: st.DataObject
) -> None:
    allocator = Uniform(variants, seeds)
    total = len(variants) * seeds
    for made in range(data.draw(st.integers(0, total))):
        assert sum(allocator.remaining().values()) == total - made
        ask = allocator.ask()
        assert ask is not None
    expected = allocator.remaining()
    asked = [ask.variant for ask in ask_all(allocator)]
    assert expected == {(v, 1): asked.count(v) for v in variants if v in asked}


def test_being_told_of_what_was_asked_or_never_planned_changes_nothing() -> None:
    allocator = Uniform(["a"], seeds=2)
    assert allocator.ask() == Ask("a", 0)
    allocator.tell(Ask("a", 0), Result(0.9))
    allocator.tell(Ask("a", 7), Result(0.9))
    allocator.tell(Ask("z", 0), Result(0.9))
    assert allocator.remaining() == {("a", 1): 1}
    assert ask_all(allocator) == [Ask("a", 1)]
