from __future__ import annotations

import math
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scalegrid.figures import style
from scalegrid.figures.labels import text_width
from scalegrid.figures.ticks import (
    flops_text,
    flops_unit,
    labelled_log_ticks,
    log_ticks,
    ratio_text,
)

lows = st.floats(1e-3, 1e4)
factors = st.floats(1.05, 1e6)


@settings(deadline=None)
@given(lows, factors, st.integers(2, 7))
def test_ticks_are_few_ordered_and_in_range(low: float, factor: float, most: int) -> None:
    ticks = log_ticks(low, low * factor, most)
    assert len(ticks) <= most
    assert all(low <= tick <= low * factor for tick in ticks)
    assert all(a < b for a, b in pairwise(ticks))


@settings(deadline=None)
@given(lows, factors)
def test_an_axis_has_a_tick_to_read_from(low: float, factor: float) -> None:
    assert len(log_ticks(low, low * factor)) >= (2 if factor > 2.5 else 1 if factor > 1.5 else 0)


@pytest.mark.parametrize(
    ("low", "high", "ticks"),
    [
        (1, 2.2, [1, 1.5, 2]),
        (0.95, 4.4, [1, 2, 3, 4]),
        (0.9, 70, [1, 3, 10, 30]),
        (36, 110, [50, 75, 100]),
    ],
)
def test_ticks_are_round(low: float, high: float, ticks: list[float]) -> None:
    assert log_ticks(low, high, 4) == pytest.approx(ticks)


@settings(deadline=None)
@given(lows, factors)
def test_labels_of_ticks_do_not_touch(low: float, factor: float) -> None:
    width, high = 138.0, low * factor
    ticks, labels = labelled_log_ticks(low, high, "{:g}", width)
    places = [width * math.log(t / low) / math.log(factor) for t in ticks]
    halves = [text_width(label, style.SMALL) / 2 for label in labels]
    if len(ticks) > 2:
        for (x, half), (y, other) in pairwise(zip(places, halves, strict=True)):
            assert x + half < y - other


@pytest.mark.parametrize(
    ("low", "high", "word"),
    [
        (9e4, 2e5, "thousand"),
        (38e6, 1e8, "million"),
        (390e6, 900e6, "million"),
        (390e6, 1.6e9, "billion"),
        (38e6, 3e9, "million"),
        (37e9, 80e9, "billion"),
        (2e12, 4e12, "trillion"),
    ],
)
def test_unit_gives_short_numbers(low: float, high: float, word: str) -> None:
    assert flops_unit(low, high)[1] == word


@pytest.mark.parametrize(
    ("flops", "text"),
    [(390e6, "390 M"), (4.2e9, "4.2 B"), (37.02e9, "37 B"), (90_400, "90.4 k"), (1.5e12, "1.5 T")],
)
def test_counts_are_written_short(flops: float, text: str) -> None:
    assert flops_text(flops) == text.replace(" ", "\u00a0")


@pytest.mark.parametrize(
    ("ratio", "text"), [(1, "1×"), (1.004, "1.00×"), (2.126, "2.13×"), (9.996, "10×"), (64, "64×")]
)
def test_ratios_are_written_to_three_digits(ratio: float, text: str) -> None:
    assert ratio_text(ratio) == text
