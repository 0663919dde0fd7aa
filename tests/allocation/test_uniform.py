from __future__ import annotations

from allocator_contract import IDS, AllocatorContract
from hypothesis import given
from hypothesis import strategies as st

from scalegrid.allocation import Ask, Uniform


class TestUniform(AllocatorContract):
    def make(self) -> Uniform:
        return Uniform(IDS, seeds=2)


def ask_all(allocator: Uniform) -> list[Ask]:
    return list(iter(allocator.ask, None))


def test_every_variant_with_one_seed_comes_before_the_next_seed() -> None:
    asks = ask_all(Uniform(["b", "a"], seeds=2))
    assert asks == [Ask("b", 0), Ask("a", 0), Ask("b", 1), Ask("a", 1)]


PLANS = st.lists(st.sampled_from("abcdef"), unique=True, min_size=1)


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
