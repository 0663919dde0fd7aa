"""Accuracy against FLOPs, and against one coefficient at a time."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pandas as pd
import pytest
from figure_tables import FakeTables, plan, train
from figure_texts import assert_legible, drawn_texts
from matplotlib.axes import Axes
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from pictures import draw, picture, subject

from scalegrid.coefficients import PAPER, paper
from scalegrid.figures import style
from scalegrid.figures.subject import Subject
from scalegrid.util.errors import UserError

SWEEPS = {
    "curves and five seeds": lambda: train(plan(grid=10, factors=(1.5, 2, 3)), seeds=5, failed=2),
    "recommended at other phi": lambda: train(
        plan(grid=14, factors=(1.25, 1.5, 2, 3, 4), compound=(2, 3), flops=390e6, pixels=224),
        seeds=3,
    ),
    "saturated and large": lambda: train(
        plan(grid=30, factors=(2, 3), flops=41.1e9, pixels=608),
        seeds=2,
        base=0.984,
        gain=4e-4,
        noise=1e-4,
    ),
    "at chance, tiny": lambda: train(
        plan(grid=3, factors=(1.1, 1.3, 1.6, 2), flops=9e4, pixels=96),
        seeds=2,
        base=0.1,
        gain=0.01,
        noise=0.03,
    ),
    "far": lambda: train(plan(grid=3, factors=(2, 8, 64), flops=9e8), base=0.3, gain=0.2, noise=0),
    "all equal": lambda: train(plan(grid=2, factors=(2, 3)), gain=0, noise=0),
}


@cache
def swept(name: str) -> Subject:
    return Subject(SWEEPS[name]())


@cache
def drawn(name: str, sweep: str) -> Figure:
    return draw(name, swept(sweep)).figure


def lines(axes: Axes, key: str) -> dict[str, Any]:
    return {str(n.get_gid()): n for n in axes.lines if str(n.get_gid()).startswith(key)}


CASES = [("scaling", sweep) for sweep in SWEEPS]
CASES += [("axes", sweep) for sweep in list(SWEEPS)[1:4]]
CASES += [("returns", sweep) for sweep in list(SWEEPS)[1:4]]


@pytest.mark.parametrize(
    ("name", "sweep"),
    [
        pytest.param(*case, marks=pytest.mark.slow if case[1] != list(SWEEPS)[1] else [])
        for case in CASES
    ],
)
def test_text_is_legible(name: str, sweep: str) -> None:
    assert_legible(drawn(name, sweep))


def test_the_legend_fits_where_an_axis_alone_is_recommended_at_several_phi() -> None:
    tables = SWEEPS["recommended at other phi"]()
    (axis,) = tables.variants.query("role == 'resolution' and phi == 1")["variant"]
    better = 0.1 * (tables.trials["variant"] == axis)
    tables = replace(tables, trials=tables.trials.assign(top1=tables.trials["top1"] + better))
    figure = draw("scaling", Subject(tables)).figure
    assert "Resolution, recommended" in drawn_texts(figure)
    assert_legible(figure)


def test_points_are_plain_means_at_their_flops() -> None:
    here = swept("recommended at other phi")
    markers: dict[str, Any] = {}
    for axes in drawn("scaling", "recommended at other phi").axes:
        markers |= lines(axes, "variant-")
    assert len(markers) == len(here.means.table)
    for _, row in here.means.table.iterrows():
        (point,) = markers[f"variant-{row['variant']}"].get_xydata()
        assert point == pytest.approx((row["flops"] / 1e9, row["accuracy"]))


def test_bars_are_the_intervals_of_the_means() -> None:
    here = swept("curves and five seeds")
    axes = drawn("scaling", "curves and five seeds").axes[0]
    bars = [np.asarray(n.get_ydata(), float) for n in axes.lines if n.get_gid() == "interval"]
    rows = here.means.table
    rows = rows[rows["role"].isin(["depth", "width", "resolution", "paper", "baseline"])]
    expected = set(map(tuple, rows[["low", "high"]].round(9).to_numpy().tolist()))
    assert {tuple(np.round(bar, 9)) for bar in bars} >= expected


def test_lines_start_at_the_baseline_in_order_of_flops() -> None:
    here = swept("curves and five seeds")
    line = lines(drawn("scaling", "curves and five seeds").axes[0], "line-")["line-depth"]
    rows = here.means.line(here.means.of("depth"))
    np.testing.assert_allclose(line.get_xydata()[:, 0] * 1e6, rows["flops"])
    np.testing.assert_allclose(line.get_xydata()[:, 1], rows["accuracy"])
    assert rows["role"].iloc[0] == "baseline"


def test_only_lines_of_three_points_are_full_and_the_recommended_is_the_thickest() -> None:
    curves = lines(drawn("scaling", "curves and five seeds").axes[0], "line-")
    assert {key for key, line in curves.items() if line.get_linestyle() == "-"} == {
        "line-depth",
        "line-width",
        "line-resolution",
        "line-paper",
    }
    two = lines(picture("scaling", "16 candidates, 3 seeds, one off cost").figure.axes[0], "line-")
    assert {line.get_linestyle() for line in two.values()} == {"--"}
    width = {key: line.get_linewidth() for key, line in two.items()}
    assert max(width, key=lambda key: width[key]) == "line-compound"
    assert len(set(width.values())) == 2


def extended(recommended: bool) -> FakeTables:
    """A sweep with compound networks at φ = 0.5, 1.5 and 2, in the direction α = β = γ = 1.15.

    It recommends their network at φ = 1, or another.
    """
    tables = train(plan(grid=30, factors=(1.5, 2, 4), compound=(0.5, 1.5, 2)), seeds=4)
    tables = replace(tables, spec={"curves": [1.5], "compound": [1.15] * 3})
    own = Subject(tables).compound["variant"].iloc[1]
    best = own if recommended else tables.variants["variant"].iloc[-1]
    trials = tables.trials.copy()
    trials.loc[trials["variant"] == best, "top1"] += 0.04
    return replace(tables, trials=trials)


@pytest.mark.parametrize(("key", "thick"), [("line-compound", True), ("line-grid", False)])
def test_compound_scaling_at_other_phi_is_a_line(key: str, thick: bool) -> None:
    tables = extended(recommended=thick)
    here = Subject(tables)
    figure, caption = draw("scaling", tables)
    found = lines(figure.axes[0], "line-")
    triple = here.compound[list(PAPER._fields)].to_numpy()
    assert here.compound["phi"].tolist() == [0.5, 1, 1.5, 2]
    assert np.abs(triple - 1.15).max() < 0.06
    rows = here.means.table[here.means.table["variant"].isin(here.compound["variant"])]
    np.testing.assert_allclose(
        found[key].get_xydata()[1:, 1], rows.sort_values("flops")["accuracy"].to_numpy()
    )
    assert (found["line-compound"].get_xydata().shape == found[key].get_xydata().shape) == thick
    assert ("Compound" in drawn_texts(figure)) == (not thick)
    said = "Compound scaling at φ = 0.5, 1, 1.5 and 2: in the direction of α = 1.15, β = 1.15, "
    assert f"{said}γ = 1.15." in caption
    assert_legible(figure)


def test_the_recommended_network_and_not_the_luckiest_is_on_a_line() -> None:
    """A network with one lucky trial has the highest mean, and is not recommended."""
    tables = train(plan(grid=12), seeds=6, noise=0.004)
    grid = tables.variants.loc[tables.variants["role"] == "grid", "variant"]
    lucky = tables.trials["variant"] == grid.iloc[-1]
    trials = tables.trials[~lucky | (tables.trials["seed"] == 0)].copy()
    trials.loc[trials["variant"] == grid.iloc[-1], "top1"] = 0.68
    tables = replace(tables, trials=trials)
    here = Subject(tables)
    table = here.means.table
    assert table.sort_values("accuracy")["variant"].iloc[-1] == grid.iloc[-1]
    best = here.found.best
    assert best.variant != grid.iloc[-1]
    axes = draw("scaling", tables).figure.axes[0]
    ring = lines(axes, "recommended")["recommended"]
    own = dict(zip(table["variant"], table["accuracy"], strict=True))[best.variant]
    assert ring.get_ydata()[0] == pytest.approx(own)


def test_networks_off_their_cost_are_hollow() -> None:
    sweep = "16 candidates, 3 seeds, one off cost"
    (off,) = subject(sweep).off_cost
    markers = lines(picture("scaling", sweep).figure.axes[0], "variant-")
    hollow = [key for key, line in markers.items() if line.get_markerfacecolor() == "none"]
    assert hollow == [f"variant-{off}"]
    assert "Hollow" in " ".join(picture("scaling", sweep).caption)


def test_a_failed_baseline_leaves_points_without_lines() -> None:
    figure, caption = picture("scaling", "baseline failed")
    assert {line.get_linestyle() for line in lines(figure.axes[0], "line-").values()} == {"None"}
    assert "The baseline has no finished trial." in caption
    assert "Baseline" not in drawn_texts(figure)


def test_the_legend_names_what_is_drawn_and_no_more() -> None:
    texts = set(drawn_texts(picture("scaling", "no corners, no paper").figure))
    assert texts >= {"Recommended", "Other candidates", "Baseline"}
    assert not texts & {"Depth", "Width", "Resolution", "Paper"}


def test_the_upper_axis_shows_flops_ratios() -> None:
    figure = drawn("scaling", "curves and five seeds")
    texts = drawn_texts(figure)
    base = swept("curves and five seeds").baseline["flops"]
    x = figure.axes[0].transData.transform((2 * base / 1e6, 60))[0]
    (box,) = texts["2×"]
    assert (box.x0 + box.x1) / 2 == pytest.approx(x, abs=1)


def test_the_caption_says_if_the_papers_network_is_only_approximate() -> None:
    tables = train(plan())
    assert "Paper: α = 1.2, β = 1.1, γ = 1.15." in draw("scaling", tables).caption
    tables.variants.loc[tables.variants["role"] == "paper", "alpha"] = 1.25
    near = "≈ Paper: the network nearest α = 1.2, β = 1.1, γ = 1.15."
    assert near in draw("scaling", tables).caption
    halves = replace(tables, spec={"flops_factor": 0.5})
    assert any(
        line.startswith("≈ Paper: the network nearest α = 0.833, β = 0.909, γ = 0.87, a power of")
        for line in draw("scaling", halves).caption
    )
    tables.variants.loc[tables.variants["role"] == "paper", list(PAPER._fields)] = list(paper(4))
    power = "Paper^2: α = 1.44, β = 1.21, γ = 1.32, a power of the paper's α = 1.2, β = 1.1, "
    assert f"{power}γ = 1.15." in draw("scaling", tables).caption


def test_the_index_of_the_table_does_not_matter() -> None:
    tables = train(plan())
    renumbered = tables.variants.set_index(pd.RangeIndex(100, 100 + len(tables.variants)))
    drawn_again = draw("scaling", FakeTables(renumbered, tables.trials))
    assert drawn_again.caption == draw("scaling", tables).caption


def test_a_sweep_of_the_baseline_alone_is_an_error() -> None:
    tables = train(plan())
    alone = tables.where_variants(tables.variants["role"] == "baseline")
    with pytest.raises(UserError, match="only the baseline has a finished trial"):
        draw("scaling", alone)


def test_panels_show_multipliers_and_flops_ratios_on_one_scale() -> None:
    here = swept("recommended at other phi")
    figure = drawn("axes", "recommended at other phi")
    for role, axes in zip(("depth", "width", "resolution"), figure.axes, strict=True):
        rows = here.means.line(here.means.of(role))
        unit = here.baseline["resolution"] if role == "resolution" else 1
        line = lines(axes, "line")["line"]
        assert to_hex(line.get_color(), keep_alpha=False).upper() == style.look(role).colour
        expected = np.column_stack([rows[role] / unit, rows["accuracy"]])
        np.testing.assert_allclose(line.get_xydata(), expected)
        ratios = [text.get_text() for text in axes.texts]
        assert ratios == ["1×", *(f"{r:.2f}×" for r in rows["flops_ratio"].iloc[1:])]
        assert axes.get_ylim() == figure.axes[0].get_ylim()


def test_a_ratio_is_nearest_to_its_own_point() -> None:
    here = swept("recommended at other phi")
    figure = drawn("axes", "recommended at other phi")
    drawn_texts(figure)
    half = (here.means.table["high"] - here.means.table["low"]).iloc[0] / 2
    for axes in figure.axes:
        points = axes.transData.transform(lines(axes, "line")["line"].get_xydata())
        (_, low), (_, high) = axes.transData.transform([(1, 0), (1, half)])
        for index, text in enumerate(axes.texts):
            box = text.get_window_extent()
            x, y = (box.x0 + box.x1) / 2, (box.y0 + box.y1) / 2
            gaps = np.maximum(abs(points[:, 1] - y) - (high - low), 0)
            assert np.argmin(np.hypot(points[:, 0] - x, gaps)) == index


def test_an_axis_with_fewer_than_three_points_has_no_panel_but_a_sentence() -> None:
    tables = SWEEPS["curves and five seeds"]()
    few = (tables.variants["role"] != "width") | np.isclose(tables.variants["phi"], 1)
    figure, caption = draw("axes", tables.where_variants(few))
    assert len(figure.axes) == 2
    assert any(s.startswith("Left out: width, with fewer than three points") for s in caption)


def test_without_three_points_on_any_axis_there_is_no_figure() -> None:
    with pytest.raises(UserError, match=r"fewer than three points each.*--curves 1,1.5,2,3"):
        draw("axes", train(plan()))
