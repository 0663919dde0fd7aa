"""What is known of α, β and γ, and of their powers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pytest
from figure_tables import FakeTables
from figure_texts import assert_legible, drawn_texts
from matplotlib.axes import Axes
from pictures import draw, picture, subject
from stress_tables import BEYOND, sweep

from scalegrid.figures.coefficients import what_is_known
from scalegrid.figures.subject import Drawing, Subject

SURE = "60 candidates, 1 seed"
NAMES = ("alpha", "beta", "gamma")


def rounded() -> FakeTables:
    """A sweep of few candidates, each of which a range of coefficients builds."""
    tables = sweep(5, 4)
    for name, reach in (("alpha", 0.1), ("beta", 0.02)):
        tables.variants[f"{name}_low"] = tables.variants[name] - reach
        tables.variants[f"{name}_high"] = tables.variants[name] + reach
    return tables


@cache
def drawn() -> tuple[Subject, Drawing]:
    here = Subject(rounded())
    return here, draw("coefficients", here)


def shrinking() -> FakeTables:
    """The same sweep with every coefficient inverted: its networks cost half the baseline's."""
    tables = rounded()
    for name in NAMES:
        tables.variants[name] = 1 / tables.variants[name]
        if name != "gamma":
            low, high = (1 / tables.variants[f"{name}_{end}"] for end in ("high", "low"))
            tables.variants[f"{name}_low"], tables.variants[f"{name}_high"] = low, high
    tables.variants["flops_ratio"] = 1 / tables.variants["flops_ratio"]
    return replace(tables, spec={**tables.spec, "flops_factor": 0.5})


def named(axes: Axes, key: str) -> list[Any]:
    return [line for line in axes.lines if line.get_gid() == key]


def ends(lines: Sequence[Any], which: str) -> list[list[float]]:
    return [getattr(line, f"get_{which}data")().tolist() for line in lines]


def test_the_posterior_is_that_of_the_surfaces_top_where_that_is_known() -> None:
    here = subject(SURE)
    top = here.found.surface_optimum
    assert top is not None
    assert not top.vague
    for known in what_is_known(here):
        assert known.chance.sum() == pytest.approx(1)
        assert (known.low, known.high) == pytest.approx(top.intervals[known.name])
        middle = float(known.values @ known.chance)
        assert known.low <= middle <= known.high
    assert "where the response surface is highest" in picture("coefficients", SURE).caption[1]


def test_otherwise_it_is_that_of_the_best_candidate() -> None:
    here, (_, caption) = drawn()
    assert here.found.surface_optimum is None
    held = here.found.tie_set
    for known in what_is_known(here):
        chances = [one.probability_best for one in here.found.ranking]
        assert known.chance.tolist() == pytest.approx(chances)
        own = [getattr(one, known.name) for one in held]
        assert (known.low, known.high) == pytest.approx((min(own), max(own)))
    assert "which of 5 candidates is the best" in caption[1]


def test_the_fan_is_the_powers_of_the_interval_and_starts_at_the_baseline() -> None:
    here, (figure, caption) = drawn()
    known = what_is_known(here)
    for one, left, right in zip(known, figure.axes[::2], figure.axes[1::2], strict=True):
        assert ends(named(left, "interval"), "x") == [pytest.approx([one.low, one.high])]
        low, high = named(right, "fan")
        for end, line in ((one.low, low), (one.high, high)):
            phi, multiplier = line.get_xydata().T
            assert phi[[0, -1]].tolist() == [0, 4]
            np.testing.assert_allclose(multiplier, end**phi)
        (line,) = named(right, "line")
        np.testing.assert_allclose(line.get_ydata(), one.best ** line.get_xdata())
        texts = [text.get_text() for text in right.texts]
        assert {f"{end**4:.3g}" for end in (one.low, one.best, one.high)} <= set(texts)
    for letter, one in zip("dwr", known, strict=True):
        assert f"{letter} = {one.best**4:.3g} (95 % " in " ".join(caption)


def test_the_range_of_rounding_is_another_thing_and_never_below_one() -> None:
    here, (figure, caption) = drawn()
    best = here.found.best
    for name, left, right in zip(NAMES, figure.axes[::2], figure.axes[1::2], strict=True):
        if name == "gamma":
            assert named(left, "same") == named(right, "same") == []
            continue
        low = max(getattr(best, f"{name}_low"), 1.0)
        high = getattr(best, f"{name}_high")
        assert ends(named(left, "same"), "x") == [pytest.approx([low, high])]
        expected = [pytest.approx([low**phi, high**phi]) for phi in (1, 2, 3, 4)]
        assert ends(named(right, "same"), "y") == expected
    assert "A bar with caps is the range of α or β" in " ".join(caption)
    assert "Same network, by rounding" in drawn_texts(figure)
    assert_legible(figure)


def test_tables_without_such_ranges_show_none() -> None:
    figure, caption = picture("coefficients", SURE)
    assert all(named(axes, "same") == [] for axes in figure.axes)
    assert "bar with caps" not in " ".join(caption)
    assert "Same network, by rounding" not in drawn_texts(figure)


def test_a_coefficient_that_the_network_cannot_be_scaled_by_has_no_panels() -> None:
    tables = rounded()
    tables.variants[["alpha", "alpha_low", "alpha_high"]] = math.nan
    figure, caption = draw("coefficients", tables)
    assert len(figure.axes) == 4
    assert caption[0].startswith("What is known of β, γ,")
    assert "nan" not in " ".join(caption)
    assert_legible(figure)


def test_a_range_without_an_end_is_drawn_as_far_as_the_values_and_said_to_have_none() -> None:
    tables = shrinking()
    tables.variants["alpha_low"] = 1 / 64
    here = Subject(tables)
    figure, caption = draw("coefficients", here)
    known = what_is_known(here)[0]
    assert known.endless
    assert known.same_low >= min(known.low, known.best)
    high = f"{known.same_high**4:.3g}"
    assert f"the same network {high} or less)" in " ".join(caption)
    assert_legible(figure)


def test_beyond_the_triangle_each_bin_of_the_posterior_holds_one_line_of_the_mesh() -> None:
    here = subject(BEYOND)
    top = here.found.surface_optimum
    assert top is not None
    assert top.searched.beyond
    axes = picture("coefficients", BEYOND).figure.axes[::2]
    for known, left in zip(what_is_known(here), axes, strict=True):
        steps: Any = next(patch for patch in left.patches if patch.get_gid() == "posterior")
        lines = np.unique(np.round(np.log(known.values), 6))
        widths = np.diff(np.log(steps.get_data().edges))
        assert widths == pytest.approx(np.diff(lines).min(), rel=1e-3)


def test_smaller_networks_have_coefficients_below_one() -> None:
    here = Subject(shrinking())
    figure, _ = draw("coefficients", here)
    for known, left in zip(what_is_known(here), figure.axes[::2], strict=True):
        assert known.low <= known.best <= known.same_high <= 1
        assert left.get_xlim()[0] < known.values.min()
