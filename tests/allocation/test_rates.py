from __future__ import annotations

import math
from collections.abc import Callable

import pytest
from allocator_contract import AskTellContract
from hypothesis import given
from hypothesis import strategies as st

from scalegrid.allocation.rates import FACTOR, MOST, RateSearch


class TestRateSearch(AskTellContract[float, float]):
    strange = (0.2, 0.4)

    def make(self) -> RateSearch:
        return RateSearch(0.25)

    def result(self, ask: float) -> float:
        return math.log(ask / 0.01) ** 2


def search(loss: Callable[[float], float | None], centre: float = 0.25) -> tuple[RateSearch, int]:
    """A search that has ended, and the number of trainings."""
    rates = RateSearch(centre)
    count = 0
    while (rate := rates.ask()) is not None:
        rates.tell(rate, loss(rate))
        count += 1
    assert rates.done
    return rates, count


@given(best=st.floats(-3.4, 3.4), width=st.floats(0.5, 5.0), least=st.floats(0.1, 3.0))
def test_the_lowest_point_of_a_parabola_is_found(best: float, width: float, least: float) -> None:
    """Over the logarithm of the rate, as losses are near their lowest."""
    rate = 0.25 * FACTOR**best
    found, count = search(lambda r: least + width * math.log(r / rate) ** 2)
    assert found.best == pytest.approx(rate, rel=0.06)  # two digits
    assert count <= MOST


def test_three_rates_do_where_the_centre_is_best() -> None:
    assert search(lambda rate: abs(math.log(rate / 0.25)))[1] == 3


def test_the_first_three_can_run_at_once() -> None:
    rates = RateSearch(0.3)
    asked = [rates.ask() for _ in range(4)]
    assert asked == [pytest.approx(0.3), pytest.approx(0.1), pytest.approx(0.9), None]
    assert not rates.done


@pytest.mark.parametrize("failure", [None, math.nan, math.inf])
def test_rates_that_diverge_are_passed_by(failure: float | None) -> None:
    found, count = search(lambda r: failure if r > 0.02 else 1 + 0.1 * math.log(r / 0.01) ** 2)
    assert 0.005 < found.best < 0.02
    assert count <= MOST


def test_it_ends_where_everything_fails() -> None:
    found, count = search(lambda rate: None)
    assert count == MOST
    with pytest.raises(ValueError, match="every training failed"):
        _ = found.best


def test_it_ends_where_the_best_is_always_further() -> None:
    found, count = search(lambda rate: -rate)
    assert count == MOST
    assert found.best == pytest.approx(max(found.losses), rel=0.01)
