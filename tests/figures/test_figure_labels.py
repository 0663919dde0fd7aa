from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest
from figure_texts import assert_legible
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.figure import Figure

from scalegrid.figures import style
from scalegrid.figures.labels import (
    fix_layout,
    label_points,
    labelled_log_ticks,
    log_ticks,
    separate,
)
from scalegrid.figures.text import text_width

heights = st.lists(st.floats(-1, 2, allow_subnormal=False), min_size=1, max_size=9)


@settings(deadline=None)
@given(heights, st.floats(0.001, 0.4))
def test_separate_keeps_a_gap_the_order_and_the_bounds(centres: list[float], gap: float) -> None:
    moved = separate(centres, gap, 0, 1)
    fitting = min(gap, 1 / (len(centres) - 1)) if len(centres) > 1 else gap
    order = sorted(range(len(centres)), key=lambda i: (centres[i], i))
    assert all(moved[b] - moved[a] >= fitting - 1e-9 for a, b in pairwise(order))
    assert all(-1e-9 <= p <= 1 + 1e-9 for p in moved)


@settings(deadline=None)
@given(st.lists(st.integers(1, 9), min_size=1, max_size=9, unique=True))
def test_separate_keeps_centres_that_are_far_enough_apart(tenths: list[int]) -> None:
    centres = [t / 10 for t in tenths]
    assert separate(centres, 0.1, 0, 1) == pytest.approx(centres)


def test_separate_moves_centres_as_little_as_possible() -> None:
    centres, gap = [0.30, 0.32, 0.33, 0.9], 0.1
    moved = separate(centres, gap, 0, 1)
    random = np.random.default_rng(0)
    least = sum((p - c) ** 2 for p, c in zip(moved, centres, strict=True))
    for _ in range(3000):
        other = np.sort(np.array(moved) + random.normal(0, 0.03, 4))
        if np.all(np.diff(other) >= gap):
            assert np.sum((other - centres) ** 2) >= least - 1e-12


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
    centres = [width * math.log(t / low) / math.log(factor) for t in ticks]
    halves = [text_width(label, style.SMALL) / 2 for label in labels]
    if len(ticks) > 2:
        for (x, half), (y, other) in pairwise(zip(centres, halves, strict=True)):
            assert x + half < y - other


@pytest.mark.parametrize("seed", range(8))
def test_labels_of_a_noisy_line_are_legible(seed: int) -> None:
    random = np.random.default_rng(seed)
    x = np.cumsum(random.uniform(0.2, 1, 5))
    y = random.normal(0, 1, 5)
    bars = random.uniform(0.1, 0.5, 5) if seed % 2 else np.full(5, math.nan)
    with style.context():
        figure = Figure(figsize=(2.4, 2.2), layout="constrained")
        axes = figure.add_subplot()
        axes.errorbar(x, y, bars)
        axes.margins(x=0.12, y=0.2)
        fix_layout(figure)
        texts = [f"{1 + i:.2f}×" for i in range(5)]
        ends = list(zip(y - bars, y + bars, strict=True))
        label_points(axes, list(zip(x, y, strict=True)), texts, ends)
        assert [text.get_text() for text in axes.texts] == texts
        assert_legible(figure)


@pytest.mark.parametrize("height", range(220, 250, 2))
def test_a_layout_has_room_for_the_ticks_it_ends_with(height: int) -> None:
    """At some heights ticks alternate between 52, 54, … and the wider 52.5, 55.0, …."""
    with style.context():
        figure = Figure(figsize=(style.COLUMN, height / 100), layout="constrained")
        for panel in figure.subplots(2, 1, sharey=True):
            panel.set(ylim=(52.6, 62.1), ylabel="Accuracy")
        fix_layout(figure)
        assert figure.get_tightbbox().x0 >= 0
