"""Candidates over the rungs, and learning curves with their branches."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from figure_texts import drawn_texts
from matplotlib.axes import Axes
from pictures import picture, subject
from stress_tables import RUNGS, TWO_RUNGS

from scalegrid.analysis.verdict import Verdict
from scalegrid.util.errors import UserError


def lines(axes: Axes, key: str) -> dict[str, list[Any]]:
    found: dict[str, list[Any]] = {}
    for line in axes.lines:
        if str(line.get_gid()).startswith(key):
            found.setdefault(str(line.get_gid())[len(key) :], []).append(line)
    return found


def verdict(sweep: str) -> Verdict:
    found = subject(sweep).found.verdict
    assert found is not None
    return found


@pytest.mark.parametrize("sweep", [RUNGS, TWO_RUNGS])
def test_slopes_are_the_estimates_around_their_mean_at_each_rung(sweep: str) -> None:
    found, slopes = verdict(sweep), lines(picture("rungs", sweep).figure.axes[0], "slope-")
    assert set(slopes) == set(found.variants)
    for number, variant in enumerate(found.variants):
        around = 100 * (found.expected[number] - found.expected.mean(0))
        np.testing.assert_allclose(slopes[variant][0].get_ydata(), around)
    best = subject(sweep).found.best
    at = found.variants.index(best.variant)
    assert 100 * found.expected[at, -1] == pytest.approx(100 * best.accuracy)


def test_the_end_of_a_branch_is_marked_so_that_one_epoch_is_seen_too() -> None:
    branches = lines(picture("rungs", RUNGS).figure.axes[1], "branch-")
    for line in (line for drawn in branches.values() for line in drawn):
        assert line.get_marker() == "o"
        assert line.get_markevery() == [len(line.get_xdata()) - 1]


def test_curves_branch_off_where_the_rate_falls() -> None:
    here, branches = subject(RUNGS), lines(picture("rungs", RUNGS).figure.axes[1], "branch-")
    trials = here.trials
    for variant, drawn in branches.items():
        own = trials[trials["variant"] == variant]
        lengths = sorted(len(line.get_xdata()) for line in drawn)
        assert lengths == sorted(4 * rung for rung in own["rung"].unique())
        shortest, longest = (f(drawn, key=lambda n: len(n.get_xdata())) for f in (min, max))
        shared = 2  # of four epochs, before the rate of the brief one falls
        np.testing.assert_allclose(
            shortest.get_ydata()[:shared], longest.get_ydata()[:shared], rtol=0.01
        )
        top = own[own["rung"] == own["rung"].max()]["top1"].mean()
        assert longest.get_ydata()[-1] == pytest.approx(100 * top)


def test_leaders_are_named_and_the_caption_has_the_verdict() -> None:
    figure, caption = picture("rungs", TWO_RUNGS)
    found = verdict(TWO_RUNGS)
    assert found.brief != found.late
    assert {"Chosen at 1×", "Chosen at 7×"} <= set(drawn_texts(figure))
    said = " ".join(caption)
    assert f"Kendall's τ {found.taus[0].mean:.2f}" in said
    assert "15 of 16 candidates have trials at 7×" in said


def test_brief_trials_alone_have_no_slopes() -> None:
    with pytest.raises(UserError, match="--rungs 1,3"):
        picture("rungs", "5 candidates, 20 seeds")
