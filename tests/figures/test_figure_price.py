"""Accuracy against each measure of cost, with its Pareto front."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from figure_tables import FakeTables, plan, train
from figure_texts import assert_legible, drawn_texts
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from pictures import draw, picture, subject

from scalegrid.figures.price import pareto_front
from scalegrid.util.errors import UserError

OFF = "16 candidates, 3 seeds, one off cost"


def panels(figure: Figure) -> dict[str, Axes]:
    """The panels by the first word of their labels."""
    return {axes.get_xlabel().split()[0]: axes for axes in figure.axes if axes.get_xlabel()}


def lines(axes: Axes, key: str) -> dict[str, Any]:
    return {str(n.get_gid()): n for n in axes.lines if str(n.get_gid()).startswith(key)}


def test_the_front_holds_whom_nobody_beats_for_as_little() -> None:
    random = np.random.default_rng(0)
    for _ in range(50):
        costs = random.integers(1, 8, 20).tolist()
        accuracies = random.integers(1, 8, 20).tolist()
        front = pareto_front(costs, accuracies)
        points = list(zip(costs, accuracies, strict=True))
        undominated = {
            (cost, accuracy)
            for cost, accuracy in points
            if not any(
                c <= cost and a >= accuracy and (c, a) != (cost, accuracy) for c, a in points
            )
        }
        assert [points[i] for i in front] == sorted(undominated)


@pytest.mark.parametrize(
    ("panel", "column", "unit"),
    [("FLOPs", "flops", 1e6), ("Parameters", "params", 1e6), ("Memory", "memory", 1e6)],
)
def test_points_are_plain_means_at_their_cost(panel: str, column: str, unit: float) -> None:
    rows = subject(OFF).means.table
    axes = panels(picture("price", OFF).figure)[panel]
    markers = lines(axes, "variant-")
    assert len(markers) == len(rows)
    for _, row in rows.iterrows():
        (point,) = markers[f"variant-{row['variant']}"].get_xydata()
        assert point == pytest.approx((row[column] / unit, row["accuracy"]))
    front = [rows.iloc[i] for i in pareto_front(rows[column].tolist(), rows["accuracy"].tolist())]
    line = lines(axes, "front")["front"].get_xydata()
    expected = [(row[column] / unit, row["accuracy"]) for row in front]
    np.testing.assert_allclose(line[:-1], expected)
    assert line[-1].tolist() == pytest.approx([axes.get_xlim()[1], expected[-1][1]])


def test_training_time_is_the_median_of_the_finished_trials() -> None:
    tables = train(plan(grid=3), seeds=3, failed=1)
    failed = tables.trials["status"] == "failed"
    tables.trials.loc[failed, "seconds"] = 1e6
    axes = panels(draw("price", tables).figure)["Training"]
    medians = tables.trials[~failed].groupby("variant")["seconds"].median()
    for key, marker in lines(axes, "variant-").items():
        assert marker.get_xdata()[0] == pytest.approx(medians[key.removeprefix("variant-")])


def test_the_recommended_has_a_ring_in_every_panel_and_the_caption_says_its_fronts() -> None:
    figure, caption = picture("price", OFF)
    rows, best = subject(OFF).means.table, subject(OFF).best
    own = rows.loc[rows["variant"] == best, "accuracy"].iloc[0]
    assert len(panels(figure)) == 5
    for axes in panels(figure).values():
        assert lines(axes, "recommended")["recommended"].get_ydata()[0] == pytest.approx(own)
    (said,) = [sentence for sentence in caption if sentence.startswith("Ring:")]
    assert own == rows["accuracy"].max()
    assert "on the front by FLOPs, parameters, activations, memory and training time" in said


def test_a_measure_that_the_tables_lack_has_a_sentence_and_no_panel() -> None:
    tables = train(plan(), seeds=2)
    older = FakeTables(tables.variants.assign(memory=np.nan), tables.trials.drop(columns="seconds"))
    figure, caption = draw("price", older)
    assert list(panels(figure)) == ["FLOPs", "Parameters", "Activations"]
    assert "Left out: memory and training time, which the tables lack." in caption
    without = tables.variants.drop(columns=["memory", "activations"])
    four = draw("price", replace(tables, variants=tables.variants.drop(columns="memory")))
    assert len(panels(four.figure)) == 4
    assert_legible(four.figure)
    assert "Left out: activations and memory" in " ".join(
        draw("price", replace(tables, variants=without)).caption
    )


def test_times_of_several_kinds_of_device_are_said_not_to_compare() -> None:
    tables = train(plan(grid=3), seeds=2)
    tables.trials["device"] = ["cpu, a", "cpu, b"] * (len(tables.trials) // 2)
    caption = draw("price", tables).caption
    assert "Trials ran on several kinds of device: their times do not compare." in caption


def test_a_failed_baseline_stops_no_panel() -> None:
    texts = drawn_texts(picture("price", "baseline failed").figure)
    assert "Baseline" not in texts
    assert {"Pareto front", "Recommended", "Other candidates"} <= set(texts)


def test_one_network_alone_is_an_error() -> None:
    tables = train(plan())
    alone = tables.where_variants(tables.variants["role"] == "baseline")
    with pytest.raises(UserError, match="only one network has a finished trial"):
        draw("price", alone)
