"""The two figures of accuracies: against FLOPs, and against one coefficient at a time."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from figure_tables import FakeTables, plan, train
from figure_texts import assert_legible, drawn_texts
from matplotlib.axes import Axes
from matplotlib.container import ErrorbarContainer
from matplotlib.figure import Figure

from scalegrid.figures import accuracy_flops, single_axis, style
from scalegrid.figures.means import choose_compound, mean_accuracies
from scalegrid.util.errors import UserError

SWEEPS = {
    "twelve variants, one seed": train(plan(grid=7)),
    "curves and five seeds": train(plan(grid=10, factors=(1.5, 2, 3)), seeds=5, failed=2),
    "recommended at other phi": train(
        plan(grid=14, factors=(1.25, 1.5, 2, 3, 4), compound=(2, 3), flops=390e6, pixels=224),
        seeds=3,
    ),
    "saturated and large": train(
        plan(grid=30, flops=41.1e9, pixels=608), seeds=2, base=0.984, gain=4e-4, noise=1e-4
    ),
    "at chance, tiny": train(
        plan(grid=3, factors=(1.1, 1.3, 1.6, 2), flops=9e4, pixels=96),
        seeds=2,
        base=0.1,
        gain=0.01,
        noise=0.03,
    ),
    "far": train(plan(grid=3, factors=(2, 8, 64), flops=9e8), base=0.3, gain=0.2, noise=0),
    "all equal": train(plan(grid=2), gain=0, noise=0),
    "lines alone": train(plan(grid=0)),
}


def draw(name: str, tables: FakeTables) -> Figure:
    draw_figure = {"accuracy-flops": accuracy_flops.draw, "single-axis": single_axis.draw}[name]
    with style.context():
        return draw_figure(tables)


def bars(axes: Axes) -> dict[str, tuple[Any, Any]]:
    """The points of each role, and the segments of their error bars."""
    found: dict[str, tuple[Any, Any]] = {}
    for container in axes.containers:
        assert isinstance(container, ErrorbarContainer)
        line, _, segments = container.lines
        found[str(container.get_label())] = (line.get_xydata(), segments[0].get_segments())
    return found


@pytest.mark.parametrize("sweep", SWEEPS)
@pytest.mark.parametrize("name", ["accuracy-flops", "single-axis"])
def test_text_is_legible(name: str, sweep: str) -> None:
    assert_legible(draw(name, SWEEPS[sweep]))


@pytest.mark.parametrize("sweep", ["curves and five seeds", "recommended at other phi"])
def test_points_and_bars_are_those_of_the_tables(sweep: str) -> None:
    tables = SWEEPS[sweep]
    means = mean_accuracies(tables, "x")
    axes = draw("accuracy-flops", tables).axes[0]
    unit = 1e9 if "billion" in axes.get_xlabel() else 1e6
    drawn = bars(axes)
    for role in ("depth", "width", "resolution", "paper", "grid", "baseline"):
        rows = means.of(role).sort_values("flops")
        points, segments = drawn[role]
        points = points[np.argsort(points[:, 0], kind="stable")]
        np.testing.assert_allclose(points[:, 0], rows["flops"] / unit)
        assert sorted(points[:, 1]) == pytest.approx(sorted(rows["accuracy"]))
        halves = {round(y, 9): h for y, h in zip(rows["accuracy"], rows["half_width"], strict=True)}
        assert len(segments) == len(rows)
        for low, high in segments:
            assert (high[1] - low[1]) / 2 == pytest.approx(halves[round((high[1] + low[1]) / 2, 9)])


def test_lines_start_at_the_baseline_in_order_of_flops() -> None:
    tables = SWEEPS["recommended at other phi"]
    means = mean_accuracies(tables, "x")
    axes = draw("accuracy-flops", tables).axes[0]
    lines = {str(line.get_gid()): np.asarray(line.get_xydata()) for line in axes.lines}
    compound = means.from_baseline(choose_compound(means).rows)
    for role, rows in (("depth", means.line("depth")), ("compound", compound)):
        expected = np.column_stack([rows["flops"] / 1e9, rows["accuracy"]])
        np.testing.assert_allclose(lines[f"line-{role}"], expected)
        assert rows["role"].iloc[0] == "baseline"


def test_one_seed_draws_no_bars() -> None:
    axes = draw("accuracy-flops", SWEEPS["twelve variants, one seed"]).axes[0]
    for _, segments in bars(axes).values():
        assert not np.isfinite([s for s in segments if len(s)]).any()


def test_the_upper_axis_shows_flops_ratios() -> None:
    figure = draw("accuracy-flops", SWEEPS["curves and five seeds"])
    texts = drawn_texts(figure)
    axes = figure.axes[0]
    means = mean_accuracies(SWEEPS["curves and five seeds"], "x")
    x = axes.transData.transform((2 * means.baseline["flops"] / 1e6, means.baseline["accuracy"]))[0]
    (box,) = texts["2×"]
    assert (box.x0 + box.x1) / 2 == pytest.approx(x, abs=1.5)


def test_the_roles_drawn_have_a_label_and_no_others() -> None:
    names = {look.label for look in style.ROLES.values()}
    everything = drawn_texts(draw("accuracy-flops", SWEEPS["curves and five seeds"]))
    assert names <= set(everything)
    lines_alone = drawn_texts(draw("accuracy-flops", SWEEPS["lines alone"]))
    assert names - set(lines_alone) == {"Compound", "Grid"}


def test_labels_are_in_the_order_of_the_ends_of_lines() -> None:
    tables = SWEEPS["curves and five seeds"]
    means = mean_accuracies(tables, "x")
    texts = drawn_texts(draw("accuracy-flops", tables))
    roles = ("depth", "width", "resolution", "paper")
    by_end = sorted(roles, key=lambda role: means.line(role)["accuracy"].iloc[-1])
    by_label = sorted(roles, key=lambda role: texts[style.ROLES[role].label][0].y0)
    assert by_end == by_label


def test_the_note_says_if_the_papers_network_is_only_approximate() -> None:
    def note(tables: FakeTables) -> str:
        texts = drawn_texts(draw("accuracy-flops", tables))
        return " ".join(texts).replace("\n", " ").replace("\u00a0", " ")

    tables = train(plan())
    assert "Paper: α = 1.2, β = 1.1, γ = 1.15." in note(tables)
    tables.variants.loc[tables.variants["role"] == "paper", "alpha"] = 1.25
    assert "Paper: networks nearest α = 1.2, β = 1.1, γ = 1.15." in note(tables)


def test_the_note_counts_failed_trials() -> None:
    texts = " ".join(drawn_texts(draw("accuracy-flops", SWEEPS["curves and five seeds"])))
    assert "2 failed trials left out." in texts.replace("\n", " ")


def test_panels_show_multipliers_and_flops_ratios() -> None:
    tables = SWEEPS["recommended at other phi"]
    means = mean_accuracies(tables, "x")
    figure = draw("single-axis", tables)
    for role, axes in zip(("depth", "width", "resolution"), figure.axes, strict=True):
        rows = means.line(role)
        unit = means.baseline["resolution"] if role == "resolution" else 1
        expected = np.column_stack([rows[role] / unit, rows["accuracy"]])
        np.testing.assert_allclose(np.asarray(axes.lines[0].get_xydata()), expected)
        ratios = [text.get_text() for text in axes.texts]
        assert ratios == ["1×", *(f"{r:.2f}×" for r in rows["flops_ratio"].iloc[1:])]
        assert axes.get_ylim() == figure.axes[0].get_ylim()


def test_a_ratio_is_nearest_to_its_own_point() -> None:
    figure = draw("single-axis", SWEEPS["recommended at other phi"])
    drawn_texts(figure)
    for axes in figure.axes:
        points = axes.transData.transform(axes.lines[0].get_xydata())
        _, segments = bars(axes)["baseline"]
        half = abs(np.diff(axes.transData.transform(segments[0])[:, 1]))[0] / 2
        for index, text in enumerate(axes.texts):
            box = text.get_window_extent()
            x, y = (box.x0 + box.x1) / 2, (box.y0 + box.y1) / 2
            gaps = np.maximum(abs(points[:, 1] - y) - half, 0)
            assert np.argmin(np.hypot(points[:, 0] - x, gaps)) == index


def test_an_axis_without_trials_is_an_empty_panel_that_says_so() -> None:
    tables = train(plan())
    tables = tables.where_variants(tables.variants["role"] != "width")
    texts = drawn_texts(draw("single-axis", tables))
    assert len(texts["no finished trial"]) == 1


def test_a_sweep_without_single_axes_is_an_error() -> None:
    tables = train(plan())
    tables = tables.where_variants(tables.variants["role"].isin(["baseline", "grid"]))
    with pytest.raises(UserError, match="scaled in depth, width or resolution alone"):
        draw("single-axis", tables)


def test_the_index_of_the_table_does_not_matter() -> None:
    tables = train(plan())
    shuffled = FakeTables(
        tables.variants.set_index(pd.RangeIndex(100, 100 + len(tables.variants))), tables.trials
    )
    draw("accuracy-flops", shuffled)
