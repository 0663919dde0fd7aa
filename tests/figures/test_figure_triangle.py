from __future__ import annotations

import math

import numpy as np
import pytest
from figure_tables import FakeTables, plan, train
from figure_texts import assert_legible, drawn_texts
from matplotlib.collections import PathCollection
from matplotlib.figure import Figure

from scalegrid.figures import style, triangle
from scalegrid.figures.means import mean_accuracies
from scalegrid.util.errors import UserError


def draw(tables: FakeTables) -> Figure:
    with style.context():
        return triangle.draw(tables)


def scattered(figure: Figure) -> dict[str, PathCollection]:
    collections = [c for axes in figure.axes for c in axes.collections]
    return {str(c.get_gid()): c for c in collections if isinstance(c, PathCollection)}


def corner_weights(point: tuple[float, float]) -> list[float]:
    """Depth, width and resolution shares of a point in a triangle of unit height, base centred."""
    x, y = point
    return [y, (1 - y) / 2 - x * math.sqrt(0.75), (1 - y) / 2 + x * math.sqrt(0.75)]


def test_points_lie_at_their_shares_in_the_colour_of_their_accuracy() -> None:
    tables = train(plan(grid=12), seeds=2)
    grid = mean_accuracies(tables, "x").of("grid")
    points = scattered(draw(tables))["points-grid"]
    for point, (_, row) in zip(np.asarray(points.get_offsets()), grid.iterrows(), strict=True):
        shares = [row["share_depth"], row["share_width"], row["share_resolution"]]
        assert corner_weights(point) == pytest.approx(shares)
    np.testing.assert_allclose(np.asarray(points.get_array()), grid["accuracy"])


def test_the_ring_is_around_the_best() -> None:
    tables = train(plan(grid=12), seeds=2)
    table = mean_accuracies(tables, "x").table
    best = table.sort_values("accuracy").iloc[-1]
    point = np.asarray(scattered(draw(tables))["best"].get_offsets())[0]
    shares = [best["share_depth"], best["share_width"], best["share_resolution"]]
    assert corner_weights(point) == pytest.approx(shares)


def test_variants_at_other_phi_are_left_out() -> None:
    tables = train(plan(grid=5, factors=(1.5, 2, 3), compound=(2,)))
    points = scattered(draw(tables))
    assert {
        key: len(np.asarray(c.get_offsets())) for key, c in points.items() if "points" in key
    } == {
        "points-grid": 5,
        "points-depth": 1,
        "points-width": 1,
        "points-resolution": 1,
        "points-paper": 1,
    }


def test_no_variant_at_phi_one_is_an_error() -> None:
    tables = train(plan(grid=0, factors=(3.0,)))
    with pytest.raises(UserError, match="no variant at φ = 1 has a finished trial"):
        draw(tables)


@pytest.mark.parametrize(
    "tables",
    [
        train(plan(grid=7)),
        train(plan(grid=40), seeds=3, failed=2),
        train(plan(grid=2), gain=0, noise=0),
        train(plan(grid=5), base=0.98431, gain=1e-5, noise=1e-6, seeds=2),
    ],
)
def test_text_is_legible(tables: FakeTables) -> None:
    assert_legible(draw(tables), turned=True)


@pytest.mark.parametrize("titles", [("classic",), ("classic", "matched")])
def test_plans_have_a_common_colour_scale_and_state_their_ratios(
    titles: tuple[str, ...],
) -> None:
    plans = {title: plan(grid=20 + 20 * i) for i, title in enumerate(titles)}
    with style.context():
        figure = triangle.draw_plans(plans)
    assert_legible(figure, turned=True)
    limits = {c.get_clim() for c in scattered(figure).values() if c.get_array() is not None}
    ratios = np.concatenate([p["flops_ratio"].iloc[1:] for p in plans.values()])
    assert limits == {(ratios.min(), ratios.max())}
    texts = drawn_texts(figure)
    for rows in plans.values():
        ratio = rows["flops_ratio"].iloc[1:]
        near = sum(abs(r - 2) <= 0.1 for r in ratio) / len(ratio)
        assert f"{100 * near:.0f} % within 5 % of 2×" in texts
        ratios_text = f"{ratio.min():.2f}× to {ratio.max():.2f}×, median {ratio.median():.2f}×"
        assert f"{len(ratio)} networks, {ratios_text}" in texts


def test_an_empty_plan_is_an_error() -> None:
    with style.context(), pytest.raises(UserError, match="cannot draw the matched plan"):
        triangle.draw_plans({"classic": plan(), "matched": plan().iloc[:1]})
