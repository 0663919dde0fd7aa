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
from scalegrid.figures.labels import add_note, annotate_points, freeze, spread, text_width, wrap

heights = st.lists(st.floats(-1, 2, allow_subnormal=False), min_size=1, max_size=9)


@settings(deadline=None)
@given(heights, st.floats(0.001, 0.4))
def test_spread_keeps_labels_apart_in_order_and_in_bounds(centres: list[float], gap: float) -> None:
    placed = spread(centres, gap, 0, 1)
    fitting = min(gap, 1 / (len(centres) - 1)) if len(centres) > 1 else gap
    order = sorted(range(len(centres)), key=lambda i: (centres[i], i))
    assert all(placed[b] - placed[a] >= fitting - 1e-9 for a, b in pairwise(order))
    assert all(-1e-9 <= p <= 1 + 1e-9 for p in placed)


@settings(deadline=None)
@given(st.lists(st.integers(1, 9), min_size=1, max_size=9, unique=True))
def test_spread_leaves_alone_what_is_apart(tenths: list[int]) -> None:
    centres = [t / 10 for t in tenths]
    assert spread(centres, 0.1, 0, 1) == pytest.approx(centres)


def test_spread_moves_as_little_as_possible() -> None:
    centres, gap = [0.30, 0.32, 0.33, 0.9], 0.1
    placed = spread(centres, gap, 0, 1)
    random = np.random.default_rng(0)
    least = sum((p - c) ** 2 for p, c in zip(placed, centres, strict=True))
    for _ in range(3000):
        other = np.sort(np.array(placed) + random.normal(0, 0.03, 4))
        if np.all(np.diff(other) >= gap):
            assert np.sum((other - centres) ** 2) >= least - 1e-12


def test_wrap_fills_lines_and_keeps_words() -> None:
    sentences = ["One seed each: differences may be noise.", "2 failed trials left out."]
    lines = wrap(sentences, 100, 6).split("\n")
    assert " ".join(lines) == " ".join(sentences)
    assert all(text_width(line, 6) <= 100 for line in lines)
    for line, following in pairwise(lines):
        assert text_width(f"{line} {following.split()[0]}", 6) > 100


def test_wrap_gives_a_word_too_long_a_line_of_its_own() -> None:
    assert wrap(["a " + "m" * 50 + " b"], 40, 6).split("\n") == ["a", "m" * 50, "b"]


@pytest.mark.parametrize("seed", range(8))
def test_annotations_of_a_noisy_line_are_legible(seed: int) -> None:
    random = np.random.default_rng(seed)
    x = np.cumsum(random.uniform(0.2, 1, 5))
    y = random.normal(0, 1, 5)
    bars = random.uniform(0.1, 0.5, 5) if seed % 2 else np.full(5, math.nan)
    with style.context():
        figure = Figure(figsize=(2.4, 2.2), layout="constrained")
        axes = figure.add_subplot()
        axes.errorbar(x, y, bars)
        axes.margins(x=0.12, y=0.2)
        add_note(figure, ["A note."])
        freeze(figure)
        texts = [f"{1 + i:.2f}×" for i in range(5)]
        annotate_points(axes, list(zip(x, y, strict=True)), texts, bars.tolist())
        assert [text.get_text() for text in axes.texts] == texts
        assert_legible(figure)
